package host

// A request is one JSON value on standard input, its answer one on standard
// output, and then both are over: nothing stays behind that could hang or be
// taken for another's.

// Request asks one thing.
type Request struct {
	Verb string `json:"verb"` // read, change, sessions or end
	// Within is for how many milliseconds the answer is waited for.
	Within int64 `json:"within_ms,omitzero"`

	Objects []string `json:"objects,omitempty"` // read; none: all there are
	After   string   `json:"after,omitzero"`    // read: the last object of the page before
	Around  bool     `json:"around,omitzero"`   // read: also how sshd is set up for each
	Changes []Change `json:"changes,omitempty"` // change

	Object     string   `json:"object,omitzero"` // sessions, end
	Principals []string `json:"principals,omitempty"`
	Session    string   `json:"session,omitzero"` // end
}

// Change asks that a principal's line stand in an object's file, or not.
type Change struct {
	Principal string `json:"principal"`
	Object    string `json:"object"`
	Want      bool   `json:"want"`
	// First and Last are the serial numbers of the certificates that die with a
	// removal; none if Last is 0.
	First uint64 `json:"first,omitzero"`
	Last  uint64 `json:"last,omitzero"`
}

// What a failure can be.
const (
	NoObject = "no_object"
	Refused  = "refused"
	Unsure   = "unsure" // some of it may have been done
)

// Failure says no. Unless it is unsure, what it is about has not changed.
type Failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

// Answer is the answer to one request.
type Answer struct {
	Error    *Failure   `json:"error,omitempty"`   // to the whole request: nothing was done
	Results  []*Failure `json:"results,omitempty"` // one for each change, in order; nil: done, or so already
	Objects  []Object   `json:"objects,omitempty"` // those that are there
	Next     string     `json:"next,omitzero"`     // read on after this one
	Sessions []Session  `json:"sessions,omitempty"`
	Done     bool       `json:"done"` // stands in every answer: what was cut off has none
}

// Object is a UNIX user who has a principals file.
type Object struct {
	Name   string  `json:"name"`
	Lines  []Line  `json:"lines,omitempty"`
	Around *Around `json:"around,omitempty"`
}

// Line is one line that lets a principal in.
type Line struct {
	Number    int    `json:"n"`
	Principal string `json:"p"`
	Options   bool   `json:"o,omitzero"` // it stands behind options: not a line of ours
}

// Around is how sshd is set up for one user.
type Around struct {
	Problem string   `json:"problem,omitzero"` // sshd does not go by the principals file
	Keys    []Key    `json:"keys,omitempty"`
	Notes   []string `json:"notes,omitempty"`
}

// Key is one line of the user's authorized keys.
type Key struct {
	Where      string   `json:"where"`
	CA         bool     `json:"ca,omitzero"`
	Principals []string `json:"principals,omitempty"`
	Comment    string   `json:"comment,omitzero"`
	Print      string   `json:"print,omitzero"` // its fingerprint
	Ends       int64    `json:"ends,omitzero"`  // seconds since 1970, by its line
}

// Session is one open connection to sshd, by its process.
type Session struct {
	ID string `json:"id"`
}
