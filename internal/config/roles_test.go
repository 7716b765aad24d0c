package config

import (
	"testing"
	"testing/fstest"
)

// Where the catalog has roles of Lessor itself, every identity is its own account
// there; elsewhere nobody gets one.
func TestRolesHaveIdentitiesForAccounts(t *testing.T) {
	t.Parallel()
	folder := company(t)
	folder["catalog/roles.yaml"] = &fstest.MapFile{Mode: 0o640, Data: []byte("systems:\n  - {id: own, connector: lessor, owner: olga}\n" +
		"entitlements:\n  - {id: \"own:security\", name: Security, object: security, owners: [olga], class: privileged, max_term: 8h}\n")}
	c, err := LoadFS(folder, "/etc/lessor")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range c.Directory.Identities() {
		if who, _ := c.Directory.Identity(id); who.Accounts["own"] != id {
			t.Errorf("%s has the account %q", id, who.Accounts["own"])
		}
		if who, ok := c.Directory.ByAccount("own", id); !ok || who != id {
			t.Errorf("the account %s is that of %q", id, who)
		}
	}
	if got := c.Directory.RolesOf("dora"); len(got) != 1 || got[0] != "own:security" {
		t.Errorf("dora, whom the files name in security, has %q", got)
	}
	if got := c.Directory.RolesOf("bot"); got != nil {
		t.Errorf("bot has %q", got)
	}
}
