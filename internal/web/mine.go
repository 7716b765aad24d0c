package web

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

const (
	mostHoldings = 200 // open grants on one page
	mostEnded    = 10
	mostReasons  = 100 // requests looked through for the words of a reason
)

// holding is one assignment with every grant that is a reason for it.
type holding struct {
	Part    part
	Account string
	Whose   string // empty: the reader's own
	State   access.AssignmentState
	SeenAt  time.Time
	Trouble string
	Reasons []reason
	Start   time.Time // of the reason that ends last
	End     time.Time
}

// reason is one grant.
type reason struct {
	Grant access.Grant
	Words string
	Ended string // for an ended one: why, in words
}

// Begun tells whether access may be there by now.
func (h holding) Begun(now time.Time) bool {
	return slices.ContainsFunc(h.Reasons, func(r reason) bool { return !now.Before(r.Grant.Start) })
}

// Sign is how the two halves stand: granted on the left, seen on the right.
func (h holding) Sign() string {
	switch {
	case h.End.IsZero() && h.State == access.Absent:
		return "gone"
	case h.End.IsZero():
		return "over"
	case h.State == access.Held:
		return "match"
	}
	return "wait"
}

// holdingsView is the page, sorted into what it shows.
type holdingsView struct {
	Mine, Others, Over, Ended []holding
	Next                      holding // of mine, whose end comes first
	Seen                      int     // of mine, granted and seen
	More                      bool
	Said                      string // what was just done
	Tag                       string // what this page shows; another tag is another page
}

// mine is what somebody holds, and why, and until when.
func (p *portal) mine(v *visit) error {
	view, err := v.holdings()
	if err != nil {
		return err
	}
	if v.shown(view.Tag) {
		return nil
	}
	if v.justDone() == "returned" {
		view.Said = "Given back. It counts as removed once the target was seen without it."
	}
	return v.page(http.StatusOK, "My access", "/access", minePage(view, v.now))
}

func (v *visit) holdings() (view holdingsView, err error) {
	ctx := v.r.Context()
	open, err := v.Engine.Holdings(ctx, v.by, "", true, "", mostHoldings)
	if err != nil {
		return view, err
	}
	lately, err := v.Engine.Holdings(ctx, v.by, "", false, "", 5*mostEnded)
	if err != nil {
		return view, err
	}
	words, err := v.reasonsOf()
	if err != nil {
		return view, err
	}
	view.More = len(open) == mostHoldings
	of := map[string]*holding{}
	for _, h := range open {
		if !v.now.Before(h.Grant.End) {
			continue // its end has come; the reconciler is about to say so
		}
		one := of[h.Grant.Assignment]
		if one == nil {
			made := v.holding(h)
			one = &made
			of[h.Grant.Assignment] = one
		}
		one.Reasons = append(one.Reasons, reason{Grant: h.Grant, Words: words[h.Grant.Request]})
		if h.Grant.End.After(one.End) {
			one.Start, one.End = h.Grant.Start, h.Grant.End
		}
	}
	for _, h := range of {
		if h.Whose != "" {
			view.Others = append(view.Others, *h)
			continue
		}
		view.Mine = append(view.Mine, *h)
		if h.State == access.Held {
			view.Seen++
		}
	}
	byEnd := func(a, b holding) int {
		return cmp.Or(a.End.Compare(b.End), cmp.Compare(a.Reasons[0].Grant.ID, b.Reasons[0].Grant.ID))
	}
	slices.SortFunc(view.Mine, byEnd)
	slices.SortFunc(view.Others, byEnd)
	if len(view.Mine) > 0 {
		view.Next = view.Mine[0]
	}
	v.past(&view, lately, of, words)
	view.Tag = tagOf(view)
	return view, nil
}

// past sorts what has ended: seen gone, still to be seen gone, or kept by another reason.
func (v *visit) past(view *holdingsView, lately []engine.Holding, of map[string]*holding, words map[string]string) {
	over := map[string]bool{}
	for _, h := range lately {
		if v.now.Before(h.Grant.End) && h.Grant.State != access.Ended {
			continue
		}
		one := v.holding(h)
		why := string(h.Grant.Ended)
		switch {
		case h.Grant.State != access.Ended:
			why = "its end has come"
		case h.Grant.Ended == access.EndReturned:
			why = "given back"
		}
		one.Reasons = []reason{{Grant: h.Grant, Words: words[h.Grant.Request], Ended: why}}
		if of[h.Grant.Assignment] == nil && h.Assignment.State != access.Absent {
			if !over[h.Grant.Assignment] {
				view.Over = append(view.Over, one)
			}
			over[h.Grant.Assignment] = true
			continue
		}
		if len(view.Ended) < mostEnded {
			view.Ended = append(view.Ended, one)
		}
	}
}

// holding is one grant's assignment as it was last seen.
func (v *visit) holding(h engine.Holding) holding {
	e := v.entitlement(h.Grant.Entitlement)
	one := holding{Part: part{e, v.system(e.System)}, Account: h.Assignment.Account, State: h.Assignment.State, SeenAt: h.Assignment.SeenAt, Trouble: h.Trouble}
	if v.dir.PersonOf(h.Grant.Identity) != v.dir.PersonOf(v.by.Identity) {
		one.Whose = v.name(h.Grant.Identity)
	}
	return one
}

// reasonsOf are the words of the reader's own newest requests, by id.
func (v *visit) reasonsOf() (map[string]string, error) {
	list, err := v.Engine.List(v.r.Context(), v.by, "", true, "", mostReasons)
	words := map[string]string{}
	for _, r := range list {
		words[r.ID] = r.Reason
	}
	return words, err
}

// giveBack ends a grant of the reader's own.
func (p *portal) giveBack(v *visit) error {
	if err := p.Engine.Return(v.r.Context(), v.by, v.r.PathValue("id"), v.r.PostForm.Get("note")); err != nil {
		return err
	}
	return v.done("/access", "returned")
}

// evidence is the file that proves a grant's story without us.
func (p *portal) evidence(v *visit) error {
	id := v.r.PathValue("id")
	if _, _, err := p.Engine.Grant(v.r.Context(), v.by, id); err != nil {
		return err
	}
	bundle, err := p.Proof.Bundle(v.r.Context(), id)
	if err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", id+".json"))
	_, _ = v.w.Write(bundle) // whoever asked has gone if this fails
	return nil
}

// percent is how much of a window has passed.
func percent(start, end, now time.Time) int {
	all := end.Sub(start)
	if all <= 0 || now.Before(start) {
		return 0
	}
	return int(min(100, 100*now.Sub(start)/all))
}

// soon tells whether little is left of a window.
func soon(start, end, now time.Time) bool { return percent(start, end, now) >= 85 }
