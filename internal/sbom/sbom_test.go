package sbom

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
)

var info = debug.BuildInfo{
	GoVersion: "go1.26.8", Main: debug.Module{Path: "github.com/lessor-iam/lessor", Version: "v0.0.0-20261126000000-0123456789ab+dirty"},
	Deps: []*debug.Module{
		{Path: "github.com/B/c", Version: "v1.2.3", Sum: "h1:abc="},
		{Path: "example.org/old", Version: "v1.0.0", Replace: &debug.Module{Path: "example.org/new", Version: "v1.0.1"}},
	},
	Settings: []debug.BuildSetting{{Key: "vcs.time", Value: "2026-11-26T00:00:00Z"}, {Key: "vcs.revision", Value: "0123"}, {Key: "-ldflags", Value: "secret"}},
}

func TestOf(t *testing.T) {
	t.Parallel()
	body, err := Of(&info)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := Of(&info)
	if !bytes.Equal(body, again) {
		t.Error("the same program has two documents")
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		t.Fatal(err)
	}
	var refs []string
	for _, c := range d.Components {
		refs = append(refs, c.Ref)
		if c.Ref != c.Purl || c.Name == "" || c.Version == "" {
			t.Errorf("%+v", c)
		}
	}
	want := []string{"pkg:golang/example.org/new@v1.0.1", "pkg:golang/github.com/b/c@v1.2.3", "pkg:golang/std@1.26.8", "pkg:npm/htmx.org@" + browser.Version}
	if !slices.Equal(refs, want) || !slices.Equal(d.Dependencies[0].DependsOn, want) || d.Dependencies[0].Ref != d.Metadata.Component.Ref {
		t.Errorf("made of %q\nwant %q\n%s", refs, want, body)
	}
	if !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(d.Serial) {
		t.Errorf("serial %s", d.Serial)
	}
	if strings.Contains(string(body), "secret") {
		t.Error("flags of the build are no part of what it is made of")
	}
}

// What goes to browsers is what is said.
func TestBrowserIsWhatIsSent(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../web/assets/htmx.min.js")
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(raw)); sum != browser.Hashes[0].Content {
		t.Errorf("htmx.min.js is another (%s): say which here", sum)
	}
}

// The tests' own program has a list, too: the linker's is what is read.
func TestOfThisProgram(t *testing.T) {
	t.Parallel()
	b, ok := debug.ReadBuildInfo()
	if !ok {
		t.Fatal("the tests' own program was built without modules: nothing is read of it")
	}
	if _, err := Of(b); err != nil {
		t.Error(err)
	}
}
