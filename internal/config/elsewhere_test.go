package config

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/lessor-iam/lessor/internal/access"
)

// namesFeeds is a folder whose files name people who are in none of them.
func namesFeeds() fstest.MapFS {
	folder := feedsFolder(goodFeed)
	text := func(name, text string) { folder[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600} }
	text("directory.yaml", `identities:
  - {id: ann, kind: person, name: Ann, manager: fay, deputy: fritz}
  - {id: bot, kind: workload, name: Bot, owner: fay, contract: {deputy: fritz}}
  - {id: guest, kind: person, name: Guest, external: true, sponsor: fay}
groups:
  - {id: security, members: [ann, fay], groups: [oncall]}
  - {id: oncall}
  - {id: staff, members: [fritz]}
`)
	text("catalog.yaml", `systems:
  - {id: dir, connector: manual, owner: fay}
entitlements:
  - {id: "dir:wiki", name: Wiki, object: wiki, owners: [fay], class: standard, max_term: 1d, becomes: [fritz]}
  - {id: "dir:pay", name: Pay, object: pay, owners: [ann], class: standard, max_term: 1d}
duties:
  - {id: apart, apart: ["dir:wiki", "dir:pay"], exceptions: [{identity: fritz, owner: fay, reason: small house, end: 2030-12-31}]}
`)
	text("lifecycle.yaml", `birthrights:
  - {id: wiki, for: {external: false}, entitlements: ["dir:wiki"], term: 1d, owner: fay, author: fritz}
`)
	text("lessor.yaml", `log_key_ref: env:LOG_KEY
break_glass: {group: oncall, entitlements: ["dir:pay"], security: fritz}
tokens:
  - {name: fay, identity: fay, sha256: "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90", scopes: [view], expires: 2030-12-31}
`)
	return folder
}

// The files may name people whom only feeds have told of: the database says whether they
// have, and whoever was told of once never keeps the files from being read.
func TestPeopleOfFeedsAreNamed(t *testing.T) {
	t.Parallel()
	folder := namesFeeds()
	c, err := LoadFS(folder, "/etc/lessor")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Elsewhere(), []string{"fay", "fritz"}) {
		t.Errorf("elsewhere %q", c.Elsewhere())
	}
	said := 0
	for _, w := range c.Warnings {
		if strings.Contains(w.Message, "only the database knows") && w.Line > 0 {
			said++
		}
	}
	if said != 16 {
		t.Errorf("%d names are said:\n%v", said, c.Warnings)
	}
	person := func(id string, change ...func(*access.Identity)) access.Identity {
		i := access.Identity{ID: id, Kind: access.Person, Name: "Another " + id}
		for _, do := range change {
			do(&i)
		}
		return i
	}
	left := func(i *access.Identity) { i.Inactive = true }
	for _, row := range []struct {
		name   string
		people []access.Identity
		warns  string
		fails  string
	}{
		{"both are known", []access.Identity{person("fay"), person("fritz")}, `directory.yaml:6:35: "fay" has a say in Lessor itself by group "security" and is in feeds alone`, ""},
		{"they have left", []access.Identity{person("fay", left), person("fritz", left)}, `owner "fay" is inactive: an entitlement needs owners who are there (so feeds say)`, ""},
		{"one is external", []access.Identity{person("fay"), person("fritz", func(i *access.Identity) { i.External = true })}, `deputy "fritz" is external`, ""},
		{"one is not known", []access.Identity{person("fay")}, "", `directory.yaml:2:62: deputy: there is no identity "fritz" in the files, and no feed has told of such a person`},
		{"by another id", []access.Identity{person("fay"), person("fritz-2")}, "", `catalog.yaml:4:104: becomes: there is no identity "fritz"`},
		{"one is a workload", []access.Identity{person("fay"), person("fritz", func(i *access.Identity) { i.Kind = access.Workload })}, "", "lessor.yaml:2:67: security: there is no identity"},
	} {
		with, err := c.With(row.people)
		switch {
		case row.fails != "":
			if !errors.Is(err, access.ErrInvalid) || !strings.Contains(err.Error(), row.fails) {
				t.Errorf("%s: %v; want %q", row.name, err, row.fails)
			}
		case err != nil:
			t.Errorf("%s: %v", row.name, err)
		case len(with.Elsewhere()) != 0 || !maps.Equal(with.Files, c.Files) || strings.Contains(with.Warnings.Error(), "only the database knows"):
			t.Errorf("%s: still %q\n%v", row.name, with.Elsewhere(), with.Warnings)
		case !strings.Contains(with.Warnings.Error(), row.warns):
			t.Errorf("%s: warns\n%v\nwant %q", row.name, with.Warnings, row.warns)
		}
	}
}

// What is read twice is the same folder, or refused. Where there is no feed there is nobody
// to ask, and the person behind a second identity stands in the files.
func TestPeopleOfFeedsAreNamedPlainly(t *testing.T) {
	t.Parallel()
	folder := namesFeeds()
	c, err := LoadFS(folder, "/etc/lessor")
	if err != nil {
		t.Fatal(err)
	}
	people := []access.Identity{{ID: "fay", Kind: access.Person}, {ID: "fritz", Kind: access.Person}}
	folder["lessor.yaml"] = &fstest.MapFile{Data: append(slices.Clone(folder["lessor.yaml"].Data), "# more\n"...), Mode: 0o600}
	if _, err := c.With(people); err == nil || !strings.Contains(err.Error(), "was changed while it was read") {
		t.Errorf("%v", err)
	}
	for _, row := range []struct{ name, file, from, to, want string }{
		{"no feeds", "feeds.yaml", goodFeed, "", `owner: there is no identity "fay"`},
		{"a second identity", "directory.yaml", "name: Guest,", "name: Guest, same: fay,", `same: there is no identity "fay"`},
		{"no id at all", "directory.yaml", "manager: fay", `manager: "Fay Feed"`, `manager: there is no identity "Fay Feed"`},
		{"themselves", "directory.yaml", "name: Ann, manager: fay", "name: Ann, manager: ann", "nobody is their own manager"},
	} {
		folder := namesFeeds()
		text := strings.Replace(string(folder[row.file].Data), row.from, row.to, 1)
		if text == string(folder[row.file].Data) {
			t.Fatalf("%s: %q is not in the file", row.name, row.from)
		}
		folder[row.file].Data = []byte(text)
		if text == "" {
			delete(folder, row.file)
		}
		if _, err := LoadFS(folder, "/etc/lessor"); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v; want %q", row.name, err, row.want)
		}
	}
}
