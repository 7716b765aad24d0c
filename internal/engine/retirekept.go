package engine

import (
	"context"

	"github.com/lessor-iam/lessor/internal/access"
)

// retireKept retires every credential that a plan keeps for a workload's accounts, or
// kept: what ends the workload has said who may, and nothing is made for nobody. What
// is retired already stays so. Whatever a rotation under way has made ends with it.
func (d *deed) retireKept(ctx context.Context, i access.Identity, note string) (n int, err error) {
	newest, err := d.newestRotations(ctx)
	if err != nil {
		return 0, err
	}
	for _, id := range d.plansOf(i, newest) {
		k, err := d.keptOf(ctx, id)
		if err != nil {
			return n, err
		}
		if k.newest.State == access.RotationDead || k.newest.ID != "" && k.newest.Cause == access.CauseRetired {
			continue
		}
		if _, err := d.endCredential(ctx, k, access.CauseRetired, note); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
