package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"
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
	// a password: issuing one ends the one before in the same moment (but that it may
	// linger), its ID stays what it was, and Marked finds none, for the target keeps no
	// mark. Otherwise the target makes the worth, and an account may have several beside
	// each other.
	Chosen bool
	// Lingers is how long the target may go on letting in whoever holds one that was
	// killed or replaced; zero: not at all.
	Lingers time.Duration
}

// Order asks for one credential.
type Order struct {
	Account string
	Kind    string
	Mark    string    // by which what the order made is found again: see Check
	Worth   Worth     // of a Chosen kind; empty otherwise
	Ends    time.Time // zero: as long as the target lets it
	Scopes  []string  // in the target's words, where its credentials have any
}

// mark can stand in any target's names as itself.
var mark = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$`)

// Check says of which of the kinds the order is, or what of it no target could carry out.
func (o Order) Check(kinds []IssuedKind) (IssuedKind, error) {
	i := slices.IndexFunc(kinds, func(k IssuedKind) bool { return k.Kind == o.Kind })
	var wrong error
	switch {
	case i < 0:
		wrong = fmt.Errorf("credentials of kind %q are not issued here", o.Kind)
	case o.Account == "" || !utf8.ValidString(o.Account):
		wrong = fmt.Errorf("%.80q is no account's name", o.Account)
	case !mark.MatchString(o.Mark):
		wrong = fmt.Errorf("the mark %.80q is not 1 to 40 small letters, digits and inner dashes", o.Mark)
	case kinds[i].Chosen && !o.Worth.sayable():
		wrong = fmt.Errorf("the worth of a %s must be chosen: 12 to 128 signs of ASCII, no spaces", o.Kind)
	case !kinds[i].Chosen && len(o.Worth) > 0:
		wrong = fmt.Errorf("the worth of a %s is made by the target", o.Kind)
	default:
		return kinds[i], nil
	}
	return IssuedKind{}, fmt.Errorf("%w: %w", ErrRefused, wrong)
}

// sayable says that it means the same to every target, whatever it makes of letters.
func (w Worth) sayable() bool {
	return len(w) >= 12 && len(w) <= 128 && !slices.ContainsFunc(w, func(b byte) bool { return b <= ' ' || b > '~' })
}

// errNoWorth is what Try says of an empty one: a target may take it for no attempt at
// all, and let it in as nobody, or refuse it whatever is alive.
var errNoWorth = errors.New("there is no worth to try")

// Presentable says what of a try no target could answer.
func (w Worth) Presentable() error {
	if len(w) == 0 {
		return fmt.Errorf("%w: %w", ErrRefused, errNoWorth)
	}
	return nil
}

// Issued is a credential and, this once, its worth.
type Issued struct {
	Credential
	Worth Worth
}

// Issuer is what a connector can do besides whose target's credentials can be made and
// ended from outside. No error, path or listing of it ever holds a worth. Kill and Try
// are told what Issue, Marked or [Credentials] said of one: of what Issue made its ID, Kind
// and Account are enough. Its errors are those of Apply.
type Issuer interface {
	// Issues lists the kinds. It never blocks, and never changes, but that Lingers may be
	// known for shorter once the target has answered.
	Issues() []IssuedKind
	// Issue makes one. It is not idempotent where the target makes the worth: what went
	// unanswered may have made one, or a part of one, which Marked finds and nobody
	// knows the worth of. A mark stands for one credential of an account: while that one
	// is there, another order with it is ErrRefused and makes nothing. Whether its worth
	// lets in, only Try tells. A target that can let it end does so by Ends, and says in
	// Issued when that is.
	Issue(ctx context.Context, o Order) (Issued, error)
	// Marked reads, anew, what an order with this mark has made for the account and is
	// there. An account that is not there has none.
	Marked(ctx context.Context, o Order) ([]Credential, error)
	// Kill has it let nobody in any more, and touches no other of its account. It is
	// idempotent: one that is gone, or whose account is, is no error. Of a Chosen kind it
	// leaves the account with none that anybody knows. What it answers is a hint; whether
	// it is dead, only Try tells. Sessions that it opened live on: [Sessions] ends those.
	Kill(ctx context.Context, c Credential) error
	// Try presents a worth to the target as its bearer would, at a door that every bearer
	// may use and that changes nothing, and tells whether it lets in as the account. Only
	// a plain yes or a plain no is an answer; anything else is an error. It reads nothing
	// of its own: what Issue or Kill was answered it does not know. Where the target notes
	// when a credential was used, a try that is let in is a use.
	Try(ctx context.Context, c Credential, worth Worth) (in bool, err error)
}
