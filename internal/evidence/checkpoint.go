package evidence

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Checkpoint is a head of the log as its key signed it.
type Checkpoint struct {
	Origin string // which log; also the name of its key
	Size   int64
	Root   tlog.Hash
}

// Tree is the head as proofs want it.
func (c Checkpoint) Tree() tlog.Tree { return tlog.Tree{N: c.Size, Hash: c.Root} }

// body is the text that is signed, in its only form.
func (c Checkpoint) body() string {
	return c.Origin + "\n" + strconv.FormatInt(c.Size, 10) + "\n" + c.Root.String() + "\n"
}

func (c Checkpoint) check() error {
	if err := checkSize(c.Size); err != nil {
		return err
	}
	if c.Size == 0 && c.Root != emptyRoot {
		return errors.New("an empty log has another root")
	}
	return nil
}

// GenerateKey makes a log's key from 32 random bytes: skey signs and is a
// secret, vkey verifies and is published. The origin names both the log and
// the key, for good: lower-case host and path, as in "log.example.com/lessor".
func GenerateKey(rand io.Reader, origin string) (skey, vkey string, err error) {
	if rand == nil {
		return "", "", errors.New("generate key: no source of randomness")
	}
	if skey, vkey, err = note.GenerateKey(rand, origin); err != nil {
		return "", "", fmt.Errorf("generate key: %w", err)
	}
	if _, err := NewSigner(skey); err != nil {
		return "", "", fmt.Errorf("generate key for origin %q: %w", origin, err)
	}
	return skey, vkey, nil
}

// Signer signs checkpoints of one log. It is safe for concurrent use; that two
// checkpoints it signs agree with each other is its caller's duty.
type Signer struct {
	key   note.Signer
	vkey  string
	stamp []byte // the key of stamps
}

// NewSigner takes a key made by [GenerateKey]. Its errors never show the key.
func NewSigner(skey string) (*Signer, error) {
	key, err := note.NewSigner(skey)
	if err != nil {
		return nil, errors.New("signing key: malformed; expected PRIVATE+KEY+<origin>+<hash>+<key>, the origin without space or plus")
	}
	if strings.ContainsFunc(key.Name(), unicode.IsControl) {
		return nil, errors.New("signing key: its origin has a control character")
	}
	parts := strings.SplitN(skey, "+", 5) // the key itself may hold a plus
	raw, err := base64.StdEncoding.DecodeString(parts[4])
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		return nil, errors.New("signing key: not an Ed25519 key")
	}
	public := ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey)
	vkey, err := note.NewEd25519VerifierKey(key.Name(), public)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	stamp, err := stampKey(raw[1:])
	if err != nil {
		return nil, fmt.Errorf("signing key: %w", err)
	}
	return &Signer{key: key, vkey: vkey, stamp: stamp}, nil
}

// Origin is the log this signer signs for.
func (s *Signer) Origin() string { return s.key.Name() }

// VerifierKey is the public key that opens what this signer signs.
func (s *Signer) VerifierKey() string { return s.vkey }

// Sign returns the checkpoint as a signed note. The same head gives the same
// text. Never sign before the tiles are in the same transaction, nor a head
// that does not continue the last one signed.
func (s *Signer) Sign(size int64, root tlog.Hash) (string, error) {
	c := Checkpoint{Origin: s.Origin(), Size: size, Root: root}
	if err := c.check(); err != nil {
		return "", fmt.Errorf("sign checkpoint: %w", err)
	}
	msg, err := note.Sign(&note.Note{Text: c.body()}, s.key)
	if err != nil {
		return "", fmt.Errorf("sign checkpoint: %w", err)
	}
	return string(msg), nil
}

// CheckpointOption loosens one rule of [OpenCheckpoint].
type CheckpointOption func(*checkpointRules)

type checkpointRules struct{ cosigned bool }

// AllowCosignatures accepts further signature lines beside the log's own, as
// witnesses add them. They are not verified, and any text in their form passes.
func AllowCosignatures() CheckpointOption {
	return func(r *checkpointRules) { r.cosigned = true }
}

// OpenCheckpoint verifies a checkpoint with the log's key, or keys as [Keys.Text]
// writes them. It accepts one
// writing only: origin (the key's name), size, root, one signature, all in
// canonical form and nothing else, so that any changed byte is an error.
func OpenCheckpoint(text, vkey string, opts ...CheckpointOption) (Checkpoint, error) {
	keys, err := ParseKeys(vkey)
	if err != nil {
		return Checkpoint{}, err
	}
	return keys.OpenCheckpoint(text, opts...)
}

func openCheckpoint(text string, vkeys []string, rules checkpointRules) (Checkpoint, error) {
	known, err := verifiers(vkeys)
	if err != nil {
		return Checkpoint{}, err
	}
	signed, err := note.Open([]byte(text), known)
	if err != nil {
		return Checkpoint{}, explain(err)
	}
	c, err := parseCheckpoint(signed.Text)
	if err != nil {
		return Checkpoint{}, err
	}
	sig := signed.Sigs[0]
	if sig.Name != c.Origin {
		return Checkpoint{}, fmt.Errorf("the checkpoint is of log %q but signed by key %q: another log's key proves nothing here", c.Origin, sig.Name)
	}
	if raw, err := base64.StdEncoding.Strict().DecodeString(sig.Base64); err != nil || base64.StdEncoding.EncodeToString(raw) != sig.Base64 {
		return Checkpoint{}, errors.New("the checkpoint's signature is not written in its one canonical form")
	}
	if alone := c.body() + "\n— " + sig.Name + " " + sig.Base64 + "\n"; !rules.cosigned && text != alone {
		return Checkpoint{}, errors.New("the checkpoint carries more than the log's own signature")
	}
	return c, nil
}

// parseCheckpoint reads the signed text.
func parseCheckpoint(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n") // the text ends with a newline
	if len(lines) != 4 {
		return Checkpoint{}, fmt.Errorf("the checkpoint has %d lines above its signature, not three: origin, size, root", len(lines)-1)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint's size %q is not a number", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint's root %q is not a hash", lines[2])
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if c.body() != text {
		return Checkpoint{}, errors.New("the checkpoint is not written in its one canonical form")
	}
	if err := c.check(); err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint: %w", err)
	}
	return c, nil
}

// verifiers reads public keys; the same key twice is one key.
func verifiers(vkeys []string) (note.Verifiers, error) {
	if len(vkeys) == 0 {
		return nil, errors.New("no key was given to verify the checkpoint with")
	}
	var list []note.Verifier
	seen := map[string]bool{}
	for _, k := range vkeys {
		if seen[k] {
			continue
		}
		seen[k] = true
		v, err := note.NewVerifier(k)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w; expected <origin>+<hash>+<key>", k, err)
		}
		list = append(list, v)
	}
	return note.VerifierList(list...), nil
}

// explain says in plain words why a note did not open.
func explain(err error) error {
	var bad *note.InvalidSignatureError
	var unknown *note.UnverifiedNoteError
	switch {
	case errors.As(err, &bad):
		return fmt.Errorf("the checkpoint's signature does not verify with key %s+%08x", bad.Name, bad.Hash)
	case errors.As(err, &unknown):
		var names []string
		for _, s := range unknown.Note.UnverifiedSigs {
			names = append(names, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
		}
		return fmt.Errorf("the checkpoint is signed by %s, which is none of the keys given", strings.Join(names, ", "))
	}
	return fmt.Errorf("the checkpoint is not a signed note: %w", err)
}
