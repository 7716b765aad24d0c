package access

import "time"

// Recovery is what follows from a database that was put back: nothing is granted until
// two people have said that it may be, and neither of them could alone. What the
// backup did not know is held until its end, and no longer.
type Recovery struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"`        // when it was put back
	BackupAt time.Time `json:"backup_at"` // when the backup was taken
	Size     int64     `json:"size"`      // of the log in the backup
	// Tail is how much of what happened since is known: events (the log was read on to
	// its head), or nothing.
	Tail Tail  `json:"tail"`
	Head int64 `json:"head"` // events in the log as it was put back, with its tail
	// Signed is the newest head that its key is known to have signed, where the log that
	// was put back does not reach it: from there on there are two.
	Signed    string             `json:"signed,omitempty"`
	HoldUntil time.Time          `json:"hold_until"` // the latest end of what nobody can be sure of
	Ended     int                `json:"ended"`      // grants ended when it was put back: nothing shows that they still hold
	Shortened int                `json:"shortened"`  // grants whose end moved to HoldUntil
	Approvals []RecoveryApproval `json:"approvals,omitempty"`
	LeftAt    time.Time          `json:"left_at,omitzero"`
}

// Tail says how much is known of what happened after a backup.
type Tail string

const (
	TailEvents Tail = "events" // every event up to the head its key signed
	TailNone   Tail = "none"
)

// RecoveryApproval is one person's word that it may be left.
type RecoveryApproval struct {
	Identity string    `json:"identity"`
	Person   string    `json:"person"`
	At       time.Time `json:"at"`
	Note     string    `json:"note"`
}

// approvalStands is how long one person's word waits for another's.
const approvalStands = 24 * time.Hour

// Approve adds a person's word; done is true once two different people have given
// theirs within a day. The same person's counts once.
func (r Recovery) Approve(a RecoveryApproval) (next Recovery, done bool) {
	next = r
	next.Approvals = nil
	for _, old := range r.Approvals {
		if old.Person != a.Person && a.At.Sub(old.At) < approvalStands {
			next.Approvals = append(next.Approvals, old)
		}
	}
	next.Approvals = append(next.Approvals, a)
	if done = len(next.Approvals) >= 2; done {
		next.LeftAt = a.At
	}
	return next, done
}
