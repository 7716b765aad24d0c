package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// principals opens the folder of principals files. No name leads out of it.
func (h *Host) principals() (*os.Root, error) { return os.OpenRoot(filepath.Join(h.Dir, "principals")) }

// load reads one principals file; it is not there if there is none.
func load(root *os.Root, object string) (file []byte, there bool, err error) {
	if !usable(object) {
		return nil, false, nil
	}
	switch info, err := root.Lstat(object); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case !info.Mode().IsRegular():
		return nil, false, refuse(Refused, "%s is not a plain file", filepath.Join(root.Name(), object))
	}
	file, err = root.ReadFile(object)
	if errors.Is(err, fs.ErrNotExist) { // deleted meanwhile
		return nil, false, nil
	}
	return file, err == nil, err
}

// read gives the lines of the files asked for, or of all, a page at a time.
func (h *Host) read(ctx context.Context, q Request) (a Answer, err error) {
	root, err := h.principals()
	if err != nil {
		return a, err
	}
	defer func() { _ = root.Close() }()
	names := q.Objects
	if len(names) == 0 {
		if names, err = list(root); err != nil {
			return a, err
		}
	}
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	lines := 0
	for _, name := range names {
		if name <= q.After && q.After != "" {
			continue
		}
		if lines >= h.Page {
			return a, nil
		}
		file, there, err := load(root, name)
		if err != nil {
			return a, err
		}
		if there {
			o := Object{Name: name, Lines: read(file)}
			if q.Around {
				if o.Around, err = h.around(ctx, name); err != nil {
					return a, err
				}
			}
			a.Objects = append(a.Objects, o)
			lines += len(o.Lines)
		}
		a.Next = name
	}
	a.Next = ""
	return a, nil
}

// list names the principals files. What begins with a dot is on its way.
func list(root *os.Root) (names []string, err error) {
	entries, err := fs.ReadDir(root.FS(), ".")
	for _, e := range entries {
		switch name := e.Name(); {
		case strings.HasPrefix(name, "."):
		case !usable(name):
			return nil, refuse(Refused, "no user can be called %q, and sshd may still read that file in %s", name, root.Name())
		default:
			names = append(names, name)
		}
	}
	return names, err
}

// people gives those whom the host's owner allows to be let in at all.
func (h *Host) people() (map[string]bool, error) {
	file, err := os.ReadFile(filepath.Join(h.Dir, "people"))
	if err != nil {
		return nil, fmt.Errorf("the list of people: %w", err)
	}
	there := map[string]bool{}
	for _, l := range read(file) {
		if !l.Options {
			there[l.Principal] = true
		}
	}
	return there, nil
}
