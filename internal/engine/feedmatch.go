package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// mostAlike is how many records under one name are looked at.
const mostAlike = 50

// bind finds out which identity a record is that is none yet, and stores it.
func (d *deed) bind(ctx context.Context, f access.Feed, r access.Record) (access.Record, error) {
	next, err := d.wouldBe(ctx, f, r)
	if err != nil {
		return r, err
	}
	return next, d.keepBound(ctx, f, r, &next)
}

// wouldBe tells which identity a record is that is none yet: by the feed's rules in order, and else a new one. It is never one that has left, that another record of
// the feed is or was, or that is no person: then somebody must decide. What a record
// is it stays, whatever name, address or account its feed gives it later.
func (d *deed) wouldBe(ctx context.Context, f access.Feed, r access.Record) (access.Record, error) {
	if r.Group || !r.Here() || r.Identity != "" {
		return r, nil
	}
	next := r
	next.Held, next.Why = "", ""
	// 1. The rules.
	for _, m := range f.Match {
		found, err := d.alike(ctx, m, r)
		if err != nil {
			return r, err
		}
		if len(found) == 0 {
			continue
		}
		if len(found) > 1 {
			next.Held, next.Why = access.FeedAmbiguous, fmt.Sprintf("by %s it could be %s", m.Attribute, strings.Join(found[:min(len(found), mostNamed)], ", "))
		} else if next.Held, next.Why, err = d.unfitFor(ctx, f, found[0]); err != nil {
			return r, err
		}
		if next.Held == "" {
			next.Identity = found[0]
		}
		return next, nil
	}
	// 2. A new one.
	if f.Identity == "" {
		next.Held, next.Why = access.FeedAmbiguous, "no rule finds an identity, and this feed makes none"
		return next, nil
	}
	id, ok := access.IdentityID(r.Attribute(f.Identity))
	if !ok {
		next.Held, next.Why = access.FeedAmbiguous, fmt.Sprintf("no id can be made of its %s %.40q", f.Identity, plain(r.Attribute(f.Identity)))
		return next, nil
	}
	if d.world.Directory.Reserved(id) {
		next.Held, next.Why = access.FeedAmbiguous, fmt.Sprintf("%s is a group's name or Lessor's own, and can be nobody's id", id)
		return next, d.keepBound(ctx, f, r, &next)
	}
	taken, err := d.idTaken(ctx, id)
	if err != nil {
		return r, err
	}
	if taken {
		next.Held, next.Why = access.IdentityRecycled, fmt.Sprintf("there is or was an identity %s already, and no rule says that it is the same", id)
	} else {
		next.Identity = id
		if next.Why, err = d.recycled(ctx, r); err != nil {
			return r, err
		}
	}
	return next, nil
}

// keepBound stores what a record is, or why it is nothing yet.
func (d *deed) keepBound(ctx context.Context, f access.Feed, was access.Record, next *access.Record) error {
	if was.Identity == next.Identity && was.Held == next.Held && was.Why == next.Why {
		return nil
	}
	how := "held"
	if next.Identity != "" {
		how = "matched"
		// What it is must be known before the next record is: that may be the same.
		d.newly = append(d.newly, next.Identity)
	}
	if err := d.saveRecord(ctx, was, next, how); err != nil {
		return err
	}
	if next.Held != access.IdentityRecycled && (next.Identity == "" || next.Why == "") {
		return nil
	}
	if open, err := d.OpenFindings(ctx, access.IdentityRecycled); err != nil || len(open) >= 5*mostNamed {
		return err // so many are one mistake; lessor feed held lists them
	}
	return d.finding(ctx, access.Finding{Kind: access.IdentityRecycled, Subject: f.ID + " " + next.Key, Owner: "security", DueAt: d.now.Add(72 * time.Hour),
		Text: fmt.Sprintf("Record %s of feed %s: %s. It inherits nothing. %s", plain(next.Key), f.ID, next.Why, decideIt(f.ID, *next))})
}

func decideIt(feed string, r access.Record) string {
	if r.Identity != "" {
		return fmt.Sprintf("It is the new identity %s; let this finding be if they are two people.", r.Identity)
	}
	return fmt.Sprintf("Until somebody in security decides it is no identity: lessor feed decide %s %s --new, or --is IDENTITY.", feed, plain(r.Key))
}

// alike lists the identities that a rule finds for a record, each once.
func (d *deed) alike(ctx context.Context, m access.Match, r access.Record) (list []string, err error) {
	value := r.Attribute(m.Attribute)
	if value == "" {
		return nil, nil
	}
	if m.Feed == "" {
		return d.alikeHere(m.Equals, value), nil
	}
	var others []access.Record
	if m.Equals == "key" {
		other, err := d.storedRecord(ctx, m.Feed, value)
		if err != nil {
			return nil, err
		}
		others = append(others, other)
	} else if others, err = d.Marked(ctx, m.Equals+" "+access.Fold(value), m.Feed, mostAlike); err != nil {
		return nil, err
	}
	for _, o := range others {
		now := m.Equals == "key" || access.Fold(o.Attribute(m.Equals)) == access.Fold(value) // and not long ago
		if now && o.Believed() && o.Identity != "" && !slices.Contains(list, o.Identity) {
			list = append(list, o.Identity)
		}
	}
	return list, nil
}

// alikeHere lists those of the directory.
func (d *deed) alikeHere(attribute, value string) (list []string) {
	dir := d.world.Directory
	if system, ok := strings.CutPrefix(attribute, "account:"); ok {
		if id, ok := dir.ByAccount(system, value); ok {
			list = append(list, id)
		}
		return list
	}
	switch attribute {
	case "id":
		if id := access.Fold(value); dir.HasIdentity(id) {
			list = append(list, id)
		}
	case "mail":
		if d.mails == nil {
			d.mails = map[string][]string{}
			for _, id := range dir.Identities() {
				if i, _ := dir.Identity(id); i.Mail != "" && i.Kind == access.Person {
					d.mails[access.Fold(i.Mail)] = append(d.mails[access.Fold(i.Mail)], id)
				}
			}
		}
		list = d.mails[access.Fold(value)]
	}
	return list
}

// unfitFor says why a record of a feed cannot be that identity without somebody's word.
func (d *deed) unfitFor(ctx context.Context, f access.Feed, id string) (held, why string, err error) {
	i, ok := d.world.Directory.Identity(id)
	switch {
	case ok && i.Kind != access.Person:
		return access.FeedAmbiguous, id + " is no person", nil
	case ok && i.Same != "":
		return access.FeedAmbiguous, id + " is a second identity of " + i.Same, nil
	case ok && (i.Inactive || !i.End.IsZero() && !d.now.Before(i.End)):
		return access.IdentityRecycled, id + " has left", nil
	}
	others, err := d.RecordsOf(ctx, []string{id})
	for _, o := range others {
		if o.Feed == f.ID {
			return access.IdentityRecycled, fmt.Sprintf("%s is or was %s of this feed", id, plain(o.Key)), err
		}
	}
	return "", "", err
}

// idTaken tells whether there is or was an identity of that id.
func (d *deed) idTaken(ctx context.Context, id string) (bool, error) {
	if d.world.Directory.HasIdentity(id) || d.world.Directory.Reserved(id) || slices.Contains(d.newly, id) {
		return true, nil
	}
	if _, err := d.RegisteredIdentity(ctx, id); !errors.Is(err, access.ErrNotFound) {
		return err == nil, err
	}
	if of, err := d.RecordsOf(ctx, []string{id}); err != nil || len(of) > 0 {
		return true, err
	}
	return d.HadGrants(ctx, id)
}

// recycled says whose names a record has that somebody who is not there any more, or
// has them no more, had; empty: nobody's.
func (d *deed) recycled(ctx context.Context, r access.Record) (why string, err error) {
	for _, mark := range r.Marks() {
		name, _, _ := strings.Cut(mark, " ")
		if name != "user" && name != "mail" && !strings.HasPrefix(name, "account:") {
			continue
		}
		others, err := d.Marked(ctx, mark, "", mostAlike)
		if err != nil {
			return "", err
		}
		for _, o := range others {
			if o.Identity != "" && o.Identity != r.Identity {
				return fmt.Sprintf("its %s is or was that of %s", name, o.Identity), nil
			}
		}
	}
	return "", nil
}
