package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/store"
)

// readWorld reads the rules and holds them against the directory. Every problem
// of every file comes in one error; what may be meant is a warning.
func readWorld(c *config.Config) (w engine.World, warnings []string, err error) {
	rules := os.DirFS(c.PolicyDir)
	set, err := policy.Load(rules)
	if err != nil {
		return w, nil, inFolder(err, c)
	}
	// What a shipped rule names and nobody has is no mistake of the folder's: the
	// rule applies to nobody. What its own rules name must be there.
	var wrong access.Problems
	for _, p := range set.CheckDirectory(c.Directory) {
		if strings.HasPrefix(p.File, "defaults/") {
			warnings = append(warnings, p.String())
		} else {
			wrong = append(wrong, p)
		}
	}
	if len(wrong) > 0 {
		return w, warnings, inFolder(wrong, c)
	}
	w, unplaced, err := engine.NewWorld(c.Directory, set, c.Classes)
	for _, class := range unplaced {
		warnings = append(warnings, fmt.Sprintf("class %q has no place in the order of classes: it is taken for one just below the highest; say where it belongs with classes in lessor.yaml", class))
	}
	w.Lifecycle = c.Lifecycle
	return w, append(warnings, set.Conflicts()...), err
}

// withTold is the folder held against whom feeds have told of, of those it names.
func withTold(ctx context.Context, db *store.DB, c *config.Config) (*config.Config, error) {
	names := c.Elsewhere()
	if len(names) == 0 {
		return c, nil
	}
	var people []access.Identity
	err := db.Read(ctx, func(tx *store.Tx) error {
		list, err := tx.RegisteredNamed(ctx, names)
		people = nil
		for _, r := range list {
			people = append(people, r.Identity)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("whom feeds have told of could not be read: %w", err)
	}
	return c.With(people)
}

// meant is what the folder says and most likely does not mean.
func meant(c *config.Config) (warnings []string) {
	for _, p := range c.Warnings {
		warnings = append(warnings, p.String())
	}
	return warnings
}

// inFolder names the rules' files as seen from the folder.
func inFolder(err error, c *config.Config) error {
	var list access.Problems
	if !errors.As(err, &list) {
		return err
	}
	rel, relErr := filepath.Rel(c.Dir, c.PolicyDir)
	if relErr != nil {
		rel = c.PolicyDir
	}
	named := make(access.Problems, len(list))
	for i, p := range list {
		if _, statErr := fs.Stat(os.DirFS(c.PolicyDir), p.File); statErr == nil {
			p.File = filepath.Join(rel, p.File)
		}
		named[i] = p
	}
	return named
}

// Check reads a folder as the server would, connecting to nothing: every problem
// of the configuration, or else of the rules and systems, and all warnings.
func Check(dir string) (c *config.Config, w engine.World, warnings []string, err error) {
	return check(dir, func(c *config.Config) (*config.Config, error) { return c, nil })
}

// CheckStored is Check, with whom feeds have told of read from the folder's database,
// whether or not a server works on it.
func CheckStored(ctx context.Context, dir string) (c *config.Config, w engine.World, warnings []string, err error) {
	return check(dir, func(c *config.Config) (*config.Config, error) {
		dsn, err := DSN(c)
		if err != nil {
			return nil, err
		}
		db, err := store.Inspect(ctx, dsn)
		if err != nil {
			return nil, err
		}
		c, err = withTold(ctx, db, c)
		return c, errors.Join(err, db.Close())
	})
}

func check(dir string, told func(*config.Config) (*config.Config, error)) (c *config.Config, w engine.World, warnings []string, err error) {
	if c, err = config.Load(dir); err != nil {
		return nil, w, nil, err
	}
	if c, err = told(c); err != nil {
		return nil, w, nil, err
	}
	w, warnings, err = readWorld(c)
	warnings = append(meant(c), warnings...)
	targets, more, badTargets := connectors(c, slog.New(slog.DiscardHandler), &roster{})
	for _, t := range targets {
		err = errors.Join(err, t.Close())
	}
	stores, still, badStores := secretStores(c, slog.New(slog.DiscardHandler))
	if badTargets == nil && badStores == nil {
		err = errors.Join(err, planProblems(c, targets, stores))
	}
	err = errors.Join(err, closeStores(stores))
	_, badSites := jiraSites(c)
	paper, badPaper := checkTLS(c, time.Now())
	unreadable, badFeeds := checkSources(c)
	return c, w, slices.Concat(warnings, more, still, unreadable, paper, soleAdministrators(c, time.Now())), errors.Join(err, badTargets, badStores, badSites, badFeeds, badPaper)
}

func keysOf(c *config.Config) []api.Key {
	var list []api.Key
	for _, t := range c.Tokens {
		list = append(list, api.Key{Name: t.Name, Identity: t.Identity, Scopes: t.Scopes, Strength: t.Strength, Expires: t.Expires, SHA256: t.SHA256})
	}
	return list
}
