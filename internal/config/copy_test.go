package config

import (
	"strings"
	"testing"
	"testing/fstest"
)

// A second copy of the log is elsewhere than what it is a copy of.
func TestLogCopy(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "log_copy: /mnt/kept\n": "/mnt/kept", "log_copy: ../kept\n": "/etc/kept"} {
		folder := company(t)
		folder["lessor.yaml"] = &fstest.MapFile{Data: []byte(text), Mode: 0o640}
		if got, err := LoadFS(folder, "/etc/lessor"); err != nil || got.LogCopy != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{"log_copy: ''\n": "log_copy is empty", "state: /var/lib/lessor\nlog_copy: /var/lib/lessor\n": "name a folder elsewhere"} {
		folder := company(t)
		folder["lessor.yaml"] = &fstest.MapFile{Data: []byte(text), Mode: 0o640}
		if _, err := LoadFS(folder, "/etc/lessor"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
