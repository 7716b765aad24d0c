package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/store"
)

func (a *app) verifyCommand() *cobra.Command {
	var key, head string
	var whole bool
	c := &cobra.Command{Use: "verify FILE...", Short: "Check evidence offline, or the whole store against its log",
		Long: `Checks evidence bundles with nothing but the log's public key, and says in plain
words what each proves. The key is given with --key, or is a file among the
others whose name ends in .pub; take it from where the company published it.

With --store, replays the log of the folder's database against its tables and
names the first row that differs. A server may go on working meanwhile.`,
		Example: "  lessor verify --key log.pub gr-….json\n  lessor verify evidence/*\n  lessor verify --store --dir /etc/lessor",
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case whole && len(args) == 0:
				return a.verifyStore(c.Context(), key, head)
			case !whole && len(args) > 0:
				return a.verifyFiles(args, key)
			}
			return fmt.Errorf("%w: name files, or --store", errUsage)
		}}
	c.Flags().StringVar(&key, "key", "", "the log's public key, or a file that holds it")
	c.Flags().StringVar(&head, "head", "", "with --store: a head of the log kept elsewhere (a file), which it must continue")
	c.Flags().BoolVar(&whole, "store", false, "check the whole store of the folder")
	return c
}

// readKey takes a key as it is, or from a file.
func readKey(key string) (string, error) {
	raw, err := os.ReadFile(key)
	if err != nil && strings.Count(key, "+") >= 2 && !strings.ContainsAny(key, " \n") {
		return key, nil //nolint:nilerr // no such file: it is the key itself
	}
	if err != nil {
		return "", fmt.Errorf("%w: --key: %w", errUsage, err)
	}
	return strings.TrimSpace(string(raw)), nil
}

// errDoesNotHold: what was checked is not so.
var errDoesNotHold = errors.New("does not hold")

func (a *app) verifyFiles(args []string, key string) error {
	var files []string
	for _, f := range args {
		if strings.HasSuffix(f, ".pub") && key == "" {
			key = f
			continue
		}
		files = append(files, f)
	}
	if key == "" {
		return fmt.Errorf("%w: the log's public key is needed: --key FILE, or a file that ends in .pub among the others", errUsage)
	}
	if len(files) == 0 {
		return fmt.Errorf("%w: no bundle is named", errUsage)
	}
	vkey, err := readKey(key)
	if err != nil {
		return err
	}
	// What cannot be read proves nothing either way, and is said before anything is.
	bundles, err := readAll(files)
	if err != nil {
		return err
	}
	shown := vkey
	if keys, err := evidence.ParseKeys(vkey); err == nil {
		shown = keys.Newest()
	}
	a.line("key: %s (is it the one the company published?)", shown)
	bad := 0
	list := make([]verified, len(files))
	for i, f := range files {
		if list[i], err = a.verifyFile(f, bundles[i], vkey); err != nil {
			bad++
			list[i] = verified{File: f, Wrong: err.Error()}
			fmt.Fprintf(a.err, "%s: DOES NOT HOLD\n  %s\n", plain(f), strings.ReplaceAll(plainLines(err.Error()), "\n", "\n  "))
		}
	}
	if a.format == "json" {
		if err := a.show(list, nil, nil); err != nil {
			return err
		}
	}
	if bad > 0 {
		return fmt.Errorf("%w: %d of %s", errDoesNotHold, bad, count(len(files), "bundle", "bundles"))
	}
	a.line("%s verified", count(len(files), "bundle", "bundles"))
	return nil
}

// verified is one bundle's result, for JSON.
type verified struct {
	File  string   `json:"file"`
	Holds bool     `json:"holds"`
	Wrong string   `json:"wrong,omitempty"` // what does not hold
	Grant string   `json:"grant"`
	Size  int64    `json:"log_size"`
	Proof bool     `json:"ended_and_seen_gone"`
	Story []string `json:"story"`
	report.Claims
}

// readAll reads every file, or says of each that cannot be read why.
func readAll(files []string) ([][]byte, error) {
	list, errs := make([][]byte, len(files)), []error(nil)
	for i, f := range files {
		var err error
		if list[i], err = os.ReadFile(f); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("%w: %w", errUsage, errors.Join(errs...))
	}
	return list, nil
}

func (a *app) verifyFile(name string, raw []byte, vkey string) (verified, error) {
	v, err := evidence.OpenBundle(raw, vkey)
	if err != nil {
		return verified{}, err
	}
	story, err := report.Tell(v)
	if err != nil {
		return verified{}, err
	}
	a.line("%s: grant %s; every record is in the log of %s as its key signed it", name, v.Subject, count(v.Checkpoint.Size, "event", "events"))
	claims := report.Claim(v, story)
	for _, l := range story.Lines {
		a.line("  %s", l)
	}
	a.line("  this proves:")
	for _, l := range claims.Proved {
		a.line("    + %s", l)
	}
	a.line("  this does not prove:")
	for _, l := range claims.Not {
		a.line("    - %s", l)
	}
	return verified{File: name, Holds: true, Grant: v.Subject, Size: v.Checkpoint.Size, Proof: story.Complete, Story: story.Lines, Claims: claims}, nil
}

func (a *app) verifyStore(ctx context.Context, key, head string) (err error) {
	db, c, err := a.inspect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	vkey := ""
	if key != "" {
		if vkey, err = readKey(key); err != nil {
			return err
		}
	} else if vkey, err = ownKey(c); err != nil {
		return err
	}
	if head != "" {
		kept, err := os.ReadFile(head)
		if err != nil {
			return fmt.Errorf("%w: --head: %w", errUsage, err)
		}
		if err := report.Continues(ctx, db, vkey, string(kept)); err != nil {
			return fmt.Errorf("%w: %w", errDoesNotHold, err)
		}
	}
	rep, err := report.Replay(ctx, db, vkey, a.progress("events"))
	if err != nil {
		return fmt.Errorf("%w: %w", errDoesNotHold, err)
	}
	if err := a.verifyWaiting(ctx, c, db, rep.Waiting); err != nil {
		return err
	}
	a.line("the log of %s is intact (root %s, %d more wait for their place), and %s as it tells", count(rep.Events, "event", "events"), rep.Head, rep.Waiting, count(rep.Rows, "row is", "rows are"))
	return a.showOne(rep, func() error { return nil })
}

// verifyWaiting names an event that waits for its place and was not written by Lessor.
// Only who has the log's signing key can tell.
func (a *app) verifyWaiting(ctx context.Context, c *config.Config, db *store.DB, waiting int64) error {
	if waiting == 0 {
		return nil
	}
	if own, no := ownSigner(c); no == nil {
		return stampsHold(ctx, c, db, own)
	}
	a.line("whether the %d that wait for their place were written by Lessor is not checked: that takes the log's signing key", waiting)
	return nil
}

func stampsHold(ctx context.Context, c *config.Config, db *store.DB, own *evidence.Signer) error {
	keys := []*evidence.Signer{own}
	if before := server.EarlierSigner(c); before != nil {
		keys = append(keys, before)
	}
	named, err := engine.Forged(ctx, db, time.Now(), keys...)
	if err == nil && named != "" {
		err = fmt.Errorf("%w: %s", errDoesNotHold, named)
	}
	return err
}

// ownKey is the public half of the folder's signing key.
func ownKey(c *config.Config) (string, error) {
	s, err := ownSigner(c)
	if err != nil {
		return "", err
	}
	return s.VerifierKey(), nil
}

// ownSigner is the folder's signing key.
func ownSigner(c *config.Config) (*evidence.Signer, error) {
	v, err := secret.Open(c.LogKeyRef)
	if err != nil {
		return nil, fmt.Errorf("%w: give the log's public key with --key (its signing key cannot be read: %w)", access.ErrInvalid, err)
	}
	return evidence.NewSigner(strings.TrimSpace(v.Reveal()))
}
