package api

import (
	"context"
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// InWorkloads says which workloads are listed.
type InWorkloads struct {
	Mine  bool   `query:"mine" doc:"only those you answer for"`
	Words string `query:"words" maxLength:"200" doc:"each in the id, the name, the owner, the purpose, or where it has an account"`
	Lacks string `query:"lacks" enum:"owner,purpose,use,rotation,end,review" doc:"only active ones of which that is not known"`
	After string `query:"after" maxLength:"64" doc:"the last one of the page before"`
	Limit int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

// WorkloadPage is a page of workloads.
type WorkloadPage struct {
	Workloads []engine.WorkloadLine `json:"workloads"`
	Next      string                `json:"next,omitempty" doc:"where it goes on, as after"`
}

// InWorkload names one.
type InWorkload struct {
	ID string `path:"id" maxLength:"64"`
}

// InWhy names one, and says why.
type InWhy struct {
	ID   string `path:"id" maxLength:"64"`
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"4000"`
	}
}

// InContract is another contract of a workload.
type InContract struct {
	ID   string `path:"id" maxLength:"64"`
	Body NewContract
}

// NewContract is a contract, and why it is another.
type NewContract struct {
	Contract access.Contract `json:"contract"`
	Reason   string          `json:"reason" maxLength:"4000"`
}

// Retired is how many grants ended with a workload.
type Retired struct {
	Ended int `json:"ended" doc:"grants that ended; they are gone when they are seen gone"`
}

func (d *door) workloads(h verbs) {
	op(h, http.MethodGet, "/workloads", "list-workloads", "Workloads and agents you may know of",
		func(ctx context.Context, in *InWorkloads) (*body[WorkloadPage], error) {
			list, more, err := d.Engine.Workloads(ctx, by(ctx), engine.WorkloadsSought{Mine: in.Mine, Words: in.Words, Lacks: in.Lacks, After: in.After}, in.Limit)
			p := WorkloadPage{Workloads: list}
			if more {
				p.Next = list[len(list)-1].Identity.ID
			}
			return answer(p, err)
		})
	op(h, http.MethodGet, "/workloads/{id}", "show-workload", "One workload with all that is known of it",
		func(ctx context.Context, in *InWorkload) (*body[engine.WorkloadStory], error) {
			return answer(d.Engine.Workload(ctx, by(ctx), in.ID))
		})
	op(h, http.MethodGet, "/workload-coverage", "workload-coverage", "Of how many workloads it is known what should be of all",
		func(ctx context.Context, in *struct {
			Mine bool `query:"mine" doc:"only those you answer for"`
		}) (*body[engine.Coverage], error) {
			return answer(d.Engine.WorkloadCoverage(ctx, by(ctx), in.Mine))
		})
	op(h, http.MethodPost, "/workloads", "register-workload", "Write a workload or an agent down, under a contract",
		func(ctx context.Context, in *struct{ Body engine.NewWorkload }) (*body[access.Registration], error) {
			return answer(d.Engine.RegisterWorkload(ctx, by(ctx), in.Body))
		})
	op(h, http.MethodPost, "/workloads/{id}/review", "review-workload", "Say that a workload's contract is still right",
		func(ctx context.Context, in *InWhy) (*done, error) {
			return nothing(d.Engine.ReviewWorkload(ctx, by(ctx), in.ID, in.Body.Reason))
		})
	op(h, http.MethodPost, "/workloads/{id}/contract", "change-contract", "Put another contract in the place of a workload's",
		func(ctx context.Context, in *InContract) (*done, error) {
			return nothing(d.Engine.ChangeContract(ctx, by(ctx), in.ID, in.Body.Contract, in.Body.Reason))
		})
	op(h, http.MethodPost, "/workloads/{id}/retire", "retire-workload", "End a workload, and all it was granted",
		func(ctx context.Context, in *InWhy) (*body[Retired], error) {
			n, err := d.Engine.RetireWorkload(ctx, by(ctx), in.ID, in.Body.Reason)
			return answer(Retired{n}, err)
		})
	op(h, http.MethodGet, "/registrations", "list-registrations", "Workloads that somebody proposes you to answer for",
		func(ctx context.Context, _ *struct{}) (*body[[]access.Registration], error) {
			return answer(d.Engine.WaitingWorkloads(ctx, by(ctx)))
		})
	op(h, http.MethodPost, "/registrations/{id}/accept", "accept-workload", "Answer for a workload from now on",
		func(ctx context.Context, in *InWorkload) (*body[access.Registration], error) {
			return answer(d.Engine.AcceptWorkload(ctx, by(ctx), in.ID))
		})
	op(h, http.MethodPost, "/registrations/{id}/decline", "decline-workload", "Refuse to answer for a workload, or take a proposal back",
		func(ctx context.Context, in *InWhy) (*done, error) {
			return nothing(d.Engine.DeclineWorkload(ctx, by(ctx), in.ID, in.Body.Reason))
		})
}
