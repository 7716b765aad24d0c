// Package table reads people from a file: CSV with a header, or a list in YAML. What
// stands in a cell is text, whatever a spreadsheet would make of it. It never reads a
// part: whatever is wrong with the file is said, all of it at once with its lines.
package table

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/source"
)

// Source is one such file.
type Source struct {
	f    access.Feed
	file string
}

var _ source.Source = (*Source)(nil)

// New returns the source of a feed of kind csv or yaml.
func New(f access.Feed) (*Source, error) {
	file := f.Settings["people_file"]
	if file == "" || f.Key == "" || f.Kind != "csv" && f.Kind != "yaml" {
		return nil, fmt.Errorf("%w: feed %s needs kind csv or yaml, key and people_file", access.ErrInvalid, f.ID)
	}
	return &Source{f: f, file: file}, nil
}

// mostBytes is far more than a file of a million people has.
const mostBytes = 512 << 20

// Read implements [source.Source].
func (s *Source) Read(ctx context.Context) ([]access.Record, error) {
	st, err := os.Stat(s.file) // before it is opened: a pipe would block for ever
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fmt.Errorf("%w: %s is no regular file", access.ErrInvalid, s.file)
	case st.Size() > mostBytes:
		return nil, fmt.Errorf("%w: %s has more than %d bytes", access.ErrInvalid, s.file, mostBytes)
	}
	text, err := os.ReadFile(s.file)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	list, err := Parse(s.f, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.file, err)
	}
	return list, nil
}

// row is one entry as it stands in the file.
type row struct {
	line int
	cell map[string]string
}

// Parse reads the text of such a file.
func Parse(f access.Feed, text []byte) ([]access.Record, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(text) {
		return nil, fmt.Errorf("%w: it is not UTF-8: save it as such", access.ErrInvalid)
	}
	rows := csvRows
	if f.Kind == "yaml" {
		rows = yamlRows
	}
	list, columns, err := rows(f, text)
	if err != nil {
		return nil, err
	}
	// 1. Columns that rules or settings name must be there: without one nobody has what it says.
	var p problems
	if !slices.Contains(columns, f.Key) && len(columns) > 0 || f.Kind == "csv" && len(columns) == 0 {
		p.add(1, "there is no column %q, the key", f.Key)
	}
	for name, column := range f.Columns {
		if !slices.Contains(columns, column) && f.Kind == "csv" {
			p.add(1, "there is no column %q for %s", column, name)
		}
	}
	// 2. What each says.
	var records []access.Record
	first := map[string]int{}
	for _, r := range list {
		rec := p.record(f, r)
		if was, twice := first[rec.Key]; twice && rec.Key != "" {
			p.add(r.line, "the key %q is that of line %d, too", rec.Key, was)
		} else {
			first[rec.Key] = r.line
		}
		records = append(records, rec)
	}
	return records, p.err()
}

// problems are what is wrong, with its lines.
type problems struct {
	list []error
	more int
}

// mostProblems are as many as somebody mends before looking again.
const mostProblems = 50

func (p *problems) add(line int, format string, args ...any) {
	if len(p.list) >= mostProblems {
		p.more++
		return
	}
	p.list = append(p.list, fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...)))
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	if p.more > 0 {
		p.list = append(p.list, fmt.Errorf("and %d more", p.more))
	}
	return fmt.Errorf("%w: %w", access.ErrInvalid, errors.Join(p.list...))
}

// csvRows reads rows with a header.
func csvRows(f access.Feed, text []byte) (list []row, columns []string, err error) {
	r := csv.NewReader(bytes.NewReader(text))
	r.FieldsPerRecord = 0 // as many as the header has: a row that is short has lost something
	r.Comma = ','
	if sep := f.Settings["delimiter"]; sep != "" {
		r.Comma, _ = utf8.DecodeRuneInString(sep)
	} else if head, _, _ := bytes.Cut(text, []byte("\n")); bytes.Count(head, []byte(";")) > bytes.Count(head, []byte(",")) {
		r.Comma = ';'
	}
	var p problems
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return list, columns, p.err()
		}
		if err != nil {
			line, what := whatIsWrong(err)
			p.add(line, "%s", what)
			if !errors.Is(err, csv.ErrFieldCount) {
				return nil, nil, p.err() // nobody knows where the next row begins
			}
			continue
		}
		line, _ := r.FieldPos(0)
		if columns == nil {
			for _, c := range cells {
				c = strings.TrimSpace(c)
				if slices.Contains(columns, c) {
					p.add(line, "the column %q is there twice", c)
				}
				columns = append(columns, c)
			}
			continue
		}
		of := make(map[string]string, len(cells))
		for n, c := range cells {
			of[columns[n]] = strings.TrimSpace(c)
		}
		list = append(list, row{line, of})
	}
}

// whatIsWrong is the line on which a row begins that is none, and why it is none.
func whatIsWrong(err error) (line int, what string) {
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		return bad.StartLine, bad.Err.Error()
	}
	return 0, err.Error()
}

// yamlRows reads a list of mappings of names to plain values, or lists of them.
func yamlRows(_ access.Feed, text []byte) (list []row, columns []string, err error) {
	var entries []map[string]any
	if len(bytes.TrimSpace(text)) > 0 {
		if err := yaml.Unmarshal(text, &entries); err != nil {
			return nil, nil, fmt.Errorf("%w: %w", access.ErrInvalid, err)
		}
	}
	var p problems
	for n, e := range entries {
		of := make(map[string]string, len(e))
		for name, v := range e {
			if !slices.Contains(columns, name) {
				columns = append(columns, name)
			}
			switch v := v.(type) {
			case nil:
			case string:
				of[name] = v
			case []any:
				var parts []string
				for _, part := range v {
					parts = append(parts, fmt.Sprint(part))
				}
				of[name] = strings.Join(parts, ";")
			case map[string]any:
				p.add(n+1, "%s must be a text or a list (entry %d)", name, n+1)
			default:
				of[name] = fmt.Sprint(v)
			}
		}
		list = append(list, row{n + 1, of})
	}
	return list, columns, p.err()
}

// record reads what a row says; what it cannot mean is a problem.
func (p *problems) record(f access.Feed, r row) access.Record {
	cell := func(name string) string {
		if column, ok := f.Columns[name]; ok {
			return r.cell[column]
		}
		return r.cell[name]
	}
	rec := access.Record{Key: r.cell[f.Key], User: cell("user"), Name: cell("name"), Mail: cell("mail"), Department: cell("department"),
		Manager: cell("manager"), Sponsor: cell("sponsor"), External: p.flag(r.line, "external", cell("external"), false),
		Inactive: !p.flag(r.line, "active", cell("active"), true), Start: p.day(r.line, "start", cell("start"), false), End: p.day(r.line, "end", cell("end"), true)}
	if rec.Key == "" {
		p.add(r.line, "the key %q is empty", f.Key)
		return rec
	}
	for g := range strings.FieldsFuncSeq(cell("groups"), func(c rune) bool { return c == ';' || c == '|' || c == '\n' }) {
		rec.Groups = append(rec.Groups, strings.TrimSpace(g))
	}
	rec.Accounts, rec.More = map[string]string{}, map[string]string{}
	for name, value := range r.cell {
		if system, ok := strings.CutPrefix(name, "account:"); ok {
			rec.Accounts[system] = value
		}
	}
	for name, column := range f.Columns {
		if system, ok := strings.CutPrefix(name, "account:"); ok {
			rec.Accounts[system] = r.cell[column]
		} else if !slices.Contains(ours, name) {
			rec.More[name] = r.cell[column]
		}
	}
	clean, err := rec.Clean()
	if err != nil {
		p.add(r.line, "%s", strings.TrimPrefix(err.Error(), access.ErrInvalid.Error()+": "))
	}
	return clean
}

// ours are the names of columns that mean something by themselves.
var ours = []string{"user", "name", "mail", "department", "manager", "sponsor", "groups", "external", "active", "start", "end"}

func (p *problems) flag(line int, name, text string, absent bool) bool {
	switch strings.ToLower(text) {
	case "":
		return absent
	case "true", "yes", "1":
		return true
	case "false", "no", "0":
		return false
	}
	p.add(line, "%s must be true or false, not %.40q", name, text)
	return absent
}

// day reads a date; the last day of something is over at its end.
func (p *problems) day(line int, name, text string, last bool) time.Time {
	if text == "" {
		return time.Time{}
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		if last {
			t = t.AddDate(0, 0, 1)
		}
		return t
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		p.add(line, "%s must be a date like 2030-12-31, not %.40q", name, text)
	}
	return t.UTC()
}
