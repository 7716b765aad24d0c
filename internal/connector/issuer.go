package connector

import (
	"context"
	"log/slog"
	"time"
)

// Worth is what a credential is worth: a password, a token, a private key. It prints
// as "[secret]" however it is printed.
type Worth []byte

// String, GoString, LogValue and MarshalText keep it out of every text.
func (Worth) String() string               { return "[secret]" }
func (Worth) GoString() string             { return "[secret]" }
func (Worth) LogValue() slog.Value         { return slog.StringValue("[secret]") }
func (Worth) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// IssuedKind is one kind of credential that an [Issuer] makes, as a fact about its target.
type IssuedKind struct {
	Kind string // as [Credential.Kind] says it
	// Chosen: an account has one of the kind, and whoever asks chooses its worth, as with
	// a password: issuing one ends the one before in the same moment, and Marked finds
	// none, for the target keeps no mark. Otherwise the target makes the worth, and an
	// account may have several beside each other.
	Chosen bool
	// Lingers is how long the target may go on letting in whoever holds one that was
	// killed or replaced; zero: not at all.
	Lingers time.Duration
}

// Order asks for one credential.
type Order struct {
	Account string
	Kind    string
	Mark    string    // by which what the order made is found again: letters, digits and dashes, at most 40
	Worth   Worth     // of a Chosen kind; empty otherwise
	Ends    time.Time // zero: as long as the target lets it
	Scopes  []string  // in the target's words, where its credentials have any
}

// Issued is a credential and, this once, its worth.
type Issued struct {
	Credential
	Worth Worth
}

// Issuer is what a connector can do besides whose target's credentials can be made and
// ended from outside. No error, path or listing of it ever holds a worth.
type Issuer interface {
	// Issues lists the kinds. It never blocks.
	Issues() []IssuedKind
	// Issue makes one. It is not idempotent where the target makes the worth: what went
	// unanswered may have made one, which Marked finds and nobody knows the worth of.
	// A target that can let it end does so by Ends, and says in Issued when that is.
	Issue(ctx context.Context, o Order) (Issued, error)
	// Marked reads, anew, what orders with this mark have made for the account and is there.
	Marked(ctx context.Context, o Order) ([]Credential, error)
	// Kill has it let nobody in any more, and touches no other of its account. It is
	// idempotent: one that is gone is no error. Of a Chosen kind it leaves the account
	// without one. What it answers is a hint; whether it is dead, only Try tells.
	Kill(ctx context.Context, c Credential) error
	// Try presents a worth to the target as its bearer would, at a door that every bearer
	// may use and that changes nothing, and tells whether it lets in. Only a plain yes or
	// a plain no is an answer; anything else is an error.
	Try(ctx context.Context, c Credential, worth Worth) (in bool, err error)
}
