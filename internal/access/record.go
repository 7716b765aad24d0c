package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Record is what one feed says of one entry, under the key that the feed gives to no
// other. Of a group only its key, name and when it was there count.
type Record struct {
	Feed       string            `json:"feed"`
	Key        string            `json:"key"`
	Group      bool              `json:"group,omitempty"` // an entry that people are in, and nobody
	User       string            `json:"user,omitempty"`  // name to sign in with; may change hands
	Name       string            `json:"name,omitempty"`
	Mail       string            `json:"mail,omitempty"`
	Department string            `json:"department,omitempty"`
	Manager    string            `json:"manager,omitempty"` // a key of the same feed
	Sponsor    string            `json:"sponsor,omitempty"` // likewise, or an identity's id
	Groups     []string          `json:"groups,omitempty"`  // as the feed names them, sorted; where it has entries for them, their keys
	External   bool              `json:"external,omitempty"`
	Inactive   bool              `json:"inactive,omitempty"`
	Start      time.Time         `json:"start,omitzero"`
	End        time.Time         `json:"end,omitzero"`
	Accounts   map[string]string `json:"accounts,omitempty"` // system id -> account name there
	More       map[string]string `json:"more,omitempty"`     // what else it may be matched by, e.g. a number of the payroll
	Words      string            `json:"words,omitempty"`    // as the feed itself words it, where it must be answered so

	// What is ours to say of it.
	Identity string    `json:"identity,omitempty"` // which one it is; empty: none yet
	Held     string    `json:"held,omitempty"`     // why it is none, where somebody must decide: see the kinds of findings
	Why      string    `json:"why,omitempty"`      // … in a sentence
	Since    time.Time `json:"since"`              // first said
	Said     time.Time `json:"said"`               // last said otherwise
	Gone     time.Time `json:"gone,omitzero"`      // from the first reading that did not have it
	Doubted  time.Time `json:"doubted,omitzero"`   // that it has left is not believed: too many have at once
	Left     time.Time `json:"left,omitzero"`      // that it has left was believed
	Emptied  time.Time `json:"emptied,omitzero"`   // that the feed says no more of a place that it had was believed
	Version  int       `json:"version"`            // of what is stored
}

// Kinds of findings about feeds. Their subject is the feed.
const (
	FeedShrunk       = "feed_shrunk"       // so many have left it at once that it is not believed
	FeedEmptied      = "feed_emptied"      // it says nothing any more of so many that it is not believed
	FeedAmbiguous    = "feed_ambiguous"    // records that could be several identities, or none that may be
	AddressShared    = "address_shared"    // several people are active under one address, so that it is nobody's to sign in with
	FeedUnread       = "feed_unread"       // it could not be read whole
	FeedGone         = "feed_gone"         // it is no longer in the files, and people are active by it alone
	IdentityRecycled = "identity_recycled" // records under names that somebody who has gone had
)

// Here tells whether the feed says that the entry is there and active.
func (r Record) Here() bool { return r.Gone.IsZero() && !r.Inactive }

// Believed tells whether the entry counts as there and active: a mass of leavers that
// nobody has confirmed does.
func (r Record) Believed() bool { return r.Here() || !r.Doubted.IsZero() }

// Says returns of it what is the feed's to say, and nothing of ours.
func (r Record) Says() Record {
	r.Identity, r.Held, r.Why, r.Version = "", "", "", 0
	r.Since, r.Said, r.Gone, r.Doubted, r.Left, r.Emptied = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	return r
}

// Same tells whether the feed says the same in both.
func (r Record) Same(o Record) bool { return Digest(r.Says()) == Digest(o.Says()) }

// Attribute is what a record has under a name, by which rules match; never its name
// for reading: two people may share that.
func (r Record) Attribute(name string) string {
	switch name {
	case "key":
		return r.Key
	case "user":
		return r.User
	case "mail":
		return r.Mail
	}
	if system, ok := strings.CutPrefix(name, "account:"); ok {
		return r.Accounts[system]
	}
	return r.More[name]
}

// Marks are everything a record is found by: attribute, blank, value as [Fold] has it.
func (r Record) Marks() []string {
	var list []string
	add := func(name, value string) {
		if value != "" {
			list = append(list, name+" "+Fold(value))
		}
	}
	if r.Group {
		add("group", r.Name)
	} else {
		add("user", r.User)
		add("mail", r.Mail)
	}
	for system, name := range r.Accounts {
		add("account:"+system, name)
	}
	for name, value := range r.More {
		add(name, value)
	}
	slices.Sort(list)
	return list
}

// Fold is a value as values are compared: directories tell no letter case apart.
func Fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// mostText and mostKey are how long what a record says may be.
const (
	mostText  = 300
	mostKey   = 200
	mostOf    = 200 // accounts, and other attributes
	mostWords = 20000
)

// Clean returns the record with blanks trimmed and its lists in order, or says what
// of it cannot be taken.
func (r Record) Clean() (Record, error) {
	if r.Key == "" || len(r.Key) > mostKey || unprintable(r.Key) {
		return r, fmt.Errorf("%w: a key must be there, of at most %d bytes and without control characters; it is %.80q", ErrInvalid, mostKey, r.Key)
	}
	for what, text := range map[string]*string{"user": &r.User, "name": &r.Name, "mail": &r.Mail, "department": &r.Department, "manager": &r.Manager, "sponsor": &r.Sponsor} {
		*text = strings.TrimSpace(*text)
		if len(*text) > mostText || unprintable(*text) {
			return r, fmt.Errorf("%w: %s of %.80q must have at most %d bytes and no control characters", ErrInvalid, what, r.Key, mostText)
		}
	}
	if len(r.Accounts) > mostOf || len(r.More) > mostOf || len(r.Words) > mostWords {
		return r, fmt.Errorf("%w: %.80q says too much of itself", ErrInvalid, r.Key)
	}
	r.Accounts, r.More = maps.Clone(r.Accounts), maps.Clone(r.More)
	for _, m := range []map[string]string{r.Accounts, r.More} {
		for k, v := range m {
			v = strings.TrimSpace(v)
			if len(v) > mostText || unprintable(v) {
				return r, fmt.Errorf("%w: %.80q of %.80q must have at most %d bytes and no control characters", ErrInvalid, k, r.Key, mostText)
			}
			if m[k] = v; v == "" {
				delete(m, k)
			}
		}
	}
	if len(r.Accounts) == 0 {
		r.Accounts = nil
	}
	if len(r.More) == 0 {
		r.More = nil
	}
	if !r.Start.IsZero() && !r.End.IsZero() && !r.Start.Before(r.End) {
		return r, fmt.Errorf("%w: %.80q ends before it starts", ErrInvalid, r.Key)
	}
	r.Groups = slices.Compact(slices.Sorted(slices.Values(r.Groups)))
	if len(r.Groups) == 0 {
		r.Groups = nil
	}
	r.Start, r.End = r.Start.UTC().Truncate(time.Microsecond), r.End.UTC().Truncate(time.Microsecond)
	return r, nil
}

func unprintable(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) })
}
