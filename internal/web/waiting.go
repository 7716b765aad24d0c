package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// mostWaiting is how many requests one page of the desk shows.
const mostWaiting = 25

// queued is one request of the desk's queue.
type queued struct {
	ID, Title, Sub string
	At             time.Time
	Classes        []string
	Open           bool // it is the one laid open
}

// deskView is the queue and the one request laid open.
type deskView struct {
	Queue    []queued
	Case     *caseView
	More     string // the id below which the next page goes on; empty: this is all
	Said     string
	Alone    bool // the address names the one laid open
	NextAnsw time.Time
	Proposed int // workloads that wait for the reader to answer for them
}

// waiting is the approver's desk: what waits for the reader, oldest first.
func (p *portal) waiting(v *visit) error {
	id := v.r.PathValue("id")
	view, err := v.desk(id)
	if err != nil {
		return err
	}
	switch v.justDone() {
	case "approve":
		view.Said = "Your approval is counted."
	case "deny":
		view.Said = "Denied, with your words."
	case "ask":
		view.Said = "Asked back. It waits on; whoever asked reads your words at the request and can answer there."
	}
	if id == "" && len(view.Queue) > 0 {
		id = view.Queue[0].ID
		view.Queue[0].Open = true
	}
	if id != "" {
		c, err := v.caseOf(id)
		if err != nil {
			return err
		}
		view.Case = &c
		if c.May() && view.Alone && v.wanted() { // what the desk lays open by itself nobody has opened
			if err := p.Engine.Opened(v.r.Context(), v.by, id); err != nil {
				return err
			}
		}
	}
	return v.page(http.StatusOK, "Waiting for me", "/waiting", waitingPage(view, v.now))
}

func (v *visit) desk(open string) (view deskView, err error) {
	list, err := v.Engine.Desk(v.r.Context(), v.by, v.r.URL.Query().Get("before"), mostWaiting)
	if err != nil {
		return view, err
	}
	if len(list) == mostWaiting {
		view.More = list[len(list)-1].ID
	}
	slices.Reverse(list)
	view.Alone = open != ""
	proposed, err := v.Engine.WaitingWorkloads(v.r.Context(), v.by)
	if err != nil {
		return view, err
	}
	view.Proposed = len(proposed)
	for _, r := range list {
		q := queued{ID: r.ID, Title: v.called(r.Content().Entitlements), Sub: v.name(r.Beneficiary) + ", " + term(r.Term), At: r.At, Open: r.ID == open}
		for _, it := range r.Items {
			if c := v.entitlement(it.Entitlement).Class; c != "standard" && c != "" && !slices.Contains(q.Classes, c) {
				q.Classes = append(q.Classes, c)
			}
		}
		view.Queue = append(view.Queue, q)
		if view.NextAnsw.IsZero() || r.AnswerBy.Before(view.NextAnsw) {
			view.NextAnsw = r.AnswerBy
		}
	}
	return view, nil
}

// caseView is one request as the desk lays it open.
type caseView struct {
	Request access.Request
	Title   string
	For     string
	Whom    []string // sentences about the beneficiary
	By      string
	Points  []pointView
	Holds   []holding
	Before  []holding
	Terms   []access.Term
	Chosen  access.Term
	After   []string // who answers besides
	Basis   []string // why the reader may
	StepUp  string   // how strongly the reader must be signed in; empty: as they are
	Remarks []saying // what was said about it so far
	Words   string
	Wrong   string
}

// saying is a remark of somebody about a request.
type saying struct {
	By, Text string
	At       time.Time
}

// pointView is one entitlement of a case.
type pointView struct {
	Part      part
	Point     engine.Point
	Item      access.Item
	Conflicts []string
	Dropped   bool // the reader has unticked it
}

// May tells whether there is anything the reader could answer.
func (c caseView) May() bool {
	return slices.ContainsFunc(c.Points, func(p pointView) bool { return p.Point.Stage != "" })
}

// Mine are the entitlements the reader could answer for.
func (c caseView) Mine() (ids []string) {
	for _, p := range c.Points {
		if p.Point.Stage != "" {
			ids = append(ids, p.Item.Entitlement)
		}
	}
	return ids
}

func (v *visit) caseOf(id string) (caseView, error) {
	c, err := v.Engine.Case(v.r.Context(), v.by, id)
	if err != nil {
		return caseView{}, err
	}
	r := c.Request
	view := caseView{Request: r, Title: v.called(r.Content().Entitlements), For: v.name(r.Beneficiary), By: v.name(r.Requester), Whom: v.whom(r), Terms: offered(r.Term), Chosen: r.Term}
	stages := map[string]string{}
	for i, pt := range c.Points {
		e := v.entitlement(pt.Entitlement)
		one := pointView{Part: part{e, v.system(e.System)}, Point: pt, Item: r.Items[i]}
		for _, other := range pt.Clashes {
			one.Conflicts = append(one.Conflicts, v.entitlement(other).Name)
		}
		view.Points = append(view.Points, one)
		stages[pt.Entitlement] = pt.Stage
		if pt.Stage != "" && !slices.Contains(view.Basis, pt.Basis.Why) {
			view.Basis = append(view.Basis, pt.Basis.Why)
		}
		if pt.Weak {
			view.StepUp = cmp.Or(r.Items[i].Decision.StepUp, view.StepUp)
		}
	}
	for _, w := range c.Waiting {
		if stages[w.Entitlement] != w.Stage || w.Count > 1 {
			view.After = append(view.After, fmt.Sprintf("%s, as %s", few(v.names(w.Approvers), 3, "or"), stage(w.Stage)))
		}
	}
	slices.Sort(view.After)
	view.After = slices.Compact(view.After)
	for _, said := range c.Remarks {
		view.Remarks = append(view.Remarks, saying{v.name(said.By), said.Text, said.At})
	}
	for _, h := range c.Before {
		one := v.holding(h)
		one.Reasons = []reason{{Grant: h.Grant}}
		asked := slices.ContainsFunc(r.Items, func(it access.Item) bool { return it.Entitlement == h.Grant.Entitlement })
		switch {
		case h.Grant.State != access.Ended:
			one.End = h.Grant.End
			view.Holds = append(view.Holds, one)
		case asked && len(view.Before) < 5:
			view.Before = append(view.Before, one)
		}
	}
	return view, nil
}

// whom says what an approver should know of a beneficiary.
func (v *visit) whom(r access.Request) (say []string) {
	i, _ := v.dir.Identity(r.Beneficiary)
	switch {
	case i.Kind != access.Person && i.Kind != "":
		say = append(say, fmt.Sprintf("a %s; %s answers for it", i.Kind, v.name(i.Owner)))
	case i.External:
		say = append(say, "external; sponsored by "+v.name(i.Sponsor))
	case i.Department != "":
		say = append(say, i.Department)
	}
	if !i.End.IsZero() {
		say = append(say, "contract ends "+i.End.UTC().Format("2 Jan 2006"))
	}
	if r.Requester != r.Beneficiary {
		say = append(say, "asked for by "+v.name(r.Requester))
	}
	return say
}

// answer is the reader's vote: approve, perhaps less than was asked, or deny.
func (p *portal) answer(v *visit) error {
	id, f := v.r.PathValue("id"), v.r.PostForm
	c, err := v.caseOf(id)
	if err != nil {
		return err
	}
	if f.Get("verdict") == "ask" {
		return p.askBack(v, c)
	}
	// 1. What was chosen, as it stands on the form.
	b := engine.Ballot{Request: id, Digest: f.Get("digest"), Verdict: access.Verdict(f.Get("verdict")), Note: strings.ReplaceAll(strings.TrimSpace(f.Get("words")), "\r\n", "\n"), Entitlements: c.Mine()}
	if b.Verdict == access.Approve && f.Has("ticked") {
		for _, e := range c.Mine() {
			if !slices.Contains(f["entitlement"], e) {
				b.Drop = append(b.Drop, e)
			}
		}
	}
	if t := f.Get("term"); t != "" && b.Verdict == access.Approve {
		if b.Term, err = access.ParseTerm(t); err != nil {
			return err
		}
	}
	// 2. A no is said with words; the form asks for them, keeping what was chosen.
	c.Words, c.Chosen = b.Note, cmp.Or(b.Term, c.Chosen)
	for i := range c.Points {
		c.Points[i].Dropped = slices.Contains(b.Drop, c.Points[i].Item.Entitlement)
	}
	if b.Verdict == access.Deny && b.Note == "" {
		c.Wrong = "Say why in a sentence: whoever asked reads it, and can ask better."
		return v.again(c)
	}
	if len(b.Drop) > 0 && len(b.Drop) == len(b.Entitlements) {
		c.Wrong = "Everything is unticked. To approve nothing, deny it with a reason."
		return v.again(c)
	}
	// 3. The vote.
	if b.Term == c.Request.Term {
		b.Term = 0
	}
	_, err = p.Engine.Vote(v.r.Context(), v.by, b)
	switch {
	case errors.Is(err, access.ErrInvalid), errors.Is(err, access.ErrDenied):
		c.Wrong = said(err)
		return v.again(c)
	case errors.Is(err, access.ErrConflict):
		c.Wrong = "It was changed while you read it. Above is what it asks now; nothing of yours was counted."
		return v.again(c)
	case err != nil:
		return err
	}
	return v.done("/waiting", string(b.Verdict))
}

// askBack puts a question to whoever asked; the request waits on.
func (p *portal) askBack(v *visit, c caseView) error {
	c.Words = strings.ReplaceAll(strings.TrimSpace(v.r.PostForm.Get("words")), "\r\n", "\n")
	if c.Words == "" {
		c.Wrong = "Write what you want to know."
		return v.again(c)
	}
	switch err := p.Engine.Comment(v.r.Context(), v.by, c.Request.ID, c.Words); {
	case errors.Is(err, access.ErrInvalid):
		c.Wrong = said(err)
		return v.again(c)
	case err != nil:
		return err
	}
	return v.done("/waiting/"+c.Request.ID, "ask")
}

// again lays the same case open with what was typed and what is wrong with it.
func (v *visit) again(c caseView) error {
	view, err := v.desk(c.Request.ID)
	if err != nil {
		return err
	}
	view.Case = &c
	return v.page(http.StatusUnprocessableEntity, "Waiting for me", "/waiting", waitingPage(view, v.now))
}
