package access

import (
	"slices"
	"strings"
	"time"
)

// What signals tell of: the last part of an event's URI in CAEP, RISC or SSF.
const (
	SignalDisabled         = "account-disabled"
	SignalPurged           = "account-purged"
	SignalEnabled          = "account-enabled"
	SignalCompromise       = "credential-compromise"
	SignalRecycled         = "identifier-recycled"
	SignalChanged          = "identifier-changed"
	SignalMustChange       = "account-credential-change-required"
	SignalSessionRevoked   = "session-revoked"
	SignalCredentialChange = "credential-change"
	SignalAssurance        = "assurance-level-change"
	SignalDevice           = "device-compliance-change"
	SignalRisk             = "risk-level-change"
	SignalVerification     = "verification"
	SignalStream           = "stream-updated"
)

// SignalURIs are the events we know, each by its URI.
var SignalURIs = map[string]string{
	"https://schemas.openid.net/secevent/risc/event-type/" + SignalDisabled:         SignalDisabled,
	"https://schemas.openid.net/secevent/risc/event-type/" + SignalPurged:           SignalPurged,
	"https://schemas.openid.net/secevent/risc/event-type/" + SignalEnabled:          SignalEnabled,
	"https://schemas.openid.net/secevent/risc/event-type/" + SignalCompromise:       SignalCompromise,
	"https://schemas.openid.net/secevent/risc/event-type/" + SignalRecycled:         SignalRecycled,
	"https://schemas.openid.net/secevent/risc/event-type/" + SignalChanged:          SignalChanged,
	"https://schemas.openid.net/secevent/risc/event-type/" + SignalMustChange:       SignalMustChange,
	"https://schemas.openid.net/secevent/caep/event-type/" + SignalSessionRevoked:   SignalSessionRevoked,
	"https://schemas.openid.net/secevent/caep/event-type/" + SignalCredentialChange: SignalCredentialChange,
	"https://schemas.openid.net/secevent/caep/event-type/" + SignalAssurance:        SignalAssurance,
	"https://schemas.openid.net/secevent/caep/event-type/" + SignalDevice:           SignalDevice,
	"https://schemas.openid.net/secevent/caep/event-type/" + SignalRisk:             SignalRisk,
	"https://schemas.openid.net/secevent/ssf/event-type/" + SignalVerification:      SignalVerification,
	"https://schemas.openid.net/secevent/ssf/event-type/" + SignalStream:            SignalStream,
}

// SignalURI is the URI of an event we know; empty: we do not.
func SignalURI(event string) string {
	for uri, name := range SignalURIs {
		if name == event {
			return uri
		}
	}
	return ""
}

// SignalsSent are the events we tell others of.
var SignalsSent = []string{SignalSessionRevoked, SignalCredentialChange, SignalDisabled}

// SignalSubject is whom a signal is about (RFC 9493). Only the members of its format count.
type SignalSubject struct {
	Format string `json:"format"`
	Iss    string `json:"iss,omitempty"`
	Sub    string `json:"sub,omitempty"`
	Email  string `json:"email,omitempty"`
	URI    string `json:"uri,omitempty"`
	ID     string `json:"id,omitempty"`
}

// The formats of subjects that we read and write.
const (
	SubjectIssSub  = "iss_sub"
	SubjectEmail   = "email"
	SubjectAccount = "account"
	SubjectOpaque  = "opaque"
)

// SubjectFormats are those formats.
var SubjectFormats = []string{SubjectIssSub, SubjectEmail, SubjectAccount, SubjectOpaque}

// SubjectRule says what a subject of one format means here: the account of that name
// at one system or sign-in provider; of email, whoever alone has that address.
type SubjectRule struct {
	Format string
	At     string // system or provider; of email, when it is received: empty
	Issuer string // of iss_sub: exactly as it is written
	Domain string // of account: acct:NAME@DOMAIN; empty: all of it is the account's name
}

// Account is the name of the account a subject means by this rule. Of email it is the address.
func (r SubjectRule) Account(s SignalSubject) (name string, ok bool) {
	if s.Format != r.Format {
		return "", false
	}
	switch r.Format {
	case SubjectIssSub:
		name, ok = s.Sub, s.Iss == r.Issuer
	case SubjectOpaque:
		name, ok = s.ID, true
	case SubjectEmail:
		name, ok = s.Email, true
	case SubjectAccount:
		if name, ok = strings.CutPrefix(s.URI, "acct:"); ok && r.Domain != "" {
			name, ok = strings.CutSuffix(name, "@"+r.Domain)
		}
	}
	return name, ok && name != ""
}

// Subject names an account by this rule; ok is false where it has no such name.
func (r SubjectRule) Subject(account, mail string) (s SignalSubject, ok bool) {
	s.Format = r.Format
	switch r.Format {
	case SubjectIssSub:
		s.Iss, s.Sub = r.Issuer, account
	case SubjectOpaque:
		s.ID = account
	case SubjectEmail:
		s.Email = mail
		return s, mail != ""
	case SubjectAccount:
		s.URI = "acct:" + account
		if r.Domain != "" {
			s.URI += "@" + r.Domain
		}
	}
	return s, account != ""
}

// Transmitter is who may tell us of what happened to accounts elsewhere, and what of
// it is heeded. It can only ever have access ended.
type Transmitter struct {
	ID       string
	Subjects []SubjectRule
	Heeds    []string // events that have something done
	Finds    []string // events that people are told of, and no more
	Hourly   int      // how many accounts it may suspend, or credentials have killed, in an hour; the others are held
}

// SignalReceiver is who is told of what was removed here.
type SignalReceiver struct {
	ID       string
	Events   []string
	Subjects []SubjectRule // of which systems, and how their accounts are named
	Polls    bool          // it fetches what waits; else it is sent
}

// Signals is from whom we hear, and whom we tell.
type Signals struct {
	Transmitters []Transmitter
	Receivers    []SignalReceiver
}

// Transmitter finds one by id.
func (s Signals) Transmitter(id string) (Transmitter, bool) {
	n := slices.IndexFunc(s.Transmitters, func(t Transmitter) bool { return t.ID == id })
	if n < 0 {
		return Transmitter{}, false
	}
	return s.Transmitters[n], true
}

// Signal is what a transmitter says has happened, once its token was checked.
type Signal struct {
	Transmitter string        `json:"transmitter"`
	JTI         string        `json:"jti"`
	Event       string        `json:"event"` // one of those above; empty: one we do not know
	Subject     SignalSubject `json:"subject"`
	Change      string        `json:"change,omitempty"`     // of credential-change: create, revoke, update, delete
	Credential  string        `json:"credential,omitempty"` // credential_type
	Status      string        `json:"status,omitempty"`     // of stream-updated
	At          time.Time     `json:"at"`                   // when it happened, as the token says
}

// Heard is a signal that was taken, once, and what was done of it.
type Heard struct {
	Signal
	Identity string // whom it meant; empty: nobody we know
	Did      string // one of the words below
	Heard    time.Time
	Forget   time.Time // from then on the token is too old to come again
}

// What is done of a signal.
const (
	DidNothing   = "nothing"    // it was heeded, and there was nothing to do
	DidIgnore    = "ignored"    // the files do not have that event heeded
	DidNotKnow   = "unknown"    // nobody we know is meant
	DidFind      = "found"      // people are told
	DidHold      = "held"       // too many came at once: people decide
	DidSuspend   = "suspended"  // nothing is granted to it, and its grants end
	DidUnsuspend = "back"       // its word that it is suspended is taken back
	DidSignOut   = "signed-out" // its sign-ins here have ended
	DidKill      = "killed"     // a credential of it is killed
)

// SignalOut is a signal that somebody is to have.
type SignalOut struct {
	ID       string // its jti
	Receiver string
	Event    string
	Subject  SignalSubject
	Says     map[string]string // the event's own members, beside when it was
	At       time.Time
}

// SignalAnswer is what a receiver said of a signal it has had.
type SignalAnswer struct {
	ID    string
	Error string // why it does not take it; empty: it has it
}
