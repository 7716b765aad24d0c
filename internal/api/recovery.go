package api

import (
	"context"
	"net/http"

	"github.com/lessor-iam/lessor/internal/engine"
)

// recovery is what an instance does whose database was put back.
func (d *door) recovery(h verbs) {
	op(h, http.MethodGet, "/recovery", "recovery", "How far a recovery has come, if there is one",
		func(ctx context.Context, _ *struct{}) (*body[engine.RecoveryState], error) {
			return answer(d.Engine.RecoveryFor(ctx, by(ctx)))
		})
	op(h, http.MethodPost, "/recovery/approve", "approve-recovery", "Approve that recovery is left; it takes two people of security",
		func(ctx context.Context, in *struct{ Body note }) (*body[engine.RecoveryState], error) {
			return answer(d.Engine.LeaveRecovery(ctx, by(ctx), in.Body.Note))
		})
}
