package access

import (
	"slices"
	"strings"
	"time"
)

// File is one file of the folder: its name there and the SHA-256 of its text, in hex.
type File struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
}

// Files are the files of the folder as they were at one moment: the rules, the directory,
// the catalog and the settings by which everything else is decided. Each change of them
// is told, and where they say so it needs a second person.
type Files struct {
	ID      string   `json:"id"`
	Digest  string   `json:"digest"` // of all of them, see [DigestOf]
	Files   []File   `json:"files"`  // in order of their names
	Before  string   `json:"before,omitempty"`
	Added   []string `json:"added,omitempty"` // beside those in force before, as are the next two
	Changed []string `json:"changed,omitempty"`
	Removed []string `json:"removed,omitempty"`
	// By is who asked that they be read; Clock where they were found at a start or by a signal.
	By     string    `json:"by"`
	At     time.Time `json:"at"`                      // when they were first asked for
	Second bool      `json:"second_person,omitempty"` // a change of them needs a second person
	Needs  bool      `json:"needs_second,omitempty"`  // this change does: they say so, or those before did
	// Voices are the persons who may be one while these are in force.
	Voices []string `json:"voices,omitempty"`
	// Gains are those of the voices before who gain by the change: none of them is the second.
	Gains       []Gain      `json:"gains,omitempty"`
	Words       []FilesWord `json:"words,omitempty"`
	InForceAt   time.Time   `json:"in_force_at,omitzero"`  // zero: they are asked for only
	ConfirmedAt time.Time   `json:"confirmed_at,omitzero"` // by two people
}

// Gain is what a person can do after a change that they could not do before.
type Gain struct {
	Person string   `json:"person"`
	What   []string `json:"what"`
}

// FilesWord is one person's word that files are to be in force.
type FilesWord struct {
	Identity string    `json:"identity"`
	Person   string    `json:"person"`
	At       time.Time `json:"at"`
}

// Waits tells whether they need a second person who has not been yet.
func (f Files) Waits() bool { return f.Needs && f.ConfirmedAt.IsZero() }

// Said says by whose word they are, or are to be, in force.
func (f Files) Said() string {
	switch {
	case len(f.Words) == 0 && f.Needs:
		return "nobody has said so yet"
	case len(f.Words) == 0:
		return f.By + " had them read"
	}
	names := make([]string, len(f.Words))
	for i, w := range f.Words {
		names[i] = w.Identity
	}
	return strings.Join(names, " and ") + " said so"
}

// DigestOf is the digest of files, whose order says nothing.
func DigestOf(list []File) string {
	sums := make(map[string]string, len(list))
	for _, f := range list {
		sums[f.Name] = f.SHA256
	}
	return Digest(sums)
}

// Since notes what files were in force before, and what of it is otherwise.
func (f Files) Since(before Files) Files {
	if f.Before = before.Digest; before.Digest == "" {
		return f // they are the first
	}
	f.Added, f.Changed, f.Removed = Differ(before.Files, f.Files)
	return f
}

// Differ names what was added, changed and removed, each in order.
func Differ(before, after []File) (added, changed, removed []string) {
	was := map[string]string{}
	for _, o := range before {
		was[o.Name] = o.SHA256
	}
	for _, o := range after {
		switch sum, there := was[o.Name]; {
		case !there:
			added = append(added, o.Name)
		case sum != o.SHA256:
			changed = append(changed, o.Name)
		}
		delete(was, o.Name)
	}
	for name := range was {
		removed = append(removed, name)
	}
	slices.Sort(added)
	slices.Sort(changed)
	slices.Sort(removed)
	return added, changed, removed
}

// wordStands is how long one person's word for files waits for another's.
const wordStands = 24 * time.Hour

// Standing are the words that still count: those of a day, one a person.
func (f Files) Standing(now time.Time) []FilesWord {
	return slices.DeleteFunc(slices.Clone(f.Words), func(w FilesWord) bool { return now.Sub(w.At) >= wordStands })
}

// Say adds a person's word; the same person's counts once, and whoever said it first
// has asked.
func (f Files) Say(w FilesWord) Files {
	words := f.Standing(w.At)
	if !slices.ContainsFunc(words, func(o FilesWord) bool { return o.Person == w.Person }) {
		words = append(words, w)
	}
	f.Words = words
	return f
}
