package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

// Problem is one thing wrong at one place. Line and Column start at 1; a Line of
// 0 means the file as a whole.
type Problem struct {
	File    string
	Line    int
	Column  int
	Message string
}

// String writes "file:line:column: message".
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Message)
}

// Problems is everything wrong with a folder, in order of file and line. It is
// the error that [Load] returns, and wraps [access.ErrInvalid].
type Problems []Problem

// Error prints all problems, one a line.
func (ps Problems) Error() string {
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.String())
	}
	return b.String()
}

// Unwrap makes every list of problems an [access.ErrInvalid].
func (ps Problems) Unwrap() error { return access.ErrInvalid }

// mark is a place in a file.
type mark struct {
	file      string
	line, col int32
}

// String is how another problem's message points here.
func (m mark) String() string { return fmt.Sprintf("%s:%d", m.file, m.line) }

// report collects what is found while reading goes on.
type report struct {
	problems Problems
	warnings Problems
	hints    int  // how often a nearest name was searched
	partial  bool // a file could not be read: names may be missing through no fault of who uses them
}

func (r *report) problem(at mark, format string, args ...any) {
	r.problems = append(r.problems, at.say(format, args))
}

func (r *report) warn(at mark, format string, args ...any) {
	r.warnings = append(r.warnings, at.say(format, args))
}

func (m mark) say(format string, args []any) Problem {
	return Problem{File: m.file, Line: int(m.line), Column: int(m.col), Message: fmt.Sprintf(format, args...)}
}

// err sorts what was found and returns it as an error, nil if there is nothing.
func (r *report) err() error {
	r.problems, r.warnings = r.problems.sorted(), r.warnings.sorted()
	if len(r.problems) == 0 {
		return nil
	}
	return r.problems
}

func (ps Problems) sorted() Problems {
	slices.SortFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(ps)
}
