package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/mod/sumdb/tlog"
)

// cosignature is the kind of key that a witness signs with (c2sp.org/tlog-cosignature).
const cosignature = 0x04

// Witness is somebody outside who signs only heads that continue those it signed
// before, so that nobody can be shown another log than everybody else.
type Witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

// NewWitness takes a witness' public key, written name+hash+key.
func NewWitness(vkey string) (Witness, error) {
	const want = "expected a witness' key for cosignatures (Ed25519), NAME+HASH+KEY as its operator publishes it"
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 || parts[0] == "" || strings.ContainsFunc(parts[0], unicode.IsSpace) || len(parts[1]) != 8 {
		return Witness{}, errors.New(want)
	}
	hash, hashErr := strconv.ParseUint(parts[1], 16, 32)
	raw, rawErr := base64.StdEncoding.DecodeString(parts[2])
	if hashErr != nil || rawErr != nil || len(raw) != 1+ed25519.PublicKeySize || raw[0] != cosignature {
		return Witness{}, errors.New(want)
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), raw...))
	if got := binary.BigEndian.Uint32(sum[:]); got != uint32(hash) {
		return Witness{}, fmt.Errorf("the key says its hash is %s, and it is %08x: it was not copied whole", parts[1], got)
	}
	return Witness{name: parts[0], hash: uint32(hash), key: raw[1:]}, nil
}

// Name is what the witness calls itself.
func (w Witness) Name() string { return w.name }

// Cosigned finds the witness' line among those that a text has and verifies it for a
// signed checkpoint. It returns that line alone, in its one form, and the time that the
// witness says it saw the head at, in seconds.
func (w Witness) Cosigned(checkpoint, lines string) (line string, at int64, err error) {
	body, _, ok := strings.Cut(checkpoint, "\n\n")
	if !ok {
		return "", 0, errors.New("what was to be cosigned is not a signed checkpoint")
	}
	for text := range strings.SplitSeq(lines, "\n") {
		rest, ok := strings.CutPrefix(text, "— "+w.name+" ")
		raw, decErr := base64.StdEncoding.Strict().DecodeString(rest)
		if !ok || decErr != nil || len(raw) != 4+8+ed25519.SignatureSize || binary.BigEndian.Uint32(raw) != w.hash {
			continue
		}
		seconds := binary.BigEndian.Uint64(raw[4:])
		if seconds > math.MaxInt64/2 || !ed25519.Verify(w.key, fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s\n", seconds, body), raw[12:]) {
			return "", 0, fmt.Errorf("the cosignature of witness %s does not verify for this head", w.name)
		}
		return "— " + w.name + " " + base64.StdEncoding.EncodeToString(raw) + "\n", int64(seconds), nil
	}
	return "", 0, fmt.Errorf("there is no cosignature of witness %s by the key %s+%08x", w.name, w.name, w.hash)
}

// WitnessRequest is what a witness is sent (c2sp.org/tlog-witness, add-checkpoint): the
// size it signed last, the proof that the head continues it, and the signed head.
func WitnessRequest(old int64, proof []tlog.Hash, checkpoint string) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "old %d\n", old)
	for _, h := range proof {
		fmt.Fprintln(&out, h.String())
	}
	out.WriteString("\n" + checkpoint)
	return out.Bytes()
}
