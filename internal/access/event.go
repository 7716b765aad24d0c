package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Actor is who does something, through which channel, how strongly known, and
// for what the door let them in.
type Actor struct {
	Identity string   `json:"identity"`
	Channel  string   `json:"channel"`
	Strength string   `json:"strength,omitempty"` // e.g. "mfa"
	Scopes   []string `json:"-"`                  // what the door's token is good for
}

// Clock is the actor of what happens by itself: time and the reconciler.
var Clock = Actor{Identity: "lessor", Channel: "clock"}

// Digests names what an event rests on.
type Digests struct {
	Request string `json:"request,omitempty"`
	Policy  string `json:"policy,omitempty"`
	Facts   string `json:"facts,omitempty"`
	Receipt string `json:"receipt,omitempty"`
}

// Event is one record in the log. After is the noun as it stands once the
// event has happened; replaying the log must give the tables.
type Event struct {
	ID         string    `json:"id"`
	At         time.Time `json:"at"`
	Kind       string    `json:"kind"`
	Actor      Actor     `json:"actor"`
	Request    string    `json:"request,omitempty"`
	Grant      string    `json:"grant,omitempty"`
	Assignment string    `json:"assignment,omitempty"`
	Finding    string    `json:"finding,omitempty"`
	From       string    `json:"from,omitempty"`
	To         string    `json:"to,omitempty"`
	Note       string    `json:"note,omitempty"`
	Digests    Digests   `json:"digests,omitzero"`
	After      any       `json:"after,omitempty"`
}

// Finding is something that is not as it should be, with an owner and a due date.
type Finding struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"` // late_removal, no_approver, seen_again, unexpected_access, …
	Subject    string    `json:"subject"`
	Owner      string    `json:"owner"`
	Text       string    `json:"text"`
	OpenedAt   time.Time `json:"opened_at"`
	DueAt      time.Time `json:"due_at"`
	ClosedAt   time.Time `json:"closed_at,omitzero"`
	Resolution string    `json:"resolution,omitempty"`
}

// Canonical writes v as JSON with sorted keys, no insignificant space and no
// HTML escapes: RFC 8785 for the strings, booleans and whole numbers we use.
func Canonical(v any) ([]byte, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return nil, fmt.Errorf("canonical JSON: %w", err)
	}
	return literal(bytes.TrimSuffix(out.Bytes(), []byte("\n"))), nil
}

// literal writes U+2028 and U+2029 as themselves: Go escapes them for JavaScript's
// sake, RFC 8785 does not. A backslash in the text is written twice, so an escape
// always begins at the first one.
func literal(b []byte) []byte {
	if !bytes.Contains(b, []byte(`\u202`)) {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		switch {
		case b[i] != '\\':
			out = append(out, b[i])
		case bytes.HasPrefix(b[i:], []byte(`\u2028`)):
			out, i = append(out, "\u2028"...), i+5
		case bytes.HasPrefix(b[i:], []byte(`\u2029`)):
			out, i = append(out, "\u2029"...), i+5
		default:
			out, i = append(out, b[i], b[i+1]), i+1
		}
	}
	return out
}

// Digest is "sha256:" and the hex SHA-256 of [Canonical]. It panics on what
// JSON cannot write, which none of our nouns is.
func Digest(v any) string {
	b, err := Canonical(v)
	if err != nil {
		panic(err)
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}
