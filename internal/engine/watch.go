package engine

import (
	"context"
	"errors"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/trace"
)

// Did is one verb once it is over, for whoever watches. It names nouns by their ids,
// and decides nothing.
type Did struct {
	Verb     string
	By       access.Actor
	Under    trace.Context // what whoever called belongs to
	From, To time.Time
	Err      error      // it was refused or went wrong, and nothing happened
	Happened []Happened // what its events tell of, in order
	Parts    []Part     // what of it is worth a look of its own
	Gone     []Gone     // removals that were seen
}

// Happened is what one event tells of.
type Happened struct {
	Kind, To                            string
	Request, Grant, Assignment, Finding string
}

// Part is one part of a verb, about one request.
type Part struct {
	Name, Request string
	From, To      time.Time
}

// Gone is access that was seen gone for the first time since its last reason ended.
type Gone struct {
	System, Assignment string
	Lag                time.Duration // from that end to the look
}

// traceOf is of which trace a request's life is that begins now: of its caller's, if
// it has one.
func traceOf(ctx context.Context, request string) string {
	if c := trace.From(ctx); !c.None() {
		return c.Trace.String()
	}
	return trace.Of(request).Trace.String()
}

// part times a part of the verb, if anybody watches; what it returns ends it.
func (d *deed) part(name, request string) (done func()) {
	if d.e.Watch == nil {
		return func() {}
	}
	from := d.e.Now()
	return func() { d.parts = append(d.parts, Part{name, request, from, d.e.Now()}) }
}

// watched tells whoever watches how a verb went. It must not block.
func (e *Engine) watched(ctx context.Context, verb string, by access.Actor, from time.Time, d *deed, err error) {
	if e.Watch == nil || errors.Is(err, errBehind) { // it is tried again, and told of then
		return
	}
	did := Did{Verb: verb, By: by, Under: trace.From(ctx), From: from, To: e.Now(), Err: err}
	if err == nil && d != nil {
		did.Happened, did.Parts, did.Gone = d.happened, d.parts, d.gone
	}
	e.Watch(did)
}

// lastEnds reads, if anybody watches, when the last reason of each of these that is
// being removed ended; those seen gone since then are left out.
func (d *settling) lastEnds(ctx context.Context, outcomes []Outcome) (err error) {
	var ids []string
	for _, o := range outcomes {
		if o.Looked && !o.Direct && !o.Effective {
			ids = append(ids, o.Assignment)
		}
	}
	if d.e.Watch != nil && len(ids) > 0 {
		d.ends, err = d.LastEnds(ctx, ids)
	}
	return err
}

// sawGone notes how long access outlived its reasons.
func (d *settling) sawGone(a access.Assignment) {
	if end, ok := d.ends[a.ID]; ok {
		d.gone = append(d.gone, Gone{a.System, a.ID, max(0, a.SeenAt.Sub(end))})
	}
}
