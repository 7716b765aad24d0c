package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// longestKey bounds an Idempotency-Key.
const longestKey = 200

// selfRepeating may be sent again as they are: a preview does nothing, a reload
// reads what there is, and an ask under a key is the same request for good.
var selfRepeating = []string{"submit", "preview", "reload"}

// keyed tells whether a verb is done once under a key.
func keyed(method, id string) bool {
	return method != http.MethodGet && !slices.Contains(selfRepeating, id)
}

// keyParam is how the contract says so.
func keyParam(method, id string) []*huma.Param {
	if !keyed(method, id) {
		return nil
	}
	longest := longestKey
	return []*huma.Param{{Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: "string", MaxLength: &longest},
		Description: fmt.Sprintf("sent again with the same content within %s, it is not done again and the answer is the same; with other content it is a conflict", access.Term(engine.KeysKept))}}
}

// onceOf does a verb, once if whoever is at the door gave it a key.
func onceOf[I, O any](h verbs, ctx context.Context, id string, in *I, do func(context.Context, *I) (*O, error)) (*O, error) {
	key := keyAt(ctx)
	if len(key) > longestKey {
		return nil, fmt.Errorf("%w: Idempotency-Key is longer than %d bytes", access.ErrInvalid, longestKey)
	}
	// 1. The deed, with its key, in one transaction.
	ctx = engine.Once(ctx, key, access.Digest([]any{id, at(ctx).String(), in}))
	out, err := do(ctx, in)
	// 2. Done before: what was answered then.
	if was := (*engine.Repeated)(nil); errors.As(err, &was) {
		return answered[O](was)
	}
	// 3. What is answered now, for when it is sent again. If we stop before this is
	// stored, whoever sends it again is told that it was done.
	status, said := http.StatusOK, any(out)
	if err != nil {
		refusal, ours := problem(err)
		if ours {
			return out, err
		}
		status, said = http.StatusInternalServerError, refusal
		if known := huma.StatusError(nil); errors.As(refusal, &known) {
			status = known.GetStatus()
		}
	}
	text, bad := json.Marshal(said)
	if bad == nil {
		bad = h.answer(context.WithoutCancel(ctx), by(ctx), status, string(text))
	}
	if bad != nil {
		h.log.ErrorContext(ctx, "an answer is not kept", "verb", id, "by", by(ctx).Identity, "error", bad.Error())
	}
	return out, err
}

// answered repeats an answer.
func answered[O any](was *engine.Repeated) (*O, error) {
	switch {
	case was.Status == 0:
		return nil, was
	case was.Status >= 400:
		m := &huma.ErrorModel{}
		if err := json.Unmarshal([]byte(was.Body), m); err != nil {
			return nil, err
		}
		return nil, m
	}
	out := new(O)
	return out, json.Unmarshal([]byte(was.Body), out)
}
