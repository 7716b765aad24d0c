package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// onlooker stands in for a witness where the real one is not built: it signs what
// continues what it signed before, and can fail before and after it has.
type onlooker struct {
	*enginetest.Cosigner
	log string // the log's key

	mu    sync.Mutex
	tree  tlog.Tree // signed last
	fails string    // "before" it looks, "after" it has signed
	asked int
}

// ServeHTTP implements http.Handler, as c2sp.org/tlog-witness says.
func (o *onlooker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.asked++; o.fails == "before" {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	body, _ := io.ReadAll(r.Body)
	ask, head, _ := strings.Cut(string(body), "\n\n")
	lines := strings.Split(ask, "\n")
	var old int64
	c, err := evidence.OpenCheckpoint(head, o.log)
	if _, scan := fmt.Sscanf(lines[0], "old %d", &old); errors.Join(err, scan) != nil {
		http.Error(w, "what?", http.StatusBadRequest)
		return
	}
	var proof []tlog.Hash
	for _, l := range lines[1:] {
		h, err := tlog.ParseHash(l)
		if err != nil {
			http.Error(w, "what?", http.StatusBadRequest)
			return
		}
		proof = append(proof, h)
	}
	switch {
	case old != o.tree.N || (c.Size == o.tree.N && c.Root != o.tree.Hash):
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, "%d\n", o.tree.N)
		return
	case o.tree.N > 0 && c.Size > o.tree.N && evidence.CheckConsistency(proof, o.tree, c.Tree()) != nil:
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	if o.tree = c.Tree(); o.fails == "after" {
		http.Error(w, "lost", http.StatusBadGateway)
		return
	}
	_, _ = io.WriteString(w, o.Sign(head, time.Now().Unix()))
}

func (o *onlooker) will(fail string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fails = fail
}

// onlookers has a server show its log to so many, as if it had begun with them.
func onlookers(t *testing.T, s *Server, need, n int) (list []*onlooker, begin func()) {
	t.Helper()
	c := *s.current.Load()
	c.Witnesses = config.Witnesses{Quorum: need, Within: time.Hour}
	for i := range n {
		o := &onlooker{Cosigner: enginetest.NewCosigner(fmt.Sprintf("w/%d", i)), log: s.signer.VerifierKey()}
		at := httptest.NewServer(o)
		t.Cleanup(at.Close)
		list, c.Witnesses.List = append(list, o), append(c.Witnesses.List, config.Witness{ID: fmt.Sprint(i), URL: at.URL, Key: o.Key})
	}
	watching, err := watchers(&c)
	if err != nil {
		t.Fatal(err)
	}
	s.current.Store(&c)
	s.watchers.Store(&watching)
	return list, func() { s.answered = newAnswered(s.now(), s.quorum()) }
}

// heads gives the log a new head with so many events more.
func heads(t *testing.T, s *Server, events int) {
	t.Helper()
	for i := range events {
		if err := s.engine.Find(t.Context(), "inventory_unread", fmt.Sprintf("system %d", i), "security", fmt.Sprintf("why, at %s", s.now()), 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.engine.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// why is why nothing is granted, as everybody is told.
func why(t *testing.T, s *Server) (reasons []access.HaltReason) {
	t.Helper()
	list, err := s.engine.Halts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range list {
		reasons = append(reasons, h.Reason)
	}
	return reasons
}

// Nothing is granted after a start before the quorum has signed the newest head anew,
// though it had signed that very head before; and a witness that fails, before or
// after it has signed, is asked again.
func TestUnansweredStart(t *testing.T) {
	t.Parallel()
	s, l, _ := first(t)
	defer l.Close()
	ask := func(want ...access.HaltReason) {
		t.Helper()
		if err := s.askOnce(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := why(t, s); !slices.Equal(got, want) {
			t.Fatalf("halts %v, want %v", got, want)
		}
	}
	// 1. Without a quorum nothing waits; nor with one, where there is no event yet.
	if got := why(t, s); len(got) > 0 {
		t.Fatalf("no witnesses: %v", got)
	}
	w, begin := onlookers(t, s, 2, 3)
	begin()
	ask()
	heads(t, s, 3)
	if err := s.showWitnesses(t.Context()); err != nil || w[2].tree.N != 3 {
		t.Fatalf("not shown: %+v, %v", w[2].tree, err)
	}
	// 2. Another start: what they signed of this head before says nothing.
	begin()
	if got := why(t, s); !slices.Equal(got, []access.HaltReason{access.HaltWitness}) {
		t.Fatalf("halts %v", got)
	}
	w[0].will("before")
	w[1].will("before")
	ask(access.HaltWitness)
	if err := s.showWitnesses(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask(access.HaltWitness)
	w[1].will("after")
	ask(access.HaltWitness)
	asked := w[2].asked
	w[1].will("")
	ask()
	if w[2].asked != asked {
		t.Errorf("one that had answered was asked again")
	}
	// 3. It is asked about its start once.
	w[1].will("before")
	w[2].will("before")
	ask()
	// 4. Who is behind, for it did not answer while the log went on, is shown how it did.
	begin()
	heads(t, s, 4)
	w[0].will("")
	w[1].will("")
	ask()
	if at, err := s.engine.Witnessing(t.Context()); err != nil || at.Head.Size <= 3 || w[0].tree.N != at.Head.Size {
		t.Errorf("at %d events of %d, %v", w[0].tree.N, at.Head.Size, err)
	}
}

// Whoever has seen more of the log, or another one, keeps the halt, and people are told.
func TestUnansweredCopy(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(o *onlooker){
		"it has signed more":       func(o *onlooker) { o.tree.N++ },
		"it has signed another":    func(o *onlooker) { o.tree.Hash[0]++ },
		"it has signed an earlier": func(o *onlooker) { o.tree.N--; o.tree.Hash[0]++ },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, l, _ := first(t)
			defer l.Close()
			w, begin := onlookers(t, s, 1, 1)
			heads(t, s, 5)
			if err := s.showWitnesses(t.Context()); err != nil {
				t.Fatal(err)
			}
			begin()
			set(w[0])
			for range 2 {
				if err := s.askOnce(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := why(t, s); !slices.Equal(got, []access.HaltReason{access.HaltLog, access.HaltWitness}) {
				t.Errorf("halts %v", got)
			}
		})
	}
}

// A start with witnesses that do not answer is ready, says why it grants nothing, and
// grants as soon as they do, without being told.
func TestUnansweredRun(t *testing.T) {
	t.Parallel()
	s, l, _ := first(t)
	w, begin := onlookers(t, s, 1, 1)
	heads(t, s, 2)
	w[0].will("before")
	begin()
	running(t, s, func(ctx context.Context) error { return s.Run(ctx, l) })
	if got := why(t, s); !slices.Equal(got, []access.HaltReason{access.HaltWitness}) {
		t.Fatalf("halts %v", got)
	}
	w[0].will("")
	testserver.Await(t, "the witness to have answered", time.Minute, func() error {
		if got := why(t, s); len(got) > 0 {
			return fmt.Errorf("halts %v", got)
		}
		return nil
	})
}
