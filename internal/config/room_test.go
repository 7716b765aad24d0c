package config

import (
	"strings"
	"testing"
	"testing/fstest"
)

// How much room is kept is a size and nothing that merely looks like one.
func TestKeepFree(t *testing.T) {
	t.Parallel()
	load := func(text string) (*Config, error) {
		folder := company(t)
		folder["lessor.yaml"] = &fstest.MapFile{Data: []byte(text), Mode: 0o640}
		return LoadFS(folder, "/etc/lessor")
	}
	for text, want := range map[string]uint64{"": 256 << 20, "keep_free: 1MiB\n": 1 << 20, "keep_free: 4GiB\n": 4 << 30, "keep_free: 1024GiB\n": 1 << 40} {
		if got, err := load(text); err != nil || got.KeepFree != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"''": "not a size", "256": "must be text", "'256'": "not a size", "1 %": "not a size", "256MB": "not a size", "256mib": "not a size", "0x1MiB": "not a size", "+1MiB": "not a size", "01MiB": "not a size",
		"-1MiB": "not a size", "1.5GiB": "not a size", "MiB": "not a size", "99999999999MiB": "not a size", "0MiB": "between 1MiB and 1024GiB", "1025GiB": "between 1MiB and 1024GiB",
	} {
		if _, err := load("keep_free: " + text + "\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
