package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/leak"
)

// A finding outlives the run that found it, so a run says not only what is wrong
// but what it looked at: what it could not look at, by its token or in its time,
// is left as it was found before. Of what people wrote in Jira a finding holds
// names at most, each as [short] leaves it.

// source is the site as findings name it; every ticket's id begins with it.
func (l *look) source() string { return "jira:" + l.Site.ID }

// again finds, by project, the tickets that something was found about before. One
// that is no longer in a mapped project is no longer about access here.
func (l *look) again(ctx context.Context) (map[string][]string, error) {
	of := map[string][]string{}
	for _, subject := range l.Again {
		id := strings.TrimPrefix(subject, l.source()+":")
		if id == subject || !isNumber(id) {
			continue
		}
		i, err := try(ctx, l, func() (rest.Issue, error) { return l.Rest.Issue(ctx, id, "project") })
		switch {
		case errors.Is(err, rest.ErrMissing):
			// It is gone, or hidden from this token: what Lessor's own reading says of it counts.
		case err != nil:
			return nil, fmt.Errorf("ticket %s: %w", subject, err)
		case l.mapped(i.Project.Key):
			of[i.Project.Key] = append(of[i.Project.Key], id)
		default:
			l.off = append(l.off, id)
		}
	}
	return of, nil
}

func isNumber(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c < '0' || c > '9' })
}

func (l *look) mapped(project string) bool {
	for _, p := range l.Site.Projects {
		if p.Key == project {
			return true
		}
	}
	return false
}

// looked is what the run looked at for what, and what is wrong there.
func (l *look) looked(flaws []Flaw, untied []Grant) []engine.Looked {
	list := []engine.Looked{}
	has := func(subject string) bool {
		return slices.ContainsFunc(list, func(k engine.Looked) bool { return k.Subject == subject })
	}
	// 1. Tickets. One that was moved meanwhile may have been seen in two projects.
	for _, t := range slices.Concat(l.tickets, l.older) {
		if !has(t.ID) {
			list = append(list, engine.Looked{Subject: t.ID, For: l.ofTicket(t)})
		}
	}
	// 2. Workflows.
	for _, f := range l.flows {
		for _, kind := range f.told() {
			list = append(list, engine.Looked{Subject: l.source() + ":" + f.Project + "/" + kind, For: map[string]string{access.WorkflowHole: holes(f.Project, kind, flaws)}})
		}
	}
	// 3. Grants of what the site's forms offer. That they end is the engine's to know.
	for _, g := range untied {
		if l.offers(g.Entitlement.ID) {
			list = append(list, engine.Looked{Subject: l.source() + ":" + g.ID, For: map[string]string{access.GrantWithoutTicket: fmt.Sprintf(
				"%s was granted to %s (%s), and no ticket asked for it although the site's form offers it. Ask why; it ends with the grant.", g.Entitlement.ID, g.Identity, g.ID)}})
		}
	}
	// 4. What is no longer looked at: tickets that are about something else now, projects that are not mapped.
	for _, subject := range l.Again {
		rest := strings.TrimPrefix(subject, l.source()+":")
		project, _, way := strings.Cut(rest, "/")
		if !has(subject) && (slices.Contains(l.off, rest) || way && !l.mapped(project)) {
			list = append(list, engine.Looked{Subject: subject, For: nothing()})
		}
	}
	return list
}

// nothing is wrong, whatever is looked for.
func nothing() map[string]string {
	all := map[string]string{}
	for _, kind := range access.AuditKinds {
		if kind != access.GrantWithoutTicket {
			all[kind] = ""
		}
	}
	return all
}

// offers tells whether a form of the site has an option for the entitlement.
func (l *look) offers(entitlement string) bool {
	for _, p := range l.Site.Projects {
		for _, t := range p.RequestTypes {
			for _, choice := range t.Entitlements.Options {
				bundle, _ := l.Directory.Bundle(choice.Bundle)
				if choice.Entitlement == entitlement || slices.Contains(bundle.Entitlements, entitlement) {
					return true
				}
			}
		}
	}
	return false
}

// ofTicket is what is wrong with one ticket. That it is gone is its channel's to say.
func (l *look) ofTicket(t Ticket) map[string]string {
	found := nothing()
	if t.Gone {
		return found
	}
	key := short(t.Key, 40)
	// 1. Its label against its risk.
	claims, words := t.claim()
	if reasons := why(t.concerns()); len(t.Granted) > 0 && claims[AnySource] < 0 && len(reasons) > 0 {
		found[access.LabelBelowRisk] = fmt.Sprintf("Ticket %s calls low (%s) what is not: %s. Mend what it says of its risk.", key, strings.Join(words, "; "), few(reasons, "; "))
	}
	// 2. Access that it says was given, and was not.
	if t.State != "" && len(t.Granted) == 0 && l.done(t) { // one never read is from before our time
		found[access.TicketWithoutGrant] = fmt.Sprintf("Ticket %s is in %q, which says that access was given, and nothing was granted under it. Put it back, or ask for the access.", key, short(t.Status.Name, 60))
	}
	// 3. Who sees it.
	if list := SightOf([]Ticket{t}, l.walls); len(list) > 0 {
		found[access.TicketShowsTooMuch] = shows(key, t, list[0])
	}
	// 4. Who approves it, and whether it went past them: for as long as that can matter.
	for _, f := range l.flows {
		if f.Project != t.Project || !t.matters(l.Now(), l.done(t)) {
			continue
		}
		if n, last := f.swaps(t); n > 0 {
			found[access.ApproversChanged] = fmt.Sprintf("In ticket %s who is to approve was changed %d times after it was made, last on %s. Ask why; Lessor asks policy who may approve.", key, n, last.UTC().Format("2006-01-02 15:04"))
		}
		if len(f.bypasses([]Ticket{t})) > 0 {
			found[access.WorkflowHole] = fmt.Sprintf("Ticket %s left %q for a status that says approved, and no approval was answered then. The move granted nothing; the report says by whose hand it was.", key, short(f.Approval.Name, 60))
		}
	}
	for _, kind := range t.blind {
		delete(found, kind)
	}
	for kind, text := range found {
		found[kind] = clip(text, mostText)
	}
	return found
}

// matters tells whether what happened in a ticket can still mislead anybody: while
// its request waits, while what was granted under it is held, while it says done and is not.
func (t Ticket) matters(now time.Time, done bool) bool {
	return t.open || done && len(t.Granted) == 0 || slices.ContainsFunc(t.Granted, func(g Grant) bool { return g.End.After(now) })
}

// swaps counts the changes of who approves a ticket.
func (f Flow) swaps(t Ticket) (n int, last time.Time) {
	for _, e := range t.Edits {
		if slices.Contains(f.Pickers, e.Field) {
			n++
			if e.At.After(last) {
				last = e.At
			}
		}
	}
	return n, last
}

// shows says who sees a ticket that may not know of what it is about. Whom a role
// or a level lets in stands for all of them: tokens differ in whom of those they see.
func shows(key string, t Ticket, e Exposure) string {
	var parts, mend []string
	if t.Level.ID == "" {
		mend = append(mend, "give it a security level (the report proposes one)")
		parts = append(parts, "it has no security level, so whoever may browse "+short(t.Project, 20)+" sees it")
	}
	strangers := map[string]bool{}
	for _, v := range t.Viewers {
		switch {
		case v.May || strings.HasPrefix(v.How, "role "):
		case v.Identity != "":
			strangers[v.Identity] = true
		default:
			strangers["somebody who is nobody in the directory"] = true
		}
	}
	if len(strangers) > 0 {
		mend = append(mend, "take out who may not know, or enter them in the directory")
		parts = append(parts, few(slices.Sorted(maps.Keys(strangers)), ", ")+" can see it and may not know of it")
	}
	return fmt.Sprintf("Ticket %s is about %s: %s. To mend it: %s.", key, few(e.About, "; "), strings.Join(parts, ", and "), strings.Join(mend, "; "))
}

// told are the kinds of flaws that what was looked at tells for sure. Lessor's own
// token sees the ways that only Lessor may take, which are no holes; and a way out
// of a status shows only on a ticket that stands there.
func (f Flow) told() (kinds []string) {
	waits := f.Approval.ID != "" && slices.ContainsFunc(f.Looked, func(r Ref) bool { return r.ID == f.Approval.ID })
	if !f.Own && waits && len(f.Exits) > 0 {
		kinds = append(kinds, AnyStatus, ThirdExit)
	}
	kinds = append(kinds, Shared, OwnChoice)
	return slices.DeleteFunc(kinds, func(k string) bool { return slices.Contains(f.blind, k) })
}

// holes are the flaws of one kind of a project's workflow, as one finding.
func holes(project, kind string, flaws []Flaw) string {
	var list []string
	mend := ""
	for _, f := range flaws {
		if f.Project == project && f.Kind == kind {
			list, mend = append(list, short(f.What, 160)), f.Mend
		}
	}
	if len(list) == 0 {
		return ""
	}
	return clip(fmt.Sprintf("In project %s: %s. To mend it: %s.", short(project, 20), few(list, "; "), mend), mostText)
}

// A finding names so many things, and is so long.
const (
	mostNamed = 4
	mostText  = 900
)

// few names the first few of a list.
func few(list []string, between string) string {
	var out []string
	for _, s := range list[:min(len(list), mostNamed)] {
		out = append(out, clip(s, 160))
	}
	if more := len(list) - mostNamed; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, between)
}

// short makes a name of Jira's fit for a finding: one line of what shows, with no
// secret in it, and not long.
func short(s string, most int) string {
	s, _ = leak.Redact(s)
	return clip(strings.Join(strings.Fields(s), " "), most)
}

// clip cuts a text.
func clip(s string, most int) string {
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most-1]) + "…"
	}
	return s
}

// How much goes to the engine at once: a request to the API has an end, and so
// should a transaction.
const (
	mostLooked = 200
	mostBytes  = 128 << 10
)

// Runs are the report as the engine takes it, in parts. A part that was taken
// already is taken again unchanged.
func (r Report) Runs() (runs []engine.AuditRun, err error) {
	size := 0
	for _, l := range r.Looked {
		raw, err := json.Marshal(l)
		if err != nil {
			return nil, err
		}
		n := len(runs)
		if size += len(raw); n == 0 || size > mostBytes || len(runs[n-1].Looked) == mostLooked {
			runs, size, n = append(runs, engine.AuditRun{Source: "jira:" + r.Site}), len(raw), n+1
		}
		runs[n-1].Looked = append(runs[n-1].Looked, l)
	}
	return runs, nil
}
