package config

import (
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
)

// mark is a place in a file.
type mark struct {
	file      string
	line, col int32
}

// String is how another problem's message points here.
func (m mark) String() string { return fmt.Sprintf("%s:%d", m.file, m.line) }

// report collects what is found while reading goes on.
type report struct {
	problems access.Problems
	warnings access.Problems
	hints    int  // how often a nearest name was searched
	partial  bool // a file could not be read: names may be missing through no fault of who uses them
}

func (r *report) problem(at mark, format string, args ...any) {
	r.problems = append(r.problems, at.say(format, args))
}

func (r *report) warn(at mark, format string, args ...any) {
	r.warnings = append(r.warnings, at.say(format, args))
}

func (m mark) say(format string, args []any) access.Problem {
	return access.Problem{File: m.file, Line: int(m.line), Column: int(m.col), Message: fmt.Sprintf(format, args...)}
}

// err sorts what was found and returns it as an error, nil if there is nothing.
func (r *report) err() error {
	r.problems, r.warnings = r.problems.Sorted(), r.warnings.Sorted()
	if len(r.problems) == 0 {
		return nil
	}
	return r.problems
}
