package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// heard is one block of a stream.
type heard struct {
	id, data string
	comment  bool
	over     bool // the stream has ended
}

// listen opens a stream and gives its blocks.
func (d *door) listen(base, who, after string) (*http.Response, <-chan heard, context.CancelFunc) {
	d.t.Helper()
	ctx, stop := context.WithTimeout(d.t.Context(), 2*time.Minute)
	d.t.Cleanup(stop)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/events", nil)
	if err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer token of "+who)
	req.Header.Set("Accept", "text/event-stream")
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	said := make(chan heard, 1000)
	go func() {
		defer close(said)
		defer res.Body.Close()
		var h heard
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				h.id = value
			case "data":
				h.data = value
			case "":
				if h.comment = value != ""; !h.comment {
					said <- h
					h = heard{}
				}
			}
		}
		said <- heard{over: true}
	}()
	return res, said, stop
}

// next is the next change that is heard, and its id.
func next(t *testing.T, said <-chan heard) (c engine.Change, id string) {
	t.Helper()
	for h := range said {
		if h.over {
			break
		}
		if h.data == "" {
			continue
		}
		if err := json.Unmarshal([]byte(h.data), &c); err != nil {
			t.Fatalf("%q: %v", h.data, err)
		}
		return c, h.id
	}
	t.Fatal("the stream has ended")
	return c, ""
}

func (d *door) place() {
	d.t.Helper()
	if _, err := d.Engine.Sequence(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
}

var wiki = engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(time.Hour), Reason: "SECRET-REASON"}

// What changes is heard by whom it concerns, as ids, kind and time and nothing
// else; whoever comes again with the last id misses nothing and hears nothing twice.
func TestEventsAreHeardAndResumed(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
		d := open(t, kind)
		base := d.serve()
		res, eve, stop := d.listen(base, "eve", "")
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%d %v", res.StatusCode, res.Header)
		}
		begin := <-eve
		if begin.id == "" || begin.data != "" {
			t.Errorf("it begins with %+v", begin)
		}
		_, bob, _ := d.listen(base, "bob", "")
		<-bob
		r := d.Ask("eve", wiki)
		d.place()
		c, first := next(t, eve)
		if c.Kind != "request.submitted" || c.Request != r.ID || c.At.IsZero() {
			t.Errorf("heard %+v", c)
		}
		stop()
		// Away meanwhile; what was not told yet by the one id is told after it.
		d.Approve("mia", r)
		d.place()
		var whole []string
		for _, after := range []string{first, begin.id, first} {
			_, again, stop := d.listen(base, "eve", after)
			var kinds []string
			for last := ""; last != "grant.live" && last != "grant.scheduled"; {
				c, id := next(t, again)
				if id == "" {
					t.Errorf("%+v has no id", c)
				}
				last = c.Kind
				kinds = append(kinds, last)
			}
			stop()
			switch {
			case after == begin.id:
				if kinds[0] != "request.submitted" || strings.Join(kinds[1:], " ") != strings.Join(whole, " ") {
					t.Errorf("from the beginning %v, later %v", kinds, whole)
				}
			case whole == nil:
				whole = kinds
			case strings.Join(kinds, " ") != strings.Join(whole, " "):
				t.Errorf("the second time %v, the first %v", kinds, whole)
			}
		}
		// Whoever may know of none of it hears that the stream is there, and how far it is.
		moved := false
		for begin, n := "", 0; n < 3; n++ {
			h := <-bob
			if h.data != "" || h.over {
				t.Errorf("bob hears %+v", h)
			}
			moved = moved || (begin != "" && h.id != begin)
			begin = h.id
		}
		if strings.Contains(d.log.all(), "SECRET-REASON") {
			t.Error("the log holds the reason")
		}
	})
}

// An id is good for its own reader alone, as it was given.
func TestEventIdsAreTheReadersOwn(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	base := d.serve()
	d.Ask("eve", wiki)
	d.place()
	_, eve, _ := d.listen(base, "eve", "")
	id := (<-eve).id
	before := d.stored()
	for what, a := range map[string]answer{
		"another's":     d.send(http.MethodGet, "/api/v1/events", "bob", "", "Last-Event-ID", id),
		"changed":       d.send(http.MethodGet, "/api/v1/events", "eve", "", "Last-Event-ID", id[:len(id)-1]+"9"),
		"made up":       d.send(http.MethodGet, "/api/v1/events", "eve", "", "Last-Event-ID", "12"),
		"not a token":   d.send(http.MethodGet, "/api/v1/events", "", ""),
		"a filter":      d.send(http.MethodGet, "/api/v1/events?of=bob", "eve", ""),
		"endless":       d.send(http.MethodGet, "/api/v1/events", "eve", "", "Last-Event-ID", strings.Repeat("a", 500)),
		"asked for SSE": d.send(http.MethodGet, "/api/v1/events", "eve", "", "Last-Event-ID", "12", "Accept", "text/event-stream"),
	} {
		d.refused(what, a, before)
	}
}

// A stream ends when its token does, when the token is withdrawn, and when its
// person is no longer there: nothing is told after that.
func TestStreamsEndWithTheirToken(t *testing.T) {
	t.Parallel()
	for what, end := range map[string]func(*door){
		"expired":   func(d *door) { d.Clock.Pass(400 * 24 * time.Hour) },
		"withdrawn": func(d *door) { d.keys.Set(nil) },
		"gone":      func(d *door) { d.known.Store(false) },
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := open(t, store.SQLite)
			_, eve, _ := d.listen(d.serve(), "eve", "")
			<-eve
			end(d)
			for h := range eve {
				if h.data != "" {
					t.Errorf("heard %+v", h)
				}
			}
		})
	}
}

// Nobody takes the streams of all; one that was closed makes room.
func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	base := d.serve()
	var stops []context.CancelFunc
	for range 10 {
		res, _, stop := d.listen(base, "eve", "")
		stops = append(stops, stop)
		if res.StatusCode != http.StatusOK {
			t.Fatal(res.Status)
		}
	}
	a := d.send(http.MethodGet, "/api/v1/events", "eve", "")
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "urn:lessor:problem:too-many") {
		t.Errorf("one more: %d %v %s", a.status, a.header, a.body)
	}
	if res, _, _ := d.listen(base, "bob", ""); res.StatusCode != http.StatusOK {
		t.Errorf("somebody else: %s", res.Status)
	}
	stops[0]()
	for wait := time.Now().Add(time.Minute); ; d.Clock.Pass(time.Second) {
		if res, _, _ := d.listen(base, "eve", ""); res.StatusCode == http.StatusOK {
			break
		}
		if time.Now().After(wait) {
			t.Fatal("a stream that was closed is counted still")
		}
	}
}

// The client goes on by itself where the stream was cut, and gives up where the
// server refuses.
func TestTheClientWatches(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	base := d.serve()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	_, probe, _ := d.listen(base, "eve", "")
	after := (<-probe).id
	r := d.Ask("eve", wiki)
	d.place()
	var kinds []string
	for h, err := range client.New(base, "token of eve").Watch(ctx, after) {
		if err != nil {
			t.Fatal(err)
		}
		if h.Request != r.ID || h.ID == "" {
			t.Errorf("heard %+v", h)
		}
		if kinds = append(kinds, h.Kind); len(kinds) == 1 {
			d.server.CloseClientConnections()
			d.Approve("mia", r)
			d.place()
		}
		if h.Kind == "request.approved" {
			break
		}
	}
	if kinds[0] != "request.submitted" || kinds[len(kinds)-1] != "request.approved" {
		t.Errorf("heard %v", kinds)
	}
	for _, err := range client.New(base, "nobody's").Watch(ctx, "") {
		if err == nil {
			t.Error("heard something")
		}
	}
	for _, err := range client.New("http://127.0.0.1:1", "token of eve").Watch(ctx, "") {
		if err == nil {
			t.Error("heard something")
		}
	}
}
