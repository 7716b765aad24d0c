// Package sbom says what a program of ours is made of, as CycloneDX, from what the
// Go linker has written into it: no list is kept that could fall behind. It reads
// nothing and knows nothing of licences and of faults; scanners do.
package sbom

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
)

// browser is what the portal sends to browsers and no Go module holds. A test holds
// its version to the file.
var browser = component{Type: "library", Name: "htmx.org", Version: "4.0.1",
	Hashes: []hash{{"SHA-256", "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"}}}

type document struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Serial       string       `json:"serialNumber"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Timestamp string    `json:"timestamp,omitempty"` // of the commit: the same program has the same document
	Component component `json:"component"`
}

type component struct {
	Type       string     `json:"type"`
	Ref        string     `json:"bom-ref"`
	Name       string     `json:"name"`
	Version    string     `json:"version"`
	Scope      string     `json:"scope,omitempty"`
	Hashes     []hash     `json:"hashes,omitempty"`
	Purl       string     `json:"purl"`
	Properties []property `json:"properties,omitempty"`
}

type hash struct {
	Alg     string `json:"alg"`
	Content string `json:"content"`
}

type property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// Of returns the document of a program: the modules that were linked into it, Go's
// own library, and what goes to browsers.
func Of(b *debug.BuildInfo) ([]byte, error) {
	settings := map[string]string{}
	for _, s := range b.Settings {
		settings[s.Key] = s.Value
	}
	// 1. The program.
	main := module(&b.Main)
	main.Type = "application"
	for _, key := range []string{"vcs.revision", "vcs.modified", "GOOS", "GOARCH", "CGO_ENABLED", "-tags"} {
		if v := settings[key]; v != "" {
			main.Properties = append(main.Properties, property{"lessor:build:" + strings.TrimPrefix(key, "-"), v})
		}
	}
	// 2. What it is made of.
	std := component{Type: "library", Name: "std", Version: strings.TrimPrefix(b.GoVersion, "go"), Scope: "required"}
	std.Purl = "pkg:golang/std@" + std.Version
	web := browser
	web.Purl, web.Scope = "pkg:npm/"+web.Name+"@"+web.Version, "required"
	list := []component{std, web}
	for _, m := range b.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		list = append(list, module(m))
	}
	refs := []string{}
	for i := range list {
		list[i].Ref = list[i].Purl
		refs = append(refs, list[i].Ref)
	}
	slices.SortFunc(list, func(a, b component) int { return cmp.Compare(a.Ref, b.Ref) })
	slices.Sort(refs)
	main.Ref = main.Purl
	d := document{Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", Spec: "1.6", Version: 1,
		Metadata: metadata{settings["vcs.time"], main}, Components: list, Dependencies: []dependency{{main.Ref, refs}}}
	// 3. Its number is that of its content.
	body, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	d.Serial = serial(body)
	return json.MarshalIndent(d, "", "  ")
}

func module(m *debug.Module) component {
	c := component{Type: "library", Name: m.Path, Version: cmp.Or(m.Version, "(devel)"), Scope: "required"}
	if m.Sum != "" {
		c.Properties = []property{{"lessor:go:sum", m.Sum}}
	}
	c.Purl = "pkg:golang/" + strings.ToLower(m.Path) + "@" + strings.NewReplacer("+", "%2B", "(", "%28", ")", "%29").Replace(c.Version)
	return c
}

// serial is a UUID (version 8, RFC 9562) made of a digest.
func serial(body []byte) string {
	sum := sha256.Sum256(body)
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}
