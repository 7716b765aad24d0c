package access

import (
	"errors"
	"time"
)

// HaltReason is what a halt is for.
type HaltReason string

// The reasons for which nothing is granted.
const (
	HaltRecovery HaltReason = "recovery" // a database was put back: what it says may be old
	HaltClock    HaltReason = "clock"    // nobody can be sure what time it is
	HaltWitness  HaltReason = "witness"  // too few witnesses have seen the log's newest heads
	HaltLog      HaltReason = "log"      // events wait too long for their place, or the log contradicts itself
	HaltDisk     HaltReason = "disk"     // what is to be written down cannot be
	HaltFiles    HaltReason = "files"    // the files in force were confirmed by nobody; only the process that runs on them sees it
)

// HaltReasons is every reason there is.
var HaltReasons = []HaltReason{HaltRecovery, HaltClock, HaltWitness, HaltLog, HaltDisk, HaltFiles}

// Halt is a time in which nothing is granted, extended or begun, for a reason.
// What is held stays held until its end, and every end is brought about: nothing
// that takes access away asks whether there is one.
type Halt struct {
	ID      string     `json:"id"`
	Reason  HaltReason `json:"reason"`
	Text    string     `json:"text"` // what was seen, and what would end it
	At      time.Time  `json:"at"`
	EndedAt time.Time  `json:"ended_at,omitzero"`
	EndedBy []string   `json:"ended_by,omitempty"` // the people who ended it; nobody, where what was seen went away by itself
	Note    string     `json:"note,omitempty"`     // why it is over
}

// End ends the halt.
func (h Halt) End(at time.Time, by []string, note string) Halt {
	h.EndedAt, h.EndedBy, h.Note = at, by, note
	return h
}

// ErrHalted: nothing is granted now; the message says why. The same may be tried again later.
var ErrHalted = errors.New("nothing is granted now")
