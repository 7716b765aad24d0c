// Package secret holds references to secrets (env:NAME, file:PATH) and a value
// that never prints. Configuration carries references only; the one place that
// needs the text asks for it with [Value.Reveal] at the moment of use.
//
// It never stores, logs or echoes what it reads, and it takes no literal
// secret: a password pasted where a reference belongs is refused unread.
package secret

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
)

// LongestFile bounds a secret read from a file, in bytes.
const LongestFile = 64 << 10

// ErrLiteral answers anything that is not a reference. It does not say what was
// written there, since that may be the secret itself.
var ErrLiteral = errors.New("not a reference to a secret: write env:NAME for an environment variable or file:PATH for a file (the text written is not shown, it may be the secret itself)")

// errMode is kept apart so that the caller's message can name the file.
var errMode = errors.New("other users of the machine may open it: chmod o-rwx it first")

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Check tells whether ref has the form of a reference. It opens nothing.
func Check(ref string) error {
	_, _, err := split(ref)
	return err
}

// Open resolves a reference against the environment and files of this process.
func Open(ref string) (Value, error) { return Resolve(ref, os.LookupEnv, readFile) }

// Resolve reads the secret that ref names, through the two functions given. An
// unset, empty, oversized or readable-by-everybody secret is an error: silence
// would be an empty password. One trailing newline of a file is dropped, as
// editors and echo add it.
func Resolve(ref string, lookupEnv func(string) (string, bool), readFile func(string) ([]byte, fs.FileMode, error)) (Value, error) {
	scheme, name, err := split(ref)
	if err != nil {
		return Value{}, err
	}
	var text string
	if scheme == "env" {
		text, err = fromEnv(name, lookupEnv)
	} else {
		text, err = fromFile(name, readFile)
	}
	if err != nil {
		return Value{}, fmt.Errorf("secret %s:%s: %w", scheme, name, err)
	}
	return New(text), nil
}

func split(ref string) (scheme, name string, err error) {
	scheme, name, _ = strings.Cut(ref, ":")
	switch {
	case scheme == "env" && envName.MatchString(name):
	case scheme == "file" && name != "" && !strings.ContainsAny(name, "\x00\r\n"):
	default:
		return "", "", ErrLiteral
	}
	return scheme, name, nil
}

func fromEnv(name string, lookup func(string) (string, bool)) (string, error) {
	text, ok := lookup(name)
	switch {
	case !ok:
		return "", errors.New("the environment variable is not set")
	case text == "":
		return "", errors.New("the environment variable is empty")
	}
	return text, nil
}

func fromFile(name string, read func(string) ([]byte, fs.FileMode, error)) (string, error) {
	body, mode, err := read(name)
	switch {
	case err != nil:
		return "", err
	case !mode.IsRegular():
		return "", errors.New("not a regular file")
	case mode.Perm()&0o007 != 0:
		return "", errMode
	case len(body) > LongestFile:
		return "", fmt.Errorf("longer than %d bytes", LongestFile)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(body), "\n"), "\r")
	if text == "" {
		return "", errors.New("the file is empty")
	}
	return text, nil
}

// readFile reads at most one byte more than allowed, so that the caller can
// tell, and looks at the mode before reading: a pipe would block for ever, and
// a file open to everybody is not read at all.
func readFile(name string) ([]byte, fs.FileMode, error) {
	if before, err := os.Stat(name); err != nil || !before.Mode().IsRegular() {
		return nil, modeOf(before), plain(err)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, plain(err)
	}
	defer f.Close()
	opened, err := f.Stat() // of what was opened, not of what the name means by now
	if err != nil || opened.Mode().Perm()&0o007 != 0 {
		return nil, modeOf(opened), plain(err)
	}
	body, err := io.ReadAll(io.LimitReader(f, LongestFile+1))
	return body, opened.Mode(), plain(err)
}

func modeOf(st fs.FileInfo) fs.FileMode {
	if st == nil {
		return fs.ModeIrregular
	}
	return st.Mode()
}

// plain drops the path from an error: the reference in front of it has it.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
