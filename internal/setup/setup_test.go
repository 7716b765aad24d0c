package setup_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/setup"
)

// Whatever AddToken takes, reading the folder takes; whatever it refuses, it
// refuses before anything is written.
func TestScopesOfTokens(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		scopes []string
		ok     bool
	}{
		{"all-but-admin", []string{"request", "approve", "view", "revoke"}, true},
		{"admin", []string{"admin"}, true},
		{"admin-and-view", []string{"admin", "view"}, true},
		{"none", nil, false},
		{"empty", []string{""}, false},
		{"unknown", []string{"view", "write"}, false},
		{"another-case", []string{"View"}, false},
		{"twice", []string{"view", "view"}, false},
		{"admin-and-approve", []string{"approve", "admin"}, false},
		{"breaks-out", []string{"view], identity: olga, scopes: [approve"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "first")
			if err := setup.First(dir, "log.example.org/lessor"); err != nil {
				t.Fatal(err)
			}
			settings := filepath.Join(dir, "lessor.yaml")
			before, err := os.ReadFile(settings)
			if err != nil {
				t.Fatal(err)
			}
			file, err := setup.AddToken(dir, setup.Token{Name: c.name, Identity: "ann", Scopes: c.scopes, Expires: time.Now().Add(time.Hour)})
			if c.ok {
				if _, loads := config.Load(dir); err != nil || loads != nil {
					t.Fatalf("refused: %v, %v", err, loads)
				}
				return
			}
			if !errors.Is(err, access.ErrInvalid) || file != "" {
				t.Fatalf("taken: %q %v", file, err)
			}
			after, err := os.ReadFile(settings)
			if err != nil || string(after) != string(before) {
				t.Errorf("lessor.yaml was written: %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "tokens", c.name)); !os.IsNotExist(err) {
				t.Errorf("a token was written: %v", err)
			}
		})
	}
}
