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
