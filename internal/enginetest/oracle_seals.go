package enginetest

import (
	"encoding/json"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// sealed asks of every sealed credential whether two people keep it, neither of whom
// sealed it, and of every use of one whether the seal is broken and only somebody else
// closed the finding, naming an incident (AB-38).
func (l *ledger) sealed() {
	is := map[string]access.Seal{}
	for _, s := range l.seals {
		is[s.ID] = s
		if len(s.Custodians) != 2 || s.Custodians[0] == s.Custodians[1] || slices.Contains(s.Custodians, s.By) {
			l.wrong("AB-38", "seal %s of %s is kept by %v", s.ID, s.By, s.Custodians)
		}
	}
	settled := map[string]int{}
	for _, ev := range l.events {
		if ev.Kind != "seal.settled" {
			continue
		}
		var s access.Seal
		if err := json.Unmarshal(ev.After, &s); err != nil || s.Incident == "" || slices.Contains(s.Custodians, s.SettledBy) {
			l.wrong("AB-38", "event %s settles a use of seal %s by %q with incident %q: %v", ev.ID, s.ID, s.SettledBy, s.Incident, err)
		}
		settled[s.ID]++
	}
	for _, f := range l.sealUses {
		if s, ok := is[f.Subject]; !ok || s.State == access.SealWhole {
			l.wrong("AB-38", "finding %s tells of a use of seal %s, which is %q", f.ID, f.Subject, s.State)
		}
		if !f.ClosedAt.IsZero() {
			settled[f.Subject]--
		}
	}
	for id, n := range settled {
		if n != 0 {
			l.wrong("AB-38", "seal %s: its uses closed and those settled differ by %d", id, n)
		}
	}
}
