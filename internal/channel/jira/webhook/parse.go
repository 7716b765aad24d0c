package webhook

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// digits is an id as Jira writes it, as a string or (automation) as a number.
var digits = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)

// ofComment finds the issue in a comment's address, for the events that name no
// issue. Only the digits are taken; the address itself is never called.
var ofComment = regexp.MustCompile(`/rest/api/(?:2|3|latest)/issue/([1-9][0-9]{0,18})/comment/`)

// received is all that is looked at. Everything is raw, so that no odd type in a
// field makes a delivery unreadable: Jira would drop it for ever.
type received struct {
	Event   json.RawMessage `json:"webhookEvent"`
	Time    json.RawMessage `json:"timestamp"`
	Issue   json.RawMessage `json:"issue"`
	Comment json.RawMessage `json:"comment"`
	// Automation's own format is an issue without an envelope.
	ID     json.RawMessage `json:"id"`
	Key    json.RawMessage `json:"key"`
	Fields json.RawMessage `json:"fields"`
}

func parse(body []byte, signed bool) (Nudge, error) {
	var r received
	if err := json.Unmarshal(body, &r); err != nil {
		return Nudge{}, fmt.Errorf("%w: %w", ErrShape, err)
	}
	if trimmed := bytes.TrimLeft(body, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return Nudge{}, fmt.Errorf("%w: no JSON object", ErrShape)
	}
	n := Nudge{
		Event:  word(text(r.Event)),
		Issue:  id(member(r.Issue, "id")),
		At:     at(r.Time),
		Signed: signed,
		Digest: sha256.Sum256(body),
	}
	n.Comment = id(member(r.Comment, "id"))
	if n.Issue == "" && present(r.Comment) {
		if m := ofComment.FindStringSubmatch(text(member(r.Comment, "self"))); m != nil {
			n.Issue = m[1]
		}
	}
	bare := !present(r.Issue) && n.Event == "" && (present(r.Key) || present(r.Fields))
	if bare {
		n.Issue = id(r.ID)
	}
	n.Kind = kind(n.Event, n.Issue)
	return n, nil
}

func kind(event, issue string) Kind {
	switch event {
	case "":
		if issue != "" {
			return Woken
		}
		return Other
	case "jira:issue_created":
		return Created
	case "jira:issue_updated":
		return Updated
	case "jira:issue_deleted":
		return Deleted
	case "comment_created", "comment_updated", "comment_deleted":
		return Commented
	}
	return Other
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && !bytes.Equal(raw, []byte("null")) }

// member gives a member of a JSON object, or nothing.
func member(raw json.RawMessage, name string) json.RawMessage {
	var of map[string]json.RawMessage
	if json.Unmarshal(raw, &of) != nil {
		return nil
	}
	return of[name]
}

func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// id reads "10010" and 10010; anything else is no id.
func id(raw json.RawMessage) string {
	s := text(raw)
	if s == "" {
		s = string(raw)
	}
	if !digits.MatchString(s) {
		return ""
	}
	return s
}

// word keeps an event's name if it is one: it goes into logs.
func word(s string) string {
	plain := strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:-") == ""
	if len(s) > 64 || !plain {
		return ""
	}
	return s
}

// at reads milliseconds since 1970, within reason.
func at(raw json.RawMessage) time.Time {
	ms, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || ms <= 0 || ms >= 1<<42 { // the year 2109
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
