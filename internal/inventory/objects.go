package inventory

import (
	"context"
	"errors"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
)

// said reads what the target says of the objects. One that does not tell, or no
// longer, says nothing.
func (r *Reader) said(ctx context.Context, objects []string) error {
	at := r.Now()
	var seen []engine.ObjectSeen
	if target, can := connector.As[connector.Objects](r.Connector); can {
		err := target.Objects(ctx, objects, func(o connector.Object) error {
			seen = append(seen, engine.ObjectSeen{Object: o.Name, Description: o.Description, Powers: o.Powers, Why: o.Why})
			return nil
		})
		if errors.Is(err, errors.ErrUnsupported) {
			seen, err = nil, nil
		}
		if err != nil {
			return err
		}
	}
	drift, err := r.Door.ObservedObjects(ctx, r.System, at, seen)
	if err == nil && drift != (engine.ObjectDrift{}) {
		r.Log.InfoContext(ctx, "objects", "system", r.System, "objects", len(seen), "changed", drift.Changed, "gone", drift.Gone, "unsaid", drift.Unsaid)
	}
	return err
}
