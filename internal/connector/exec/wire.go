package exec

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/lessor-iam/lessor/internal/connector"
)

// request is one line to the program.
type request struct {
	ID       uint64 `json:"id"`
	Verb     string `json:"verb"`
	Deadline int64  `json:"deadline_ms,omitzero"` // how long the answer is waited for

	Protocol int      `json:"protocol,omitzero"` // hello
	Test     bool     `json:"test,omitzero"`
	Changes  []change `json:"changes,omitempty"` // apply
	Refs     []ref    `json:"refs,omitempty"`    // look
	Objects  []string `json:"objects,omitempty"` // observe
	All      bool     `json:"all,omitzero"`
	Account  string   `json:"account,omitempty"` // list_sessions, end_session, and the test verbs
	Object   string   `json:"object,omitempty"`
	Session  string   `json:"session,omitempty"`
	By       []string `json:"by,omitempty"` // traces

	Name     string   `json:"name,omitempty"` // the test verbs
	Accounts []string `json:"accounts,omitempty"`
	Inner    string   `json:"inner,omitempty"`
	Fault    string   `json:"fault,omitempty"`
}

type ref struct {
	Account string `json:"account"`
	Object  string `json:"object"`
}

type change struct {
	Account string `json:"account"`
	Object  string `json:"object"`
	Want    bool   `json:"want"`
	Fence   int64  `json:"fence"`
}

// answer is one line from the program: its id and exactly one of the others.
type answer struct {
	ID       *uint64   `json:"id"`
	Error    *failure  `json:"error"`
	Hello    *hello    `json:"hello"`
	Results  []result  `json:"results"`
	Seen     []sight   `json:"seen"`
	Holdings []ref     `json:"holdings"`
	End      *end      `json:"end"`
	Sessions []session `json:"sessions"`
	OK       *bool     `json:"ok"`

	Accounts    []account    `json:"accounts"` // what only some can do
	Authors     []author     `json:"authors"`
	Traces      []trace      `json:"traces"`
	Credentials []credential `json:"credentials"`
	Changed     []string     `json:"changed"`

	Account *string  `json:"account"` // the test verbs
	Object  *string  `json:"object"`
	Members []string `json:"members"`
	Session *string  `json:"session"`
	Alive   *bool    `json:"alive"`
}

type failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Retry   int64  `json:"retry_after_ms"`
}

// hello is what a program says of itself and its target.
type hello struct {
	Protocol  int    `json:"protocol"`
	Name      string `json:"name"`
	Batch     int    `json:"batch"`     // most changes or references in one request
	InFlight  int    `json:"in_flight"` // most requests unanswered at once
	Effective bool   `json:"effective"`
	Sessions  bool   `json:"sessions"`
	Fences    bool   `json:"fences"`
	Lingers   int64  `json:"lingers_ms"`
	Test      *stage `json:"test"`

	Accounts    bool `json:"accounts"`
	Authors     bool `json:"authors"`
	Traces      bool `json:"traces"`
	Credentials bool `json:"credentials"`
	Follows     bool `json:"follows"`
}

// besides is which of the optional things it says the target can do.
func (h hello) besides() Besides {
	return Besides{Accounts: h.Accounts, Authors: h.Authors, Traces: h.Traces, Credentials: h.Credentials, Follows: h.Follows}
}

// stage is what a program offers to whoever tests it.
type stage struct {
	Faults    []string `json:"faults"`
	Nests     bool     `json:"nests"`
	Rings     bool     `json:"rings"`
	Opens     bool     `json:"opens"`
	Renames   bool     `json:"renames"`
	Large     int      `json:"large"`
	NameLimit int      `json:"name_limit"`
	Hostile   []string `json:"hostile"`
}

type result struct {
	Account string   `json:"account"`
	Object  string   `json:"object"`
	Error   *failure `json:"error"`
}

type sight struct {
	Account   string   `json:"account"`
	Object    string   `json:"object"`
	Direct    *bool    `json:"direct"`
	Effective *bool    `json:"effective"`
	Path      string   `json:"path"`
	Residual  []string `json:"residual"`
	Error     *failure `json:"error"`
}

type end struct {
	Count *int64 `json:"count"`
}

type session struct {
	ID      string    `json:"id"`
	Account string    `json:"account"`
	Until   time.Time `json:"until"`
}

type account struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

type author struct {
	Account string `json:"account"`
	Object  string `json:"object"`
	Author  string `json:"author"`
}

type trace struct {
	By   string    `json:"by"`
	What string    `json:"what"`
	At   time.Time `json:"at"`
}

type credential struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"`
	Account    string    `json:"account"`
	Objects    []string  `json:"objects"`
	Name       string    `json:"name"`
	Print      string    `json:"print"`
	Issued     time.Time `json:"issued"`
	Used       time.Time `json:"used"`
	Ends       time.Time `json:"ends"`
	EndUnknown bool      `json:"end_unknown"`
}

// readLine gives the next line, without its end, and never more than a line may have.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > longestLine:
			return nil, fmt.Errorf("broke the protocol: a line of more than %d bytes", longestLine)
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

// readAnswer is strict: unknown members, the same member twice, other
// capitals, text that is not UTF-8 are all errors. What is read wrong here would
// be believed of a target.
func readAnswer(line []byte) (a answer, err error) {
	if err := json.Unmarshal(line, &a, json.RejectUnknownMembers(true)); err != nil {
		return a, fmt.Errorf("not an answer of the protocol: %w", err)
	}
	if a.ID == nil {
		return a, errors.New("an answer without an id")
	}
	if parts := a.parts(); len(parts) != 1 {
		return a, fmt.Errorf("an answer of %d parts (%s) where exactly one belongs beside the id", len(parts), strings.Join(parts, ", "))
	}
	return a, nil
}

// parts names what the answer holds.
func (a answer) parts() (list []string) {
	for _, p := range []struct {
		name string
		is   bool
	}{
		{"error", a.Error != nil}, {"hello", a.Hello != nil}, {"results", a.Results != nil}, {"seen", a.Seen != nil},
		{"holdings", a.Holdings != nil}, {"end", a.End != nil}, {"sessions", a.Sessions != nil}, {"ok", a.OK != nil && *a.OK},
		{"accounts", a.Accounts != nil}, {"authors", a.Authors != nil}, {"traces", a.Traces != nil}, {"credentials", a.Credentials != nil},
		{"changed", a.Changed != nil}, {"account", a.Account != nil}, {"object", a.Object != nil}, {"members", a.Members != nil},
		{"session", a.Session != nil}, {"alive", a.Alive != nil},
	} {
		if p.is {
			list = append(list, p.name)
		}
	}
	return list
}

// last tells whether no other line answers the same request.
func (a answer) last() bool {
	return a.Holdings == nil && a.Accounts == nil && a.Traces == nil && a.Credentials == nil && a.Changed == nil
}

// kinds are the words for the port's sentinels. A kind that is none of them says
// nothing of what happened.
var kinds = map[string]error{
	"refused": connector.ErrRefused, "no_object": connector.ErrNoObject,
	"unreachable": connector.ErrUnreachable, "unanswered": connector.ErrUnanswered,
}

// err is what the failure means.
func (f *failure) err(p *program) error {
	if f == nil {
		return nil
	}
	what, known := kinds[f.Kind]
	err := fmt.Errorf("%w: %s", what, p.clean(f.Message))
	if !known {
		err = fmt.Errorf("%w: kind %q, %s", connector.ErrUnanswered, p.clean(f.Kind), p.clean(f.Message))
	}
	if f.Retry > 0 {
		const day = 24 * time.Hour
		return &connector.RetryAfter{Err: err, Wait: time.Duration(min(f.Retry, day.Milliseconds())) * time.Millisecond}
	}
	return err
}

// clean makes a text of the program fit for a log and a screen: short, on one
// line, without a secret it was given.
func (p *program) clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, p.hide.Replace(text))
	const most = 300
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

// bad says why a line cannot carry the name to the program, or "".
func bad(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > longestName:
		return fmt.Sprintf("has more than %d bytes", longestName)
	case !utf8.ValidString(name):
		return "is not UTF-8"
	}
	return ""
}

// badRef is the refusal of a reference no line can carry.
func badRef(r connector.Ref) error {
	if why := bad(r.Account); why != "" {
		return fmt.Errorf("%w: the account's name %s", connector.ErrRefused, why)
	}
	if why := bad(r.Object); why != "" {
		return fmt.Errorf("%w: the object's name %s", connector.ErrRefused, why)
	}
	return nil
}
