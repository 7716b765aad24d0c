package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// AuditRun is what an audit of one source saw, or a part of it.
type AuditRun struct {
	Source string   `json:"source" minLength:"3" maxLength:"100" doc:"such as jira:acme; every subject begins with it and a colon"`
	Looked []Looked `json:"looked" maxItems:"500" nullable:"false" doc:"each subject once; none, to be told what is open"`
}

// Looked is one subject that was looked at. What it was not looked at for stays as it is.
type Looked struct {
	Subject string            `json:"subject" minLength:"1" maxLength:"200" doc:"a ticket's id, a grant's below its site, or anything else named there"`
	For     map[string]string `json:"for" doc:"what it was looked at for, by kind of finding, and what is wrong; empty where nothing is"`
}

// Audited is what came of a run.
type Audited struct {
	Opened  int      `json:"opened"`
	Changed int      `json:"changed"`
	Closed  int      `json:"closed"`
	Left    []string `json:"left" nullable:"false" doc:"subjects with open findings of this source that the run did not look at"`
}

// mostFound is how long a finding of an audit may be.
const mostFound = 1000

// Audited opens, changes and closes the findings of one source's audit: those of
// the kinds and about the subjects it looked at, and those about its grants that
// have ended; no others. Whose a finding is, by when it is due, and whether what is
// said of a grant is still so is decided here from what is stored. The same run
// again changes nothing.
func (e *Engine) Audited(ctx context.Context, by access.Actor, run AuditRun) (a Audited, err error) {
	err = e.do(ctx, "audited", by, func(d *deed) error {
		a = Audited{Left: []string{}}
		// 1. Whether it is this actor's to say, and said well.
		if err := d.mayAudit(); err != nil {
			return err
		}
		if err := run.check(); err != nil {
			return err
		}
		// 2. Subject by subject.
		news := map[string][]access.Finding{}
		for _, l := range run.Looked {
			for _, kind := range slices.Sorted(maps.Keys(l.For)) {
				if err := d.audited(ctx, run.Source, l.Subject, kind, l.For[kind], &a, news); err != nil {
					return fmt.Errorf("%s of %s: %w", kind, l.Subject, err)
				}
			}
		}
		// 3. Each owner is told once, however much it is.
		for _, owner := range slices.Sorted(maps.Keys(news)) {
			if err := d.notice(ctx, newsOf(run.Source, owner, news[owner])); err != nil {
				return err
			}
		}
		// 4. What else is open there.
		return d.left(ctx, run, &a)
	})
	return a, err
}

// mayAudit lets in security and auditors, by a token that is good for it, and the
// server's own audit.
func (d *deed) mayAudit() error {
	if d.by.Identity == access.Clock.Identity && d.by.Channel == access.Clock.Channel {
		return nil
	}
	if err := d.scope(ScopeAudit); err != nil {
		return err
	}
	dir := d.world.Directory
	groups := dir.GroupsOf(d.by.Identity)
	if id, ok := dir.Identity(d.by.Identity); !ok || !id.ActiveAt(d.now) || (!slices.Contains(groups, "security") && !slices.Contains(groups, "auditors")) {
		return fmt.Errorf("%w: what an audit saw is for members of security and auditors to say", access.ErrDenied)
	}
	return nil
}

// check says everything that is wrong with a run.
func (run AuditRun) check() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: "+format, append([]any{access.ErrInvalid}, args...)...))
	}
	if channel, site, _ := strings.Cut(run.Source, ":"); channel == "" || site == "" || strings.Contains(site, ":") || unclean(run.Source, mostName) != "" {
		bad("source %.100q must be a channel and a site, such as jira:acme", run.Source)
	}
	seen := map[string]bool{}
	for _, l := range run.Looked {
		switch rest, ours := strings.CutPrefix(l.Subject, run.Source+":"); {
		case !ours || rest == "" || unclean(l.Subject, mostName) != "":
			bad("subject %.100q must begin with %q and be one line of at most %d characters", l.Subject, run.Source+":", mostName)
		case seen[l.Subject]:
			bad("subject %.100q is there twice", l.Subject)
		}
		seen[l.Subject] = true
		for kind, text := range l.For {
			if !slices.Contains(access.AuditKinds, kind) {
				bad("%.100q is not a kind of an audit's findings: it must be one of %s", kind, strings.Join(access.AuditKinds, ", "))
			}
			if why := unclean(text, mostFound); why != "" {
				bad("what is said of %.100q %s", l.Subject, why)
			}
		}
	}
	return errors.Join(errs...)
}

// audited brings the finding of one kind about one subject up to date.
func (d *deed) audited(ctx context.Context, source, subject, kind, text string, a *Audited, news map[string][]access.Finding) error {
	about, err := d.matter(ctx, kind, source, subject)
	if err != nil {
		return err
	}
	was, err := d.OpenFinding(ctx, kind, subject)
	switch open := err == nil; {
	case err != nil && !errors.Is(err, access.ErrNotFound):
		return err
	case text == "" || about.over != "":
		if !open {
			return nil
		}
		a.Closed++
		over := "no longer seen by the audit of " + source
		if text != "" {
			over = about.over
		}
		return d.settleFinding(ctx, kind, subject, over)
	case !open:
		a.Opened++
		f := access.Finding{Kind: kind, Subject: subject, Owner: about.owner, Text: text, DueAt: d.now.Add(about.within)}
		news[f.Owner] = append(news[f.Owner], f)
		return d.openFinding(ctx, f)
	}
	// It only ever becomes due earlier: saying it anew wins nobody time.
	is := was
	is.Owner, is.Text = about.owner, text
	if due := d.now.Add(about.within); due.Before(is.DueAt) {
		is.DueAt = due
	}
	if is == was {
		return nil
	}
	if is.Owner != was.Owner {
		news[is.Owner] = append(news[is.Owner], is)
	}
	a.Changed++
	if err := d.SaveFinding(ctx, is); err != nil {
		return err
	}
	ev := d.event("finding.changed")
	ev.Finding, ev.From, ev.To, ev.After = is.ID, "open", "open", is
	return d.tell(ctx, ev)
}

// matter is what a subject is about, as far as is stored.
type matter struct {
	requests []access.Request
	owner    string        // security, where no owner of what it is about may know of it
	within   time.Duration // how long it may wait
	over     string        // why there is nothing to find; empty: there may be
}

// matter reads what a subject is about. What the actor may not know of is not there.
func (d *deed) matter(ctx context.Context, kind, source, subject string) (m matter, err error) {
	m = matter{owner: "security", within: ordinaryDue}
	var entitlements []string
	if kind == access.GrantWithoutTicket {
		g, err := d.Tx.Grant(ctx, strings.TrimPrefix(subject, source+":"))
		if err != nil {
			return m, err
		}
		entitlements = []string{g.Entitlement}
		if m.requests, err = d.known(ctx, g.Request); err != nil {
			return m, err
		}
		switch {
		case g.State == access.Ended:
			m.over = "the grant has ended"
		case m.requests[0].Ticket != "":
			m.over = "it was asked for in a ticket"
		}
	} else {
		t, err := d.Tx.Ticket(ctx, subject)
		if err != nil && !errors.Is(err, access.ErrNotFound) {
			return m, err
		}
		if m.requests, err = d.known(ctx, t.Requests...); err != nil {
			return m, err
		}
		for _, r := range m.requests {
			entitlements = append(entitlements, r.Content().Entitlements...)
		}
	}
	for i, id := range entitlements {
		ent, _ := d.world.Directory.Entitlement(id)
		if within := dueWithin(ent.Class); i == 0 || within < m.within { // the most dangerous one's owner answers for all
			m.within, m.owner = within, d.answers(ent, m.requests)
		}
	}
	return m, nil
}

// known reads requests that the actor may know of.
func (d *deed) known(ctx context.Context, ids ...string) (list []access.Request, err error) {
	for _, id := range ids {
		read := d.visible
		if d.by.Identity == access.Clock.Identity {
			read = d.Request
		}
		r, err := read(ctx, id)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// visibleFindings keeps up to limit findings, of audits those whose requests the actor may see.
func (d *deed) visibleFindings(ctx context.Context, list []access.Finding, limit int) ([]access.Finding, error) {
	seen := []access.Finding{}
	for _, f := range list {
		if slices.Contains(access.AuditKinds, f.Kind) {
			switch may, err := d.maySee(ctx, f); {
			case err != nil:
				return nil, err
			case !may:
				continue
			}
		}
		if seen = append(seen, f); len(seen) == limit {
			break
		}
	}
	return seen, nil
}

// maySee tells whether policy lets the actor see every request that an audit's finding tells of.
func (d *deed) maySee(ctx context.Context, f access.Finding) (bool, error) {
	_, err := d.matterOf(ctx, f)
	if errors.Is(err, access.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// matterOf reads what a finding of an audit is about.
func (d *deed) matterOf(ctx context.Context, f access.Finding) (matter, error) {
	return d.matter(ctx, f.Kind, f.Subject[:strings.LastIndex(f.Subject, ":")], f.Subject)
}

// answers is the first owner of an entitlement who is there and may, by policy,
// see every request a finding tells of; else security.
func (d *deed) answers(ent access.Entitlement, requests []access.Request) string {
	for _, owner := range ent.Owners {
		if id, ok := d.world.Directory.Identity(owner); ok && id.ActiveAt(d.now) && d.sees(owner, requests) {
			return owner
		}
	}
	return "security"
}

// sees tells whether policy lets somebody see all of these requests.
func (d *deed) sees(who string, requests []access.Request) bool {
	return !slices.ContainsFunc(requests, func(r access.Request) bool {
		return !d.world.Policy.MayView(d.world.Directory, d.now, access.Actor{Identity: who, Channel: d.by.Channel}, r).Allow
	})
}

// How long a finding may wait, by the class of what it is about.
const (
	ordinaryDue = 7 * 24 * time.Hour
	thirdDue    = 3 * 24 * time.Hour
	dangerDue   = 24 * time.Hour
)

// dueWithin takes a class it does not know for a dangerous one.
func dueWithin(class string) time.Duration {
	switch class {
	case "standard", "open":
		return ordinaryDue
	case "third-party":
		return thirdDue
	}
	return dangerDue
}

// mostTold is how many findings a notice names.
const mostTold = 10

// newsOf tells an owner of everything that is new to them.
func newsOf(source, owner string, list []access.Finding) Notice {
	var lines []string
	for _, f := range list[:min(len(list), mostTold)] {
		lines = append(lines, f.Kind+": "+f.Text)
	}
	if more := len(list) - mostTold; more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return Notice{To: []string{owner}, Subject: fmt.Sprintf("the audit of %s found %d things", source, len(list)), Text: strings.Join(lines, "\n")}
}

// left closes what was open of the source and not in the run where nothing is left
// to find, and lists the subjects of the rest.
func (d *deed) left(ctx context.Context, run AuditRun, a *Audited) error {
	looked := map[string]bool{}
	for _, l := range run.Looked {
		looked[l.Subject] = true
	}
	open, err := d.Tx.Findings(ctx, true, everyFinding)
	if err != nil {
		return err
	}
	for _, f := range open {
		if !slices.Contains(access.AuditKinds, f.Kind) || !strings.HasPrefix(f.Subject, run.Source+":") || looked[f.Subject] {
			continue
		}
		m, err := d.matter(ctx, f.Kind, run.Source, f.Subject)
		if err != nil && !errors.Is(err, access.ErrNotFound) {
			return err
		}
		if m.over == "" {
			a.Left = append(a.Left, f.Subject)
			continue
		}
		a.Closed++
		if err := d.settleFinding(ctx, f.Kind, f.Subject, m.over); err != nil {
			return err
		}
	}
	slices.Sort(a.Left)
	a.Left = slices.Compact(a.Left)
	return nil
}

// everyFinding is more than are ever open.
const everyFinding = 1 << 30
