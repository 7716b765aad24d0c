package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// InRemedy says how the finding in the path is settled.
type InRemedy struct {
	ID   string `path:"id" maxLength:"64"`
	Body engine.Remedy
}

// remedy is for the finding in the path and no other.
func (in InRemedy) remedy() (engine.Remedy, error) {
	m := in.Body
	if m.Finding == "" {
		m.Finding = in.ID
	}
	if m.Finding != in.ID {
		return m, huma.Error400BadRequest("the remedy is for another finding than the path")
	}
	return m, nil
}

// Removing is how many holdings are being removed.
type Removing struct {
	Removing int `json:"removing" doc:"holdings handed to the reconciler; they are gone when they are seen gone"`
}

func (d *door) findings(h verbs) {
	op(h, http.MethodPost, "/findings/{id}/adopt", "adopt", "Ask for access that was found, on behalf of those who hold it",
		func(ctx context.Context, in *InRemedy) (*body[[]access.Request], error) {
			m, err := in.remedy()
			if err != nil {
				return nil, err
			}
			return answer(d.Engine.Adopt(ctx, by(ctx), m))
		})
	op(h, http.MethodPost, "/findings/{id}/remove", "remove", "Have access removed that nobody granted",
		func(ctx context.Context, in *InRemedy) (*body[Removing], error) {
			m, err := in.remedy()
			if err != nil {
				return nil, err
			}
			n, err := d.Engine.Remove(ctx, by(ctx), m)
			return answer(Removing{n}, err)
		})
	op(h, http.MethodPost, "/findings/{id}/accept", "accept", "Let be what was found, for a reason",
		func(ctx context.Context, in *InRemedy) (*done, error) {
			m, err := in.remedy()
			if err != nil {
				return nil, err
			}
			return nothing(d.Engine.Accept(ctx, by(ctx), m))
		})
}
