package enginetest

import (
	"github.com/lessor-iam/lessor/internal/access"
)

// rotated is what holds of every rotation: one at a time is open for a credential, its
// numbers only grow, whatever is over has proved every old one dead, and what is not
// is due again.
func (l *ledger) rotated() {
	open, newest := map[string]string{}, map[string]int64{}
	for _, r := range l.rotations {
		if r.Generation <= newest[r.Credential] {
			l.wrong("I12", "rotation %s of %s has the number %d, and one before it has %d", r.ID, r.Credential, r.Generation, newest[r.Credential])
		}
		newest[r.Credential] = r.Generation
		ended := r.State == access.RotationDone || r.State == access.RotationDead
		switch {
		case ended && len(r.Alive()) > 0:
			l.wrong("I12", "rotation %s is %s, and %d old ones are not proved dead", r.ID, r.State, len(r.Alive()))
		case r.State == access.RotationDone && r.Delivered.IsZero():
			l.wrong("I12", "rotation %s is done, and nothing was seen delivered", r.ID)
		case r.State.Over():
		case open[r.Credential] != "":
			l.wrong("I12", "%s has two open rotations, %s and %s", r.Credential, open[r.Credential], r.ID)
		case r.Work.Due.IsZero():
			l.wrong("I7", "rotation %s is %s, and nothing is due", r.ID, r.State)
		default:
			open[r.Credential] = r.ID
		}
		if !r.Killed.IsZero() && !r.Until.IsZero() && r.Cause != access.CauseCompromised && r.Killed.Before(r.Delivered) {
			l.wrong("I12", "rotation %s killed the old one before the new one was delivered", r.ID)
		}
	}
}
