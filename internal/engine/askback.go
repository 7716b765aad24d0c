package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

// askedBack tells who has to know of a remark on a pending request: whoever asked,
// when somebody remarks who could answer it, and those who have remarked, when
// whoever asked does. What was said stays at the request: a notice goes to places
// that not everybody who reads them may know it from.
func (d *deed) askedBack(ctx context.Context, r access.Request) error {
	if r.State != access.Pending {
		return nil
	}
	dir := d.world.Directory
	me, theirs := dir.PersonOf(d.by.Identity), dir.Hands(r.Requester)
	if !slices.Contains(theirs, me) {
		if may, err := d.awaits(ctx, r); err != nil || !may {
			return err
		}
		return d.notice(ctx, Notice{To: theirs, Subject: "asked back: request " + r.ID,
			Text: fmt.Sprintf("%s asks you something about request %s before answering it. It waits on, and time runs on: answer with a remark at the request.", d.by.Identity, r.ID)})
	}
	events, err := d.EventsOf(ctx, r.ID, "request.commented")
	if err != nil {
		return err
	}
	var askers []string
	for _, ev := range events {
		var of struct{ Actor access.Actor }
		if err := json.Unmarshal(ev.Body, &of); err != nil {
			return fmt.Errorf("event %s: %w", ev.ID, err)
		}
		who := of.Actor
		who.Channel = d.by.Channel
		if slices.Contains(theirs, dir.PersonOf(who.Identity)) || slices.Contains(askers, who.Identity) || !d.active(who.Identity) ||
			!d.world.Policy.MayView(dir, d.now, who, r).Allow { // by now it is not theirs to know of
			continue
		}
		askers = append(askers, who.Identity)
	}
	if len(askers) == 0 {
		return nil
	}
	return d.notice(ctx, Notice{To: askers, Subject: "answered: request " + r.ID,
		Text: fmt.Sprintf("%s has added a remark to request %s, on which you remarked. It waits for its answer.", d.by.Identity, r.ID)})
}
