// Package age is the secret store made of files: one for each reference, below one
// folder, encrypted with age to the consumers' recipients and to an identity of
// Lessor's own. Consumers read it with whatever reads age.
//
// Which generation a file holds stands in its own header, where age's MAC covers it and
// other readers pass over it: worth and generation are one file, so that one rename puts
// both in force. A generation that was followed by another lies beside it, under its
// number, until it is forgotten.
//
// Nothing outside the folder is ever opened, whatever a reference or a link says, and no
// worth is ever written unencrypted. A process that is killed leaves the old file or the
// new one, and an encrypted piece of one under a name that nobody reads and the next
// writer replaces.
package age

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"filippo.io/age"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver"
)

// Config may be wrong; New says how.
type Config struct {
	// Folder holds the files, and nothing else of anybody's. It must be there.
	Folder string
	// Recipients are the consumers', in the form of age's recipients files, asked anew
	// for every Put.
	Recipients func() ([]byte, error)
	// Identity is Lessor's own, AGE-SECRET-KEY-…, asked anew for every call: with it
	// what was put is read back. Where there are several, all are tried, and what is new
	// is encrypted to the first.
	Identity func() string
	// Group lets the files' group read them (mode 0640); otherwise only the user that
	// Lessor runs as can (0600).
	Group bool
}

// Store is one folder.
type Store struct {
	Config
	closed context.Context
	close  context.CancelFunc
	at     func(step string) // called before each step of a Put; does nothing but in tests
}

var _ deliver.Store = (*Store)(nil)

// New checks the configuration; it opens nothing.
func New(cfg Config) (*Store, error) {
	var wrong []error
	if !filepath.IsAbs(cfg.Folder) {
		wrong = append(wrong, errors.New("age: Folder must be an absolute path"))
	}
	if cfg.Recipients == nil {
		wrong = append(wrong, errors.New("age: Recipients is needed: whoever is to read the files"))
	}
	if cfg.Identity == nil {
		wrong = append(wrong, errors.New("age: Identity is needed: what was put is read back with it"))
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	s := &Store{Config: cfg, at: func(string) {}}
	s.closed, s.close = context.WithCancel(context.Background())
	return s, nil
}

// Close has every later call fail; what is under way on a disk is not broken off.
func (s *Store) Close() error {
	s.close()
	return nil
}

var refForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*(/[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*)*$`)

// CheckRef: a reference is a path below the folder, without the ending of its file.
func (s *Store) CheckRef(ref string) error {
	switch {
	case len(ref) > 200 || strings.Count(ref, "/") > 7 || !refForm.MatchString(ref):
		return fmt.Errorf("%w: a reference is a path of letters, digits, dot, underscore and hyphen below the folder, such as billing/database; no longer than 200, and no part begins with a dot or a hyphen", connector.ErrRefused)
	case strings.Contains(ref, earlierMark):
		return fmt.Errorf("%w: a reference does not hold %q: so are earlier generations called", connector.ErrRefused, earlierMark)
	}
	return nil
}

// earlierMark stands between a reference and the number of an earlier generation.
const earlierMark = ".lessor-"

func current(ref string) string            { return ref + ".age" }
func earlier(ref string, gen int64) string { return fmt.Sprintf("%s%s%d.age", ref, earlierMark, gen) }

// enter opens the folder, so that nothing outside of it can be reached, and checks what
// is on the way to ref. What it could not open it did nothing to.
func (s *Store) enter(ctx context.Context, ref string) (*os.Root, error) {
	if err := s.CheckRef(ref); err != nil {
		return nil, err
	}
	if err := errors.Join(ctx.Err(), s.closed.Err()); err != nil {
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	root, err := os.OpenRoot(s.Folder)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	if err := sound(root, ref); err != nil {
		leave(root)
		return nil, err
	}
	return root, nil
}

// leave closes the folder: only a descriptor is given back, nothing is written by it.
func leave(root *os.Root) { _ = root.Close() }

// sound refuses a folder in which anybody may change what is read back, and links: what
// lies at their end is not what the reference names.
func sound(root *os.Root, ref string) error {
	st, err := root.Stat(".")
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	case st.Mode().Perm()&0o002 != 0:
		return fmt.Errorf("%w: every user of the machine may change the folder %s: chmod o-w it", connector.ErrRefused, root.Name())
	}
	parts := strings.Split(ref, "/")
	for n := range parts {
		name := strings.Join(parts[:n+1], "/")
		whole := n == len(parts)-1
		if whole {
			name = current(ref)
		}
		switch st, err := root.Lstat(name); {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
		case whole && !st.Mode().IsRegular():
			return fmt.Errorf("%w: %s is no regular file", connector.ErrRefused, name)
		case !whole && !st.IsDir():
			return fmt.Errorf("%w: %s is no folder", connector.ErrRefused, name)
		}
	}
	return nil
}

// identities parses Lessor's own. What it is made of is in no error.
func (s *Store) identities() ([]age.Identity, error) {
	list, err := age.ParseIdentities(strings.NewReader(s.Identity()))
	if err != nil || len(list) == 0 {
		return nil, fmt.Errorf("%w: there is no usable age identity of Lessor's own (AGE-SECRET-KEY-…)", connector.ErrUnreachable)
	}
	return list, nil
}
