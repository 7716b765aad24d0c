package house

import (
	"bytes"
	"errors"
	"go/format"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/a-h/templ/generator"
	"github.com/a-h/templ/parser/v2"
)

// TestPagesAreGenerated makes the Go of every page anew and compares. It stands
// here and not beside the pages, so that it runs where they do not build.
func TestPagesAreGenerated(t *testing.T) {
	t.Parallel()
	pages := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".templ") {
			return err
		}
		pages++
		parsed, err := parser.Parse(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		var out bytes.Buffer
		if _, err := generator.Generate(parsed, &out, generator.WithFileName(filepath.Base(path))); err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		want, err := format.Source(out.Bytes())
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return nil
		}
		made := strings.TrimSuffix(path, ".templ") + "_templ.go"
		have, err := os.ReadFile(made)
		if os.Getenv("LESSOR_GENERATE") != "" && !bytes.Equal(have, want) {
			// In one step: other tests read the tree meanwhile.
			return errors.Join(os.WriteFile(made+".new", want, 0o644), os.Rename(made+".new", made))
		}
		if err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s is not what %s gives; run make generate (%v)", made, path, err)
		}
		return nil
	})
	if err != nil || pages == 0 {
		t.Errorf("%d pages: %v", pages, err)
	}
}
