package age

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"filippo.io/age"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver"
)

// stanzaType marks the line of a file's header that says which generation it holds. It
// wraps no key: readers pass over what they do not know, and age's MAC covers it, so
// that nobody who cannot read the file can change it.
const stanzaType = "lessor-iam.github.io/generation"

// numbered is a recipient that says besides which generation the file holds.
type numbered struct {
	age.Recipient
	generation int64
}

// WrapWithLabels keeps the recipient's own labels: age uses them to refuse a mixture of
// recipients some of whom stand up to quantum computers and some do not.
func (n numbered) WrapWithLabels(fileKey []byte) (stanzas []*age.Stanza, labels []string, err error) {
	if l, ok := n.Recipient.(age.RecipientWithLabels); ok {
		stanzas, labels, err = l.WrapWithLabels(fileKey)
	} else {
		stanzas, err = n.Wrap(fileKey)
	}
	return append(stanzas, &age.Stanza{Type: stanzaType, Args: []string{strconv.FormatInt(n.generation, 10)}}), labels, err
}

// reader is the identities, and which generation the file said it holds.
type reader struct {
	own        []age.Identity
	generation int64
}

// Unwrap is called before the header's MAC is checked; the generation counts only once
// the whole file was read.
func (r *reader) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	for _, s := range stanzas {
		if s.Type == stanzaType && len(s.Args) == 1 {
			if n, err := strconv.ParseInt(s.Args[0], 10, 64); err == nil {
				r.generation = n
			}
		}
	}
	for _, id := range r.own {
		key, err := id.Unwrap(stanzas)
		if errors.Is(err, age.ErrIncorrectIdentity) {
			continue
		}
		return key, err
	}
	return nil, age.ErrIncorrectIdentity
}

// seal encrypts a worth to the consumers and to Lessor itself.
func (s *Store) seal(generation int64, worth connector.Worth) ([]byte, error) {
	own, err := s.identities()
	if err != nil {
		return nil, err
	}
	text, err := s.Recipients()
	if err != nil {
		return nil, fmt.Errorf("%w: the recipients: %w", connector.ErrUnreachable, err)
	}
	to, err := age.ParseRecipients(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("%w: the recipients cannot be read: one age1… a line, public keys alone", connector.ErrRefused)
	}
	self, err := recipientOf(own[0])
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, append([]age.Recipient{numbered{self, generation}}, to...)...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w; recipients, and Lessor's own identity, are all of one kind: age1… and AGE-SECRET-KEY-1…, or age1pq1… and AGE-SECRET-KEY-PQ-1…", connector.ErrRefused, err)
	}
	if _, err = w.Write(worth); err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: encrypt: %w", connector.ErrRefused, err)
	}
	return out.Bytes(), nil
}

func recipientOf(id age.Identity) (age.Recipient, error) {
	switch id := id.(type) {
	case *age.X25519Identity:
		return id.Recipient(), nil
	case *age.HybridIdentity:
		return id.Recipient(), nil
	}
	return nil, fmt.Errorf("%w: Lessor's own identity is of a kind that nothing can be encrypted to", connector.ErrRefused)
}

// unseal reads a file. One that is not Lessor's, or not to be decrypted, is an error: to
// take it for none would let an older generation in over it.
func (s *Store) unseal(name string, raw []byte) (generation int64, worth connector.Worth, err error) {
	own, err := s.identities()
	if err != nil {
		return 0, nil, err
	}
	r := &reader{own: own}
	plain, err := age.Decrypt(bytes.NewReader(raw), r)
	if err == nil {
		worth, err = io.ReadAll(io.LimitReader(plain, deliver.LongestWorth+1))
	}
	var foreign *age.NoIdentityMatchError
	switch {
	case errors.As(err, &foreign):
		return 0, nil, fmt.Errorf("%w: %s is not encrypted to Lessor's own identity: if it is nobody's any more, move it away", connector.ErrRefused, name)
	case err != nil:
		return 0, nil, fmt.Errorf("%w: %s is no sound age file: if it is nobody's any more, move it away", connector.ErrRefused, name) // err quotes what it begins with
	case r.generation < 1:
		return 0, nil, fmt.Errorf("%w: %s was not written by Lessor: if it is nobody's any more, move it away", connector.ErrRefused, name)
	}
	return r.generation, worth, nil
}
