package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// InReview reviews the use of break-glass in the path.
type InReview struct {
	ID   string `path:"id" maxLength:"64"`
	Body engine.EmergencyReview
}

// InUnseal breaks or retires the seal in the path.
type InUnseal struct {
	ID   string `path:"id" maxLength:"64"`
	Body engine.Unsealing
}

// InSealUse settles a use of the seal in the path.
type InSealUse struct {
	ID   string `path:"id" maxLength:"64"`
	Body engine.SealUse
}

func (d *door) seals(h verbs) {
	op(h, http.MethodPost, "/break-glass/seals", "seal", "Note that a credential of an account nobody has lies sealed, for the day Lessor is down; never what it is worth",
		func(ctx context.Context, in *struct{ Body engine.Sealing }) (*body[access.Seal], error) {
			return answer(d.Engine.Seal(ctx, by(ctx), in.Body))
		})
	op(h, http.MethodGet, "/break-glass/seals", "list-seals", "Sealed credentials, newest first: those you keep or answer for, and all for security and auditors",
		func(ctx context.Context, in *struct {
			Before string `query:"before" maxLength:"64" doc:"ids below this one"`
			Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
		}) (*body[[]access.Seal], error) {
			return answer(d.Engine.Seals(ctx, by(ctx), in.Before, in.Limit))
		})
	op(h, http.MethodPost, "/break-glass/seals/{id}/unseal", "unseal", "Say that a seal is broken, or that nothing is sealed there any more",
		func(ctx context.Context, in *InUnseal) (*body[access.Seal], error) {
			u := in.Body
			if u.Seal == "" {
				u.Seal = in.ID
			}
			if u.Seal != in.ID {
				return nil, huma.Error400BadRequest("what is unsealed is another than in the path")
			}
			return answer(d.Engine.Unseal(ctx, by(ctx), u))
		})
	op(h, http.MethodPost, "/break-glass/seals/{id}/settle", "settle-seal", "Say in which incident a sealed credential was used; not by a custodian",
		func(ctx context.Context, in *InSealUse) (*body[access.Seal], error) {
			u := in.Body
			if u.Seal == "" {
				u.Seal = in.ID
			}
			if u.Seal != in.ID {
				return nil, huma.Error400BadRequest("what is settled is another seal's use than in the path")
			}
			return answer(d.Engine.SettleSeal(ctx, by(ctx), u))
		})
}

func (d *door) breakGlass(h verbs) {
	d.seals(h)
	op(h, http.MethodPost, "/break-glass", "break-glass", "Take access without approval, for a short while, because of an emergency: for enrolled people; it is told at once and reviewed",
		func(ctx context.Context, in *struct{ Body engine.Breaking }) (*body[access.Emergency], error) {
			return answer(d.Engine.BreakGlass(ctx, by(ctx), in.Body))
		})
	op(h, http.MethodGet, "/break-glass", "list-break-glass", "Uses of break-glass, newest first: your own, those of what you own, and all for security and auditors",
		func(ctx context.Context, in *struct {
			Before string `query:"before" maxLength:"64" doc:"ids below this one"`
			Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
		}) (*body[[]access.Emergency], error) {
			return answer(d.Engine.Emergencies(ctx, by(ctx), in.Before, in.Limit))
		})
	op(h, http.MethodGet, "/break-glass/enrolled", "enrolled", "What you may take by break-glass",
		func(ctx context.Context, in *struct{}) (*body[engine.Enrolment], error) {
			return answer(d.Engine.Enrolled(ctx, by(ctx)))
		})
	op(h, http.MethodPost, "/break-glass/{id}/review", "review-break-glass", "Review a use of break-glass, by somebody else who answers for it",
		func(ctx context.Context, in *InReview) (*body[access.Emergency], error) {
			v := in.Body
			if v.Emergency == "" {
				v.Emergency = in.ID
			}
			if v.Emergency != in.ID {
				return nil, huma.Error400BadRequest("the review is of another use than the path")
			}
			return answer(d.Engine.ReviewEmergency(ctx, by(ctx), v))
		})
}
