package kubernetes

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

const (
	lasting  = 5 * time.Minute // what a watch asks for; the next one goes on where it ended
	maxEvent = 8 << 20         // bytes; no object in etcd is larger
	tooShort = time.Second     // a watch that ends sooner and said nothing is no watch
	maxShort = 3               // such in a row
)

// errEnded: a watch ended without a reason.
var errEnded = errors.New("ended")

// watched are the lists whose changes can change who holds what, and what a change
// there says. None: any role's holders may have changed.
//
// What a role lets do may change without a binding; who is bound to it does not. A
// ClusterRole that comes or goes gives or takes what it is bound to in any namespace.
var watched = []struct {
	list  string
	tells func(kind string, b binding) (objects []string, is bool)
}{
	{"clusterrolebindings", ofBinding},
	{"rolebindings", ofBinding},
	{"roles", func(kind string, b binding) ([]string, bool) {
		return []string{object{b.Metadata.Namespace, role, b.Metadata.Name}.String()}, kind != "MODIFIED"
	}},
	{"clusterroles", func(kind string, _ binding) ([]string, bool) { return nil, kind != "MODIFIED" }},
}

func ofBinding(_ string, b binding) ([]string, bool) { return []string{b.role().String()}, true }

// Follow watches bindings and roles. It goes (1) by where each list stands, (2) opens a
// watch of each from there, (3) says that all may have changed before, and (4) listens.
// A watch that ends is opened again where it ended; where the API server has forgotten
// what was since then, all may have changed, too. It ends when one cannot be opened.
func (c *Connector) Follow(ctx context.Context, changed func(objects []string)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var saying sync.Mutex
	say := func(objects []string) {
		saying.Lock()
		defer saying.Unlock()
		if ctx.Err() == nil { // whoever has hung up is told nothing more
			changed(objects)
		}
	}
	feeds := make([]*feed, len(watched))
	for i, of := range watched {
		f := &feed{c: c, list: in("", of.list), tells: of.tells, say: say}
		defer f.hangUp()
		if err := f.begin(ctx); err != nil {
			return err
		}
		feeds[i] = f
	}
	say(nil)
	ends := make(chan error, len(feeds))
	var all sync.WaitGroup
	for _, f := range feeds {
		all.Go(func() {
			ends <- f.run(ctx)
			cancel() // the others end because of the first
		})
	}
	all.Wait()
	return <-ends
}

// feed follows one list.
type feed struct {
	c       *Connector
	list    string
	tells   func(kind string, b binding) ([]string, bool)
	say     func(objects []string)
	version string // heard of up to here
	body    io.ReadCloser
	opened  time.Time
}

// begin listens from what is so now.
func (f *feed) begin(ctx context.Context) error {
	var p listOf[struct{}]
	if err := f.c.call(ctx, http.MethodGet, f.list+"?limit=1", nil, &p); err != nil {
		return err
	}
	if f.version = p.Metadata.ResourceVersion; f.version == "" {
		return fmt.Errorf("%w: GET %s: a list that does not say of when it is", connector.ErrRefused, f.list)
	}
	return f.open(ctx)
}

// open listens from where the last one ended.
func (f *feed) open(ctx context.Context) error {
	f.hangUp()
	q := url.Values{"watch": {"1"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {f.version},
		"timeoutSeconds": {strconv.Itoa(int(f.c.lasting / time.Second))}}
	body, err := f.c.line.Stream(ctx, f.list+"?"+q.Encode())
	if err != nil {
		return err
	}
	f.body, f.opened = body, time.Now()
	return nil
}

func (f *feed) hangUp() {
	if f.body != nil {
		_ = f.body.Close()
		f.body = nil
	}
}

// run listens for ever; its error is why it no longer does.
func (f *feed) run(ctx context.Context) error {
	for short := 0; ; {
		heard, err := f.listen(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if short++; heard || time.Since(f.opened) > tooShort {
			short = 0
		}
		if short == maxShort {
			return fmt.Errorf("%w: GET %s: %d watches in a row ended as soon as they were opened: %w", connector.ErrUnanswered, f.list, maxShort, err)
		}
		if errors.Is(err, errEnded) { // the time it was opened for is up, or something on the way thought so
			err = f.open(ctx)
		}
		if errors.Is(err, errForgotten) {
			if err = f.begin(ctx); err == nil {
				f.say(nil)
			}
		}
		if err != nil {
			return err
		}
	}
}

// listen hears one watch to its end, which is errEnded where it ended without a reason.
func (f *feed) listen(ctx context.Context) (heard bool, err error) {
	body := f.body
	// A line that died in silence would be listened to for ever.
	silence := time.AfterFunc(f.c.lasting+f.c.timeout, func() { _ = body.Close() })
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxEvent)
	for lines.Scan() {
		if err := f.hear(lines.Bytes()); err != nil {
			silence.Stop()
			return heard, err
		}
		heard = true
	}
	switch err := lines.Err(); {
	case !silence.Stop() && ctx.Err() == nil:
		return heard, fmt.Errorf("%w: GET %s: the watch was to end after %s and did not", connector.ErrUnanswered, f.list, f.c.lasting)
	case errors.Is(err, bufio.ErrTooLong):
		return heard, fmt.Errorf("%w: GET %s: an event of more than %d bytes", connector.ErrRefused, f.list, maxEvent)
	case err != nil:
		return heard, fmt.Errorf("%w: %w: GET %s: %w", errEnded, connector.ErrUnanswered, f.list, err)
	}
	return heard, errEnded
}

// hear takes one event in.
func (f *feed) hear(line []byte) error {
	var e struct {
		Type   string          `json:"type"`
		Object json.RawMessage `json:"object"`
	}
	var b binding // a role has nothing of it but the metadata
	var at struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	err := json.Unmarshal(line, &e)
	if err == nil {
		err = errors.Join(json.Unmarshal(e.Object, &b), json.Unmarshal(e.Object, &at))
	}
	if err != nil {
		return fmt.Errorf("%w: GET %s: not an API server's event: %w", connector.ErrRefused, f.list, err)
	}
	switch e.Type {
	case "BOOKMARK":
	case "ADDED", "MODIFIED", "DELETED":
		if objects, is := f.tells(e.Type, b); is {
			f.say(objects)
		}
	case "ERROR":
		return f.broken(e.Object)
	default:
		return fmt.Errorf("%w: GET %s: an event of the type %.40q", connector.ErrRefused, f.list, e.Type)
	}
	if at.Metadata.ResourceVersion != "" {
		f.version = at.Metadata.ResourceVersion
	}
	return nil
}

// broken is what the API server says where it ends a watch with a reason.
func (f *feed) broken(raw []byte) error {
	var s status
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("%w: GET %s: not an API server's error: %w", connector.ErrRefused, f.list, err)
	}
	err := fmt.Errorf("%w: GET %s: %d %s (%.300q)", meaning(s.Code, s, true), f.list, s.Code, s.Reason, s.Message)
	if s.forgotten() {
		return fmt.Errorf("%w: %w", errForgotten, err)
	}
	return err
}
