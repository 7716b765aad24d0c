package jirasim

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Fault is something that goes wrong with a call. Of Status, Hang and Cut at
// most one is set; none of them is a slow answer.
type Fault struct {
	Method string        // empty means any
	Path   string        // segments, "*" for any one, "**" at the end for the rest; empty means any
	Times  int           // how often; 0 is once, below 0 always
	After  bool          // the deed is done first, and only the answer is lost
	Delay  time.Duration // wait this long before anything else
	Status int           // answer with this status
	Header http.Header
	Body   string
	Hang   bool // never answer: the caller must give up
	Cut    bool // cut the connection; After it, in the middle of the answer
}

type fault struct {
	Fault
	left int
}

// Break makes calls fail from now on. What it returns mends it again.
func (s *Sim) Break(f Fault) (mend func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := &fault{f, f.Times}
	if f.Times == 0 {
		one.left = 1
	}
	s.faults = append(s.faults, one)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		one.left = 0
	}
}

// Outage makes every call and every page fail with 503 until it is ended, and
// keeps webhooks back. People go on working only in the sense that the hands
// still do.
func (s *Sim) Outage(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outage = on
	s.wake()
}

// Limit429 is a refusal for the rate, with the wait in Retry-After.
func Limit429(wait time.Duration) Fault {
	return Fault{Status: 429, Header: http.Header{"Retry-After": {itoa(int(wait.Seconds()))}, "RateLimit-Reason": {"jira-quota-global-based"}}}
}

// Limit429Until is one with the end of the wait in X-RateLimit-Reset.
func Limit429Until(at time.Time) Fault {
	return Fault{Status: 429, Header: http.Header{"X-RateLimit-Limit": {"100000"}, "X-RateLimit-Remaining": {"0"}, "X-RateLimit-Reset": {at.UTC().Format("2006-01-02T15:04:05Z")}}}
}

// fault finds what is to go wrong with this request, and counts it.
func (s *Sim) fault(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outage {
		return &Fault{Status: 503, Body: `{"errorMessages":["Service unavailable"],"errors":{}}`}
	}
	s.faults = slices.DeleteFunc(s.faults, func(f *fault) bool { return f.left == 0 })
	for _, f := range s.faults {
		if f.Method != "" && f.Method != r.Method || !pathMatches(f.Path, r.URL.Path) {
			continue
		}
		if f.left > 0 {
			f.left--
		}
		out := f.Fault
		return &out
	}
	return nil
}

func pathMatches(pattern, path string) bool {
	if pattern == "" {
		return true
	}
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	for n, w := range want {
		if w == "**" {
			return true
		}
		if n >= len(got) || w != "*" && w != got[n] {
			return false
		}
	}
	return len(want) == len(got)
}

// strike does the fault and says whether the answer is done with. A cut after
// the deed is left to whoever writes the answer.
func (f *Fault) strike(w http.ResponseWriter, r *http.Request) bool {
	if f.Delay > 0 {
		t := time.NewTimer(f.Delay)
		defer t.Stop()
		select {
		case <-t.C:
		case <-r.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case f.Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case f.Cut && !f.After:
		panic(http.ErrAbortHandler)
	case f.Status == 0:
		return false
	}
	for k, v := range f.Header {
		w.Header().Set(k, v[0])
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	body := f.Body
	if body == "" && f.Status >= 400 {
		body = `{"errorMessages":["` + http.StatusText(f.Status) + `"],"errors":{}}`
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write([]byte(body))
	return true
}
