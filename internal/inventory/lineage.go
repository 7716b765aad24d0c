package inventory

import (
	"context"
	"fmt"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
)

// traces reads what everybody made, where the target remembers by whose hand
// things came to be without remembering when.
func (r *Reader) traces(ctx context.Context) error {
	target, can := connector.As[connector.Lineage](r.Connector)
	if !can {
		return nil
	}
	at := r.Now()
	list, err := target.Traces(ctx, nil)
	if err != nil {
		return err
	}
	return r.Door.Traced(ctx, r.System, at, traced(list))
}

// Lineage reads what the account of an assignment made, whose access is gone, by
// itself or as what it held, and tells the engine. It returns how much of it came
// while it held that.
func (r *Reader) Lineage(ctx context.Context, assignment string) (left int, err error) {
	target, can := connector.As[connector.Lineage](r.Connector)
	if !can {
		return 0, nil
	}
	a, err := r.Door.Assignment(ctx, assignment)
	if err != nil {
		return 0, fmt.Errorf("lineage at %s: %w", r.System, err)
	}
	at := r.Now()
	list, err := target.Traces(ctx, []string{a.Account, a.Object})
	if err != nil {
		return 0, fmt.Errorf("lineage of %s at %s: %w", a.Account, r.System, err)
	}
	left, err = r.Door.LeftBehind(ctx, assignment, at, traced(list))
	if err != nil {
		return 0, fmt.Errorf("lineage of %s at %s: %w", a.Account, r.System, err)
	}
	r.Log.InfoContext(ctx, "lineage", "system", r.System, "assignment", assignment, "traces", len(list), "left", left)
	return left, nil
}

func traced(list []connector.Trace) []engine.TraceSeen {
	seen := make([]engine.TraceSeen, len(list))
	for i, t := range list {
		seen[i] = engine.TraceSeen{By: t.By, What: t.What, At: t.At}
	}
	return seen
}
