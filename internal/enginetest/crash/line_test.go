package crash

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector/scimtarget"
)

// fault is one way in which the line fails while the first process lives.
type fault string

const (
	fails    fault = "fails"          // 500, nothing is done
	failDone fault = "fails but done" // done, the connection is cut
	hangs    fault = "hangs"          // nothing is done, no answer ever
	doneLate fault = "done late"      // the connection is cut, done a little later
)

// line is an HTTP server between a connector and a SCIM service.
type line struct {
	url    string
	target *scimtarget.Target
	method string // whose calls fail; "" none

	mu     sync.Mutex
	fault  fault
	flying sync.WaitGroup // calls that may still take effect
}

const token = "test-token"

func newLine(t *testing.T, f fault, method string) *line {
	t.Helper()
	target, err := scimtarget.New(scimtarget.Config{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	l := &line{target: target, fault: f, method: method}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	l.url = server.URL
	if _, err := url.Parse(l.url); err != nil {
		t.Fatal(err)
	}
	return l
}

// mend lets every call through from now on.
func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fault = ""
}

func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	f := l.fault
	l.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if l.method != r.Method || f == "" {
		l.pass(w, r, body)
		return
	}
	switch f {
	case fails:
		http.Error(w, "no", http.StatusInternalServerError)
	case failDone:
		l.pass(httptest.NewRecorder(), r, body)
		panic(http.ErrAbortHandler)
	case hangs:
		<-r.Context().Done()
	case doneLate:
		l.flying.Add(1)
		time.AfterFunc(pace.Call*4/5, func() {
			defer l.flying.Done()
			l.pass(httptest.NewRecorder(), r, body)
		})
		panic(http.ErrAbortHandler)
	}
}

// pass hands the call to the service, whoever still waits for it.
func (l *line) pass(w http.ResponseWriter, r *http.Request, body []byte) {
	to := r.Clone(context.WithoutCancel(r.Context()))
	to.Body = io.NopCloser(bytes.NewReader(body))
	l.target.ServeHTTP(w, to)
}
