package api

import (
	"context"
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Ending says why something is over before its end.
type Ending struct {
	Why string `json:"why,omitempty"`
}

// InEnding ends what the path names.
type InEnding struct {
	ID   string `path:"id" maxLength:"64"`
	Body Ending
}

func (d *door) standIns(h verbs) {
	op(h, http.MethodGet, "/stand-ins", "list-stand-ins", "Who answers for whom: what concerns you or, for security and auditors, everybody",
		func(ctx context.Context, in *struct {
			Everybody bool `query:"everybody"`
		}) (*body[engine.Cover], error) {
			return answer(d.Engine.Cover(ctx, by(ctx), in.Everybody))
		})
	op(h, http.MethodPost, "/delegations", "delegate", "Lend your right to approve to somebody, until an end",
		func(ctx context.Context, in *struct{ Body engine.Delegating }) (*body[access.Delegation], error) {
			return answer(d.Engine.Delegate(ctx, by(ctx), in.Body))
		})
	op(h, http.MethodPost, "/delegations/{id}/end", "end-delegation", "End a delegation before its end",
		func(ctx context.Context, in *InEnding) (*done, error) {
			return nothing(d.Engine.EndDelegation(ctx, by(ctx), in.ID, in.Body.Why))
		})
	op(h, http.MethodPost, "/absences", "away", "Say that you, or somebody who reports to you, are away",
		func(ctx context.Context, in *struct{ Body engine.BeingAway }) (*body[access.Absence], error) {
			return answer(d.Engine.Away(ctx, by(ctx), in.Body))
		})
	op(h, http.MethodPost, "/absences/{id}/end", "back", "Say that somebody is back before their absence would be over",
		func(ctx context.Context, in *InEnding) (*done, error) {
			return nothing(d.Engine.Back(ctx, by(ctx), in.ID, in.Body.Why))
		})
}
