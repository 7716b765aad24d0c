package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/leak"
)

// milestoneWords are words by which a status is taken for a milestone, most
// telling first. What is guessed is shown, and a person copies it or not.
var milestoneWords = []struct {
	name  string
	words []string
}{
	{"waiting", []string{"waiting for approval", "awaiting approval", "pending approval", "approval"}},
	{"granting", []string{"being granted", "granting", "provisioning", "in progress", "approved"}},
	{"active", []string{"active", "granted", "provisioned"}},
	{"removed", []string{"removed", "revoked", "access ended", "closed", "done"}},
	{"refused", []string{"refused", "declined", "denied", "rejected", "canceled", "cancelled"}},
}

// guess finds a status for each milestone by its name, each status once.
func guess(list []rest.Status) (m config.JiraMilestones, missing []string) {
	taken := map[string]bool{}
	of := map[string]string{}
	for _, want := range milestoneWords {
		for _, word := range want.words {
			i := slices.IndexFunc(list, func(s rest.Status) bool { return !taken[s.ID] && strings.Contains(strings.ToLower(s.Name), word) })
			if i >= 0 && of[want.name] == "" {
				of[want.name], taken[list[i].ID] = list[i].ID, true
			}
		}
		if of[want.name] == "" {
			missing = append(missing, want.name)
		}
	}
	return config.JiraMilestones{Waiting: of["waiting"], Granting: of["granting"], Active: of["active"], Removed: of["removed"], Refused: of["refused"]}, missing
}

// mapping writes a jira.yaml from what was found. Text from Jira stands only in
// comments, on one line; ids are digits and field ids.
func (b *build) mapping() string {
	s, w := b.Site, &writer{}
	w.line("# Proposed from what is there. Look through it; what is in CAPITALS or 0 is still missing.")
	w.line("sites:")
	w.line("  - id: %s", s.ID)
	w.line("    url: %s", s.URL)
	w.line("    kind: %s", s.Kind)
	if s.User != "" {
		w.line("    user: %s", s.User)
	}
	w.line("    token_ref: %s", cmp.Or(s.TokenRef, "file:secrets/jira.token"))
	w.line("    webhook_secret_ref: %s", cmp.Or(s.WebhookSecretRef, "file:secrets/jira.hook"))
	w.line("    owner: %s", cmp.Or(s.Owner, "PERSON   # who is told of what is wrong there"))
	if s.Portal != "" {
		w.line("    portal: %s", s.Portal)
	}
	w.line("    projects:")
	w.line("      - key: %s", b.Project)
	w.line("        service_desk: %t", b.found.isDesk)
	w.line("        request_types:")
	w.line("          - id: %q%s", cmp.Or(b.found.kind, "0"), remark(b.Type))
	b.askedFor(w)
	b.forHowLong(w)
	if b.found.start.ID != "" {
		w.line("            start: %s%s", b.found.start.ID, remark(b.found.start.Name))
	}
	w.line("            reason: summary")
	b.ways(w)
	return w.String()
}

func (b *build) askedFor(w *writer) {
	f := b.found
	w.line("            entitlements:")
	w.line("              field: %s%s", cmp.Or(f.ent.ID, "customfield_0"), remark(f.ent.Name))
	w.line("              options:")
	for _, id := range slices.Sorted(maps.Keys(f.entOf)) {
		is := f.entOf[id].Entitlement
		if is == "" {
			is = "bundle:" + f.entOf[id].Bundle
		}
		w.line("                %q: %q", id, is)
	}
	if len(f.entOf) == 0 {
		w.line("                # OPTION ID: ENTITLEMENT, for each option that is made")
	}
	if f.who.ID != "" {
		w.line("            beneficiary: %s%s", f.who.ID, remark(f.who.Name))
	}
}

func (b *build) forHowLong(w *writer) {
	f := b.found
	if f.term.ID == "" {
		w.line("            term: {fixed: %s}   # until there is a field to choose from", usualTerms(b.Directory)[0])
		return
	}
	w.line("            term:")
	w.line("              field: %s%s", f.term.ID, remark(f.term.Name))
	w.line("              options:")
	for _, id := range slices.Sorted(maps.Keys(f.termOf)) {
		w.line("                %q: %s", id, f.termOf[id])
	}
}

func (b *build) ways(w *writer) {
	m, missing := guess(b.found.statuses)
	w.line("        milestones:")
	for _, one := range milestones(m) {
		if one.id != "" {
			w.line("          %s: %q%s", one.name, one.id, remark(nameOf(b.found.statuses, one.id)))
		}
	}
	for _, name := range missing {
		w.line("          # %s: STATUS ID", name)
	}
	if b.found.isDesk {
		w.line("        votes: {approvals: true}")
	}
	w.line("        when_moved: comment")
	for _, l := range b.found.levels {
		w.line("        # security_level: %q%s", l.ID, remark(l.Name))
	}
}

// writer gathers lines.
type writer struct{ strings.Builder }

// line writes one.
func (w *writer) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// remark is a name as a comment: on one line, of what prints.
func remark(name string) string {
	if name = strings.Join(strings.Fields(leak.Clean(name)), " "); name == "" {
		return ""
	}
	return "   # " + name
}
