package engine_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/trace"
)

// Whoever watches is told of each verb with what it brought about, of a refusal that
// nothing came of it, and of each removal how long access outlived its reasons: once,
// counted from their end and not from when somebody took note of it.
func TestWatched(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		var did []engine.Did
		f.Engine.Watch = func(d engine.Did) { did = append(did, d) }
		f.Ask("eve", ask("dir:lobby"))
		if d := did[len(did)-1]; d.Verb != "submit" || d.Err != nil || d.By.Identity != "eve" || len(d.Parts) != 2 ||
			!slices.ContainsFunc(d.Happened, func(h engine.Happened) bool { return h.Kind == "request.approved" && h.Request != "" }) {
			t.Errorf("%+v", d)
		}
		if _, err := f.Engine.Submit(t.Context(), f.As("eve"), engine.Ask{}); err == nil {
			t.Fatal("an empty ask passed")
		}
		if d := did[len(did)-1]; !errors.Is(d.Err, access.ErrInvalid) || len(d.Happened)+len(d.Parts)+len(d.Gone) != 0 {
			t.Errorf("%+v", d)
		}
		f.Work()
		gone := func() (list []engine.Gone) {
			for _, d := range did {
				list = append(list, d.Gone...)
			}
			return list
		}
		// Nobody is there when it ends, and the first try is lost.
		f.Clock.Pass(time.Hour + 10*time.Minute)
		f.Targets["dir"].BreakLook(enginetest.Blind)
		f.Work()
		f.Advance(time.Minute)
		list := gone()
		if len(list) != 1 || list[0].System != "dir" || list[0].Lag < 10*time.Minute || list[0].Lag > 11*time.Minute {
			t.Fatalf("gone: %+v", list)
		}
		// Seen again, and gone again: that is a finding, and no lag of a grant.
		f.Targets["dir"].Put("eve", "lobby")
		f.Advance(time.Hour)
		if f.Targets["dir"].Holds("eve", "lobby") {
			t.Fatal("still held")
		}
		if more := gone(); len(more) != 1 {
			t.Errorf("counted again: %+v", more[1:])
		}
		// What is given back counts from then.
		g := f.Granted("eve", ask("dir:lobby"))
		f.Work()
		f.Clock.Pass(10 * time.Minute)
		if err := f.Engine.Return(t.Context(), f.As("eve"), g.ID, "done"); err != nil {
			t.Fatal(err)
		}
		f.Clock.Pass(3 * time.Second)
		f.Work()
		if more := gone(); len(more) != 2 || more[1].Lag != 3*time.Second {
			t.Errorf("given back: %+v", more)
		}
	})
}

// A request belongs to the trace of whoever asked, or to one of its own, and its
// first event says which.
func TestTraceOfARequest(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		said := func(r access.Request) string {
			var ev access.Event
			if err := json.Unmarshal(f.Events(r.ID, "", "")[0].Body, &ev); err != nil || ev.Kind != "request.submitted" {
				t.Fatalf("%v: %+v", err, ev)
			}
			return ev.Trace
		}
		if r := f.Ask("eve", ask("dir:wiki")); said(r) != trace.Of(r.ID).Trace.String() {
			t.Errorf("by itself: %s", said(r))
		}
		caller, _ := trace.Parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
		r, err := f.Engine.Submit(trace.With(t.Context(), caller), f.As("eve"), ask("dir:wiki"))
		if err != nil || said(r) != "4bf92f3577b34da6a3ce929d0e0e4736" {
			t.Errorf("of its caller: %v, %s", err, said(r))
		}
	})
}
