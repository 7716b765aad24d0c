package kubernetes

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
)

// named is a connector as a catalog and a directory use it: they have short names
// for what the cluster spells out.
type named struct {
	connector.Connector
	to, from map[string]string
}

func (n named) ref(r connector.Ref, by map[string]string) connector.Ref {
	return connector.Ref{Account: by[r.Account], Object: by[r.Object]}
}

func (n named) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	changes = slices.Clone(changes)
	for i := range changes {
		changes[i].Ref = n.ref(changes[i].Ref, n.to)
	}
	results := n.Connector.Apply(ctx, changes)
	for i := range results {
		results[i].Ref = n.ref(results[i].Ref, n.from)
	}
	return results
}

func (n named) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	refs = slices.Clone(refs)
	for i := range refs {
		refs[i] = n.ref(refs[i], n.to)
	}
	seen := n.Connector.Look(ctx, refs)
	for i := range seen {
		seen[i].Ref = n.ref(seen[i].Ref, n.from)
	}
	return seen
}

// lane is a company whose eve can be granted dir:wiki, which is that role here.
func lane(t *testing.T, c connector.Connector, object string) (*enginetest.Fixture, func()) {
	t.Helper()
	f := enginetest.Open(t, store.SQLite)
	n := named{c, map[string]string{"eve": "user:eve", "wiki": object}, map[string]string{"user:eve": "eve", object: "wiki"}}
	l := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: n, Holder: "here", Pace: enginetest.Pace, Backstop: time.Minute, Now: f.Now})
	return f, func() {
		t.Helper()
		for n := 1; n > 0; {
			var err error
			if n, err = l.Once(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// granted gives eve dir:wiki for an hour, and sees her have it.
func granted(t *testing.T, f *enginetest.Fixture, work func()) access.Grant {
	t.Helper()
	g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(time.Hour)}, "mia")
	work()
	if job := f.Job(g.Assignment); job.State != access.Held {
		t.Fatalf("the assignment is %s (%s), want held", job.State, job.Work.Trouble)
	}
	return g
}

// watch is an open one of somebody's on the ConfigMap of a role's name.
type watch struct {
	resp  *http.Response
	lines *bufio.Scanner
}

func (w world) watch(t testing.TB, who, namespace, name, more string) *watch {
	t.Helper()
	path := fmt.Sprintf("/api/v1/namespaces/%s/configmaps?watch=1&fieldSelector=metadata.name=%s%s", namespace, name, more)
	resp, err := w.Open(context.Background(), who, http.MethodGet, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("watch as %s: %s", who, resp.Status)
	}
	return &watch{resp, bufio.NewScanner(resp.Body)}
}

// next waits for the next event; false is the watch's end.
func (s *watch) next(t testing.TB) (text string, more bool) {
	t.Helper()
	if !s.lines.Scan() {
		return "", false
	}
	var event struct {
		Type   string
		Object struct{ Data map[string]string }
	}
	if err := json.Unmarshal(s.lines.Bytes(), &event); err != nil {
		t.Fatalf("%v: %s", err, s.lines.Bytes())
	}
	return event.Object.Data["secret"], true
}

func (w world) tell(t testing.TB, method, namespace, name, secret string) {
	t.Helper()
	path := "/api/v1/namespaces/" + namespace + "/configmaps"
	if method == http.MethodPut {
		path += "/" + name
	}
	w.Must(t, method, path, encode(t, map[string]any{"metadata": meta{Name: name}, "data": map[string]string{"secret": secret}}))
}

// A watch that was open before the removal goes on, and no API server can end it.
// The removal is settled, for new requests are refused, and its receipt says that
// something may still be open, and until when at the longest.
func TestAB47WatchOutlivesARemoval(t *testing.T) {
	t.Parallel()
	w := open(t)
	ns := w.space(t, "ab47")
	object := w.role(t, object{ns, role, "reader"})
	cfg := w.config()
	cfg.Lingers = 90 * time.Minute
	f, work := lane(t, connect(t, cfg), object)
	g := granted(t, f, work)

	// 1. Eve watches, and names a time longer than the server's own.
	eve := w.watch(t, "eve", ns, "reader", "&timeoutSeconds=86400")
	w.tell(t, http.MethodPost, ns, "reader", "before")
	if got, _ := eve.next(t); got != "before" {
		t.Fatalf("eve's watch says %q", got)
	}

	// 2. Her hour is over.
	f.Clock.Pass(2 * time.Hour)
	at := f.Now()
	work()
	job := f.Job(g.Assignment)
	if job.State != access.Absent {
		t.Fatalf("the assignment is %s (%s), want absent", job.State, job.Work.Trouble)
	}
	if code, out, err := w.Ask("eve", http.MethodGet, "/api/v1/namespaces/ab47/configmaps/reader", nil); err != nil || code != http.StatusForbidden {
		t.Errorf("a new request of eve's: %d %s %v, want 403", code, out, err)
	}

	// 3. The watch reads on, and the receipt says so.
	w.tell(t, http.MethodPut, ns, "reader", "after")
	if got, _ := eve.next(t); got != "after" {
		t.Errorf("eve's watch says %q: this server ends such watches by itself, or something else did", got)
	}
	receipts := f.Receipts(g.Assignment)
	last := receipts[len(receipts)-1]
	if last.Held() || last.Sessions != 1 || last.Until.Sub(at).Round(time.Minute) != cfg.Lingers {
		t.Errorf("the receipt says %+v, want a session until %s after %s", last, cfg.Lingers, at)
	}
	f.Check()
}

// What --min-request-timeout bounds: a watch that names no time ends between once and
// twice it. One that names a time has it.
func TestHowLongAWatchLasts(t *testing.T) {
	t.Parallel()
	w := open(t)
	ns := w.space(t, "lasts")
	o := object{ns, role, "reader"}
	w.role(t, o)
	b := w.bind(t, "user:bob", o.String())
	w.await(t, must(t, "user:bob", o.String()).rights(rulesOf(o))[2], true)
	named := w.watch(t, "bob", ns, "reader", "&timeoutSeconds=86400")
	// Two in a row that name none take at least twice the server's own time.
	for range 2 {
		unnamed := w.watch(t, "bob", ns, "reader", "")
		if _, more := unnamed.next(t); more {
			t.Fatal("something happened that should not")
		}
	}
	w.unbind(t, b)
	w.tell(t, http.MethodPost, ns, "reader", "late")
	if got, _ := named.next(t); got != "late" {
		t.Errorf("the watch that named a time says %q", got)
	}
}

// As long as somebody else's binding gives the same, the lane does not call the
// access gone; and it finds what is bound again afterwards.
func TestAB56SecondPathIsNotGone(t *testing.T) {
	t.Parallel()
	w := open(t)
	ns := w.space(t, "ab56")
	object := w.role(t, object{ns, role, "reader"})
	f, work := lane(t, connect(t, w.config()), object)
	g := granted(t, f, work)
	other := w.bind(t, "user:eve", object, others("a favour"))
	f.Clock.Pass(2 * time.Hour)
	work()
	if job := f.Job(g.Assignment); job.State != access.Removing {
		t.Fatalf("with a second binding the assignment is %s, want removing", job.State)
	}
	receipts := f.Receipts(g.Assignment)
	if last := receipts[len(receipts)-1]; last.Direct || !last.Effective || len(last.Residual) != 1 || !strings.Contains(last.Residual[0], `RoleBinding "a favour/ab56"`) {
		t.Errorf("the receipt says %+v", last)
	}
	w.unbind(t, other)
	f.Clock.Pass(time.Hour)
	work()
	if job := f.Job(g.Assignment); job.State != access.Absent {
		t.Fatalf("the assignment is %s (%s), want absent", job.State, job.Work.Trouble)
	}
	// Half a minute later it is there again.
	f.Clock.Pass(30 * time.Second)
	other = w.bind(t, "user:eve", object, others("another favour"))
	f.Clock.Pass(48 * time.Hour)
	work()
	if job := f.Job(g.Assignment); job.State != access.Removing {
		t.Errorf("bound again, the assignment is %s, want removing", job.State)
	}
	w.unbind(t, other)
	f.Clock.Pass(time.Hour)
	work()
	f.Check()
}

// A server that says done and did nothing, a binding deleted by hand: the lane goes by
// what is seen.
func TestAB54LieIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := open(t)
	ns := w.space(t, "ab54")
	object := w.role(t, object{ns, role, "reader"})
	c, l := onLine(t, w)
	f, work := lane(t, c, object)
	g := granted(t, f, work)
	mend := l.Break(t, "lie")
	f.Clock.Pass(2 * time.Hour)
	work()
	if job := f.Job(g.Assignment); job.State != access.Removing {
		t.Fatalf("the server lied and the assignment is %s, want removing", job.State)
	}
	mend()
	f.Clock.Pass(time.Hour)
	work()
	if job := f.Job(g.Assignment); job.State != access.Absent {
		t.Fatalf("the assignment is %s (%s), want absent", job.State, job.Work.Trouble)
	}
	f.Check()
}
