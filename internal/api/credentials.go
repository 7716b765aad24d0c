package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// InDeed says what is done to the credential in the path, and why.
type InDeed struct {
	ID   string `path:"id" maxLength:"200" doc:"the id of its plan, or as the inventory knows it"`
	Body engine.Deed
}

// deed is for the credential in the path and no other.
func (in InDeed) deed() (engine.Deed, error) {
	w := in.Body
	if w.Credential == "" {
		w.Credential = in.ID
	}
	if w.Credential != in.ID {
		return w, huma.Error400BadRequest("the deed is for another credential than the path")
	}
	return w, nil
}

func (d *door) credentials(h verbs) {
	op(h, http.MethodGet, "/credentials", "list-credentials", "Credentials you answer for or, for security and auditors, all: planned ones first, up to 1000",
		func(ctx context.Context, in *struct {
			System string `query:"system" maxLength:"200"`
		}) (*body[[]engine.CredentialKept], error) {
			return answer(d.Engine.CredentialsKept(ctx, by(ctx), in.System))
		})
	op(h, http.MethodGet, "/credentials/{id}", "show-credential", "One credential, its rotations, and what readings have seen of it; never its worth",
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"200"`
		}) (*body[engine.CredentialKept], error) {
			return answer(d.Engine.CredentialKept(ctx, by(ctx), in.ID))
		})
	for _, verb := range []struct {
		name, summary string
		do            func(context.Context, access.Actor, engine.Deed) (access.Rotation, error)
	}{
		{"rotate", "Have a credential made anew now, or as soon as no blackout holds it", d.Engine.Rotate},
		{"retire", "End a credential for good: killed and proved dead, and made no more", d.Engine.Retire},
		{"compromised", "Say that somebody else may have a credential: it is killed at once", d.Engine.Compromised},
	} {
		op(h, http.MethodPost, "/credentials/{id}/"+verb.name, verb.name, verb.summary,
			func(ctx context.Context, in *InDeed) (*body[access.Rotation], error) {
				w, err := in.deed()
				if err != nil {
					return nil, err
				}
				return answer(verb.do(ctx, by(ctx), w))
			})
	}
}
