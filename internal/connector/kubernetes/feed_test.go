package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// heard is what a feed says, until its test ends.
type heard struct {
	says chan []string
	over chan error
	hang context.CancelFunc
}

func follow(t *testing.T, c *Connector) *heard {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	h := &heard{says: make(chan []string), over: make(chan error, 1), hang: cancel}
	go func() {
		h.over <- c.Follow(ctx, func(objects []string) {
			select {
			case h.says <- objects:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(cancel)
	return h
}

// until waits for one that is wanted, and gives whatever was said before.
func (h *heard) until(t *testing.T, what string, wanted func(objects []string) bool) (before [][]string) {
	t.Helper()
	for end := time.After(time.Minute); ; {
		select {
		case objects := <-h.says:
			if wanted(objects) {
				return before
			}
			before = append(before, objects)
		case err := <-h.over:
			t.Fatalf("waiting for %s, it ended: %v", what, err)
		case <-end:
			t.Fatalf("never heard of %s, only of %q", what, before)
		}
	}
}

func all0(objects []string) bool { return len(objects) == 0 }

func of(name string) func([]string) bool {
	return func(objects []string) bool { return slices.Contains(objects, name) }
}

// ends waits for its error.
func (h *heard) ends(t *testing.T) error {
	t.Helper()
	for end := time.After(time.Minute); ; {
		select {
		case <-h.says:
		case err := <-h.over:
			return err
		case <-end:
			t.Fatal("it does not end")
		}
	}
}

// Whoever binds, unbinds or changes a binding behind our back is heard, and so is a
// role that comes or goes.
func TestFollow(t *testing.T) {
	t.Parallel()
	w := open(t)
	ns := w.space(t, "follow")
	c := connect(t, w.config())
	h := follow(t, c)
	h.until(t, "that it listens", all0)
	reader := object{ns, role, "reader"}
	w.bare(t, reader, rulesOf(reader))
	h.until(t, "a role that was made", of(reader.String()))
	for _, o := range []object{reader, {ns, clusterRole, "view"}, {"", clusterRole, "follow-everywhere"}} {
		path := o.bindings() + "/by-hand"
		if o.namespace == "" {
			path = o.bindings() + "/by-hand-follow"
		}
		b := holding{account{kind: user, name: "ann"}, o}.binding()
		b.Metadata = meta{Name: path[strings.LastIndex(path, "/")+1:]}
		w.Must(t, http.MethodPost, o.bindings(), encode(t, b))
		h.until(t, "a binding made by hand", of(o.String()))
		b.Subjects[0].Name = "eve"
		w.Must(t, http.MethodPut, path, encode(t, b))
		h.until(t, "a binding that was changed", of(o.String()))
		w.Must(t, http.MethodDelete, path, nil)
		h.until(t, "a binding that was deleted", of(o.String()))
	}
	w.Must(t, http.MethodDelete, reader.path(), nil)
	h.until(t, "a role that was deleted", of(reader.String()))
	w.bare(t, object{"", clusterRole, "follow-new"}, nil)
	h.until(t, "a ClusterRole, which may be bound anywhere", all0)
	h.hang()
	if err := h.ends(t); !errors.Is(err, context.Canceled) {
		t.Errorf("hung up: %v", err)
	}
}

// What happens while no watch is open, between one and the next, is heard all the
// same; nothing has to be read again for that.
func TestFollowGoesOn(t *testing.T) {
	t.Parallel()
	w := open(t)
	ns := w.space(t, "follow-on")
	o := object{ns, clusterRole, "view"}
	c := connect(t, w.config())
	c.lasting = time.Second
	var opened atomic.Int64
	gate := make(chan struct{})
	through := c.line.Client.Transport
	c.line.Client.Transport = carrier(func(r *http.Request) (*http.Response, error) {
		if strings.Contains(r.URL.Path, "/rolebindings") && r.URL.Query().Has("watch") && opened.Add(1) == 2 {
			select { // the first has ended
			case <-gate:
			case <-r.Context().Done():
			}
		}
		return through.RoundTrip(r)
	})
	h := follow(t, c)
	h.until(t, "that it listens", all0)
	for end := time.Now().Add(time.Minute); opened.Load() < 2; {
		if time.Now().After(end) {
			t.Fatal("no watch was opened after the first")
		}
		select {
		case objects := <-h.says:
			t.Logf("others: %q", objects)
		case <-time.After(10 * time.Millisecond):
		}
	}
	b := holding{account{kind: user, name: "ann"}, o}.binding()
	b.Metadata = meta{Name: "meanwhile"}
	w.Must(t, http.MethodPost, o.bindings(), encode(t, b))
	close(gate)
	h.until(t, "what was bound meanwhile", of(o.String()))
}

type carrier func(*http.Request) (*http.Response, error)

func (c carrier) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

// What the API server says where it has forgotten what was since then. Of RBAC's lists
// it remembers more than etcd does; of events, which no cache keeps, it does not.
func TestFollowForgotten(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.Forget(t, 20)
	cfg := w.config()
	cfg.Token = func() string { return testserver.KubernetesAdmin + testserver.KubernetesToken }
	f := &feed{c: connect(t, cfg), list: "/api/v1/events", version: "10"}
	defer f.hangUp()
	err := f.open(t.Context())
	if err == nil {
		_, err = f.listen(t.Context())
	}
	if !errors.Is(err, errForgotten) {
		t.Errorf("a watch from before what etcd knows: %v, want %v", err, errForgotten)
	}
	if err == nil || !strings.Contains(err.Error(), "410") {
		t.Errorf("%v says no 410", err)
	}
}

// Without the right to watch it says so; where the line breaks or the connector is
// closed it ends.
func TestFollowEnds(t *testing.T) {
	t.Parallel()
	w := open(t)
	t.Run("no right", func(t *testing.T) {
		t.Parallel()
		cfg := w.config()
		cfg.Token = func() string { return "eve" + testserver.KubernetesToken }
		err := follow(t, connect(t, cfg)).ends(t)
		if !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "403") {
			t.Errorf("a feed nobody may hear: %v", err)
		}
	})
	t.Run("down", func(t *testing.T) {
		t.Parallel()
		c, l := onLine(t, w)
		h := follow(t, c)
		h.until(t, "that it listens", all0)
		l.Break(t, "down")
		if err := h.ends(t); !errors.Is(err, connector.ErrUnreachable) {
			t.Errorf("a feed whose line broke: %v", err)
		}
	})
	t.Run("closed", func(t *testing.T) {
		t.Parallel()
		c := connect(t, w.config())
		h := follow(t, c)
		h.until(t, "that it listens", all0)
		_ = c.Close()
		if err := h.ends(t); !errors.Is(err, connector.ErrUnreachable) {
			t.Errorf("a feed whose connector was closed: %v", err)
		}
	})
}

// What no API server should say ends a feed, and never makes it spin or wait for ever.
func TestFollowNonsense(t *testing.T) {
	t.Parallel()
	const bookmark = `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"7"}}}` + "\n"
	for name, x := range map[string]struct {
		list, watch string
		want        error
		says        string
	}{
		"a list without a version":  {`{"metadata":{},"items":[]}`, ``, connector.ErrRefused, "of when it is"},
		"a watch that ends at once": {``, ``, connector.ErrUnanswered, "in a row"},
		"a page":                    {``, `<html>` + "\n", connector.ErrRefused, "not an API server's event"},
		"an event of some kind":     {``, bookmark + `{"type":"WHIM","object":{}}` + "\n", connector.ErrRefused, "WHIM"},
		"an endless event":          {``, strings.Repeat("x", maxEvent+1), connector.ErrRefused, "more than"},
		"an error in between": {``, bookmark + `{"type":"ERROR","object":{"kind":"Status","code":500,"reason":"InternalError","message":"no"}}` + "\n",
			connector.ErrUnanswered, "500 InternalError"},
		"always forgotten": {``, `{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}` + "\n",
			connector.ErrUnanswered, "in a row"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := against(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case !r.URL.Query().Has("watch"):
					says(w, 200, map[bool]string{true: x.list, false: `{"metadata":{"resourceVersion":"5"},"items":[]}`}[x.list != ""])
				default:
					says(w, 200, x.watch)
				}
			})
			if err := follow(t, c).ends(t); !errors.Is(err, x.want) || !strings.Contains(err.Error(), x.says) {
				t.Errorf("%v, want %v %q", err, x.want, x.says)
			}
		})
	}
	t.Run("silence", func(t *testing.T) {
		t.Parallel()
		var mu sync.Mutex
		asked := map[string]string{}
		c := against(t, func(w http.ResponseWriter, r *http.Request) {
			if q := r.URL.Query(); q.Has("watch") {
				mu.Lock()
				asked[r.URL.Path] = q.Get("resourceVersion") + " " + q.Get("timeoutSeconds") + " " + q.Get("allowWatchBookmarks")
				mu.Unlock()
				says(w, 200, "")
				w.(http.Flusher).Flush()
				<-r.Context().Done()
				return
			}
			_, _ = io.WriteString(w, `{"metadata":{"resourceVersion":"5"},"items":[]}`)
		})
		c.lasting, c.timeout = time.Second, 500*time.Millisecond
		err := follow(t, c).ends(t)
		if !errors.Is(err, connector.ErrUnanswered) || !strings.Contains(err.Error(), "was to end") {
			t.Errorf("a line that died in silence: %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		for _, list := range []string{"roles", "clusterroles", "rolebindings", "clusterrolebindings"} {
			if got := asked[in("", list)]; got != "5 1 true" {
				t.Errorf("watch of %s: %s", list, got)
			}
		}
	})
}

// Where a watch goes on is told by bookmarks, too; where it begins anew all may have
// changed.
func TestFollowResumes(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var from []string
	listed := 4
	again := make(chan struct{})
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		mu.Lock()
		defer mu.Unlock()
		if !q.Has("watch") {
			listed++
			_, _ = fmt.Fprintf(w, `{"metadata":{"resourceVersion":"%d"},"items":[]}`, listed)
			return
		}
		says(w, 200, "")
		if strings.HasSuffix(r.URL.Path, "/clusterrolebindings") { // the first that is listed
			switch from = append(from, q.Get("resourceVersion")); len(from) {
			case 1:
				_, _ = fmt.Fprintln(w, `{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"77"}}}`)
				return
			case 2:
				_, _ = fmt.Fprintln(w, `{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}`)
				return
			}
			close(again)
		}
		w.(http.Flusher).Flush()
		mu.Unlock()
		<-r.Context().Done()
		mu.Lock()
	})
	h := follow(t, c)
	h.until(t, "that it listens", all0)
	h.until(t, "that it listens anew", all0)
	<-again
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(from, []string{"5", "77", "9"}) {
		t.Errorf("watches from %q", from)
	}
}

// followed is of the cluster what the catalog names, under its names, with its feed.
type followed struct {
	named
	feed *Connector
}

func (f followed) Observe(ctx context.Context, _ []string, yield func(connector.Holding) error) error {
	return f.feed.Observe(ctx, []string{f.to["wiki"]}, func(h connector.Holding) error {
		return yield(connector.Holding{Ref: connector.Ref{Account: h.Account, Object: "wiki"}})
	})
}

func (f followed) Follow(ctx context.Context, changed func([]string)) error {
	return f.feed.Follow(ctx, func(objects []string) {
		var known []string
		for _, o := range objects {
			if name, is := f.from[o]; is {
				known = append(known, name)
			}
		}
		if len(known) > 0 || len(objects) == 0 {
			changed(known)
		}
	})
}

// A binding made by hand is a finding without anybody's schedule.
func TestFollowFinds(t *testing.T) {
	t.Parallel()
	w := open(t)
	o := object{w.space(t, "follow-finds"), role, "reader"}
	w.role(t, o)
	c := connect(t, w.config())
	f := enginetest.Open(t, store.SQLite, func(o *enginetest.Options) { o.Now = time.Now })
	target := followed{named{c, map[string]string{"wiki": o.String()}, map[string]string{o.String(): "wiki"}}, c}
	reader := inventory.New(inventory.Config{Door: f.Engine, System: "dir", Connector: target, Now: time.Now,
		Directory: func() *access.Directory { return f.WorldAt(f.Now()).Directory }, Log: slog.New(slog.DiscardHandler)})
	read := make(chan error, 1000)
	follower := inventory.Follow(inventory.FollowConfig{Reader: reader, Log: slog.New(slog.DiscardHandler),
		Told: func(_ context.Context, err error) { read <- err }})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { follower.Run(ctx) })
	defer running.Wait()
	defer cancel()
	select { // whole, as soon as it listens; the next comes after a minute at the earliest
	case err := <-read:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing was read at first")
	}
	b := holding{account{kind: user, name: "mallory"}, o}.binding()
	b.Metadata = meta{Name: "a-favour"}
	w.Must(t, http.MethodPost, o.bindings(), encode(t, b))
	testserver.Await(t, "the finding", time.Minute, func() error {
		for _, found := range f.Findings(true) {
			if found.Kind == "unexpected_access" && strings.Contains(found.Text, "mallory") {
				return nil
			}
		}
		return errors.New("nothing found yet")
	})
	f.Check()
}
