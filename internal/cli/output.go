package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf16"
)

// plain makes a text fit for one cell of a terminal: what a person wrote into a
// request must not move the cursor, colour the line or end it.
func plain(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t' || c == '\r':
			return ' '
		case obeyed(c):
			return '\ufffd'
		}
		return c
	}, s)
}

// obeyed tells whether a terminal does something at this character but show it.
func obeyed(c rune) bool {
	return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || unicode.Is(unicode.Co, c) || c == 0x2028 || c == 0x2029
}

// escaped writes as JSON's own escapes what JSON lets stand in a text and a
// terminal obeys. Read back, every text is the same.
func escaped(raw []byte) []byte {
	if !bytes.ContainsFunc(raw, func(c rune) bool { return c != '\n' && obeyed(c) }) {
		return raw
	}
	var b bytes.Buffer
	for _, c := range string(raw) {
		switch {
		case c == '\n' || !obeyed(c): // line breaks are the layout's: in a text they are escaped already
			b.WriteRune(c)
		case c > 0xffff:
			hi, lo := utf16.EncodeRune(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return b.Bytes()
}

// plainLines is plain for a text of several lines.
func plainLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	return strings.Join(lines, "\n")
}

// show writes v as JSON, or the rows as a table.
func (a *app) show(v any, head []string, rows [][]string) error {
	if a.format == "json" {
		raw, err := json.MarshalIndent(v, "", "  ")
		if err != nil {
			return err
		}
		_, err = a.out.Write(append(escaped(raw), '\n'))
		return err
	}
	if len(rows) == 0 {
		_, err := fmt.Fprintln(a.out, "nothing")
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(head, "\t"))
	for _, row := range rows {
		for i := range row {
			row[i] = plain(row[i])
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// done says in one line what was done; with JSON asked for, v says it.
func (a *app) done(v any, format string, args ...any) error {
	if a.format == "json" {
		return a.show(v, nil, nil)
	}
	a.line(format, args...)
	return nil
}

// line writes one line for people; with JSON asked for, nothing.
func (a *app) line(format string, args ...any) {
	if a.format != "json" {
		fmt.Fprintln(a.out, plain(fmt.Sprintf(format, args...)))
	}
}

// count is a number of things in words: "1 bundle", "2 bundles".
func count[N int | int64](n N, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// stamp is a moment for people, in UTC; nothing for none.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// progress shows how far a long work has come: a bar on a terminal, a line now
// and then elsewhere.
func (a *app) progress(what string) func(done, total int64) {
	f, ok := a.err.(*os.File)
	bar := false
	if ok {
		st, err := f.Stat()
		bar = err == nil && st.Mode()&os.ModeCharDevice != 0
	}
	next := int64(0)
	return func(done, total int64) {
		if total <= 0 || (done < next && done < total) {
			return
		}
		if bar {
			const width = 40
			full := int(done * width / total)
			fmt.Fprintf(f, "\r%s [%s%s] %d/%d", what, strings.Repeat("#", full), strings.Repeat(".", width-full), done, total)
			next = done + max(1, total/200)
			if done >= total {
				fmt.Fprintln(f)
			}
			return
		}
		next = done + max(10_000, total/10)
		fmt.Fprintf(a.err, "%s: %d of %d\n", what, done, total)
	}
}
