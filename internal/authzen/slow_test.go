package authzen_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/lessor-iam/lessor/internal/authzen"
	"github.com/lessor-iam/lessor/internal/store"
)

// slow is a body that says when it is read, and comes when it is let go.
type slow struct {
	read func()
	let  <-chan struct{}
}

func (s slow) Read([]byte) (int, error) { s.read(); <-s.let; return 0, io.EOF }

// However many send slowly, whoever sends at once is answered.
func TestSlowSendersKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	const many = 300 // more than there are questions at once
	let := make(chan struct{})
	var reading, over sync.WaitGroup
	for range many {
		reading.Add(1)
		seen := sync.OnceFunc(reading.Done)
		over.Go(func() {
			defer seen() // refused unread, too
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, authzen.Evaluation, slow{seen, let})
			r.Header.Set("Authorization", "Bearer token of harness")
			r.Header.Set("Content-Type", "application/json")
			d.door.ServeHTTP(httptest.NewRecorder(), r)
		})
	}
	reading.Wait()
	d.evaluated("beside them", "harness", tuple("eve", "dir:wiki", "use"), "decision", false)
	close(let)
	over.Wait()
}

// Whoever asks without end is refused, by each question alone, and nobody else is.
func TestQuestionsAreCharged(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	evaluations, others := 0, 0
	take := func(n *int) func(string) bool {
		return func(who string) bool {
			mu.Lock()
			defer mu.Unlock()
			if *n++; who == "anna" {
				return true
			}
			return *n <= 3
		}
	}
	d := open(t, store.SQLite, func(c *authzen.Config) { c.SpendEvaluation, c.Spend = take(&evaluations), take(&others) })
	q := tuple("eve", "dir:wiki", "use")
	batch := func(n int) m {
		list := make([]m, n)
		for i := range list {
			list[i] = q
		}
		return m{"evaluations": list}
	}
	spent := func(n *int, want int) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if *n != want {
			t.Errorf("%d are charged, want %d", *n, want)
		}
	}
	d.is("one", d.call("eve", "POST", authzen.Evaluation, q), http.StatusOK)
	d.is("two at once", d.call("eve", "POST", authzen.Evaluations, batch(2)), http.StatusOK)
	spent(&evaluations, 3)
	if r := d.call("eve", "POST", authzen.Evaluation, q); r.status != http.StatusTooManyRequests || r.head.Get("Retry-After") != "1" {
		t.Errorf("the fourth: %d, Retry-After %q", r.status, r.head.Get("Retry-After"))
	}
	mu.Lock()
	evaluations = 0
	mu.Unlock()
	d.is("more at once than there are left", d.call("eve", "POST", authzen.Evaluations, batch(4)), http.StatusTooManyRequests)
	d.is("somebody else", d.call("anna", "POST", authzen.Evaluation, q), http.StatusOK)
	for path, body := range map[string]m{authzen.OfSubjects: {"subject": m{"type": "user"}, "action": m{"name": "use"}, "resource": sub("entitlement", "dir:wiki")},
		authzen.OfResources: {"subject": sub("user", "eve"), "action": m{"name": "use"}, "resource": m{"type": "dir"}}, authzen.OfActions: {"subject": sub("user", "eve"), "resource": sub("entitlement", "dir:wiki")}} {
		d.is(path, d.call("eve", "POST", path, body), http.StatusOK)
	}
	spent(&others, 3)
	d.is("a fourth search", d.call("eve", "POST", authzen.OfActions, m{"subject": sub("user", "eve"), "resource": sub("entitlement", "dir:wiki")}), http.StatusTooManyRequests)
}
