package config

import (
	"maps"
	"strings"
	"testing"
	"testing/fstest"
)

func TestStores(t *testing.T) {
	t.Parallel()
	folder := company(t)
	folder[storesFile] = &fstest.MapFile{Mode: 0o640, Data: []byte(`
stores:
  - id: main
    kind: vault
    settings: {url: "https://vault.example:8200", token_ref: "file:vault.token", ca_file: roots.pem}
  - {id: files, kind: age, settings: {folder: out, identity_ref: "env:AGE"}}
`)}
	c, err := LoadFS(folder, "/etc/lessor")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Stores) != 2 || c.Stores[0].ID != "main" || c.Stores[0].Kind != "vault" || c.Stores[1].ID != "files" ||
		!maps.Equal(c.Stores[0].Settings, map[string]string{"url": "https://vault.example:8200", "token_ref": "file:/etc/lessor/vault.token", "ca_file": "/etc/lessor/roots.pem"}) {
		t.Errorf("%+v", c.Stores)
	}
	if p := c.StoreProblem("files", "is %s", "wrong"); p.String() != "stores.yaml:6:5: is wrong" {
		t.Error(p)
	}
	if p := c.StoreProblem("none", "is wrong"); !strings.HasPrefix(p.String(), "stores.yaml: ") {
		t.Error(p)
	}
}
