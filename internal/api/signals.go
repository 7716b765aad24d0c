package api

import (
	"context"
	"net/http"
)

// InHeld is what becomes of what is held of a transmitter, and why.
type InHeld struct {
	Heed   bool   `json:"heed" doc:"true: what it says is done; false: it is dropped"`
	Reason string `json:"reason" maxLength:"4000"`
}

// Held is how many signals were decided.
type Held struct {
	Decided int `json:"decided"`
}

func (d *door) signals(h verbs) {
	op(h, http.MethodPost, "/signals/{id}/held", "decide-held-signals", "Decide what is held of a transmitter that ended too much at once",
		func(ctx context.Context, in *struct {
			InIdentity
			Body InHeld
		}) (*body[Held], error) {
			n, err := d.Engine.HeedHeld(ctx, by(ctx), in.ID, in.Body.Heed, in.Body.Reason)
			return answer(Held{n}, err)
		})
}
