// Package setup writes what a new folder of configuration needs: the first files,
// the log's signing key, and tokens. It overwrites nothing and decides nothing.
package setup

import (
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
)

//go:embed first
var firstFiles embed.FS

// firstTokens is how long the tokens of a first configuration last.
const firstTokens = 90 * 24 * time.Hour

// First writes the smallest useful configuration, commented, into an empty or
// new folder: one directory server, three entitlements, two rules, a signing
// key for a log of that origin, a token for each of its three people, and one to
// administer with.
func First(dir, origin string) error {
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return fmt.Errorf("%w: %s is not empty; nothing was written", access.ErrConflict, dir)
	}
	sub, err := fs.Sub(firstFiles, "first")
	if err != nil {
		return err
	}
	if err := Folder(dir, sub, origin); err != nil {
		return err
	}
	for _, t := range []Token{
		{Name: "ann", Identity: "ann", Scopes: []string{"request", "view"}},
		{Name: "mia", Identity: "mia", Scopes: []string{"request", "approve", "view"}},
		{Name: "olga", Identity: "olga", Scopes: []string{"request", "approve", "view", "revoke"}},
		{Name: "admin", Identity: "olga", Scopes: []string{"admin"}}, // or nobody could have the files read anew that they are to edit first
	} {
		t.Expires = time.Now().Add(firstTokens)
		if _, err := AddToken(dir, t); err != nil {
			return err
		}
	}
	return nil
}

// Folder copies files into a folder and makes the log's key beside them:
// log.key, which is a secret, and log.pub, which is to be published.
func Folder(dir string, files fs.FS, origin string) error {
	skey, vkey, err := evidence.GenerateKey(rand.Reader, origin)
	if err != nil {
		return fmt.Errorf("%w: origin: %w", access.ErrInvalid, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "tokens"), 0o700); err != nil {
		return err
	}
	if err := os.CopyFS(dir, files); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, "log.key"), []byte(skey+"\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "log.pub"), []byte(vkey+"\n"), 0o644))
}

// Token is a token to be made.
type Token struct {
	Name     string // of the file below tokens/
	Identity string
	Scopes   []string
	Strength string
	Expires  time.Time
}

var tokenName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,63}$`)

// AddToken makes a token: itself goes into the file tokens/NAME, its hash into
// lessor.yaml, whose last section must be tokens.
func AddToken(dir string, t Token) (file string, err error) {
	if !tokenName.MatchString(t.Name) {
		return "", fmt.Errorf("%w: a token's name is letters, digits, dots and hyphens, not %q", access.ErrInvalid, t.Name)
	}
	if err := checkScopes(t.Scopes); err != nil {
		return "", err
	}
	settings := filepath.Join(dir, "lessor.yaml")
	text, err := os.ReadFile(settings)
	if err != nil {
		return "", err
	}
	if !tokensLast(string(text)) {
		return "", fmt.Errorf("%w: %s must end with the section tokens: and its list below it for a token to be added", access.ErrInvalid, settings)
	}
	token := "lessor_" + strings.ToLower(rand.Text())
	if file, err = keep(dir, t.Name, token); err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(token))
	strength := ""
	if t.Strength != "" {
		strength = fmt.Sprintf(", strength: %q", t.Strength)
	}
	line := fmt.Sprintf("  - {name: %q, identity: %q, scopes: [%s], expires: %q, sha256: %q%s}\n", t.Name, t.Identity,
		strings.Join(t.Scopes, ", "), t.Expires.UTC().Format(time.RFC3339), hex.EncodeToString(sum[:]), strength)
	if !strings.HasSuffix(string(text), "\n") {
		line = "\n" + line
	}
	if err := appendTo(settings, line); err != nil {
		return "", errors.Join(err, os.Remove(file)) // a token nobody knows of would only stand in the way of the next try
	}
	return file, nil
}

// scopes are all there are, as reading lessor.yaml takes them.
var scopes = []string{"request", "approve", "view", "revoke", "evaluate", "audit", "admin"}

// checkScopes refuses what reading lessor.yaml would refuse: a file that was
// written with it would keep the server down.
func checkScopes(list []string) error {
	if len(list) == 0 {
		return fmt.Errorf("%w: a token needs scopes: one or more of %s", access.ErrInvalid, strings.Join(scopes, ", "))
	}
	for n, s := range list {
		switch {
		case !slices.Contains(scopes, s):
			return fmt.Errorf("%w: there is no scope %.40q: it must be one of %s", access.ErrInvalid, s, strings.Join(scopes, ", "))
		case slices.Contains(list[:n], s):
			return fmt.Errorf("%w: scope %s is named twice", access.ErrInvalid, s)
		}
	}
	if slices.Contains(list, "admin") && slices.Contains(list, "approve") {
		return fmt.Errorf("%w: whoever administers does not approve: make two tokens, one for admin and one for approve", access.ErrInvalid)
	}
	return nil
}

// keep writes a token into a new file that only its owner reads.
func keep(dir, name, token string) (file string, err error) {
	file = filepath.Join(dir, "tokens", name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("%w: there is a token %s already", access.ErrConflict, name)
	} else if err != nil {
		return "", err
	}
	_, err = f.WriteString(token + "\n")
	return file, errors.Join(err, f.Close())
}

// tokensLast tells whether the last key at the margin is tokens, with nothing
// behind it: after "tokens: []" no list can go on.
func tokensLast(text string) bool {
	last := ""
	for l := range strings.SplitSeq(text, "\n") {
		if l != "" && !strings.ContainsRune(" #-", rune(l[0])) {
			last = l
		}
	}
	rest, ok := strings.CutPrefix(last, "tokens:")
	rest, _, _ = strings.Cut(rest, "#")
	return ok && strings.TrimSpace(rest) == ""
}

func appendTo(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
