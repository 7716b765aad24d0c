package enginetest

import "github.com/lessor-iam/lessor/internal/access"

// leavings asks that nobody who has left or is suspended has a grant, and that nobody came to answer
// for something but by accepting what was offered to them, being active and another.
func (l *ledger) leavings() {
	if l.World == nil {
		return
	}
	gone := map[string]access.Departure{}
	dir := l.World(l.now).Directory
	for _, dep := range l.departed {
		if !dep.Done.IsZero() && dep.Back.IsZero() {
			gone[dep.Person] = dep
		}
	}
	now := l.World(l.now).Directory
	for _, g := range l.grants {
		if id, ok := now.Identity(g.Identity); ok && id.Suspended && g.State != access.Ended {
			l.wrong("suspended", "grant %s of %s is %s, and it is suspended", g.ID, g.Identity, g.State)
		}
		if dep, left := gone[dir.PersonOf(g.Identity)]; left && g.State != access.Ended {
			l.wrong("leaver", "grant %s of %s is %s, and %s has left at %s", g.ID, g.Identity, g.State, dep.Person, dep.At)
		}
	}
	for _, h := range l.handovers {
		if h.State != access.HandoverAccepted {
			continue
		}
		then := l.World(h.Decided).Directory
		i, ok := then.Identity(h.Offered)
		if !ok || !i.ActiveAt(h.Decided) || i.Kind != access.Person || i.External || then.PersonOf(h.Offered) == then.PersonOf(h.From) || then.PersonOf(h.By) != then.PersonOf(h.Offered) {
			l.wrong("leaver", "handover %s of %s was accepted by %s for %s, who could not", h.ID, h.Subject, h.By, h.Offered)
		}
	}
}
