package engine

import (
	"context"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// register stores what is known of an identity beside the files and tells of it; how
// is e.g. "joined", "moved" or "left". What else this deed does goes by it already.
func (d *deed) register(ctx context.Context, r store.Registered, how, note string) error {
	return d.registers(ctx, []store.Registered{r}, func(store.Registered) string { return how }, note)
}

// registers does so with many at once: the directory is made anew only once.
func (d *deed) registers(ctx context.Context, list []store.Registered, how func(store.Registered) string, note string) error {
	j := access.Joined{}
	for _, r := range list {
		if err := d.SaveIdentity(ctx, r); err != nil {
			return err
		}
		ev := d.event("identity." + how(r))
		ev.To, ev.Note, ev.After = how(r), note, r
		if err := d.tell(ctx, ev); err != nil {
			return err
		}
		j.Identities = append(j.Identities, r.Identity)
		d.mayWait = d.mayWait && !r.Inactive
	}
	if d.mayWait && d.newcomers(j) {
		d.joined = true // nothing in this deed goes by them, and the directory is large
		return nil
	}
	d.joins(j)
	return nil
}

// newcomers tells whether none of those is in the directory yet.
func (d *deed) newcomers(j access.Joined) bool {
	return !slices.ContainsFunc(j.Identities, func(i access.Identity) bool { return d.world.Directory.HasIdentity(i.ID) })
}

// handTo has somebody answer for something from now on, and tells of it.
func (d *deed) handTo(ctx context.Context, h access.Hand, note string) error {
	if err := d.SaveHand(ctx, h); err != nil {
		return err
	}
	ev := d.event("hand.over")
	ev.To, ev.Note, ev.After = "over", note, h
	if err := d.tell(ctx, ev); err != nil {
		return err
	}
	d.mayWait = false
	d.joins(access.Joined{Hands: []access.Hand{h}})
	return nil
}

func (d *deed) joins(j access.Joined) {
	d.joined = true
	d.world = d.world.In(d.world.Directory.Join(j))
	d.all, d.mails, d.charges = nil, nil, nil
}
