package config

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// large is a company of that size: people with managers and an account, one
// workload and one external in fifty, groups of forty nested eight deep.
func large(people, entitlements int) fstest.MapFS {
	var dir, groups, cat strings.Builder
	dir.WriteString("identities:\n")
	for n := range people {
		fmt.Fprintf(&dir, "  - id: p%05d\n    name: Person %05d\n    department: d%d\n    accounts: {dir: u%05d}\n", n, n, n%9, n)
		switch {
		case n%50 == 13:
			fmt.Fprintf(&dir, "    kind: workload\n    owner: p%05d\n", n/500*10)
		case n%50 == 14:
			fmt.Fprintf(&dir, "    kind: person\n    external: true\n    sponsor: p%05d\n", n/500*10)
		case n > 0:
			fmt.Fprintf(&dir, "    kind: person\n    manager: p%05d\n", n/500*10)
		default:
			dir.WriteString("    kind: person\n")
		}
	}
	groups.WriteString("groups:\n")
	for n := range people / 40 {
		fmt.Fprintf(&groups, "  - id: g%04d\n    members: [", n)
		for m := range 40 {
			fmt.Fprintf(&groups, "p%05d, ", n*40+m)
		}
		groups.WriteString("]\n")
		if n*2+2 < people/40 && n < 128 {
			fmt.Fprintf(&groups, "    groups: [g%04d, g%04d]\n", n*2+1, n*2+2)
		}
	}
	cat.WriteString("systems:\n  - {id: dir, connector: ldap, owner: p00000}\nentitlements:\n")
	for n := range entitlements {
		fmt.Fprintf(&cat, "  - id: dir:e%04d\n    object: cn=e%04d,ou=groups,dc=example,dc=com\n    name: Entitlement %04d\n    owners: [p%05d]\n"+
			"    class: standard\n    max_term: 30d\n    powers: [read]\n", n, n, n, n%people/50*50)
		if n > 0 && n%11 == 0 {
			fmt.Fprintf(&cat, "    conflicts: [\"dir:e%04d\"]\n", n-1)
		}
	}
	return fstest.MapFS{"directory/people.yaml": {Data: []byte(dir.String())}, "directory/groups.yaml": {Data: []byte(groups.String())},
		"catalog.yaml": {Data: []byte(cat.String())}, "policy/x.cedar": {}}
}

// BenchmarkLoad loads 10,000 people and 4,000 entitlements; parse is the part of
// it that is spent reading YAML, the denominator.
func BenchmarkLoad(b *testing.B) {
	folder := large(10_000, 4_000)
	size := 0
	for _, f := range folder {
		size += len(f.Data)
	}
	b.Run("load", func(b *testing.B) {
		b.SetBytes(int64(size))
		b.ReportAllocs()
		for b.Loop() {
			c, err := LoadFS(folder, "/x")
			if err != nil || len(c.Warnings) > 0 || len(c.Directory.Entitlements()) != 4_000 {
				b.Fatal(err)
			}
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.SetBytes(int64(size))
		b.ReportAllocs()
		for b.Loop() {
			for _, f := range folder {
				var r report
				if _, ok := r.parse("f", f.Data); !ok {
					b.Fatal(r.problems)
				}
			}
		}
	})
}
