package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// revoke adds the serial numbers of removed assignments to the list of revoked
// keys, whatever else stands in it, where there is one: sshd lets nobody in by
// key without a list it was told to read, so only the host's owner can begin one.
func (h *Host) revoke(ctx context.Context, changes []Change) error {
	var spec strings.Builder
	for _, c := range changes {
		if !c.Want && c.Last > 0 && c.First <= c.Last {
			fmt.Fprintf(&spec, "serial: %d-%d\n", max(c.First, 1), c.Last)
		}
	}
	if spec.Len() == 0 {
		return nil
	}
	root, err := os.OpenRoot(h.Dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	if err := sweep(root); err != nil {
		return err
	}
	list, err := root.ReadFile("krl")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "lessor-krl-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	krl, text := filepath.Join(work, "krl"), filepath.Join(work, "spec")
	err = errors.Join(os.WriteFile(krl, list, 0o600), os.WriteFile(text, []byte(spec.String()), 0o600))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, h.KeyGen, "-q", "-k", "-u", "-f", krl, "-s", filepath.Join(h.Dir, "ca.pub"), text)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", h.KeyGen, err, strings.TrimSpace(string(said)))
	}
	if list, err = os.ReadFile(krl); err != nil {
		return err
	}
	return replace(root, "krl", list)
}
