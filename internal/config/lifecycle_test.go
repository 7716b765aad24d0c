package config

import (
	"reflect"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func TestLoadLifecycle(t *testing.T) {
	t.Parallel()
	folder := company(t)
	folder["lifecycle.yaml"] = &fstest.MapFile{Mode: 0o640, Data: []byte(`movers: {grace: 3d}
leavers: {due: 2d, due_privileged: 4h, said_by: [security]}
birthrights:
  - id: staff
    for: {departments: [dev], groups: [staff], external: false, kinds: [person]}
    entitlements: ["dir:dev"]
    term: 30d
    owner: olga
    author: mia
`)}
	c, err := LoadFS(folder, "/etc/lessor")
	if err != nil {
		t.Fatal(err)
	}
	no := false
	day := 24 * time.Hour
	want := access.Lifecycle{Grace: 3 * day, Due: 2 * day, DuePrivileged: 4 * time.Hour, Leavers: []string{"security"}, Birthrights: []access.Birthright{{ID: "staff",
		For:          access.Place{Departments: []string{"dev"}, Groups: []string{"staff"}, External: &no, Kinds: []access.IdentityKind{access.Person}},
		Entitlements: []string{"dir:dev"}, Term: access.Term(30 * day), Owner: "olga", Author: "mia"}}}
	if !reflect.DeepEqual(c.Lifecycle, want) {
		t.Errorf("\n%+v, want\n%+v", c.Lifecycle, want)
	}
	if said := c.Lifecycle.Said(); said.Review != 7*day || said.Grace != 3*day {
		t.Errorf("with defaults %+v", said)
	}
	without, err := LoadFS(company(t), "/etc/lessor")
	if err != nil || !reflect.DeepEqual(without.Lifecycle, access.Lifecycle{}) || without.Lifecycle.Said().Leavers[0] != "security" {
		t.Errorf("without a file: %+v, %v", without.Lifecycle, err)
	}
}
