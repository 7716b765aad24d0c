package config

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// People may be named who are in no file: feeds have told of them, and what feeds say
// stands in the database. The files alone cannot tell whether there is such a person.
// So [Load] lists those names and warns of each; [Config.With], handed whom the database
// knows, refuses those that nobody has told of. Whoever was told of once stays known,
// active or not: no feed that loses somebody keeps the files from being read.

// Elsewhere are the ids that the files name as people and do not have, in order.
func (c *Config) Elsewhere() []string { return c.elsewhere }

// With is the same folder held against those of the people named [Config.Elsewhere] whom
// the database knows. The folder is read anew; where it is not what it was, that is refused.
func (c *Config) With(people []access.Identity) (*Config, error) {
	if len(c.elsewhere) == 0 {
		return c, nil
	}
	d := &files{fsys: c.fsys, dir: c.Dir, asked: true, told: map[string]*identity{}}
	for _, p := range people {
		if p.Kind == access.Person {
			d.told[p.ID] = &identity{Identity: access.Identity{ID: p.ID, Kind: p.Kind, External: p.External, Inactive: p.Inactive}, told: true}
		}
	}
	next, err := d.load()
	if err == nil && next.read != c.read {
		return nil, access.Problems{{File: ".", Message: "the folder was changed while it was read: read it again"}}
	}
	return next, err
}

// anybody follows a reference that leads to an identity of the files, or to a person whom
// feeds have told of.
func (d *files) anybody(at mark, key, id string) (*identity, bool) {
	if to, ok := d.known.identities[id]; ok {
		return to, true
	}
	if to, ok := d.told[id]; ok {
		return to, true
	}
	switch {
	case d.partial:
	case d.asked:
		d.problem(at, "%s: there is no identity %q in the files, and no feed has told of such a person%s", key, access.Brief(id), d.instead(id, maps.Keys(d.known.identities)))
	case len(d.feeds) > 0 && idForm.MatchString(id):
		d.warn(at, "%s: %q is in no file; whether a feed has told of such a person only the database knows%s", key, access.Brief(id), d.instead(id, maps.Keys(d.known.identities)))
		d.elsewhere = append(d.elsewhere, id)
	default:
		refer(d, at, key, "identity", id, d.known.identities)
	}
	return nil, false
}

// absent reports whoever is named and is not there: a mistake where the files themselves
// say so, and where a feed does a warning, for it must not keep the files from being read.
func (d *files) absent(at mark, who *identity, format string, args ...any) {
	if who.told {
		d.warn(at, format+" (so feeds say)", args...)
		return
	}
	d.problem(at, format, args...)
}

// checkTold warns of whoever has a say in Lessor itself by the files and is somebody by
// feeds alone: these then say who that is, and how they sign in.
func (d *files) checkTold() {
	guarded := d.guardedGroups()
	for n := range d.groups {
		if !guarded[d.groups[n].id] {
			continue
		}
		for _, m := range d.groups[n].members {
			if _, ok := d.told[m.text]; ok {
				d.warn(m.at, "%q has a say in Lessor itself by group %q and is in feeds alone: whoever writes the feed says by which address and accounts that is known", access.Brief(m.text), access.Brief(d.groups[n].id))
			}
		}
	}
}

// allNamed are the names found elsewhere, each once.
func (d *files) allNamed() []string { return slices.Compact(slices.Sorted(slices.Values(d.elsewhere))) }

// note adds the text of a file to the digest of all that was read.
func (d *files) note(name string, text []byte) {
	if d.all == nil {
		d.all = sha256.New()
	}
	sum := sha256.Sum256(text)
	d.all.Write([]byte(name + "\x00" + hex.EncodeToString(sum[:]) + "\n"))
}
