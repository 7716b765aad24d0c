package rest

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"time"
)

var (
	idForm       = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
	keyForm      = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,9}-[1-9][0-9]*$`)
	projectForm  = regexp.MustCompile(`^(?:[A-Z][A-Z0-9_]{1,9}|[1-9][0-9]{0,18})$`)
	propertyForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$`)
	fieldForm    = regexp.MustCompile(`^\*?-?[A-Za-z][A-Za-z0-9_.-]{0,99}$`)
	grantForm    = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,99}$`)
	labelForm    = regexp.MustCompile(`^[^\s\x00-\x1f]{1,255}$`)
)

// CheckID tells whether id is the numeric id of an issue, or of anything else Jira numbers.
func CheckID(id string) error {
	if !idForm.MatchString(id) {
		return invalid("id %q: must be a number without a leading zero", short(id))
	}
	return nil
}

// CheckKey tells whether key is an issue's key, as people write it.
func CheckKey(key string) error {
	if !keyForm.MatchString(key) || len(key) > 30 {
		return invalid("issue key %q: must look like ACC-41", short(key))
	}
	return nil
}

func checkIDs(ids ...string) error {
	for _, id := range ids {
		if err := CheckID(id); err != nil {
			return err
		}
	}
	return nil
}

func checkProject(project string) error {
	if !projectForm.MatchString(project) {
		return invalid("project %q: must be a key or an id", short(project))
	}
	return nil
}

func checkAccount(id string) error {
	if id == "" || len(id) > 128 || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return invalid("account %q: must be an account id", short(id))
	}
	return nil
}

func short(s string) string {
	r := []rune(s)
	if len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// path joins parts below root, each escaped as one segment.
func path(root string, parts ...string) string {
	for _, p := range parts {
		root += "/" + url.PathEscape(p)
	}
	return root
}

// ident is an id that some calls give as a string and others as a number.
type ident string

func (i *ident) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		s = string(raw)
	}
	if s == "null" {
		s = ""
	}
	*i = ident(s)
	return nil
}

// clock is a time in an answer: never RFC 3339, as the offset has no colon. One
// that cannot be read is no time, rather than an issue that cannot be read.
type clock struct{ time.Time }

func (c *clock) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		c.Time = instant(s)
	}
	return nil
}

func instant(s string) time.Time {
	for _, layout := range []string{"2006-01-02T15:04:05.999999999-0700", time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04-0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// date is the service desk's way to tell a time, four times over.
type date struct {
	Millis json.Number `json:"epochMillis"`
	ISO    clock       `json:"iso8601"`
	Jira   clock       `json:"jira"`
}

func (d date) time() time.Time {
	if ms, err := d.Millis.Int64(); err == nil && ms > 0 {
		return time.UnixMilli(ms).UTC()
	}
	if !d.Jira.IsZero() {
		return d.Jira.Time
	}
	return d.ISO.Time
}
