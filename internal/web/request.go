package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/report"
)

// mostListed is how many requests one page lists.
const mostListed = 25

// listed is one request of a list.
type listed struct {
	Request access.Request
	Title   string
	For     string
	Word    string // where it stands
	Sign    string
	Color   string
}

// requests are the reader's own, newest first.
func (p *portal) requests(v *visit) error {
	list, err := p.Engine.List(v.r.Context(), v.by, "", true, v.r.URL.Query().Get("before"), mostListed)
	if err != nil {
		return err
	}
	var rows []listed
	for _, r := range list {
		word, sign, color := standing(r.State)
		rows = append(rows, listed{r, v.called(r.Content().Entitlements), v.name(r.Beneficiary), word, sign, color})
	}
	more := ""
	if len(list) == mostListed {
		more = list[len(list)-1].ID
	}
	return v.page(http.StatusOK, "Requests", "/requests", requestsPage(rows, more))
}

// standing is a request's state as a word and a sign.
func standing(s access.RequestState) (word, sign, color string) {
	switch s {
	case access.Approved:
		return "Approved", "authority", "authority"
	case access.Denied:
		return "Denied", "refused", "wrong"
	case access.Cancelled:
		return "Taken back", "gone", "quiet"
	case access.Expired:
		return "Not answered in time", "gone", "quiet"
	}
	return "Waits for an answer", "claim", "claim"
}

// requestView is one request's page.
type requestView struct {
	Story    engine.Story
	Title    string
	For, By  string
	Lede     string
	Claim    spine
	Granted  spine
	Seen     spine
	Proof    spine
	Rows     []row
	Trail    report.Trail
	Waits    []string // who is being waited for, a sentence a stage
	Tag      string   // what this page shows; another tag is another page
	Mine     bool     // the reader asked for it or benefits from it
	Verified bool     // the reader asked for it to be verified now
	MayVote  bool
	Said     string
	Wrong    string
}

// spine is one of the four that are kept apart.
type spine struct {
	Head  string
	At    time.Time // after Head; zero: none
	Sub   string
	SubAt time.Time // after Sub; zero: none
}

// request is one request's whole story.
func (p *portal) request(v *visit) error {
	q := v.r.URL.Query()
	view, err := v.tellAll(v.r.PathValue("id"), q.Has("verify") && v.wanted())
	if err != nil {
		return err
	}
	if v.shown(view.Tag) {
		return nil
	}
	switch v.justDone() {
	case "cancelled":
		view.Said = "Taken back."
	case "remarked":
		view.Said = "Your remark is part of the story."
	}
	return v.page(http.StatusOK, view.Title, "/requests", requestPage(view, v.now))
}

// tellAll gathers one request's page.
func (v *visit) tellAll(id string, verify bool) (view requestView, err error) {
	ctx := v.r.Context()
	// 1. The request, if it is the reader's to know of.
	if view.Story, err = v.Engine.Show(ctx, v.by, id); err != nil {
		return view, err
	}
	r := view.Story.Request
	// 2. Its story, each line held against the signed log.
	follow := v.portal.Proof.Trail
	if verify {
		follow = v.portal.Proof.Settled
	}
	if view.Trail, err = follow(ctx, id); err != nil {
		return view, err
	}
	view.Rows, view.Verified = v.story(view.Trail), verify
	// 3. The four, apart.
	view.Title, view.For, view.By = v.called(r.Content().Entitlements), v.name(r.Beneficiary), v.name(r.Requester)
	v.spines(&view)
	for _, w := range view.Story.Waiting {
		view.Waits = append(view.Waits, fmt.Sprintf("%s, as %s", few(v.names(w.Approvers), 4, "or"), stage(w.Stage)))
		view.MayVote = view.MayVote || slices.Contains(w.Approvers, v.by.Identity)
		for _, o := range w.Others {
			view.Waits = append(view.Waits, fmt.Sprintf("%s, in place of %s, as %s", v.name(o.Who), v.name(o.Behalf.Of), stage(w.Stage)))
			view.MayVote = view.MayVote || o.Who == v.dir.PersonOf(v.by.Identity)
		}
	}
	slices.Sort(view.Waits)
	view.Waits = slices.Compact(view.Waits)
	me := v.dir.PersonOf(v.by.Identity)
	view.Mine = slices.Contains(v.dir.Hands(r.Requester), me) || slices.Contains(v.dir.Hands(r.Beneficiary), me)
	holds, waiting := view.Trail.Verified()
	view.Tag = tagOf(view.Story, holds, waiting, len(view.Rows))
	return view, nil
}

// spines sums up claim, authority, reality and proof, and says in a sentence how it stands.
func (v *visit) spines(view *requestView) {
	s, r := view.Story, view.Story.Request
	view.Claim = spine{Head: cutText(r.Reason, 60), Sub: "asked by " + view.By}
	if r.Ticket != "" {
		view.Claim.Head = r.Ticket
	}
	word, _, _ := standing(r.State)
	view.Granted = spine{Head: word}
	view.Lede = word + "."
	view.Seen = spine{Head: "Nothing to see", Sub: "no access came of it"}
	if r.State == access.Denied {
		var why []string
		for _, it := range r.Items {
			why = append(why, it.Why)
		}
		view.Granted.Sub = strings.Join(slices.Compact(why), "; ")
		view.Lede = "Denied: " + view.Granted.Sub + "."
	}
	if len(s.Grants) > 0 {
		v.sight(view)
	}
	holds, waiting := view.Trail.Verified()
	view.Proof = spine{Head: fmt.Sprintf("%d of %d verified", holds, len(view.Trail.Lines)), Sub: "against the head signed at", SubAt: view.Trail.Head.At}
	if waiting > 0 {
		view.Proof.Sub, view.Proof.SubAt = fmt.Sprintf("%d not yet signed", waiting), time.Time{}
	}
	if bad := len(view.Trail.Lines) - holds - waiting; bad > 0 {
		view.Proof.Sub, view.Proof.SubAt = fmt.Sprintf("%d do not verify", bad), time.Time{}
	}
}

// sight says what is granted and what was seen of it.
func (v *visit) sight(view *requestView) {
	granted, live, held, removing := len(view.Story.Grants), 0, 0, 0
	var end, first, gone time.Time
	for _, h := range view.Story.Grants {
		switch {
		case h.Grant.State != access.Ended:
			live++
			if h.Assignment.State == access.Held {
				held++
			}
			if h.Grant.End.After(end) {
				end = h.Grant.End
			}
		case h.Assignment.State == access.Absent:
			if h.Assignment.SeenAt.After(gone) {
				gone = h.Assignment.SeenAt
			}
		default:
			removing++
		}
		if !h.Grant.Seen.IsZero() && (first.IsZero() || h.Grant.Seen.Before(first)) {
			first = h.Grant.Seen
		}
	}
	switch {
	case live > 0:
		view.Granted = spine{Head: "Granted until", At: end, Sub: fmt.Sprintf("%d of %d live", live, granted)}
	default:
		view.Granted = spine{Head: "Ended", At: view.Story.Grants[0].Grant.EndedAt, Sub: string(view.Story.Grants[0].Grant.Ended)}
	}
	switch {
	case live > 0 && held == live:
		view.Seen = spine{Head: "Seen since", At: first, Sub: "last looked", SubAt: view.Story.Grants[0].Assignment.SeenAt}
		view.Lede = "Granted and seen."
	case live > 0:
		view.Seen = spine{Head: "Not seen yet", Sub: "it is being added"}
		view.Lede = "Granted, and not seen yet."
		for _, h := range view.Story.Grants {
			if v.now.Before(h.Grant.Start) {
				view.Lede, view.Seen.Sub = "Granted, and not yet due.", "it is not yet due"
			}
		}
	case removing > 0:
		view.Seen = spine{Head: "May still be there", Sub: "it is being removed, or another grant is a reason for it"}
		view.Lede = "Ended; its access was not seen gone yet, or stays for another reason."
	case first.IsZero():
		view.Seen = spine{Head: "Never seen", Sub: "seen gone", SubAt: gone}
		view.Lede = "Ended before access was ever seen."
	default:
		view.Seen = spine{Head: "Seen gone", At: gone, Sub: "first seen", SubAt: first}
		view.Lede = "Ended, and seen gone."
	}
}

func cutText(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// cancel takes a request back.
func (p *portal) cancel(v *visit) error {
	id := v.r.PathValue("id")
	if err := p.Engine.Cancel(v.r.Context(), v.by, id, strings.TrimSpace(v.r.PostForm.Get("text"))); err != nil {
		return err
	}
	return v.done("/requests/"+id, "cancelled")
}

// comment adds a remark to a request's story.
func (p *portal) comment(v *visit) error {
	id, text := v.r.PathValue("id"), strings.ReplaceAll(strings.TrimSpace(v.r.PostForm.Get("text")), "\r\n", "\n")
	if text == "" {
		view, err := v.tellAll(id, false)
		if err != nil {
			return err
		}
		view.Wrong = "Write something first."
		return v.page(http.StatusUnprocessableEntity, view.Title, "/requests", requestPage(view, v.now))
	}
	if err := p.Engine.Comment(v.r.Context(), v.by, id, text); err != nil {
		return err
	}
	return v.done("/requests/"+id, "remarked")
}
