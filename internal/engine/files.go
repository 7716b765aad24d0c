package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// ShippedRules is how what of the rules comes with Lessor stands among the files. It
// changes with the program alone, which nobody confirms.
const ShippedRules = "rules shipped with Lessor"

// Loaded is what was read from the folder and is about to be in force.
type Loaded struct {
	Files  []access.File
	Second bool     // they say that a change of them needs a second person
	Voices []string // persons who may be one by them
	Tell   []string // whoever administers, by them or by those in force
	Gains  []access.Gain
	// PersonOf is who an identity is by them; nil: as it is in force.
	PersonOf func(identity string) string
	// Start: a server begins with them. It does so whoever has confirmed them: one that
	// is down removes nothing.
	Start bool
}

// TakeFiles writes down that files are in force from now on, once for each change of
// them, or that they are asked for and wait for a second person ([access.Files.Waits]):
// then they may be in force only where a server begins with them, and nothing is granted
// by them. It comes before they are in force, so that none ever is of which no event
// tells; if we stop in between, the next start takes them in, and where only that fails
// the server tries again until they are.
//
// confirm is the digest of the files that whoever asks has looked at, or empty.
func (e *Engine) TakeFiles(ctx context.Context, by access.Actor, l Loaded, confirm string) (f access.Files, err error) {
	err = e.do(ctx, "take files", by, func(d *deed) error {
		// 1. Who may ask, and for what.
		digest := access.DigestOf(l.Files)
		if err := d.mayTakeFiles(confirm, digest); err != nil {
			return err
		}
		// 2. What was so already.
		last, _, err := d.FilesInForce(ctx)
		if err != nil {
			return err
		}
		confirmed, ever, err := d.FilesConfirmed(ctx)
		if err != nil {
			return err
		}
		f = access.Files{ID: d.e.ids.next("fs", d.now), Digest: digest, Files: l.Files, By: by.Identity, At: d.now, Second: l.Second, Needs: l.Second || ever && confirmed.Second, Voices: l.Voices, Gains: l.Gains}
		if last.Digest == digest && (!f.Needs || !last.ConfirmedAt.IsZero()) {
			f = last
			return nil
		}
		// 3. Whether a second person is needed, and has been.
		f = f.Since(last)
		switch {
		case !f.Needs:
		case ever && sameButShipped(confirmed.Files, l.Files):
			f.Words, f.ConfirmedAt = confirmed.Words, confirmed.ConfirmedAt
		default:
			return d.hearFiles(ctx, &f, last, confirmed, l)
		}
		// 4. In force.
		f.InForceAt = d.now
		if err := d.AddFiles(ctx, f); err != nil {
			return err
		}
		return d.tellFiles(ctx, "files.taken", f, l)
	})
	return f, err
}

// mayTakeFiles refuses whoever may not have files taken in. A second person is somebody
// of security or another who administers.
func (d *deed) mayTakeFiles(confirm, digest string) error {
	switch {
	case d.by.Identity == access.Clock.Identity:
		return nil
	case confirm == "":
		return d.scope(ScopeAdmin)
	}
	if d.scope(ScopeAdmin) != nil && (d.scope(ScopeApprove) != nil || !d.ofSecurity()) {
		return fmt.Errorf("%w: files are confirmed by people of security, with a token for %s, or by whoever administers", access.ErrDenied, ScopeApprove)
	}
	if err := d.answerable("whoever confirms files", d.by.Identity); err != nil {
		return fmt.Errorf("%w: only active employees confirm files: %s", access.ErrDenied, err.Error())
	}
	if confirm != digest {
		return fmt.Errorf("%w: the files in the folder are %s by now, not %.80s: look at them anew", access.ErrConflict, digest, confirm)
	}
	return nil
}

// sameButShipped tells whether two sets of files are the same, but for what comes with
// the program.
func sameButShipped(was, is []access.File) bool {
	added, changed, removed := access.Differ(was, is)
	for _, name := range slices.Concat(added, changed, removed) {
		if name != ShippedRules {
			return false
		}
	}
	return true
}

// hearFiles takes a word for files that need two, and has them in force with the second;
// or without, where a server begins with them.
func (d *deed) hearFiles(ctx context.Context, f *access.Files, last, confirmed access.Files, l Loaded) error {
	// 1. What was asked for already, with the words that were said.
	old, known, err := d.FilesOfDigest(ctx, f.Digest)
	if err != nil {
		return err
	}
	if known = known && old.ConfirmedAt.IsZero() && (old.InForceAt.IsZero() || old.ID == last.ID); known {
		f.ID, f.By, f.At, f.Words, f.InForceAt = old.ID, old.By, old.At, old.Words, old.InForceAt
		if old.ID == last.ID {
			f.Before, f.Added, f.Changed, f.Removed = old.Before, old.Added, old.Changed, old.Removed
		}
	}
	// 2. The word. Who has left since has none; a program may ask, and confirms nothing.
	f.Words = slices.DeleteFunc(f.Standing(d.now), func(w access.FilesWord) bool { return !d.active(w.Identity) })
	if d.by.Identity != access.Clock.Identity && d.answerable("whoever asks", d.by.Identity) == nil {
		if err := d.sayFiles(f, last, confirmed, l); err != nil {
			return err
		}
	}
	// 3. Enough of them, or not.
	begins := l.Start && f.InForceAt.IsZero()
	kind := "files.offered"
	switch {
	case l.agreed(f.Words):
		kind, f.ConfirmedAt = "files.taken", d.now
		if f.InForceAt.IsZero() {
			f.InForceAt = d.now
		}
	case begins:
		kind, f.InForceAt = "files.taken", d.now
	case known && slices.Equal(f.Words, old.Words):
		*f = old // nothing new was said
		return nil
	}
	// 4. Stored and told.
	if known {
		err = d.SaveFiles(ctx, *f)
	} else {
		err = d.AddFiles(ctx, *f)
	}
	if err != nil {
		return err
	}
	return d.tellFiles(ctx, kind, *f, l)
}

// sayFiles adds the actor's word, unless it would be the second and is none.
func (d *deed) sayFiles(f *access.Files, last, confirmed access.Files, l Loaded) error {
	w := access.FilesWord{Identity: d.by.Identity, Person: d.world.Directory.PersonOf(d.by.Identity), At: d.now}
	if l.Second && len(l.Voices) < 2 {
		return fmt.Errorf("%w: second_person needs two people who administer or are in security, and by these files there are %d", access.ErrInvalid, len(l.Voices))
	}
	if last.Waits() && confirmed.Digest != "" && !slices.Contains(confirmed.Voices, w.Person) {
		return fmt.Errorf("%w: nobody has confirmed the files in force, and by those that were confirmed last %s has no word in it: one of %s has; or put those files back", access.ErrDenied, w.Person, strings.Join(confirmed.Voices, ", "))
	}
	i := slices.IndexFunc(f.Gains, func(g access.Gain) bool { return g.Person == w.Person })
	if second := slices.ContainsFunc(f.Words, func(o access.FilesWord) bool { return !l.samePerson(o, w) }); second && i >= 0 {
		return fmt.Errorf("%w: %s gains by the change (%s): somebody else is to be the second person", access.ErrDenied, w.Person, strings.Join(f.Gains[i].What, "; "))
	}
	*f = f.Say(w)
	return nil
}

// agreed tells whether two people have said so.
func (l Loaded) agreed(words []access.FilesWord) bool {
	for i, a := range words {
		for _, b := range words[:i] {
			if !l.samePerson(a, b) {
				return true
			}
		}
	}
	return false
}

// samePerson tells whether two words are one person's, by the files in force or by the new ones.
func (l Loaded) samePerson(a, b access.FilesWord) bool {
	return a.Person == b.Person || l.PersonOf != nil && l.PersonOf(a.Identity) == l.PersonOf(b.Identity)
}

// mostFilesNamed is how many names of files a notice has.
const mostFilesNamed = 20

// tellFiles writes the event of a change of the files, and tells everybody who answers for
// them but the one who made it.
func (d *deed) tellFiles(ctx context.Context, kind string, f access.Files, l Loaded) error {
	ev := d.event(kind)
	ev.To, ev.After, ev.Note = "offered", f, changeOf(f)
	if !f.InForceAt.IsZero() {
		ev.From, ev.To = f.Before, f.Digest
	}
	if err := d.tell(ctx, ev); err != nil {
		return err
	}
	me := d.world.Directory.PersonOf(d.by.Identity)
	to := slices.DeleteFunc(slices.Clone(l.Tell), func(id string) bool { return d.world.Directory.PersonOf(id) == me })
	subject, text := "the files were changed", fmt.Sprintf("Since %s the files %s are in force (%s), %s.", f.InForceAt.Format(time.RFC3339), f.Digest, changeOf(f), f.Said())
	switch {
	case f.InForceAt.IsZero():
		subject, text = "a change of the files waits for a second person", fmt.Sprintf("%s asks for the files %s (%s). They are not in force: one of %s looks at them, and then gives: %s.",
			d.by.Identity, f.Digest, changeOf(f), strings.Join(secondOf(f), ", "), confirmCommand(f))
	case f.Waits():
		subject, text = "the files were confirmed by nobody", fmt.Sprintf("A server has begun with the files %s (%s), and two people have not confirmed them. Until they have, each by %s, or until those that were confirmed are put back and it is started anew, it grants nothing; what ends, ends.",
			f.Digest, changeOf(f), confirmCommand(f))
	}
	return d.notice(ctx, Notice{To: slices.Compact(slices.Sorted(slices.Values(append(to, "security")))), Subject: subject, Text: text})
}

// secondOf is who may still be the second person.
func secondOf(f access.Files) []string {
	return slices.DeleteFunc(slices.Clone(f.Voices), func(p string) bool {
		return slices.ContainsFunc(f.Words, func(w access.FilesWord) bool { return w.Person == p }) || slices.ContainsFunc(f.Gains, func(g access.Gain) bool { return g.Person == p })
	})
}

// confirmCommand is what the second person gives.
func confirmCommand(f access.Files) string {
	return "lessor reload --confirm " + f.Digest + " --as NAME"
}

// changeOf says what is otherwise than before, by name.
func changeOf(f access.Files) string {
	if f.Before == "" {
		return fmt.Sprintf("the first, %d files", len(f.Files))
	}
	var parts []string
	for _, p := range []struct {
		what  string
		names []string
	}{{"added", f.Added}, {"changed", f.Changed}, {"removed", f.Removed}} {
		if n := len(p.names); n > mostFilesNamed {
			parts = append(parts, fmt.Sprintf("%s: %s and %d more", p.what, strings.Join(p.names[:mostFilesNamed], ", "), n-mostFilesNamed))
		} else if n > 0 {
			parts = append(parts, p.what+": "+strings.Join(p.names, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

// FilesWaiting says what a second person has to do, to whoever asked for files that wait.
func FilesWaiting(f access.Files) error {
	why, so := "", "nothing was taken in: "
	if !f.InForceAt.IsZero() {
		so = "the server began with these files, and grants nothing: "
	}
	for _, g := range f.Gains {
		why += fmt.Sprintf("; %s gains by it (%s) and is no second person", g.Person, strings.Join(g.What, "; "))
	}
	return fmt.Errorf("%w: %sa change of the files (%s) needs two people, and %s%s. One of %s looks at them and then gives: %s",
		access.ErrConflict, so, changeOf(f), f.Said(), why, strings.Join(secondOf(f), ", "), confirmCommand(f))
}

// MayTakeFiles refuses whoever may not have files taken in, or confirm them, before any is read.
func (e *Engine) MayTakeFiles(by access.Actor, confirm string) error {
	return (&deed{e: e, by: by, world: e.World(), now: e.Now()}).mayTakeFiles(confirm, confirm)
}

// FilesTaken lists the files that were in force or asked for, newest first: for security,
// auditors and whoever administers.
func (e *Engine) FilesTaken(ctx context.Context, by access.Actor, before string, limit int) (list []access.Files, err error) {
	if e.MayAdminister(by) != nil {
		if all, _, no := e.Oversees(by); no != nil || !all {
			return nil, fmt.Errorf("%w: which files were in force is for security, auditors and administrators", access.ErrDenied)
		}
	}
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		list, err = tx.FilesList(ctx, before, limit)
		return err
	})
	return list, err
}

// FilesStand tells whether the files of that digest are in force by the word of two people,
// or need none; the server asks that runs on files which waited.
func (e *Engine) FilesStand(ctx context.Context, digest string) (stand bool, err error) {
	err = e.DB.Read(ctx, func(tx *store.Tx) error {
		f, there, err := tx.FilesOfDigest(ctx, digest)
		stand = there && !f.InForceAt.IsZero() && !f.Waits()
		return err
	})
	return stand, err
}
