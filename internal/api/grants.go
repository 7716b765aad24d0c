package api

import (
	"context"
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// InGrant names one grant in the path.
type InGrant struct {
	ID string `path:"id" maxLength:"64"`
}

// Sight is a grant beside reality, with the looks it rests on.
type Sight struct {
	engine.Holding
	Receipts []access.Receipt `json:"receipts"`
}

func (d *door) grants(h verbs) {
	op(h, http.MethodGet, "/grants/{id}", "show-grant", "One grant and the looks it rests on",
		func(ctx context.Context, in *InGrant) (*body[Sight], error) {
			holding, looks, err := d.Engine.Grant(ctx, by(ctx), in.ID)
			return answer(Sight{holding, looks}, err)
		})
	op(h, http.MethodPost, "/grants/{id}/return", "return", "Give a grant back",
		func(ctx context.Context, in *struct {
			InGrant
			Body note
		}) (*done, error) {
			return nothing(d.Engine.Return(ctx, by(ctx), in.ID, in.Body.Note))
		})
	op(h, http.MethodPost, "/grants/{id}/revoke", "revoke", "End somebody's grant, as its owner or security",
		func(ctx context.Context, in *struct {
			InGrant
			Body note
		}) (*done, error) {
			return nothing(d.Engine.Revoke(ctx, by(ctx), in.ID, in.Body.Note))
		})
	op(h, http.MethodGet, "/grants/{id}/evidence", "evidence", "A file that proves the grant's story offline",
		func(ctx context.Context, in *InGrant) (*file, error) {
			if _, _, err := d.Engine.Grant(ctx, by(ctx), in.ID); err != nil {
				return nil, err
			}
			bundle, err := d.Proof.Bundle(ctx, in.ID)
			if err != nil {
				return nil, err
			}
			return &file{"application/json", bundle}, nil
		})
}

// file is an answer sent byte for byte.
type file struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}
