package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/policy"
)

// This file says to the engine which files are in force, and heeds that nothing may be
// granted by those that two people have not confirmed. Each process does so for itself:
// another one may run on other files.

// filesOf are the files of a folder, in order, together with what of the rules comes
// with the program.
func filesOf(c *config.Config, set *policy.Set) []access.File {
	sums := maps.Clone(c.Files)
	for name, sum := range set.Texts() {
		sums["policy/"+name] = sum
	}
	sums[engine.ShippedRules] = strings.TrimPrefix(set.Shipped(), "sha256:")
	list := make([]access.File, 0, len(sums))
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		list = append(list, access.File{Name: name, SHA256: sums[name]})
	}
	return list
}

// soleAdministrators warns where nothing keeps one of several administrators from changing
// the files alone.
func soleAdministrators(c *config.Config, now time.Time) []string {
	var people []string
	for _, t := range c.Tokens {
		if i, _ := c.Directory.Identity(t.Identity); slices.Contains(t.Scopes, engine.ScopeAdmin) && now.Before(t.Expires) && i.Kind == access.Person {
			people = append(people, c.Directory.PersonOf(t.Identity))
		}
	}
	slices.Sort(people)
	if people = slices.Compact(people); c.SecondPerson || len(people) < 2 {
		return nil
	}
	return []string{fmt.Sprintf("lessor.yaml: second_person is not set, and %s each change the files alone: with second_person: files another one of them, or of security, has to confirm a change", strings.Join(people, " and "))}
}

// files is the digest of everything in force that is read from files.
func (s *Server) files() string {
	return access.DigestOf(filesOf(s.current.Load(), s.world.Load().Policy))
}

// loaded is what the engine is told of files that are about to be in force.
func (s *Server) loaded(by access.Actor, c *config.Config, world engine.World) engine.Loaded {
	dir := s.roster.with(c.Directory)
	return engine.Loaded{Files: filesOf(c, world.Policy), Second: c.SecondPerson, Voices: s.voices(c, dir), PersonOf: dir.PersonOf, Gains: s.gains(by, c, world),
		Tell: slices.Concat(s.administrators(c), s.administrators(s.current.Load()))}
}

// administrators are whose tokens let them have the files read anew.
func (s *Server) administrators(c *config.Config) (list []string) {
	for _, t := range c.Tokens {
		if slices.Contains(t.Scopes, engine.ScopeAdmin) && s.now().Before(t.Expires) && !slices.Contains(list, t.Identity) {
			list = append(list, t.Identity)
		}
	}
	return list
}

// voices are the persons who may confirm a change of the files: employees who administer
// or are in security.
func (s *Server) voices(c *config.Config, dir *access.Directory) (list []string) {
	now := s.now()
	for _, id := range slices.Concat(s.administrators(c), dir.MembersOf("security"), s.roster.granted("security")) {
		i, _ := dir.Identity(id)
		p, _ := dir.Identity(dir.PersonOf(id))
		if i.Kind == access.Person && !i.External && !p.External && i.ActiveAt(now) && p.ActiveAt(now) {
			list = append(list, p.ID)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// mostCompared is how many entitlements times persons a change is tried with; an answer
// takes some ten microseconds.
const mostCompared = 100_000

// gains says who of those that may be the second person gains by a change of the files. Of
// a catalog that is too large for all of them it is worked out for whoever asks, and where
// not even that can be done, nobody is taken to gain nothing.
func (s *Server) gains(by access.Actor, c *config.Config, world engine.World) (list []access.Gain) {
	was := s.current.Load()
	if needed := was.SecondPerson || c.SecondPerson || s.unconfirmed.Load() != nil; !needed || s.files() == access.DigestOf(filesOf(c, world.Policy)) {
		return nil
	}
	before := policy.Side{Rules: s.world.Load().Policy, Directory: s.roster.with(was.Directory)}
	after := policy.Side{Rules: world.Policy, Directory: s.roster.with(c.Directory)}
	persons := s.voices(was, before.Directory)
	if me := before.Directory.PersonOf(by.Identity); len(persons)*len(c.Directory.Entitlements()) > mostCompared {
		persons = slices.DeleteFunc(persons, func(p string) bool { return p != me })
	}
	gained := map[string][]string{}
	if n := len(persons) * len(c.Directory.Entitlements()); n <= mostCompared {
		gained = policy.Advantage(before, after, persons, s.now())
	}
	for _, p := range persons {
		what := gained[p]
		if len(c.Directory.Entitlements()) > mostCompared {
			what = append(what, "the catalog is too large to be compared")
		}
		for _, id := range s.administrators(c) {
			if after.Directory.PersonOf(id) == p && !slices.ContainsFunc(s.administrators(was), func(o string) bool { return before.Directory.PersonOf(o) == p }) {
				what = append(what, "administers by the token of "+id)
			}
		}
		if more := moreGlass(was, c, after.Directory, p); more != "" {
			what = append(what, more)
		}
		if len(what) > 0 {
			list = append(list, access.Gain{Person: p, What: what})
		}
	}
	return list
}

// moreGlass says what more a person may take without approval. Whoever joins the group is in it.
func moreGlass(was, is *config.Config, dir *access.Directory, person string) string {
	g := is.BreakGlass
	if g == nil || !slices.ContainsFunc(dir.IdentitiesOf(person), func(id string) bool { return slices.Contains(dir.MembersOf(g.Group), id) }) {
		return ""
	}
	old := was.BreakGlass
	if old == nil || old.Group != g.Group || old.Bundle != g.Bundle || g.Longest > old.Longest || g.Most > old.Most || old.Security != g.Security || old.StepUp != g.StepUp ||
		slices.ContainsFunc(g.Entitlements, func(e string) bool { return !slices.Contains(old.Entitlements, e) }) {
		return "takes other things, or for longer, by break-glass"
	}
	return ""
}

// granted are the members of a group besides those whom the files name.
func (r *roster) granted(group string) (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.members {
		if m.Group == group {
			list = append(list, m.Identity)
		}
	}
	return list
}

// beginFiles writes down which files a server begins with. It begins in any case, because
// one that is down removes nothing; by files that were not written down, or that wait for
// a second person, it grants nothing.
func (s *Server) beginFiles(ctx context.Context) {
	s.reload.Lock()
	defer s.reload.Unlock()
	by := access.Actor{Identity: access.Clock.Identity, Channel: "start"}
	l := s.loaded(by, s.current.Load(), *s.world.Load())
	l.Start = true
	f, err := s.engine.TakeFiles(ctx, by, l, "")
	var text string
	switch {
	case err != nil:
		text = "which files are in force could not be written down: " + err.Error()
	case f.Waits():
		text = engine.FilesWaiting(f).Error()
	default:
		s.unconfirmed.Store(nil)
		return
	}
	s.log.ErrorContext(ctx, "nothing is granted by the files in force", "why", text)
	s.unconfirmed.Store(&access.Halt{Reason: access.HaltFiles, Text: text, At: s.now()})
	s.filesBegun.Store(err == nil)
}

// watchFiles looks whether the files in force have been confirmed since, by whatever
// replica that was said to.
func (s *Server) watchFiles(ctx context.Context) {
	if s.unconfirmed.Load() == nil {
		return
	}
	if !s.filesBegun.Load() {
		s.beginFiles(ctx)
		return
	}
	if stand, err := s.engine.FilesStand(ctx, s.files()); err == nil && stand {
		s.reload.Lock()
		defer s.reload.Unlock()
		if s.unconfirmed.Swap(nil) != nil {
			s.log.InfoContext(ctx, "the files in force are confirmed, and grants are given")
		}
	}
}
