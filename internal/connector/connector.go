// Package connector is the port to target systems. Its adapters stand side by
// side below it, know nothing of each other, of grants or of approval, and
// pass one conformance suite (connectortest).
//
// What a target answers to a write is a hint. Only Look and Observe say what is
// so, and the reconciler believes nothing else.
package connector

import (
	"context"
	"errors"
	"time"
)

// Ref names one possible holding at a target: this account, that object.
type Ref struct {
	Account string // as the directory names the account at this system
	Object  string // as the catalog names the target's object
}

// Change asks that the holding be there (Want) or not be there.
type Change struct {
	Ref
	Want bool
	// Fence grows with each lease; a target that can check it refuses an older one.
	Fence int64
}

// Result is the target's answer to one change. A nil Err is a hint that it was
// done or was already so; it proves nothing.
type Result struct {
	Ref
	Err error
}

// Seen is what one look saw.
type Seen struct {
	Ref
	Direct    bool     // held as Apply would write it
	Effective bool     // held by any path the target can be asked about
	Path      string   // how it was looked, e.g. "GET /Groups/…; GET /Users/…"
	Residual  []string // other paths that give the same access
	At        time.Time
	Err       error // the look failed: nothing is known; the other fields are void
}

// Holding is one membership read from a whole system.
type Holding struct{ Ref }

// Session is one open session of an account.
type Session struct {
	ID      string
	Account string
	Until   time.Time // zero: not known
}

// Capabilities says what this connector can do, as facts about the target.
type Capabilities struct {
	Batch     int  // most changes worth handing to Apply at once; at least 1
	Effective bool // Look has a second path
	Sessions  bool // the connector is also a [Sessions]
	// Lingers is how long a session opened before a removal can go on using the
	// access, where the target cannot end it; zero: no session outlives a removal.
	Lingers time.Duration
	Fences  bool // the target checks Change.Fence
}

// Errors a connector wraps its own in, so that the reconciler can tell what an
// answer means.
var (
	// ErrUnanswered: the call was sent and no answer came; it may still take
	// effect later. Anything not known to be one of the others is this.
	ErrUnanswered = errors.New("unanswered")
	// ErrRefused: the target said no and nothing changed.
	ErrRefused = errors.New("refused by the target")
	// ErrNoObject: the object or account is not there.
	ErrNoObject = errors.New("no such object at the target")
	// ErrUnreachable: nothing was sent (no connection, the deadline had passed).
	ErrUnreachable = errors.New("target unreachable")
)

// RetryAfter wraps an error of a target that said how long it wants to be left
// alone; find it with errors.As. What the answer means is what it wraps.
type RetryAfter struct {
	Err  error
	Wait time.Duration
}

// Error says both.
func (r *RetryAfter) Error() string {
	return r.Err.Error() + ", retry after " + r.Wait.String()
}

// Unwrap gives what the answer means.
func (r *RetryAfter) Unwrap() error { return r.Err }

// Connector is one connected target. All methods may be called concurrently,
// and return within their context's deadline.
type Connector interface {
	// Capabilities never blocks and never changes, but that Lingers may be known
	// only once the target has answered.
	Capabilities() Capabilities
	// Apply asks for every change and answers each, in order, whatever becomes
	// of the others. It is idempotent both ways: asking for what is so is no
	// error, and nothing can be held at an object or by an account that is not
	// there, so its removal is no error either; adding to one is ErrNoObject. It
	// never touches a holding it was not asked about. It does not retry what went
	// unanswered: whoever calls does.
	Apply(ctx context.Context, changes []Change) []Result
	// Look reads each holding anew from the authoritative side, directly and,
	// where the target allows, by another path than the write. Nothing is cached.
	// A missing object or account is seen absent, not an error.
	Look(ctx context.Context, refs []Ref) []Seen
	// Observe reads every holding of the given objects, all of the system's if
	// none is given, and yields them as they come. A truncated read is an error,
	// never a short list.
	Observe(ctx context.Context, objects []string, yield func(Holding) error) error
	// Close releases connections. Calls under way fail.
	Close() error
}

// Sessions is what a connector with [Capabilities.Sessions] can do besides.
type Sessions interface {
	// ListSessions reads, anew, the open sessions of the holding's account that
	// could still use it although it is no longer held.
	ListSessions(ctx context.Context, ref Ref) ([]Session, error)
	// EndSession ends one that is still its account's. It is idempotent: a session that
	// is gone is no error. Whether it ended, only ListSessions tells.
	EndSession(ctx context.Context, s Session) error
}

// SessionsOfMany is what a [Sessions] can do besides whose target is asked about many
// accounts as quickly as about one.
type SessionsOfMany interface {
	// MayBeOpen tells, anew, of which of the holdings ListSessions would list a session
	// or fail. Of the others no session is open that could use what is held no longer.
	MayBeOpen(ctx context.Context, refs []Ref) (map[Ref]bool, error)
}

// Attribution is what a connector can do besides whose target remembers who wrote.
type Attribution interface {
	// Authors says who last gave each holding, as the target remembers it, for
	// people to read: a name there, and when. What it cannot tell is left out; it
	// is no proof, only a place to ask.
	Authors(ctx context.Context, refs []Ref) (map[Ref]string, error)
}

// Account is one account as its target knows it.
type Account struct {
	Name string // as a Ref would name it
	ID   string // that the target never gives twice, whatever the name; empty where none is shown
	// Kind is what the target says it is: "machine" (a program's), "person", or "built-in"
	// (the target made it for itself). Empty: it does not say.
	Kind string
	Used time.Time // when it last let somebody in; zero: the target does not tell
	By   string    // the account that made it, as a Ref would name it; empty: not known
}

// Use is one sight of an account in use.
type Use struct {
	Account string
	Program string // what acts as it, as the target shows that
	From    string // where from
	Person  bool   // the program is one that a person works with, such as a shell
}

// Uses is what a connector can do besides whose target shows who acts as its accounts.
type Uses interface {
	// Uses reads what acts as accounts now, and yields it as it comes.
	Uses(ctx context.Context, yield func(Use) error) error
}

// Accounts is what a connector can do besides whose target tells accounts apart by
// more than their names. Whether a connector is this or another of the optional
// things, [As] says.
type Accounts interface {
	// Accounts reads every account and yields them as they come. A truncated read is
	// an error, never a short list.
	Accounts(ctx context.Context, yield func(Account) error) error
}

// Trace is one thing at a target that somebody made, owns or handed out.
type Trace struct {
	By   string    // an account, or an object that its holders act as
	What string    // for people, and always the same for the same thing
	At   time.Time // when, as the target remembers it; zero: it does not
}

// Lineage is what a connector can do besides whose target remembers by whose hand
// things came to be.
type Lineage interface {
	// Traces reads what these made, own or handed out and is still there; what
	// anybody did if none is named. Accounts may act as what they hold: then the
	// object's name is the one to ask for, too. A truncated read is an error.
	Traces(ctx context.Context, by []string) ([]Trace, error)
}

// Feed is what a connector can do besides whose target says when something changes.
type Feed interface {
	// Follow calls changed with the objects of which a holding may have changed, and
	// with none where the target does not tell which: then any may have. What it says
	// is a nudge and no reading: whoever hears it reads those objects anew. It calls
	// changed with none as soon as it listens, for what happened before that only a
	// whole reading finds. It returns when ctx ends or the line breaks, never nil
	// before that, and calls changed from one goroutine at a time. A target that has no
	// feed to offer is errors.ErrUnsupported.
	Follow(ctx context.Context, changed func(objects []string)) error
}

// Credential is one key, token, password or certificate that lets its bearer in as
// an account. What it is worth is never read, only that it is there.
type Credential struct {
	ID      string    // as the target names it, for as long as it is there; given to no other
	Kind    string    // e.g. "access token", "ssh key", "deploy key", "service account token"
	Account string    // whom its bearer acts as; empty: no account's
	Objects []string  // what it opens besides what its account may, as a Ref would name it
	Name    string    // what somebody called it, for people
	Print   string    // of a key: its fingerprint, by which it is known elsewhere
	Issued  time.Time // zero: not known
	Used    time.Time // zero: never, or not known
	Ends    time.Time // zero: never, unless EndUnknown
	// EndUnknown: the target does not tell when it ends.
	EndUnknown bool
}

// Credentials is what a connector can do besides whose target lists what lets bearers in.
type Credentials interface {
	// Credentials reads every credential and yields them as they come. A truncated
	// read is an error, never a short list.
	Credentials(ctx context.Context, yield func(Credential) error) error
}

// Object is what a target itself says of something that can be held there.
type Object struct {
	Name        string // as a Ref would name it
	Description string // the target's own words for people; empty: it has none
	// Powers are those that the target shows its holders to have, in the words of the
	// catalog: "read", "write", "admin", "grant" (the power to hand out access). What
	// it does not show is not in them, so that none says nothing.
	Powers []string
	// Why says in one line what of the object shows them, e.g. "CREATEROLE".
	Why string
}

// Objects is what a connector can do besides whose target tells what its objects are.
type Objects interface {
	// Objects reads what the target says of the given objects, and yields those that
	// are there. A truncated read is an error, never a short list.
	Objects(ctx context.Context, objects []string, yield func(Object) error) error
}
