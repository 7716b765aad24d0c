package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/policy"
)

// InRequest names one request in the path.
type InRequest struct {
	ID string `path:"id" maxLength:"64"`
}

func (d *door) requests(h verbs) {
	op(h, http.MethodPost, "/requests", "submit", "Ask for access",
		func(ctx context.Context, in *struct {
			Key  string `header:"Idempotency-Key" maxLength:"200" doc:"the same key with the same content is the same request"`
			Body engine.Ask
		}) (*body[access.Request], error) {
			if in.Body.Reference == "" {
				in.Body.Reference = in.Key
			}
			return answer(d.Engine.Submit(ctx, by(ctx), in.Body))
		})
	op(h, http.MethodPost, "/preview", "preview", "What policy would say to an ask",
		func(ctx context.Context, in *struct{ Body engine.Ask }) (*body[[]access.Item], error) {
			return answer(d.Engine.Preview(ctx, by(ctx), in.Body))
		})
	op(h, http.MethodGet, "/requests/{id}", "show-request", "A request and what came of it",
		func(ctx context.Context, in *InRequest) (*body[engine.Story], error) {
			return answer(d.Engine.Show(ctx, by(ctx), in.ID))
		})
	op(h, http.MethodPut, "/requests/{id}", "edit", "A new revision; approvals are void",
		func(ctx context.Context, in *struct {
			InRequest
			Digest string `query:"digest" required:"true" doc:"of the revision you have read"`
			Body   engine.Ask
		}) (*body[access.Request], error) {
			return answer(d.Engine.Edit(ctx, by(ctx), in.ID, in.Digest, in.Body))
		})
	op(h, http.MethodPost, "/requests/{id}/cancel", "cancel", "Take a request back",
		func(ctx context.Context, in *struct {
			InRequest
			Body note
		}) (*done, error) {
			return nothing(d.Engine.Cancel(ctx, by(ctx), in.ID, in.Body.Note))
		})
	op(h, http.MethodPost, "/requests/{id}/comments", "comment", "Add a remark; it decides nothing",
		func(ctx context.Context, in *struct {
			InRequest
			Body note
		}) (*done, error) {
			return nothing(d.Engine.Comment(ctx, by(ctx), in.ID, in.Body.Note))
		})
	op(h, http.MethodGet, "/requests/{id}/explain", "explain", "Which rules decide, and which facts they read",
		func(ctx context.Context, in *struct {
			InRequest
			Entitlement string `query:"entitlement"`
			Question    string `query:"question" enum:"request,approve,hold,view" default:"request"`
			Voter       string `query:"voter" doc:"of approve: the voter; of view: the viewer"`
			Stage       string `query:"stage"`
		}) (*body[policy.Explanation], error) {
			return answer(d.Engine.Explain(ctx, by(ctx), in.ID, in.Entitlement, in.Question, in.Voter, in.Stage))
		})
}

// note is one remark or reason.
type note struct {
	Note string `json:"note,omitempty" maxLength:"4000"`
}

func (d *door) votes(h verbs) {
	op(h, http.MethodPost, "/requests/{id}/votes", "vote", "Approve or deny one revision",
		func(ctx context.Context, in *struct {
			InRequest
			Body engine.Ballot
		}) (*body[access.Request], error) {
			if in.Body.Request == "" {
				in.Body.Request = in.ID
			}
			if in.Body.Request != in.ID {
				return nil, huma.Error400BadRequest("the ballot is for another request than the path")
			}
			return answer(d.Engine.Vote(ctx, by(ctx), in.Body))
		})
	op(h, http.MethodDelete, "/requests/{id}/votes/{vote}", "withdraw", "Take back a vote that has not led to a grant",
		func(ctx context.Context, in *struct {
			InRequest
			Vote string `path:"vote" maxLength:"64"`
		}) (*done, error) {
			return nothing(d.Engine.Withdraw(ctx, by(ctx), in.ID, in.Vote))
		})
}
