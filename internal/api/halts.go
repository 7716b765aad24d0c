package api

import (
	"context"
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
)

// Acceptance is what somebody of security says to a clock that is off, and why.
type Acceptance struct {
	Reason string `json:"reason"`
}

func (d *door) halts(h verbs) {
	op(h, http.MethodGet, "/halts", "list-halts", "Why nothing is granted now; none: it is",
		func(ctx context.Context, _ *struct{}) (*body[[]access.Halt], error) {
			list, err := d.Engine.Halts(ctx)
			if list == nil {
				list = []access.Halt{}
			}
			return answer(list, err)
		})
	op(h, http.MethodPost, "/clock/accept", "accept-clock", "Say that the time is what the clocks say now, so that grants are given again; of security",
		func(ctx context.Context, in *struct{ Body Acceptance }) (*body[access.Halt], error) {
			return answer(d.Engine.AcceptClock(ctx, by(ctx), in.Body.Reason))
		})
}
