package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// accountTaken is the finding that a feed gives somebody an account that is another's.
const accountTaken = "account_taken"

// merge has these identities be what the feeds say of them together. Whatever is
// another now is stored, told, and what follows from it follows (see moved).
func (d *deed) merge(ctx context.Context, ids []string) (moved int, err error) {
	// 1. What they were, and what they are to be.
	ids = slices.Compact(slices.Sorted(slices.Values(ids)))
	was, next, err := d.merged(ctx, ids)
	if err != nil {
		return 0, err
	}
	// 2. No account of somebody else; who has left yields his where nothing is held.
	var yielding []string
	claimed := map[account]bool{}
	for n := range next {
		some, err := d.fitAccounts(ctx, &next[n].Identity, was[next[n].ID].Accounts, claimed)
		if err != nil {
			return 0, err
		}
		yielding = append(yielding, some...)
	}
	if len(yielding) > 0 {
		yielded, err := d.yield(ctx, yielding, next)
		if err != nil {
			return 0, err
		}
		next = append(next, yielded...)
	}
	next = slices.DeleteFunc(next, func(r store.Registered) bool {
		old, ok := was[r.ID]
		return ok && access.Digest(old.Identity) == access.Digest(r.Identity)
	})
	if len(next) == 0 {
		return 0, nil
	}
	// 3. All of them at once, then what follows for each.
	before := d.world.Directory
	if err := d.registers(ctx, next, func(r store.Registered) string {
		old, ok := was[r.ID]
		switch {
		case !ok:
			return "joined"
		case r.Inactive && !old.Inactive:
			return "left"
		}
		return "moved"
	}, "as feeds say"); err != nil {
		return 0, err
	}
	for _, r := range next {
		old, _ := before.Identity(r.ID)
		now, ok := d.world.Directory.Identity(r.ID)
		if !ok {
			now = r.Identity // see newcomers
		}
		if err := d.moved(ctx, old, now); err != nil {
			return 0, err
		}
	}
	return len(next), nil
}

// merged is what the feeds say together of these, and what is registered of them.
func (d *deed) merged(ctx context.Context, ids []string) (was map[string]store.Registered, next []store.Registered, err error) {
	registered, err := d.RegisteredNamed(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	was = make(map[string]store.Registered, len(registered))
	for _, r := range registered {
		was[r.ID] = r
	}
	says, err := d.sayings(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		if len(says[id]) == 0 {
			continue // its feeds are no longer in the files: what they said last stands
		}
		r := store.Registered{Identity: access.Told(id, says[id]), Source: cmp.Or(was[id].Source, says[id][0].Feed.ID)}
		r.Name = cmp.Or(r.Name, was[id].Name) // without one there would be nobody: whoever is somebody stays it
		for _, who := range []*string{&r.Manager, &r.Sponsor} {
			if d.world.Directory.PersonOf(*who) == d.world.Directory.PersonOf(id) {
				*who = "" // nobody is their own
			}
		}
		if own, ok := d.world.Directory.RolesSystem(); ok {
			if r.Accounts == nil {
				r.Accounts = map[string]string{}
			}
			r.Accounts[own] = id
		}
		next = append(next, r)
	}
	return was, next, nil
}

// sayings reads what each feed there is says of these identities, in the feeds' order.
func (d *deed) sayings(ctx context.Context, ids []string) (map[string][]access.Saying, error) {
	records, err := d.RecordsOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	says := make(map[string][]access.Saying, len(ids))
	for _, f := range d.e.Feeds() {
		of := slices.DeleteFunc(slices.Clone(records), func(r access.Record) bool { return r.Feed != f.ID })
		if len(of) == 0 {
			continue
		}
		who, err := d.whoIs(ctx, f, of)
		if err != nil {
			return nil, err
		}
		groups, err := d.groupKeys(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, r := range of {
			s := access.Saying{Feed: f, Record: r, Manager: who[r.Manager], Sponsor: who[r.Sponsor]}
			if i, ok := d.world.Directory.Identity(r.Sponsor); s.Sponsor == "" && ok && i.Kind == access.Person {
				s.Sponsor = r.Sponsor
			}
			for _, g := range inOrder(f.Groups) {
				if slices.Contains(r.Groups, groups[g]) {
					s.Groups = append(s.Groups, g)
				}
			}
			says[r.Identity] = append(says[r.Identity], s)
		}
	}
	return says, nil
}

// whoIs tells which identities the managers and sponsors of these records are.
func (d *deed) whoIs(ctx context.Context, f access.Feed, of []access.Record) (map[string]string, error) {
	var keys []string
	for _, r := range of {
		keys = append(keys, r.Manager, r.Sponsor)
	}
	slices.Sort(keys)
	keys = slices.DeleteFunc(slices.Compact(keys), func(k string) bool { return k == "" })
	who := make(map[string]string, len(keys))
	list, err := d.RecordsNamed(ctx, f.ID, keys)
	for _, r := range list {
		who[r.Key] = r.Identity
	}
	return who, err
}

// groupKeys tells by which word records are in the feed's group that fills each of the
// files': its key where the feed has an entry for it, and else its name.
func (d *deed) groupKeys(ctx context.Context, f access.Feed) (map[string]string, error) {
	if f.Kind != "scim" {
		return f.Groups, nil
	}
	keys := map[string]string{}
	for group, name := range f.Groups {
		list, err := d.Marked(ctx, "group "+access.Fold(name), f.ID, mostAlike)
		if err != nil {
			return nil, err
		}
		list = slices.DeleteFunc(list, func(r access.Record) bool {
			return !r.Group || !r.Gone.IsZero() || access.Fold(r.Name) != access.Fold(name)
		})
		if len(list) == 1 {
			keys[group] = list[0].Key
		}
	}
	return keys, nil
}

// fitAccounts takes from an identity the accounts that feeds give it and that are
// another's: while that one may act, while something is held there, or while the files
// say so. Those that somebody who has left must yield for it are returned.
func (d *deed) fitAccounts(ctx context.Context, i *access.Identity, had map[string]string, claimed map[account]bool) (yielding []string, err error) {
	dir := d.world.Directory
	for _, system := range inOrder(i.Accounts) {
		name := i.Accounts[system]
		if had[system] == name {
			continue
		}
		if _, ok := dir.System(system); !ok || i.Inactive {
			delete(i.Accounts, system) // who has left is given nothing any more
			continue
		}
		other, known := dir.HasAccount(system, name)
		if known && other != "" && dir.PersonOf(other) == dir.PersonOf(i.ID) {
			continue
		}
		if !known {
			// Words of feeds may be in force a moment later only.
			if other, known, err = d.registeredWith(ctx, system, name, i.ID); err != nil {
				return nil, err
			}
		}
		held, err := d.HeldByOthers(ctx, system, name, i.ID)
		if err != nil {
			return nil, err
		}
		switch may, err := d.yields(ctx, other, system, name); {
		case err != nil:
			return nil, err
		case !held && (!known || may) && !claimed[account{system, name}]:
			claimed[account{system, name}] = true
			if known {
				yielding = append(yielding, other)
			}
			if err := d.settleFinding(ctx, accountTaken, system+" "+name, "it is free"); err != nil {
				return nil, err
			}
		default:
			delete(i.Accounts, system)
			if err := d.finding(ctx, access.Finding{Kind: accountTaken, Subject: system + " " + name, Owner: "security", DueAt: d.now.Add(72 * time.Hour),
				Text: fmt.Sprintf("A feed gives %s the account %s at %s, which is or was %s. It is not taken over before that one has left and nothing is seen held there; if it is %s's, say so in the directory.", i.ID, plain(name), system, cmp.Or(other, "somebody else's"), i.ID)}); err != nil {
				return nil, err
			}
		}
	}
	return yielding, nil
}

// registeredWith finds who else was given an account by feeds.
func (d *deed) registeredWith(ctx context.Context, system, name, except string) (id string, ok bool, err error) {
	records, err := d.Marked(ctx, "account:"+system+" "+access.Fold(name), "", mostAlike)
	if err != nil {
		return "", false, err
	}
	var ids []string
	for _, r := range records {
		if r.Identity != "" && r.Identity != except {
			ids = append(ids, r.Identity)
		}
	}
	list, err := d.RegisteredNamed(ctx, slices.Compact(slices.Sorted(slices.Values(ids))))
	for _, r := range list {
		if r.Accounts[system] == name {
			return r.ID, true, err
		}
	}
	return "", false, err
}

// account is one account at one system.
type account struct{ system, name string }

// yields tells whether an identity has left and has the account from feeds alone.
func (d *deed) yields(ctx context.Context, id, system, name string) (bool, error) {
	if i, ok := d.world.Directory.Identity(id); !ok || !i.Inactive {
		return false, nil
	}
	r, err := d.RegisteredIdentity(ctx, id)
	if errors.Is(err, access.ErrNotFound) {
		return false, nil
	}
	return err == nil && r.Accounts[system] == name, err
}

// yield takes from those who have left what others have now.
func (d *deed) yield(ctx context.Context, ids []string, to []store.Registered) ([]store.Registered, error) {
	list, err := d.RegisteredNamed(ctx, slices.Compact(slices.Sorted(slices.Values(ids))))
	for _, r := range list {
		for system, name := range r.Accounts {
			if slices.ContainsFunc(to, func(o store.Registered) bool { return o.Accounts[system] == name && o.ID != r.ID }) {
				delete(r.Accounts, system)
			}
		}
	}
	return list, err
}
