package engine

import (
	"context"
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
)

// errBehind says that the database has what must not wait, and the snapshot has not.
var errBehind = fmt.Errorf("%w: the directory is being read anew, because somebody has left or answers for something no more; try again", access.ErrConflict)

// upToDate refuses to decide by a snapshot from before somebody left: between that
// commit and the directory made anew, here or on another replica, they would still pass.
// What the clock does is looked at again by itself, whoever left meanwhile.
func (d *deed) upToDate(ctx context.Context) error {
	if !d.e.told || d.by.Identity == access.Clock.Identity {
		return nil
	}
	urgent, err := d.Urgent(ctx)
	if err == nil && urgent > d.world.Version {
		err = errBehind
	}
	return err
}

// hasten has nobody decide by an older directory than the one that this deed makes. What
// may wait, a provider's first load, holds up nobody.
func (d *deed) hasten(ctx context.Context) error {
	if !d.joined || d.mayWait {
		return nil
	}
	return d.Hasten(ctx)
}
