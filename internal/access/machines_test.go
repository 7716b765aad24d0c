package access_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lessor-iam/lessor/internal/access"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// The start is in, the end is out, and nothing but the grant and the time says so.
func TestLive(t *testing.T) {
	t.Parallel()
	g := access.Grant{State: access.Scheduled, Start: noon, End: noon.Add(time.Hour)}
	for _, c := range []struct {
		at   time.Duration
		live bool
	}{{-time.Nanosecond, false}, {0, true}, {time.Hour - time.Nanosecond, true}, {time.Hour, false}, {1000 * time.Hour, false}} {
		if got := g.LiveAt(noon.Add(c.at)); got != c.live {
			t.Errorf("at %s: %t", c.at, got)
		}
		if got := g.LiveAt(noon.Add(c.at).In(time.FixedZone("x", 9*3600))); got != c.live {
			t.Errorf("at %s in another zone: %t", c.at, got)
		}
	}
	g.State = access.Ended
	if g.LiveAt(noon) {
		t.Error("live after it ended")
	}
}

// However the clock jumps, a grant goes through its machine, ends at its end,
// and is live exactly in its window.
func TestTickFollowsTheClock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := access.Grant{ID: "g", State: access.Scheduled, Start: noon.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "start")) * time.Minute)}
		g.End = g.Start.Add(time.Duration(rapid.IntRange(1, 20).Draw(t, "lasts")) * time.Minute)
		if rapid.Bool().Draw(t, "floats") {
			g.Term = access.Term(g.End.Sub(g.Start)) / 2
		}
		now := noon
		for range 12 {
			now = now.Add(time.Duration(rapid.IntRange(0, 6).Draw(t, "passes")) * time.Minute)
			live := g.State != access.Ended && !now.Before(g.Start) && now.Before(g.End)
			for range 2 {
				next, ev, moved, err := g.Tick(now)
				if err != nil {
					t.Fatal(err)
				}
				if moved && (ev.From != string(g.State) || ev.To != string(next.State) || access.CheckMove(access.GrantMachine, g.State, next.State) != nil) {
					t.Fatalf("%s > %s told as %s > %s", g.State, next.State, ev.From, ev.To)
				}
				if next.End.After(g.End) {
					t.Fatal("the end moved later")
				}
				g = next
			}
			if live != (g.State == access.Live) || live != g.LiveAt(now) {
				t.Fatalf("at %s it is %s, window %s to %s", now, g.State, g.Start, g.End)
			}
			if at, more := g.NextAt(); more && !at.After(now) {
				t.Fatalf("something is still due at %s, now is %s", at, now)
			}
			if live && rapid.Bool().Draw(t, "seen") {
				was := g
				next, _, first := g.SeenHeld(now, "r")
				if g = next; g.End.After(was.End) || first != was.Seen.IsZero() || (first && g.Term != 0 && g.End.After(now.Add(g.Term.D()))) {
					t.Fatalf("seen at %s: %+v", now, g)
				}
			}
		}
	})
}

func TestFinishAndShorten(t *testing.T) {
	t.Parallel()
	g := access.Grant{State: access.Live, Start: noon, End: noon.Add(time.Hour)}
	ended, ev, err := g.Finish(noon.Add(time.Minute), access.EndRevoked, access.Actor{Identity: "sara"}, "why")
	if err != nil || ended.State != access.Ended || ended.Ended != access.EndRevoked || ev.Actor.Identity != "sara" || ev.Note != "why" {
		t.Errorf("%+v, %+v, %v", ended, ev, err)
	}
	if again, _, err := ended.Finish(noon, access.EndReturned, access.Clock, ""); !errors.Is(err, access.ErrIllegalMove) || again.Ended != access.EndRevoked {
		t.Errorf("ended twice: %+v, %v", again, err)
	}
	if _, _, first := ended.SeenHeld(noon.Add(time.Minute), ""); first {
		t.Error("seen after it ended")
	}
	if _, _, first := g.SeenHeld(noon.Add(-time.Second), ""); first {
		t.Error("seen before it began")
	}
	for _, c := range []struct {
		by, want time.Time
		moved    bool
	}{{time.Time{}, g.End, false}, {g.End, g.End, false}, {g.End.Add(1), g.End, false}, {noon.Add(time.Minute), noon.Add(time.Minute), true}, {noon.Add(-time.Hour), noon.Add(time.Microsecond), true}} {
		if next, _, moved := g.Shorten(noon, c.by); moved != c.moved || !next.End.Equal(c.want) {
			t.Errorf("shortened to %s: %s, %t", c.by, next.End, moved)
		}
	}
}

// Reasons are counted: wanted is exactly that one of them is live.
func TestWantedCountsReasons(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var grants []access.Grant
		for range rapid.IntRange(0, 4).Draw(t, "grants") {
			start := noon.Add(time.Duration(rapid.IntRange(-5, 5).Draw(t, "start")) * time.Hour)
			grants = append(grants, access.Grant{State: rapid.SampledFrom(grantStates).Draw(t, "state"), Start: start,
				End: start.Add(time.Duration(rapid.IntRange(1, 5).Draw(t, "lasts")) * time.Hour)})
		}
		live := 0
		for _, g := range grants {
			if g.LiveAt(noon) {
				live++
			}
		}
		if access.Wanted(grants, noon) != (live > 0) {
			t.Fatalf("%d live of %+v", live, grants)
		}
		next, more := access.NextAt(grants)
		for _, g := range grants {
			if at, due := g.NextAt(); due && (!more || at.Before(next)) {
				t.Fatalf("next is %s, and one moves at %s", next, at)
			}
		}
	})
}

// Intend and Settle make only legal moves from any state, and never call absent
// or held what was not seen to be so.
func TestAssignmentMoves(t *testing.T) {
	t.Parallel()
	for _, from := range assignmentStates {
		for _, wanted := range []bool{false, true} {
			a := access.Assignment{ID: "a", State: from}
			next, ev, moved, err := a.Intend(wanted, noon)
			if err != nil || moved != (next.State != from) || (moved && (ev.From != string(from) || ev.To != string(next.State))) {
				t.Errorf("%s, wanted %t: %s, %t, %v", from, wanted, next.State, moved, err)
			}
			if next.State != from && (next.State == access.Held || next.State == access.Absent) {
				t.Errorf("%s, wanted %t: %s without a look", from, wanted, next.State)
			}
			for _, seen := range []access.Receipt{{}, {Direct: true}, {Effective: true}, {Direct: true, Effective: true}} {
				seen.ID, seen.At = "r", noon
				next, _, _, err := a.Settle(wanted, seen)
				switch held := seen.Held(); {
				case err != nil:
					t.Errorf("%s, wanted %t, seen %t: %v", from, wanted, held, err)
				case next.Receipt != "r" || !next.SeenAt.Equal(noon):
					t.Errorf("%s: it rests on %q", from, next.Receipt)
				case (next.State == access.Held) != (wanted && held), next.State == access.Absent && (wanted || held):
					t.Errorf("%s, wanted %t, seen %t: %s", from, wanted, held, next.State)
				}
			}
		}
	}
}

// Whatever is not in the table is refused, in every machine.
func TestCheckMove(t *testing.T) {
	t.Parallel()
	states := []string{"", "nonsense"}
	for _, mv := range access.Machines {
		states = append(states, mv.To)
	}
	legal := 0
	for _, m := range []access.Machine{access.RequestMachine, access.GrantMachine, access.AssignmentMachine, access.RotationMachine, access.HandoverMachine, access.SealMachine} {
		seen := map[[2]string]bool{}
		for _, from := range states {
			for _, to := range states {
				in := false
				for _, mv := range access.Machines {
					in = in || mv == (access.Move{Machine: m, From: from, To: to, Why: mv.Why})
				}
				err := access.CheckMove(m, from, to)
				if (err == nil) != in || (err != nil && !errors.Is(err, access.ErrIllegalMove)) {
					t.Errorf("%s %q > %q: %v", m, from, to, err)
				}
				if in && !seen[[2]string{from, to}] {
					seen[[2]string{from, to}] = true
					legal++
				}
			}
		}
	}
	if want := len(access.Machines); legal != want {
		t.Errorf("%d legal moves of %d in the table: one stands twice", legal, want)
	}
	if err := access.CheckMove("nothing", "", "absent"); err == nil {
		t.Error("a machine that is not there has moves")
	}
	r := access.Request{ID: "r", State: access.Denied}
	if _, _, err := r.To(access.Approved, noon, access.Clock, ""); !errors.Is(err, access.ErrIllegalMove) {
		t.Errorf("a denied request is approved: %v", err)
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v    any
		want string
	}{
		{map[string]any{"b": 1, "a": []any{nil, true, "x"}}, `{"a":[null,true,"x"],"b":1}`},
		{json.RawMessage(" { \"z\" : 9007199254740993 , \"a\" : \"<&>\" } "), `{"a":"<&>","z":9007199254740993}`},
		{"\u2028 ☃ \x00", "\"\u2028 ☃ \\u0000\""}, // RFC 8785 writes it as itself
		{`\u2028\u2029`, `"\\u2028\\u2029"`},
		{"\\\u2029", "\"\\\\\u2029\""},
		{struct {
			B access.Term `json:"b,omitzero"`
			A time.Time   `json:"a"`
		}{A: noon}, `{"a":"2026-03-02T12:00:00Z"}`},
	} {
		if got, err := access.Canonical(c.v); err != nil || string(got) != c.want {
			t.Errorf("%v: %s, %v; want %s", c.v, got, err, c.want)
		}
	}
	if _, err := access.Canonical(make(chan int)); err == nil {
		t.Error("a channel has a canonical form")
	}
}

// The digest binds every field of the content: none can change unseen.
func TestDigestBindsTheContent(t *testing.T) {
	t.Parallel()
	r := access.Request{ID: "rq", Revision: 1, Requester: "eve", Beneficiary: "bob", Items: []access.Item{{Entitlement: "dir:a"}, {Entitlement: "dir:b"}},
		Reason: "why", Ticket: "t", Start: noon, Term: access.Term(time.Hour), Extends: "gr"}
	base := access.Digest(r.Content())
	if !strings.HasPrefix(base, "sha256:") || len(base) != 7+64 {
		t.Fatal(base)
	}
	changes := map[string]func(*access.Request){
		"id": func(r *access.Request) { r.ID += "x" }, "revision": func(r *access.Request) { r.Revision++ }, "requester": func(r *access.Request) { r.Requester = "x" },
		"beneficiary": func(r *access.Request) { r.Beneficiary = "x" }, "one more": func(r *access.Request) { r.Items = append(r.Items, access.Item{Entitlement: "dir:c"}) },
		"one less": func(r *access.Request) { r.Items = r.Items[:1] }, "another": func(r *access.Request) { r.Items = []access.Item{{Entitlement: "dir:a"}, {Entitlement: "dir:c"}} },
		"reason": func(r *access.Request) { r.Reason += " " }, "ticket": func(r *access.Request) { r.Ticket = "" }, "start": func(r *access.Request) { r.Start = r.Start.Add(time.Microsecond) },
		"term": func(r *access.Request) { r.Term += access.Term(time.Second) }, "fixed": func(r *access.Request) { r.Fixed = true }, "extends": func(r *access.Request) { r.Extends = "" },
		"makers": func(r *access.Request) { r.Makers = []string{"mia"} },
	}
	seen := map[string]string{base: "none"}
	for name, change := range changes {
		c := r
		change(&c)
		d := access.Digest(c.Content())
		if other, twice := seen[d]; twice {
			t.Errorf("changing %s gives the digest of changing %s", name, other)
		}
		seen[d] = name
	}
	standing := r
	standing.State, standing.Policy, standing.Items = access.Approved, "p", []access.Item{{Entitlement: "dir:a", Outcome: access.Granted, Why: "x"}, {Entitlement: "dir:b"}}
	if access.Digest(standing.Content()) != base {
		t.Error("how it stands is part of what was asked")
	}
	v := access.Approval{Request: "rq", Revision: 1, Digest: base}
	r.Digest = base
	if !v.Counts(r) {
		t.Error("a vote on this revision does not count")
	}
	for _, wrong := range []access.Approval{{Request: "x", Revision: 1, Digest: base}, {Request: "rq", Revision: 2, Digest: base}, {Request: "rq", Revision: 1, Digest: "x"},
		{Request: "rq", Revision: 1, Digest: base, WithdrawnAt: noon}} {
		if wrong.Counts(r) {
			t.Errorf("%+v counts", wrong)
		}
	}
}
