package engine

import (
	"context"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// moved is where everything begins that follows when a feed has changed an identity: it
// came (before is empty), is another now, or has left. It is called in the deed that
// stored the change, once for each identity, and the deed's world has it already.
//
// Who may no longer act is swept at once, by a job that this deed inserts: a leaver with
// a million grants holds up no one else, and if we stop here the job is done later.
func (d *deed) moved(_ context.Context, before, after access.Identity) error {
	if !before.ActiveAt(d.now) && !after.ActiveAt(d.now) && !before.Suspended && before.ID != "" {
		return nil // what there was has ended
	}
	elsewhere := before.Department != after.Department || before.Manager != after.Manager || before.Sponsor != after.Sponsor ||
		before.External != after.External || !slices.Equal(before.Groups, after.Groups)
	if before.ActiveAt(d.now) != after.ActiveAt(d.now) || !before.End.Equal(after.End) || elsewhere || before.Suspended {
		d.toSweep = append(append(d.toSweep, after.ID), d.world.Directory.IdentitiesOf(after.ID)...)
	}
	return nil
}

// sweptAtOnce is how many identities one job sweeps.
const sweptAtOnce = 50

// sweepMoved asks that the grants of those be held against the directory whom this deed has moved.
func (d *deed) sweepMoved(ctx context.Context) error {
	slices.Sort(d.toSweep)
	for ids := range slices.Chunk(slices.Compact(d.toSweep), sweptAtOnce) {
		if err := d.Enqueue(ctx, SweepJob{Identities: ids}, nil); err != nil {
			return err
		}
	}
	return nil
}
