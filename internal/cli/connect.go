package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/config"
)

// connect finds the server and whose token to show it. The token comes from the
// environment or a file, never from the command line, where others could read it.
func (a *app) connect() (*client.Client, error) {
	base := a.server
	if base == "" {
		base = a.env("LESSOR_SERVER")
	}
	if base == "" {
		c, err := config.Load(a.folder())
		if err != nil {
			return nil, fmt.Errorf("%w: no server is named: give --server or $LESSOR_SERVER, or name the folder of a configuration with --dir (%w)", errUsage, err)
		}
		base = c.Listen
	}
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	token := a.env("LESSOR_TOKEN")
	if a.as != "" {
		raw, err := os.ReadFile(filepath.Join(a.folder(), "tokens", filepath.Base(a.as)))
		if err != nil {
			return nil, fmt.Errorf("%w: no token for %q: %w", errUsage, a.as, err)
		}
		token = strings.TrimSpace(string(raw))
	}
	if token == "" {
		return nil, fmt.Errorf("%w: no token: set LESSOR_TOKEN, or say whose with --as NAME (a file in the folder tokens)", errUsage)
	}
	return client.New(base, token), nil
}
