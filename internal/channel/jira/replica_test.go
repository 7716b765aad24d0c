package jira_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/channel/jira"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/store"
)

// late is a line on which one write arrives long after its sender gave up on it.
type late struct {
	now  func() time.Time
	mu   sync.Mutex
	n    int // of the write that does; 0: none
	at   int
	way  string // "late", "lost": it never arrives, "unheard": it does at once
	what string
	held func()
	sent time.Time
}

// RoundTrip implements [http.RoundTripper].
func (l *late) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet || strings.Contains(r.URL.Path, "/search") {
		return http.DefaultTransport.RoundTrip(r)
	}
	l.mu.Lock()
	l.at++
	here := l.at == l.n
	if here {
		l.what = r.Method + " " + r.URL.Path
	}
	l.mu.Unlock()
	if !here {
		return http.DefaultTransport.RoundTrip(r)
	}
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{}) // it was sent, as far as its sender can tell
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	arrive := func() {
		again := r.Clone(context.WithoutCancel(r.Context()))
		again.Body = io.NopCloser(bytes.NewReader(body))
		if a, err := http.DefaultTransport.RoundTrip(again); err == nil {
			a.Body.Close()
		}
	}
	switch l.way {
	case "late":
		l.mu.Lock()
		l.held, l.sent = arrive, l.now()
		l.mu.Unlock()
	case "unheard":
		arrive()
	}
	return nil, context.DeadlineExceeded
}

// land lets what was held for more than a minute arrive.
func (l *late) land() {
	l.mu.Lock()
	held := l.held
	if held != nil && l.now().Sub(l.sent) < 70*time.Second {
		held = nil
	}
	if held != nil {
		l.held = nil
	}
	l.mu.Unlock()
	if held != nil {
		held()
	}
}

// replica is a channel of another process, with a line of its own to the same Jira.
func (k *desk) replica(line http.RoundTripper) *jira.Channel {
	k.t.Helper()
	r, err := rest.New(rest.Config{Kind: rest.Cloud, Base: k.site.URL, Email: "lessor@example.com", Token: func() string { return "token-lessor" },
		Now: k.Now, Jitter: func() float64 { return 0.5 }, Transport: line})
	k.must(err)
	return k.channel(r)
}

// Two replicas by turns, and any one write of the first goes without an answer: it
// is never done, done at once, or done a minute later, when the other replica has
// long been told to speak. In the end each thing was said once. Each write goes one
// of the three ways, by turns; each of them all where tests may be long.
func TestTwoReplicasAndALateCall(t *testing.T) {
	t.Parallel()
	ways := []string{"late", "lost", "unheard"}
	sweeps := 1
	if os.Getenv("LESSOR_TEST_LONG") != "" {
		sweeps = len(ways)
	}
	for sweep := range sweeps {
		t.Run(fmt.Sprintf("sweep %d of %d", sweep+1, sweeps), func(t *testing.T) {
			t.Parallel()
			k := open(t, store.SQLite)
			for n := 1; ; n++ {
				line := &late{now: k.Now, n: n, way: ways[(n+sweep)%len(ways)]}
				channels := []*jira.Channel{k.replica(line), k.replica(http.DefaultTransport)}
				i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
				byTurns := func() {
					for step := range 20 {
						k.ch = channels[step%2]
						k.live(10*time.Second, 10*time.Second)
						line.land()
					}
				}
				byTurns()
				k.Approve("mia", k.Request(k.ticket(i).Request()))
				byTurns()
				k.live(10*time.Minute, time.Minute)
				for text, public := range map[string]bool{"This request waits for approval by: manager.": true, "The access is active: seen at": true, "mia said approve": false, "Granted: ": false} {
					k.mustSay(i, text, public)
				}
				if got := k.there(i); got.Status != "Active" || len(got.Links) != 1 {
					t.Errorf("its status is %q, %d links", got.Status, len(got.Links))
				}
				k.once(i)
				if t.Failed() {
					t.Fatalf("write %d, %s: %s", n, line.way, line.what)
				}
				if line.what == "" {
					if n < 10 {
						t.Fatalf("a ticket takes %d writes", n-1)
					}
					t.Logf("%d writes", n-1)
					break
				}
			}
			k.Check()
		})
	}
}

// Two replicas at once, for many tickets: one speaks, the other is told to come
// again, and nothing is said twice.
func TestTwoReplicasAtOnce(t *testing.T) {
	t.Parallel()
	k := open(t, store.SQLite)
	channels := []*jira.Channel{k.replica(http.DefaultTransport), k.replica(http.DefaultTransport)}
	var all []jirasim.Ticket
	for range 12 {
		all = append(all, k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours"))
	}
	k.Clock.Pass(time.Second)
	k.poll()
	k.readings()
	var wait sync.WaitGroup
	var mu sync.Mutex
	told, turned := 0, 0
	for _, i := range all {
		for _, ch := range channels {
			wait.Go(func() {
				err := ch.Tell(t.Context(), "jira:acme:"+i.ID)
				mu.Lock()
				defer mu.Unlock()
				switch e := (*rest.Error)(nil); {
				case err == nil:
					told++
				case errors.As(err, &e) && e.Wait > 0 && e.Wait <= 2*time.Minute:
					turned++
				default:
					t.Errorf("%s: %v", i.Key, err)
				}
			})
		}
	}
	wait.Wait()
	if told < len(all) {
		t.Errorf("%d were told, %d turned away", told, turned)
	}
	k.live(10*time.Minute, time.Minute)
	for _, i := range all {
		k.mustSay(i, "This request waits for approval by: manager.", true)
		k.once(i)
	}
	k.Check()
}

// The word in a ticket is one's for a while, is given back, and runs out by itself;
// one that ran out is nobody's to give back.
func TestTheWord(t *testing.T) {
	t.Parallel()
	k := open(t, store.SQLite)
	i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
	k.live(time.Minute, time.Minute)
	id := k.ticket(i).ID
	speak := func() (string, time.Time) {
		word, until, err := k.Engine.Speak(t.Context(), id, time.Minute)
		k.must(err)
		return word, until
	}
	first, until := speak()
	if first == "" || !until.Equal(k.Now().Add(time.Minute)) {
		t.Fatalf("%q until %s", first, until)
	}
	k.Clock.Pass(time.Minute - time.Microsecond)
	if word, held := speak(); word != "" || !held.Equal(until) {
		t.Errorf("a second has it, %q until %s", word, held)
	}
	k.Clock.Pass(time.Microsecond)
	second, _ := speak()
	if second == "" || second == first {
		t.Errorf("run out, it is %q", second)
	}
	k.must(k.Engine.Spoke(t.Context(), id, first))
	if word, _ := speak(); word != "" {
		t.Error("the first gave back what is the second's")
	}
	k.must(k.Engine.Spoke(t.Context(), id, second))
	if word, _ := speak(); word == "" {
		t.Error("given back, it is nobody's to have")
	}
	if _, _, err := k.Engine.Speak(t.Context(), "jira:acme:99", time.Minute); err == nil || !strings.Contains(fmt.Sprint(err), "not found") {
		t.Errorf("of a ticket nobody knows: %v", err)
	}
	k.Check()
}
