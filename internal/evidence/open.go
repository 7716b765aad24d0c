package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Verified is what a bundle proves: that the log, as its key signed it at that
// checkpoint, holds exactly these records at these places.
//
// It does not prove that no record of the story was left out, nor what the
// records mean. Subject is not in the log; some record names it, and the
// caller, who knows what records say, must check that they tell its story and
// that the story is whole.
type Verified struct {
	Subject    string
	Checkpoint Checkpoint
	Records    []Record
}

// OpenBundle reads a bundle and verifies it with one of the given keys, or with a key
// that is joined with it by the bundle's own statements. Each is one key, or several as
// [Keys.Text] writes them. It
// accepts exactly what [Encode] writes: any changed, added or missing byte is
// an error, and the error says in plain words what does not hold. Problems of
// all records are reported together. It needs no log, no network and no clock.
func OpenBundle(data []byte, vkeys ...string) (Verified, error) {
	// 1. Read it, in one way only.
	b, err := parseBundle(data)
	if err != nil {
		return Verified{}, fmt.Errorf("not an evidence bundle: %w", err)
	}
	problems := []error{b.check()}

	// 2. The head, with its own signature alone: a cosignature nobody here can
	// verify would be text that can be changed unnoticed.
	head, err := b.head(vkeys)
	if err != nil {
		return Verified{}, errors.Join(append(problems, err)...)
	}

	// 3. Every record, against the head.
	for i, r := range b.Records {
		if err := CheckInclusion(r.Proof, head.Tree(), r.Index, Commit(r.Salt, r.Body)); err != nil {
			problems = append(problems, r.errorf(i, "%w", err))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return Verified{}, err
	}

	// 4. What was verified is what the file says, byte for byte.
	if !bytes.Equal(b.write(), data) {
		return Verified{}, errors.New("the proofs hold, but the file is not written as this format is: it was edited")
	}
	return Verified{Subject: b.Subject, Checkpoint: head, Records: b.Records}, nil
}

// head verifies the bundle's head with the first of the keys given that can.
func (b Bundle) head(vkeys []string) (head Checkpoint, err error) {
	err = errors.New("no key was given to verify the checkpoint with")
	for i, text := range vkeys {
		keys, kerr := ParseKeys(text)
		if kerr == nil {
			keys, kerr = keys.With(b.Keys...)
		}
		if kerr == nil {
			if head, kerr = keys.OpenCheckpoint(b.Checkpoint); kerr == nil {
				return head, nil
			}
		}
		if i == 0 || len(vkeys) == 1 {
			err = kerr
		}
	}
	return Checkpoint{}, err
}

// parseBundle reads the JSON: no unknown fields, no key twice, nothing behind it.
func parseBundle(data []byte) (Bundle, error) {
	if !utf8.Valid(data) {
		return Bundle{}, errors.New("not valid UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	var b Bundle
	if err := dec.Decode(&b); err != nil {
		return Bundle{}, err
	}
	if err := b.checkFormat(); err != nil {
		return Bundle{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Bundle{}, errors.New("there is more text behind the bundle")
	}
	if key, twice := duplicateKey(data); twice {
		return Bundle{}, fmt.Errorf("the key %q stands twice in one object", key)
	}
	return b, nil
}

// duplicateKey returns the first key that one object of a valid JSON text has
// twice. Readers differ on which of the two counts, so neither may.
func duplicateKey(data []byte) (string, bool) {
	type frame struct {
		keys  map[string]bool // nil in an array
		value bool            // a key was read, its value is next
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	open := []frame{{}}
	for {
		tok, err := dec.Token()
		if err != nil {
			return "", false
		}
		top := &open[len(open)-1]
		if key, isString := tok.(string); isString && top.keys != nil && !top.value {
			if top.keys[key] {
				return key, true
			}
			top.keys[key], top.value = true, true
			continue
		}
		if tok == json.Delim('}') || tok == json.Delim(']') {
			open = open[:len(open)-1]
			continue
		}
		top.value = false
		switch tok {
		case json.Delim('{'):
			open = append(open, frame{keys: map[string]bool{}})
		case json.Delim('['):
			open = append(open, frame{})
		}
	}
}
