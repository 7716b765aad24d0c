package config

import (
	"testing"
	"testing/fstest"
)

// TestState: what the server writes lies where it is told to, so that its folder
// of configuration can be one that it cannot write.
func TestState(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, state, database string }{
		{"", "/etc/lessor", "sqlite:/etc/lessor/lessor.db"},
		{"state: /var/lib/lessor\n", "/var/lib/lessor", "sqlite:/var/lib/lessor/lessor.db"},
		{"state: kept\ndatabase: sqlite:d/x.db\n", "/etc/lessor/kept", "sqlite:/etc/lessor/d/x.db"},
	} {
		folder := company(t)
		folder["lessor.yaml"] = &fstest.MapFile{Data: []byte(c.text), Mode: 0o640}
		got, err := LoadFS(folder, "/etc/lessor")
		if err != nil || got.State != c.state || got.Database != c.database {
			t.Errorf("%q: %+v, %v", c.text, got, err)
		}
	}
	folder := company(t)
	folder["lessor.yaml"] = &fstest.MapFile{Data: []byte("state: ''\n"), Mode: 0o640}
	if _, err := LoadFS(folder, "/etc/lessor"); err == nil {
		t.Error("an empty state is taken")
	}
}
