package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Opened notes that the actor has a request laid open that they could answer, at
// this revision: how long approvers look before they answer is measured from
// here. The first moment stays. It decides nothing, and no event tells of it.
func (e *Engine) Opened(ctx context.Context, by access.Actor, request string) error {
	// 1. Most of the time it is known already, and nothing is written.
	var r access.Request
	known := false
	err := e.look(ctx, by, func(d *deed) (err error) {
		if r, err = d.visible(ctx, request); err != nil {
			return err
		}
		known, err = d.HasOpened(ctx, r.ID, r.Revision, d.world.Directory.PersonOf(by.Identity))
		return err
	})
	if err != nil || known || r.State != access.Pending {
		return err
	}
	// 2. The first time.
	return e.do(ctx, "opened", by, func(d *deed) error {
		mine, err := d.awaits(ctx, r)
		if err != nil || !mine {
			return err
		}
		return d.AddOpened(ctx, r.ID, r.Revision, d.world.Directory.PersonOf(by.Identity), d.now)
	})
}

// Remark is what somebody said about a request, apart from votes.
type Remark struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// remarks reads what was said about a request, oldest first.
func (d *deed) remarks(ctx context.Context, request string) (list []Remark, err error) {
	events, err := d.EventsOf(ctx, request, "request.commented")
	if err != nil {
		return nil, err
	}
	for _, ev := range events {
		var told access.Event
		if err := json.Unmarshal(ev.Body, &told); err != nil {
			return nil, fmt.Errorf("event %s: %w", ev.ID, err)
		}
		list = append(list, Remark{By: told.Actor.Identity, At: told.At, Text: told.Note})
	}
	return list, nil
}
