package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// InConfirm says that those have left whose leaving a feed's brake holds.
type InConfirm struct {
	Feed string `path:"feed" maxLength:"64"`
	Body struct {
		Count  int    `json:"count" minimum:"1" doc:"how many, as whoever confirms has seen them"`
		Reason string `json:"reason"`
	}
}

// InDecide says which identity a held record is.
type InDecide struct {
	Feed string `path:"feed" maxLength:"64"`
	Body struct {
		Key    string `json:"key" minLength:"1" maxLength:"200"`
		Is     string `json:"is,omitempty" maxLength:"64" doc:"the identity that it is; left out: a new one"`
		Reason string `json:"reason"`
	}
}

// HasLeft is how many have left.
type HasLeft struct {
	Left int `json:"left"`
}

func (d *door) feeds(h verbs) {
	op(h, http.MethodGet, "/feeds", "list-feeds", "What each feed of people has, for security and auditors",
		func(ctx context.Context, _ *struct{}) (*body[[]engine.FeedState], error) {
			return answer(d.Engine.FeedStates(ctx, by(ctx)))
		})
	op(h, http.MethodGet, "/feeds/{feed}/held", "list-held-records", "Records about which somebody must decide",
		func(ctx context.Context, in *struct {
			Feed    string `path:"feed" maxLength:"64"`
			Doubted bool   `query:"doubted" doc:"those whose leaving is not believed, instead of those that are no identity"`
			After   string `query:"after" maxLength:"200" doc:"keys above this one"`
			Limit   int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
		}) (*body[[]engine.HeldRecord], error) {
			return answer(d.Engine.FeedHeld(ctx, by(ctx), in.Feed, in.Doubted, in.After, in.Limit))
		})
	op(h, http.MethodPost, "/feeds/{feed}/read", "read-feed", "Have a feed read now, and not only when its time comes",
		func(ctx context.Context, in *struct {
			Feed string `path:"feed" maxLength:"64"`
		}) (*done, error) {
			return nothing(d.Engine.AskFeed(ctx, by(ctx), in.Feed))
		})
	op(h, http.MethodGet, "/feeds/{feed}/preview", "preview-feed", "Read a feed, and tell what would follow from it; nothing does",
		func(ctx context.Context, in *struct {
			Feed string `path:"feed" maxLength:"64"`
		}) (*body[engine.FeedPreview], error) {
			if err := d.Engine.MayReadFeed(ctx, by(ctx), in.Feed); err != nil {
				return nil, err
			}
			records, err := d.People(ctx, in.Feed)
			if err != nil { // what the outside says is for whoever mends it, and this is who asks
				return nil, fmt.Errorf("%w: feed %s could not be read whole: %w", access.ErrConflict, in.Feed, err)
			}
			return answer(d.Engine.PreviewFeed(ctx, by(ctx), in.Feed, records))
		})
	op(h, http.MethodPost, "/feeds/{feed}/confirm", "confirm-feed", "Say that those have left of whom it was not believed",
		func(ctx context.Context, in *InConfirm) (*body[HasLeft], error) {
			n, err := d.Engine.ConfirmFeed(ctx, by(ctx), in.Feed, in.Body.Count, in.Body.Reason)
			return answer(HasLeft{n}, err)
		})
	op(h, http.MethodPost, "/feeds/{feed}/decide", "decide-record", "Say which identity a held record is",
		func(ctx context.Context, in *InDecide) (*body[engine.HeldRecord], error) {
			r, err := d.Engine.DecideRecord(ctx, by(ctx), in.Feed, in.Body.Key, in.Body.Is, in.Body.Reason)
			return answer(heldRecord(r), err)
		})
}

func heldRecord(r access.Record) engine.HeldRecord {
	return engine.HeldRecord{Feed: r.Feed, Key: r.Key, User: r.User, Name: r.Name, Identity: r.Identity, Kind: r.Held, Why: r.Why, Since: r.Said}
}
