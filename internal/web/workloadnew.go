package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// registering is the form by which a workload is written down.
type registering struct {
	url.Values // what was typed

	Systems []string
	About   string // the account it was found as, if it was
	Wrong   string
}

// Chose tells whether a box is ticked.
func (r registering) Chose(name, value string) bool {
	for _, v := range r.Values[name] {
		if v == value {
			return true
		}
	}
	return false
}

// registerForm is the form, of an account that was found or by hand.
func (p *portal) registerForm(v *visit) error {
	form := registering{Values: url.Values{"kind": {string(access.Workload)}, "finding": {v.r.URL.Query().Get("finding")}, "owner": {v.by.Identity}}}
	return v.registering(http.StatusOK, form)
}

func (v *visit) registering(status int, form registering) error {
	form.Systems = v.dir.Systems()
	if id := form.Get("finding"); id != "" {
		c, err := v.Engine.Finding(v.r.Context(), v.by, id)
		if err != nil {
			return err
		}
		form.About = c.Finding.Subject
	}
	return v.page(status, "Register a workload", "/workloads", registerWorkloadPage(form))
}

// registerWorkload writes it down, or says everything that is wrong with it.
func (p *portal) registerWorkload(v *visit) error {
	w, err := newWorkload(v.r.PostForm)
	if err == nil {
		var r access.Registration
		if r, err = p.Engine.RegisterWorkload(v.r.Context(), v.by, w); err == nil && r.Accepted {
			return v.doneAt("/workload", r.Identity.ID, "registered")
		} else if err == nil {
			return v.done("/workloads", "offered")
		}
	}
	if !errors.Is(err, access.ErrInvalid) && !errors.Is(err, access.ErrDenied) && !errors.Is(err, access.ErrConflict) {
		return err
	}
	return v.registering(http.StatusUnprocessableEntity, registering{Values: v.r.PostForm, Wrong: said(err)})
}

// newWorkload reads what somebody typed; whether it may be so, the engine says.
func newWorkload(f url.Values) (w engine.NewWorkload, err error) {
	w = engine.NewWorkload{ID: typed(f, "id"), Kind: access.IdentityKind(f.Get("kind")), Name: typed(f, "name"), Owner: typed(f, "owner"), Finding: f.Get("finding"), Reason: typed(f, "reason")}
	w.Contract, err = contractIn(f)
	errs := []error{err}
	wrong := func(format string, a ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{access.ErrInvalid}, a...)...))
	}
	for line := range strings.SplitSeq(typed(f, "accounts"), "\n") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		system, account, ok := strings.Cut(line, "=")
		if !ok {
			wrong("the account %.80q is not written as SYSTEM=ACCOUNT", line)
			continue
		}
		if w.Accounts == nil {
			w.Accounts = map[string]string{}
		}
		w.Accounts[strings.TrimSpace(system)] = strings.TrimSpace(account)
	}
	return w, errors.Join(errs...)
}

// contractIn reads the contract that stands on a form.
func contractIn(f url.Values) (c access.Contract, err error) {
	c = access.Contract{Deputy: typed(f, "deputy"), Purpose: typed(f, "purpose"), Environment: typed(f, "environment"), Consumers: words(f, "consumers"),
		Systems: f["system"], Entitlements: words(f, "entitlements"), RetiresWhen: typed(f, "retires_when"), ThirdParty: typed(f, "third_party")}
	var errs []error
	for i, to := range []*access.Term{&c.RotateEvery, &c.ReviewEvery} {
		if text := typed(f, []string{"rotate_every", "review_every"}[i]); text != "" {
			if *to, err = access.ParseTerm(text); err != nil {
				errs = append(errs, err)
			}
		}
	}
	if text := typed(f, "retires"); text != "" {
		day, err := time.Parse(time.DateOnly, text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%w: %.40q is not a day such as 2030-12-31", access.ErrInvalid, text))
		}
		c.Retires = day.AddDate(0, 0, 1) // the day is its last
	}
	return c, errors.Join(errs...)
}

// contractOn is a contract as a form has it.
func contractOn(c access.Contract) url.Values {
	f := url.Values{"deputy": {c.Deputy}, "purpose": {c.Purpose}, "environment": {c.Environment}, "consumers": {strings.Join(c.Consumers, " ")}, "system": c.Systems,
		"entitlements": {strings.Join(c.Entitlements, " ")}, "retires_when": {c.RetiresWhen}, "third_party": {c.ThirdParty}}
	if c.RotateEvery > 0 {
		f.Set("rotate_every", c.RotateEvery.String())
	}
	if c.ReviewEvery > 0 {
		f.Set("review_every", c.ReviewEvery.String())
	}
	if !c.Retires.IsZero() {
		f.Set("retires", c.Retires.AddDate(0, 0, -1).Format(time.DateOnly))
	}
	return f
}

// words are what a field lists, by spaces, commas or lines.
func words(f url.Values, name string) []string {
	return strings.FieldsFunc(f.Get(name), func(r rune) bool { return strings.ContainsRune(" ,;\t\r\n", r) })
}
