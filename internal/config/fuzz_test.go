package config

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/yaml"
)

var hostile = []string{"", "a: &x [*x]", "- - - -", "{{{{", "a: |hunter2", "a: 'b", "\ufeff# x\n", "a: b\r\nc: d", "? a\n: b", "a: !!x y", "a:\n- b\n-\n- c: d\n",
	"a: {b, c: , d: [e]}", "\"\\u202e\": x", "a: \xff", "---\n---", "%YAML 1.1\n--- a", "a: >2-\n   b", "1: 2", "<<: a", "a: 1e999", "[a: b, c]", "a: b: c", "\t- a", "a: @"}

// Whatever the bytes, the reader ends, and either gives a tree whose places are
// inside the text or says what is wrong.
func FuzzParse(f *testing.F) {
	for _, text := range hostile {
		f.Add([]byte(text))
	}
	for name, file := range company(f) {
		if strings.HasSuffix(name, ".yaml") {
			f.Add(file.Data)
		}
	}
	for _, file := range queue(f) {
		f.Add(file.Data)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var r report
		root, ok := r.parse("f", text)
		if !ok && len(r.problems) == 0 {
			t.Fatal("refused without a word")
		}
		lines := int32(strings.Count(string(text), "\n") + 2) // the end of the file is a place too
		for _, p := range r.problems {
			if p.File != "f" || p.Line < 0 || int32(p.Line) > lines || p.Message == "" || strings.ContainsAny(p.Message, "\n\x1b") {
				t.Errorf("problem %q of %d lines", p, lines)
			}
		}
		if ok {
			walk(t, &root, lines, 0)
		}
	})
}

func walk(t *testing.T, n *yaml.Node, lines int32, depth int) {
	if n.Line < 1 || n.Line > lines || n.Col < 1 || depth > bounds.Nesting+1 {
		t.Fatalf("%s at %d:%d of %d lines, %d deep", n.Kind, n.Line, n.Col, lines, depth)
	}
	for i := range n.List {
		walk(t, &n.List[i], lines, depth+1)
	}
	seen := map[string]bool{}
	for i := range n.Keys {
		if e := &n.Keys[i]; seen[e.Key] || e.Line < 1 {
			t.Fatalf("key %q at %d", e.Key, e.Line)
		}
		seen[n.Keys[i].Key] = true
		walk(t, &n.Keys[i].Value, lines, depth+1)
	}
}

// Whatever the files say, loading ends in problems or in a configuration that
// cannot be wrong.
func FuzzLoad(f *testing.F) {
	good := company(f)
	set, dir, cat, jira := good[settingsFile].Data, good[directoryFile].Data, good[catalogFile].Data, queue(f)[jiraFile].Data
	f.Add(set, dir, cat, jira)
	for _, text := range hostile {
		f.Add([]byte(text), dir, cat, jira)
		f.Add(set, []byte(text), cat, jira)
		f.Add(set, dir, []byte(text), jira)
		f.Add(set, dir, cat, []byte(text))
	}
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range a.Files { // each beside the company, and instead of it
			switch {
			case strings.HasPrefix(file.Name, "directory"):
				f.Add(set, file.Data, cat, jira)
			case strings.HasPrefix(file.Name, "catalog"):
				f.Add(set, dir, file.Data, jira)
			case strings.HasPrefix(file.Name, "jira"):
				f.Add(set, dir, cat, file.Data)
			case file.Name == settingsFile:
				f.Add(file.Data, dir, cat, jira)
			}
		}
	}
	f.Fuzz(func(t *testing.T, settings, directory, catalog, jira []byte) {
		folder := fstest.MapFS{settingsFile: {Data: settings}, directoryFile: {Data: directory}, catalogFile: {Data: catalog}, jiraFile: {Data: jira}, "policy/x.cedar": {}}
		c, err := LoadFS(folder, "/etc/lessor")
		var problems access.Problems
		switch {
		case err == nil:
			sound(t, c)
			soundJira(t, c)
		case c != nil || !errors.As(err, &problems) || len(problems) == 0:
			t.Fatalf("%v, %#v", c, err)
		}
	})
}

// sound says what can be relied on of anything that was loaded.
func sound(t *testing.T, c *Config) {
	t.Helper()
	must := func(ok bool, what string) {
		t.Helper()
		if !ok {
			t.Error(what)
		}
	}
	host, _, err := net.SplitHostPort(c.Listen)
	ip, ipErr := netip.ParseAddr(host)
	must(err == nil && ipErr == nil && ip.IsLoopback(), "listen "+c.Listen)
	must((c.Database == "") != (c.DatabaseRef == ""), "database")
	must(c.Pace.Call > 0 && c.Pace.Lease > c.Pace.Call && c.Pace.Retry > 0 && c.Pace.SlowestOff >= c.Pace.Retry && c.Backstop > 0, "pace")
	must(c.AnswerWithin > 0 && c.ProvisionWithin > 0 && filepath.IsAbs(c.PolicyDir), "times and policy")
	d := c.Directory
	person := func(id string) bool { i, ok := d.Identity(id); return ok && i.Kind == access.Person }
	for _, tk := range c.Tokens {
		_, ok := d.Identity(tk.Identity)
		must(ok && len(tk.Scopes) > 0 && !tk.Expires.IsZero() && tk.SHA256 != [32]byte{}, "token "+tk.Name)
	}
	for _, id := range d.Identities() {
		i, _ := d.Identity(id)
		must(idForm.MatchString(id) && i.Name != "", "id "+id)
		must(i.Kind == access.Person || person(i.Owner), "owner of "+id)
		must(i.Kind != access.Agent || person(i.Sponsor), "sponsor of "+id)
		behind, _ := d.Identity(d.PersonOf(id))
		must(!i.External || person(behind.Sponsor), "sponsor of external "+id)
		must(behind.Same == "" && behind.ID != "", "the person behind "+id)
		must(!person(id) || (behind.Sponsor != d.PersonOf(id) && behind.Manager != d.PersonOf(id)), "answers for themselves: "+id)
		must(i.Manager == "" || person(i.Manager), "manager of "+id)
		must(i.Deputy == "" || (person(i.Deputy) && d.PersonOf(i.Deputy) != d.PersonOf(id)), "deputy of "+id)
		for s := range i.Accounts {
			_, ok := d.System(s)
			must(ok || slices.ContainsFunc(c.Jira, func(j JiraSite) bool { return j.ID == s }), "account of "+id)
		}
	}
	for _, id := range d.Systems() {
		s, _ := d.System(id)
		must(idForm.MatchString(id) && person(s.Owner) && s.Connector != "", "system "+id)
	}
	for _, id := range d.Entitlements() {
		e, _ := d.Entitlement(id)
		_, ok := d.System(e.System)
		must(ok && strings.HasPrefix(id, e.System+":") && e.Object != "" && len(e.Owners) > 0, "entitlement "+id)
		must(e.MaxTerm > 0 && e.MaxTerm <= access.LongestTerm && (e.MaxTotal == 0 || e.MaxTotal >= e.MaxTerm), "terms of "+id)
		for _, o := range e.Owners {
			i, _ := d.Identity(o)
			must(person(o) && !i.Inactive, "owner of "+id)
		}
		for _, o := range e.Conflicts {
			other, ok := d.Entitlement(o)
			must(ok && o != id && slices.Contains(other.Conflicts, id), "conflicts of "+id)
		}
	}
	for _, id := range d.Bundles() {
		b, _ := d.Bundle(id)
		must(len(b.Entitlements) > 0, "bundle "+id)
		for _, e := range b.Entitlements {
			_, ok := d.Entitlement(e)
			must(ok, "bundle "+id)
		}
	}
	for _, g := range d.Groups() {
		for _, m := range d.MembersOf(g) {
			_, ok := d.Identity(m)
			must(ok, "member of "+g)
		}
	}
}
