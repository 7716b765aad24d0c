package api

import (
	"context"
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// InIdentity names one identity in the path.
type InIdentity struct {
	ID string `path:"id" maxLength:"200"`
}

// InReason is why, in a sentence.
type InReason struct {
	Reason string `json:"reason" maxLength:"4000"`
}

// InHandover names one handover in the path.
type InHandover struct {
	ID string `path:"id" maxLength:"64"`
}

// InOffer is to whom a handover is offered.
type InOffer struct {
	To   string `json:"to" minLength:"1" maxLength:"200"`
	Note string `json:"note,omitempty" maxLength:"4000"`
}

func (d *door) lifecycle(h verbs) {
	op(h, http.MethodGet, "/leavers/{id}", "leaving", "What somebody's leaving would end and force others to decide; after it, what is not seen gone yet",
		func(ctx context.Context, in *InIdentity) (*body[engine.Leaving], error) {
			return answer(d.Engine.Leaving(ctx, by(ctx), in.ID))
		})
	op(h, http.MethodPost, "/leavers/{id}", "leave", "Say that somebody has left: everything of theirs ends",
		func(ctx context.Context, in *struct {
			InIdentity
			Body InReason
		}) (*body[engine.Left], error) {
			return answer(d.Engine.Leave(ctx, by(ctx), in.ID, in.Body.Reason))
		})
	op(h, http.MethodPost, "/leavers/{id}/back", "rejoin", "Take back the word that somebody has left; nothing comes back with them",
		func(ctx context.Context, in *struct {
			InIdentity
			Body InReason
		}) (*done, error) {
			return nothing(d.Engine.Rejoin(ctx, by(ctx), in.ID, in.Body.Reason))
		})
	op(h, http.MethodGet, "/handovers", "list-handovers", "What leavers answered for and you are to decide; all of it, for security and auditors",
		func(ctx context.Context, in *struct {
			All     bool   `query:"all" doc:"everybody's, for security and auditors"`
			Decided bool   `query:"decided" doc:"those that are decided too"`
			Before  string `query:"before" maxLength:"64" doc:"ids below this one"`
			Limit   int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
		}) (*body[[]access.Handover], error) {
			list, err := d.Engine.Handovers(ctx, by(ctx), in.All, in.Decided, in.Before, in.Limit)
			if list == nil {
				list = []access.Handover{}
			}
			return answer(list, err)
		})
	op(h, http.MethodGet, "/handovers/{id}", "show-handover", "One handover",
		func(ctx context.Context, in *InHandover) (*body[access.Handover], error) {
			return answer(d.Engine.ShowHandover(ctx, by(ctx), in.ID))
		})
	op(h, http.MethodPost, "/handovers/{id}/offer", "offer-handover", "Offer it to somebody",
		func(ctx context.Context, in *struct {
			InHandover
			Body InOffer
		}) (*body[access.Handover], error) {
			return answer(d.Engine.OfferHandover(ctx, by(ctx), in.ID, in.Body.To, in.Body.Note))
		})
	for _, v := range []struct {
		name, summary string
		do            func(context.Context, access.Actor, string, string) (access.Handover, error)
	}{
		{"accept", "Take over what is offered to you", d.Engine.AcceptHandover},
		{"decline", "Decline what is offered to you", d.Engine.DeclineHandover},
		{"retire", "End what it is about instead of handing it over", d.Engine.RetireHandover},
	} {
		op(h, http.MethodPost, "/handovers/{id}/"+v.name, v.name+"-handover", v.summary,
			func(ctx context.Context, in *struct {
				InHandover
				Body note
			}) (*body[access.Handover], error) {
				return answer(v.do(ctx, by(ctx), in.ID, in.Body.Note))
			})
	}
}
