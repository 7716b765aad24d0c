package evidence

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// KeysPath is where the log's keys lie beside its tiles, written as [Keys.Text].
const KeysPath = "keys"

// succession is the first line of a statement that one key follows another. It has
// spaces, which no origin has: what is signed here is never read as a checkpoint.
const succession = "lessor log key follows v1"

// Succession says that from a head of the log on another key signs: the old key
// signs no head larger than Size, the new one none that is not. Both keys sign it.
type Succession struct {
	Origin   string
	Size     int64
	Root     tlog.Hash // of the log at Size
	Old, New string    // verifier keys
}

func (s Succession) body() string {
	return succession + "\n" + s.Origin + "\n" + strconv.FormatInt(s.Size, 10) + "\n" + s.Root.String() + "\n" + s.Old + "\n" + s.New + "\n"
}

// Succeed states that next follows the signer's key after the head of that size.
// Whoever has it signed lets the old key sign nothing any more, under the same lock.
func (s *Signer) Succeed(next *Signer, size int64, root tlog.Hash) (string, error) {
	st := Succession{Origin: s.Origin(), Size: size, Root: root, Old: s.vkey, New: next.vkey}
	switch {
	case next.Origin() != s.Origin():
		return "", fmt.Errorf("the next key is of log %q, this log is %q: make one for the same origin", next.Origin(), s.Origin())
	case next.vkey == s.vkey:
		return "", errors.New("the next key is the key itself")
	}
	if err := (Checkpoint{st.Origin, size, root}).check(); err != nil {
		return "", fmt.Errorf("sign succession: %w", err)
	}
	msg, err := note.Sign(&note.Note{Text: st.body()}, s.key, next.key)
	if err != nil {
		return "", fmt.Errorf("sign succession: %w", err)
	}
	return string(msg), nil
}

// OpenSuccession verifies a statement with the two keys it names, in one writing
// only. Whether one of them is a key of the log, [Keys] tells.
func OpenSuccession(text string) (Succession, error) {
	body, _, _ := strings.Cut(text, "\n\n")
	lines := strings.Split(body, "\n")
	if len(lines) != 6 || lines[0] != succession {
		return Succession{}, errors.New("the statement of the keys has not its six lines: what it is, origin, size, root, old key, new key")
	}
	size, sizeErr := strconv.ParseInt(lines[2], 10, 64)
	root, rootErr := tlog.ParseHash(lines[3])
	s := Succession{Origin: lines[1], Size: size, Root: root, Old: lines[4], New: lines[5]}
	if err := errors.Join(sizeErr, rootErr, (Checkpoint{s.Origin, s.Size, s.Root}).check()); err != nil {
		return Succession{}, fmt.Errorf("the statement of the keys: %w", err)
	}
	known, err := verifiers([]string{s.Old, s.New})
	if err != nil {
		return Succession{}, fmt.Errorf("the statement of the keys: %w", err)
	}
	signed, err := note.Open([]byte(text), known)
	switch {
	case err != nil:
		return Succession{}, fmt.Errorf("the statement of the keys is not signed by them: %w", err)
	case len(signed.Sigs) != 2 || len(signed.UnverifiedSigs) != 0 || signed.Sigs[0].Hash == signed.Sigs[1].Hash:
		return Succession{}, errors.New("the statement of the keys is not signed by both of them and nobody else")
	case signed.Sigs[0].Name != s.Origin || signed.Sigs[1].Name != s.Origin:
		return Succession{}, fmt.Errorf("the statement is of log %q and its keys of another", s.Origin)
	case signed.Text != s.body() || text != s.body()+"\n"+line(signed.Sigs[0])+line(signed.Sigs[1]):
		return Succession{}, errors.New("the statement of the keys is not written in its one canonical form")
	}
	return s, nil
}

func line(s note.Signature) string { return "— " + s.Name + " " + s.Base64 + "\n" }

// Keys are the keys that have signed one log, in their order. A key signs only
// heads from its beginning on and up to where the next one follows: what an old
// key signs beyond that is no head of the log.
type Keys struct {
	list     []string // verifier keys
	says     []string // says[i]: list[i+1] follows list[i]
	follows  []int64  // the size after which it does
	rootThen []tlog.Hash
}

// NewKeys takes one key that is trusted, and statements that join it with those
// before and after it; a statement about other keys is an error.
func NewKeys(trusted string, statements ...string) (Keys, error) {
	if _, err := verifiers([]string{trusted}); err != nil {
		return Keys{}, err
	}
	k := Keys{list: []string{trusted}}
	return k.With(statements...)
}

// With joins further statements with the keys, in any order that is theirs.
func (k Keys) With(statements ...string) (Keys, error) {
	k = Keys{slices.Clone(k.list), slices.Clone(k.says), slices.Clone(k.follows), slices.Clone(k.rootThen)}
	open := make([]Succession, len(statements))
	for i, text := range statements {
		var err error
		if open[i], err = OpenSuccession(text); err != nil {
			return Keys{}, err
		}
	}
	joined := make([]bool, len(statements))
	for i, s := range open { // those after
		if s.Old == k.Newest() {
			if n := len(k.follows); slices.Contains(k.list, s.New) || (n > 0 && s.Size <= k.follows[n-1]) {
				return Keys{}, fmt.Errorf("the keys do not follow one another: %s is said to follow at size %d", s.New, s.Size)
			}
			k.list, k.says = append(k.list, s.New), append(k.says, statements[i])
			k.follows, k.rootThen = append(k.follows, s.Size), append(k.rootThen, s.Root)
			joined[i] = true
		}
	}
	for i := len(open) - 1; i >= 0; i-- { // those before
		switch s := open[i]; {
		case joined[i] || slices.Contains(k.says, statements[i]):
		case s.New != k.list[0]:
			return Keys{}, fmt.Errorf("a statement of the keys joins none that is trusted: %s is said to follow %s", s.New, s.Old)
		case slices.Contains(k.list, s.Old) || (len(k.follows) > 0 && s.Size >= k.follows[0]):
			return Keys{}, fmt.Errorf("the keys do not follow one another: %s is said to follow at size %d", s.New, s.Size)
		default:
			k.list, k.says = slices.Insert(k.list, 0, s.Old), slices.Insert(k.says, 0, statements[i])
			k.follows, k.rootThen = slices.Insert(k.follows, 0, s.Size), slices.Insert(k.rootThen, 0, s.Root)
		}
	}
	return k, nil
}

// ParseKeys reads what [Keys.Text] writes: the oldest key, which is the one that
// is trusted, and the statements by which others follow. A file of one key is one.
func ParseKeys(text string) (Keys, error) {
	first, rest, _ := strings.Cut(text, "\n")
	var statements []string
	for i, part := range strings.Split(rest, succession+"\n") {
		if i > 0 {
			statements = append(statements, succession+"\n"+strings.TrimRight(part, "\n")+"\n")
		} else if strings.TrimSpace(part) != "" {
			return Keys{}, errors.New("the keys: the first line is the oldest key, statements follow it, and nothing else")
		}
	}
	return NewKeys(strings.TrimSpace(first), statements...)
}

// Text is the keys as a file; [ParseKeys] reads it.
func (k Keys) Text() string {
	if len(k.list) == 0 {
		return ""
	}
	return strings.Join(append([]string{k.list[0] + "\n"}, k.says...), "\n")
}

// Newest is the key that signs the log now.
func (k Keys) Newest() string {
	if len(k.list) == 0 {
		return ""
	}
	return k.list[len(k.list)-1]
}

// Statements are by which they follow one another, in order.
func (k Keys) Statements() []string { return slices.Clone(k.says) }

// Successions are the places at which they do: heads of the log that both keys stand behind.
func (k Keys) Successions() []Checkpoint {
	list := make([]Checkpoint, 0, len(k.says))
	for i, size := range k.follows {
		list = append(list, Checkpoint{k.origin(), size, k.rootThen[i]})
	}
	return list
}

func (k Keys) origin() string {
	if len(k.list) == 0 {
		return ""
	}
	name, _, _ := strings.Cut(k.list[0], "+")
	return name
}

// OpenCheckpoint verifies a checkpoint with the key that signed the log at its
// size; otherwise it is as the function of that name.
func (k Keys) OpenCheckpoint(text string, opts ...CheckpointOption) (Checkpoint, error) {
	var rules checkpointRules
	for _, o := range opts {
		o(&rules)
	}
	c, err := openCheckpoint(text, k.list, rules)
	if err != nil || len(k.follows) == 0 {
		return c, err
	}
	at := slices.IndexFunc(k.follows, func(size int64) bool { return c.Size <= size })
	if at < 0 {
		at = len(k.list) - 1
	}
	if _, err := openCheckpoint(text, k.list[at:at+1], rules); err != nil {
		return Checkpoint{}, fmt.Errorf("a head of %d events is to be signed by key %s, and is not: %w", c.Size, k.list[at], err)
	}
	return c, nil
}
