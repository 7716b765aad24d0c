package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// mostCredentials is how many one page lists.
const mostCredentials = 100

// credentialRow is one credential in words.
type credentialRow struct {
	engine.CredentialKept

	At    string // its page
	For   string // whose account it lets in
	Owner string
	Where string
	Is    string // how it stands
	Late  bool
}

// credentialsView is a list of them.
type credentialsView struct {
	Rows    []credentialRow
	All     int
	System  string
	Systems []string
	More    string
}

// credentials lists the credentials the reader answers for; to security and auditors, all.
func (p *portal) credentials(v *visit) error {
	q := v.r.URL.Query()
	view := credentialsView{System: q.Get("system"), Systems: v.dir.Systems()}
	list, err := p.Engine.CredentialsKept(v.r.Context(), v.by, view.System)
	if err != nil {
		return err
	}
	from, _ := strconv.Atoi(q.Get("from"))
	from = max(0, min(from, len(list)))
	to := min(from+mostCredentials, len(list))
	view.All = len(list)
	for _, c := range list[from:to] {
		view.Rows = append(view.Rows, v.credentialRow(c))
	}
	if to < len(list) {
		view.More = "/credentials?" + url.Values{"system": {view.System}, "from": {strconv.Itoa(to)}}.Encode()
	}
	return v.page(http.StatusOK, "Credentials", "/credentials", credentialsPage(view, v.now))
}

func (v *visit) credentialRow(c engine.CredentialKept) credentialRow {
	return credentialRow{CredentialKept: c, At: "/credential?id=" + url.QueryEscape(c.ID), For: v.name(c.Holder), Owner: v.name(c.Owner), Where: v.system(c.System),
		Is: stands(c), Late: c.Overdue || c.Trouble != ""}
}

// stands says in words how a credential stands.
func stands(c engine.CredentialKept) string {
	switch c.State {
	case "found":
		return "found, in no plan"
	case "planned":
		return "planned, not made yet"
	case "live":
		return "in force"
	case "retired":
		return "proved dead"
	}
	return underWay(access.RotationState(c.State))
}

// underWay says in words what of a rotation is under way.
func underWay(s access.RotationState) string {
	switch s {
	case access.RotationDue:
		return "about to begin"
	case access.RotationIssuing:
		return "the new one is being made"
	case access.RotationDelivering:
		return "the new one is being delivered"
	case access.RotationOverlapping:
		return "the old and the new both let in"
	case access.RotationKilling:
		return "the old one is being killed"
	case access.RotationProving:
		return "the old one is being proved dead"
	case access.RotationDone:
		return "made anew, and the old one proved dead"
	case access.RotationDead:
		return "proved dead"
	case access.RotationDropped:
		return "another one took over"
	}
	return string(s)
}

// credentialView is one credential.
type credentialView struct {
	credentialRow

	Story  []rotationView
	Reason string // as typed
	Sure   string // what the reader is asked whether they are sure of
	Wrong  string
	Said   string
}

// May tells whether the reader may have that done.
func (c credentialView) May(does string) bool { return slices.Contains(c.CredentialKept.May, does) }

// rotationView is one rotation as a timeline.
type rotationView struct {
	access.Rotation

	Is, Why string
	Moments []moment
}

// moment is one thing that has happened, or is to.
type moment struct {
	At         time.Time
	Sign, Text string
}

// credential is one, with its rotations.
func (p *portal) credential(v *visit) error {
	view, err := v.credentialOf(v.r.FormValue("id"))
	if err != nil {
		return err
	}
	view.Said = map[string]string{"rotate": "It is made anew, as soon as no blackout holds it.", "retire": "It is being killed. It counts as dead once it was tried and let nobody in.",
		"compromised": "It is being killed at once. Its owner and security have been told."}[v.justDone()]
	return v.page(http.StatusOK, view.ID, "/credentials", credentialPage(view, v.now))
}

func (v *visit) credentialOf(id string) (view credentialView, err error) {
	c, err := v.Engine.CredentialKept(v.r.Context(), v.by, id)
	if err != nil {
		return view, err
	}
	view.credentialRow = v.credentialRow(c)
	for _, r := range c.Rotations {
		view.Story = append(view.Story, v.rotation(r))
	}
	return view, nil
}

// rotation is one as a timeline, in the order of time.
func (v *visit) rotation(r access.Rotation) rotationView {
	view := rotationView{Rotation: r, Is: underWay(r.State)}
	switch r.Cause {
	case access.CauseScheduled:
		view.Why = "Its interval was over."
		if r.Generation == 1 {
			view.Why = "Its plan is new: it was the first."
		}
	case access.CauseAsked:
		view.Why = v.name(r.By) + " asked for it: " + r.Reason
	case access.CauseCompromised:
		view.Why = v.name(r.By) + " said that it was compromised: " + r.Reason
	case access.CauseRetired:
		view.Why = v.name(r.By) + " retired it: " + r.Reason
	}
	add := func(at time.Time, sign, text string) {
		if !at.IsZero() {
			view.Moments = append(view.Moments, moment{at, sign, text})
		}
	}
	add(r.At, "claim", "Begun")
	add(r.Issued, "authority", "The new one was made")
	if !r.Chosen {
		add(r.Delivered, "reality", "The new one was seen in the store, and to let in")
	}
	add(r.Used, "reality", "Its consumers were seen using the new one")
	if len(r.Olds) > 0 {
		add(r.Killed, "gone", "The old one was killed, as far as the target answers")
	} else if r.State == access.RotationDone {
		view.Is = "made, and none of ours was there before"
	}
	for _, o := range r.Olds {
		add(o.Dead, "proof", "An old one was proved dead: "+o.How)
	}
	slices.SortStableFunc(view.Moments, func(x, y moment) int { return cmp.Compare(x.At.UnixNano(), y.At.UnixNano()) })
	return view
}

// decideCredential has a credential rotated, retired or killed, once whoever asks for it is sure.
func (p *portal) decideCredential(v *visit) error {
	f := v.r.PostForm
	view, err := v.credentialOf(f.Get("id"))
	if err != nil {
		return err
	}
	how := f.Get("how")
	view.Reason = typed(f, "reason")
	deeds := map[string]func(engine.Deed) (access.Rotation, error){
		"rotate":      func(w engine.Deed) (access.Rotation, error) { return p.Engine.Rotate(v.r.Context(), v.by, w) },
		"retire":      func(w engine.Deed) (access.Rotation, error) { return p.Engine.Retire(v.r.Context(), v.by, w) },
		"compromised": func(w engine.Deed) (access.Rotation, error) { return p.Engine.Compromised(v.r.Context(), v.by, w) },
	}
	do := deeds[how]
	switch {
	case do == nil:
		return fmt.Errorf("%w: a credential is rotated, retired or called compromised, not %.20q", access.ErrInvalid, how)
	case f.Get("sure") == "":
		view.Sure = how
		return v.page(http.StatusOK, view.ID, "/credentials", credentialPage(view, v.now))
	}
	if _, err = do(engine.Deed{Credential: view.ID, Reason: view.Reason}); err == nil {
		return v.doneAt("/credential", view.ID, how)
	}
	if !errors.Is(err, access.ErrInvalid) && !errors.Is(err, access.ErrConflict) {
		return err
	}
	view.Wrong, view.Sure = said(err), how
	return v.page(http.StatusUnprocessableEntity, view.ID, "/credentials", credentialPage(view, v.now))
}

// living counts those that are not proved dead.
func living(rows []credentialRow) (n int) {
	for _, r := range rows {
		if r.State != "retired" {
			n++
		}
	}
	return n
}
