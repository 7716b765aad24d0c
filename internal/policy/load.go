package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cedar-policy/cedar-go"

	"github.com/lessor-iam/lessor/internal/access"
)

// Set is a checked set of rules. It is safe for concurrent use: nothing
// changes it but a memo of entities already built, which changes no answer.
type Set struct {
	rules  []*rule // guards first, then by file and line
	byKey  map[cedar.PolicyID]*rule
	index  index
	digest string
	texts  map[string]string // file of the folder -> the digest of its text
	given  string            // digest of the shipped rules among them, and of the schema
	check  checker
	memo   memo
	// readsHeld is whether any rule reads resource.held.
	readsHeld bool
	// readsImplied is whether any rule reads resource.implied.
	readsImplied bool
}

// What one folder of rules may weigh. Rules are read by people; what exceeds
// this was made to hurt whoever parses it.
const (
	mostFileBytes = 1 << 20
	mostRuleBytes = 64 << 10
	mostDepth     = 100
)

// Load reads the shipped guards and every *.cedar file of fsys in order of name,
// and reports all problems at once as [access.Problems]. A nil fsys stands for the
// shipped default rules. A folder that has none that permits anybody to approve,
// view or revoke, or none that obliges, takes the shipped ones for that question;
// what may be requested is never assumed.
func Load(fsys fs.FS) (*Set, error) {
	l := loader{check: shippedChecker(), seen: map[string]access.Problem{}, sum: newDigest(), texts: map[string]string{}, given: newDigest()}
	l.folder(guardFiles, "guards", "guards/", true)
	if fsys == nil {
		l.folder(Defaults(), ".", shippedDefaults, false)
	} else if l.folder(fsys, ".", "", false); len(l.problems) == 0 { // else a question may look unanswered because its rule is wrong
		for _, q := range []string{QuestionOblige, QuestionApprove, QuestionView, QuestionRevoke, QuestionSettle, QuestionRotate, QuestionRetire, QuestionCompromised} {
			if !slices.ContainsFunc(l.rules, func(r *rule) bool {
				return r.Effect != "forbid" && !r.Guard && slices.Contains(r.Questions, q)
			}) {
				l.file(Defaults(), q+".cedar", shippedDefaults+q+".cedar", false)
			}
		}
	}
	if len(l.problems) > 0 {
		slices.SortStableFunc(l.problems, func(a, b access.Problem) int { // a cause stays before what follows from it
			return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, l.problems
	}
	s := &Set{rules: l.rules, byKey: map[cedar.PolicyID]*rule{}, index: newIndex(l.rules), check: l.check, digest: l.sum.String(), texts: l.texts, given: l.given.String()}
	for _, r := range l.rules {
		s.byKey[r.key] = r
		s.readsHeld = s.readsHeld || reads(r, "held")
		s.readsImplied = s.readsImplied || reads(r, "implied")
	}
	return s, nil
}

// Digest is "sha256:…" over the schema and every source, guards included.
func (s *Set) Digest() string { return s.digest }

// Texts are the files of the folder that were read, each with the SHA-256 of its text in hex.
func (s *Set) Texts() map[string]string { return maps.Clone(s.texts) }

// Shipped is "sha256:…" over what of the rules comes with Lessor: the schema, the guards,
// and the default rules that the folder takes.
func (s *Set) Shipped() string { return s.given }

// Rules lists the rules: guards first, then by file and line.
func (s *Set) Rules() []RuleListing {
	out := make([]RuleListing, len(s.rules))
	for i, r := range s.rules {
		out[i] = r.RuleListing
		out[i].Needs, out[i].Questions = slices.Clone(r.Needs), slices.Clone(r.Questions)
	}
	return out
}

// shippedDefaults is where the shipped rules are shown to be.
const shippedDefaults = "defaults/"

type loader struct {
	check    checker
	rules    []*rule
	seen     map[string]access.Problem // id -> where
	problems access.Problems
	sum      *digest
	given    *digest           // as sum, of what is shipped alone
	texts    map[string]string // as in a [Set]
}

func (l *loader) say(file string, line, column int, format string, args ...any) {
	message := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")
	l.problems = append(l.problems, access.Problem{File: file, Line: max(line, 1), Column: max(column, 1), Message: message})
}

func (l *loader) folder(fsys fs.FS, dir, prefix string, guard bool) {
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		l.say(cmp.Or(strings.TrimSuffix(prefix, "/"), dir), 1, 1, "the folder cannot be read: %v", err)
		return
	}
	for _, e := range entries { // sorted by name
		switch {
		case e.IsDir():
			l.below(fsys, path.Join(dir, e.Name()), prefix+e.Name())
		case path.Ext(e.Name()) == ".cedar":
			l.file(fsys, path.Join(dir, e.Name()), prefix+e.Name(), guard)
		}
	}
}

// below refuses rules in a folder within the folder: a forbid that somebody
// believes to be in force and that nobody reads is worse than a file misplaced.
// Folders whose names begin with a dot are tools' own (.git; ..data of a mounted volume).
func (l *loader) below(fsys fs.FS, dir, shown string) {
	if strings.HasPrefix(path.Base(dir), ".") {
		return
	}
	entries, err := fs.ReadDir(fsys, dir)
	if err != nil {
		l.say(shown, 1, 1, "the folder cannot be read: %v", err)
	}
	for _, e := range entries {
		switch name := path.Join(shown, e.Name()); {
		case e.IsDir():
			l.below(fsys, path.Join(dir, e.Name()), name)
		case path.Ext(e.Name()) == ".cedar":
			l.say(name, 1, 1, "rules in a folder within the folder are not read; move the file up")
		}
	}
}

func (l *loader) file(fsys fs.FS, name, shown string, guard bool) {
	text, err := readBounded(fsys, name)
	switch {
	case err != nil:
		l.say(shown, 1, 1, "%v", err)
		return
	case !utf8.Valid(text):
		l.say(shown, 1, 1, "the file is not UTF-8")
		return
	}
	l.sum.text(shown)
	l.sum.text(string(text))
	if guard || strings.HasPrefix(shown, shippedDefaults) {
		l.given.text(shown)
		l.given.text(string(text))
	} else {
		sum := sha256.Sum256(text)
		l.texts[shown] = hex.EncodeToString(sum[:])
	}
	pieces, ok := l.split(shown, string(text))
	if !ok {
		return
	}
	list, err := cedar.NewPolicyListFromBytes(shown, text)
	if err != nil {
		l.parseErrors(shown, pieces, err)
		return
	}
	for _, p := range list {
		l.rule(p, shown, string(text), pieces, guard)
	}
}

func readBounded(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostFileBytes+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the file cannot be read: %w", err)
	case len(text) > mostFileBytes:
		return nil, errors.New("the file is larger than 1 MiB")
	}
	return text, nil
}

// rule checks one parsed rule and keeps it.
func (l *loader) rule(p *cedar.Policy, file, text string, pieces []piece, guard bool) {
	pos := p.Position()
	say := func(format string, args ...any) { l.say(file, pos.Line, pos.Column, format, args...) }
	r := newRule(p, file, guard, say)
	for _, s := range pieces {
		if s.start <= pos.Offset && pos.Offset < s.end {
			r.Text = text[pos.Offset:s.end]
		}
	}
	switch first, twice := l.seen[r.ID]; {
	case r.ID == "" || !twice:
		l.seen[r.ID] = access.Problem{File: file, Line: pos.Line, Column: pos.Column}
	case strings.HasPrefix(file, shippedDefaults):
		l.say(first.File, first.Line, first.Column, "@id(%q) is the name of a shipped rule that this folder takes (%s:%d)", r.ID, file, pos.Line)
	default:
		say("@id(%q) is already the name of the rule at %s:%d", r.ID, first.File, first.Line)
	}
	if err := l.check.rule(p); err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			say("%s", plainly(line))
		}
	} else {
		lint(r, say)
	}
	l.rules = append(l.rules, r)
}

// plainly adds to what the validator says what would be right.
func plainly(message string) string {
	switch {
	case strings.Contains(message, "optional attribute"):
		return message + "; ask for it with has first, as in resource.beneficiary has manager && …"
	case strings.Contains(message, "unable to find an applicable action"):
		return "no question has such a principal and such a resource"
	}
	return message
}

var parsePlace = regexp.MustCompile(`(?s)^(?:parser error: )?(?:parse error at |scan error at )?(?:<input>)?:?(\d+):(\d+)(.*)$`)

// expectation is how the parser says that it wanted something else.
var expectation = regexp.MustCompile(`exact got (.*) want (.*)$`)

// parseErrors finds the mistakes of each rule of a file, since the parser stops at the first.
func (l *loader) parseErrors(file string, pieces []piece, whole error) {
	found := false
	for _, s := range pieces {
		_, err := cedar.NewPolicyListFromBytes(file, []byte(s.text))
		if err == nil {
			continue
		}
		found = true
		line, column, message := s.line, s.column, strings.TrimPrefix(err.Error(), "parser error: ")
		if m := parsePlace.FindStringSubmatch(err.Error()); m != nil {
			line, column = atoi(m[1]), atoi(m[2])
			if line == 1 {
				column += s.column - 1
			}
			line, message = line+s.line-1, "cannot be read near"+m[3]
			if e := expectation.FindStringSubmatch(m[3]); e != nil {
				message = fmt.Sprintf("cannot be read: expected %q, found %s", e[2], cmp.Or(e[1], "the end"))
			}
		}
		l.say(file, line, column, "%s", message)
	}
	if !found {
		l.say(file, 1, 1, "%v", whole)
	}
}

func atoi(s string) int { n, _ := strconv.Atoi(s); return n }

// digest hashes a sequence of texts so that no two sequences collide by gluing.
type digest struct{ buf []byte }

func newDigest() *digest {
	d := &digest{}
	d.text(string(schemaText))
	return d
}

func (d *digest) text(s string) {
	sum := sha256.Sum256([]byte(s))
	d.buf = append(d.buf, sum[:]...)
}

func (d *digest) String() string {
	sum := sha256.Sum256(d.buf)
	return "sha256:" + hex.EncodeToString(sum[:])
}
