package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	mdLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	mdCode = regexp.MustCompile("(?ms)^```.*?^```$|`[^`\n]*`")
)

// TestLinksOfTheDocs: every link of every page leads to a file, and to a heading
// that is there. A manual is followed by somebody who is in a hurry.
func TestLinksOfTheDocs(t *testing.T) {
	t.Parallel()
	root := os.DirFS("../..")
	texts := map[string]string{}
	for _, under := range []string{"docs", "deploy"} {
		err := fs.WalkDir(root, under, func(name string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.HasSuffix(name, ".md") {
				texts[name] = readText(t, root, name)
			}
			return err
		})
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md"} {
		texts[name] = readText(t, root, name)
	}
	for name, text := range texts {
		for _, found := range mdLink.FindAllStringSubmatch(mdCode.ReplaceAllString(text, ""), -1) {
			if strings.Contains(found[1], "://") || strings.HasPrefix(found[1], "mailto:") {
				continue
			}
			file, heading, _ := strings.Cut(found[1], "#")
			to := name
			if file != "" {
				to = filepath.Join(filepath.Dir(name), file)
			}
			if _, err := fs.Stat(root, to); err != nil {
				t.Errorf("%s: the link (%s) leads to no file", name, found[1])
			} else if page, ok := texts[to]; ok && heading != "" && !headings(page)[heading] {
				t.Errorf("%s: the link (%s): %s has no such heading", name, found[1], to)
			}
		}
	}
}

func readText(t *testing.T, root fs.FS, name string) string {
	t.Helper()
	raw, err := fs.ReadFile(root, name)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// headings are the names by which a page's headings are linked to: in lower case,
// with hyphens for blanks, and without what is no letter or digit.
func headings(page string) map[string]bool {
	list := map[string]bool{}
	fenced := false
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if fenced || !strings.HasPrefix(line, "#") {
			continue
		}
		list[strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(strings.TrimLeft(line, "#")))] = true
	}
	return list
}
