package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// mostSeals is how many one page lists.
const mostSeals = 50

// sealView is one seal in words.
type sealView struct {
	access.Seal

	Where    string   // the system's name
	What     []string // what it opens, by name
	Keepers  []string
	Breaker  string
	Settler  string
	Breaks   bool // the reader may say that it is not to be relied on
	Retires  bool
	Settles  bool // a use of it may wait for the reader's word; policy says so when it is given
	Incident string
	Reason   string
	Wrong    string
}

// sealsView is the seals the reader may know of.
type sealsView struct {
	Rows []sealView
	More string
	Said string
	New  *sealForm // nil: the reader seals nothing
}

// sealForm is what is written of a new seal. What the credential is worth is asked for
// nowhere: it stays in the envelope.
type sealForm struct {
	Systems                                                     []string
	System, Account, Opens, First, Second, Place, Print, Within string
	Wrong                                                       string
}

// seals lists the credentials that lie sealed for the day Lessor is down.
func (p *portal) seals(v *visit) error {
	view, err := v.seals()
	if err != nil {
		return err
	}
	view.Said = map[string]string{"seal": "Noted, and told to its custodians and to all who answer for what it opens.", "break": "The seal is broken: what its account holds counts as access nobody granted.", "retire": "Retired: its account is as any other from now on.",
		"settle": "Settled, in that incident. Make the credential anew, and seal it."}[v.justDone()]
	return v.page(http.StatusOK, "Sealed credentials", "/break-glass", sealsPage(view, v.now))
}

func (v *visit) seals() (view sealsView, err error) {
	list, err := v.Engine.Seals(v.r.Context(), v.by, v.r.URL.Query().Get("before"), mostSeals)
	if err != nil {
		return view, err
	}
	security := slices.Contains(v.dir.GroupsOf(v.by.Identity), "security")
	for _, s := range list {
		row := sealView{Seal: s, Where: v.system(s.System), Breaker: v.name(s.BrokenBy), Settler: v.name(s.SettledBy)}
		for _, id := range s.Opens {
			row.What = append(row.What, v.entitlement(id).Name)
		}
		for _, c := range s.Custodians {
			row.Keepers = append(row.Keepers, v.name(c))
		}
		keeps := s.Keeps(v.dir.PersonOf(v.by.Identity))
		row.Breaks, row.Retires = s.State == access.SealWhole && (keeps || security), s.Stands() && security
		row.Settles = s.State == access.SealBroken && s.SettledAt.IsZero() && !keeps
		view.Rows = append(view.Rows, row)
	}
	if len(list) == mostSeals {
		view.More = list[len(list)-1].ID
	}
	if security {
		view.New = &sealForm{Systems: v.dir.Systems()}
	}
	return view, nil
}

// newSeal notes that a credential lies sealed.
func (p *portal) newSeal(v *visit) error {
	view, err := v.seals()
	if err != nil {
		return err
	}
	f := v.r.PostForm
	form := sealForm{Systems: v.dir.Systems(), System: typed(f, "system"), Account: typed(f, "account"), Opens: typed(f, "opens"), First: typed(f, "first"), Second: typed(f, "second"),
		Place: typed(f, "place"), Print: typed(f, "print"), Within: typed(f, "within")}
	a := engine.Sealing{System: form.System, Account: form.Account, Opens: strings.FieldsFunc(form.Opens, func(c rune) bool { return c == ',' || unicode.IsSpace(c) }),
		Custodians: []string{form.First, form.Second}, Print: form.Print, Place: form.Place}
	if form.Within != "" {
		var term access.Term
		if term, err = access.ParseTerm(form.Within); err == nil {
			a.Until = v.now.Add(term.D())
		}
	}
	if err == nil {
		_, err = p.Engine.Seal(v.r.Context(), v.by, a)
	}
	switch {
	case err == nil:
		return v.done("/seals", "seal")
	case view.New == nil || !errors.Is(err, access.ErrInvalid) && !errors.Is(err, access.ErrDenied):
		return err
	}
	form.Wrong = said(err)
	view.New = &form
	return v.page(http.StatusUnprocessableEntity, "Sealed credentials", "/break-glass", sealsPage(view, v.now))
}

// decideSeal breaks, retires or settles the use of one.
func (p *portal) decideSeal(v *visit) error {
	view, err := v.seals()
	if err != nil {
		return err
	}
	id, f := v.r.PathValue("id"), v.r.PostForm
	how, incident, reason := f.Get("how"), typed(f, "incident"), typed(f, "reason")
	switch how {
	case "break", "retire":
		_, err = p.Engine.Unseal(v.r.Context(), v.by, engine.Unsealing{Seal: id, Retire: how == "retire", Reason: reason})
	case "settle":
		_, err = p.Engine.SettleSeal(v.r.Context(), v.by, engine.SealUse{Seal: id, Incident: incident, Text: reason})
	default:
		err = fmt.Errorf("%w: a seal is broken, retired or the use of it settled, not %.20q", access.ErrInvalid, how)
	}
	switch {
	case err == nil:
		return v.done("/seals", how)
	case !errors.Is(err, access.ErrInvalid) && !errors.Is(err, access.ErrDenied) && !errors.Is(err, access.ErrGone):
		return err
	}
	for i := range view.Rows {
		if row := &view.Rows[i]; row.ID == id {
			row.Wrong, row.Incident, row.Reason = said(err), incident, reason
		}
	}
	return v.page(http.StatusUnprocessableEntity, "Sealed credentials", "/break-glass", sealsPage(view, v.now))
}

// breaker says who said that it is broken, or what has seen it.
func (s sealView) breaker() string {
	if s.BrokenBy == access.Clock.Identity {
		return ", as a reading has seen"
	}
	return " by " + s.Breaker
}

// stands says how a seal stands.
func (s sealView) stands(now time.Time) string {
	switch {
	case s.State == access.SealWhole && !s.Whole(now):
		return "past its date: renew it"
	case s.State == access.SealBroken && !s.SettledAt.IsZero():
		return "broken, and its use is settled: renew it"
	case s.State == access.SealBroken:
		return "broken"
	}
	return string(s.State)
}
