package linear

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// history is one request, and what several people do about it at the same time.
type history struct {
	f       *enginetest.Fixture
	request string

	ticks atomic.Int64 // orders beginnings and ends of deeds
	mu    sync.Mutex
	ops   []porcupine.Operation
	known []string // digests, by revision, as far as anybody was told
	grant string   // its id, once anybody was told
	wrong []error
}

func begin(f *enginetest.Fixture) (*history, state) {
	r := f.Ask("eve", ask())
	h := &history{f: f, request: r.ID, known: []string{r.Digest}}
	return h, state{rev: 1, state: r.State, answerBy: r.AnswerBy.UnixMicro()}
}

func ask() engine.Ask {
	return engine.Ask{Entitlements: []string{"dir:root"}, Reason: "to do my work", Term: access.Term(term), AnswerWithin: access.Term(answerWithin)}
}

// do writes down one deed, with when it began and when it was over.
func (h *history) do(client int, d deed, do func(d *deed) (answer, error)) answer {
	call := h.ticks.Add(1)
	d.early = h.f.Now().UnixMicro()
	a, err := do(&d)
	d.late = h.f.Now().UnixMicro()
	end := h.ticks.Add(1)
	if a.what == "" {
		a.what = word(err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if a.what == "" {
		h.wrong = append(h.wrong, fmt.Errorf("%s: %w", d.verb, err))
	}
	h.ops = append(h.ops, porcupine.Operation{ClientId: client, Input: d, Call: call, Output: a, Return: end})
	return a
}

// word is what an error tells whoever asked; nothing: it is none of those that may be.
func word(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, access.ErrGone):
		return "gone"
	case errors.Is(err, access.ErrConflict):
		return "conflict"
	case errors.Is(err, access.ErrDenied):
		return "denied"
	}
	return ""
}

// revision picks the newest revision that anybody knows of, or now and then an older one.
func (h *history) revision(rnd *rand.Rand) (rev int, digest string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rev = len(h.known)
	if rnd.IntN(4) == 0 {
		rev = 1 + rnd.IntN(rev)
	}
	return rev, h.known[rev-1]
}

// told takes what a caller was told, for the others.
func (h *history) told(r access.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r.Revision == len(h.known)+1 {
		h.known = append(h.known, r.Digest)
	}
	for _, it := range r.Items {
		if it.Grant != "" {
			h.grant = it.Grant
		}
	}
}

func (h *history) granted() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.grant
}

func (h *history) edit(ctx context.Context, client int, rnd *rand.Rand) {
	rev, digest := h.revision(rnd)
	h.do(client, deed{verb: "edit", rev: rev}, func(*deed) (answer, error) {
		r, err := h.f.Engine.Edit(ctx, h.f.As("eve"), h.request, digest, ask())
		if err == nil {
			h.told(r)
		}
		return answer{rev: r.Revision, answerBy: r.AnswerBy.UnixMicro()}, err
	})
}

func (h *history) vote(ctx context.Context, client int, rnd *rand.Rand, who string) {
	rev, digest := h.revision(rnd)
	d := deed{verb: "vote", who: who, rev: rev, deny: rnd.IntN(12) == 0}
	h.do(client, d, func(*deed) (answer, error) {
		b := engine.Ballot{Request: h.request, Digest: digest, Verdict: access.Approve}
		if d.deny {
			b.Verdict = access.Deny
		}
		r, err := h.f.Engine.Vote(ctx, h.f.As(who), b)
		if err == nil {
			h.told(r)
		}
		return answer{state: r.State}, err
	})
}

func (h *history) cancel(ctx context.Context, client int) {
	h.do(client, deed{verb: "cancel"}, func(*deed) (answer, error) {
		return answer{}, h.f.Engine.Cancel(ctx, h.f.As("eve"), h.request, "")
	})
}

func (h *history) expire(ctx context.Context, client int) {
	h.do(client, deed{verb: "expire"}, func(*deed) (answer, error) {
		n, err := h.f.Engine.ExpireRequests(ctx)
		return answer{n: n}, err
	})
}

func (h *history) end(ctx context.Context, client int, revoke bool) {
	id := h.granted()
	if id == "" {
		h.read(ctx, client)
		h.lane(ctx, client)
		return
	}
	h.do(client, deed{verb: "end", deny: revoke}, func(*deed) (answer, error) {
		if revoke {
			return answer{}, h.f.Engine.Revoke(ctx, h.f.As("sara"), id, "incident")
		}
		return answer{}, h.f.Engine.Return(ctx, h.f.As("eve"), id, "")
	})
}

// lane claims, acts, looks and settles, as one of several would.
func (h *history) lane(ctx context.Context, client int) {
	holder, target := fmt.Sprintf("lane %d", client), h.f.Targets["dir"]
	var tasks []engine.Task
	h.do(client, deed{verb: "claim"}, func(*deed) (a answer, err error) {
		tasks, err = h.f.Engine.Claim(ctx, holder, "dir", 10)
		switch {
		case err != nil:
		case len(tasks) == 0:
			a.what = "nothing"
		case tasks[0].Want:
			a.what = "held"
		default:
			a.what = "absent"
		}
		return a, err
	})
	for _, t := range tasks {
		if t.Act && t.Want {
			target.Put(t.Account, t.Object)
		} else if t.Act {
			target.Take(t.Account, t.Object)
		}
		h.do(client, deed{verb: "settle"}, func(d *deed) (answer, error) {
			at := h.f.Now()
			d.looked, d.held = at.UnixMicro(), target.Holds(t.Account, t.Object)
			n, err := h.f.Engine.Settle(ctx, holder, []engine.Outcome{{Assignment: t.ID, Fence: t.Fence, Sent: t.Act, Answer: "ok",
				Looked: true, LookAt: at, Direct: d.held, Effective: d.held, Path: "memory"}})
			return answer{n: n}, err
		})
	}
}

// read looks at the request, its votes and its grant in one snapshot.
func (h *history) read(ctx context.Context, client int) answer {
	return h.do(client, deed{verb: "read"}, func(*deed) (a answer, err error) {
		err = h.f.DB.Read(ctx, func(tx *store.Tx) error {
			a = answer{}
			r, err := tx.Request(ctx, h.request)
			if err != nil {
				return err
			}
			h.told(r)
			votes, err := tx.Approvals(ctx, h.request)
			if err != nil {
				return err
			}
			grants, err := tx.GrantsFor(ctx, h.request)
			a.state, a.rev, a.answerBy = r.State, r.Revision, r.AnswerBy.UnixMicro()
			for _, v := range votes {
				if v.Counts(r) && v.Verdict == access.Approve {
					a.votes[slices.Index(approvers, v.Voter)] = true
				}
			}
			for _, g := range grants {
				a.n++
				a.grant, a.ended, a.end = g.State, g.Ended, g.End.UnixMicro()
			}
			return err
		})
		return a, err
	})
}

// part is what one person does in a history, in order.
func (h *history) part(ctx context.Context, client int, rnd *rand.Rand) {
	role := rnd.IntN(7)
	for range 1 + rnd.IntN(3) {
		switch role {
		case 0, 1:
			h.vote(ctx, client, rnd, approvers[role])
		case 2: // the requester
			if rnd.IntN(8) == 0 {
				h.cancel(ctx, client)
			} else {
				h.edit(ctx, client, rnd)
			}
		case 3: // time
			h.f.Clock.Pass([]time.Duration{time.Second, 20 * time.Minute, answerWithin, term + provision}[rnd.IntN(4)])
			h.expire(ctx, client)
		case 4:
			h.lane(ctx, client)
		case 5: // the holder
			h.end(ctx, client, false)
		case 6: // security, and a lane besides
			h.end(ctx, client, true)
			h.lane(ctx, client)
		}
	}
}

// play lets three to five people do their parts at once; most histories begin
// with one of two votes cast, so that there is soon a grant to contend for.
func (h *history) play(ctx context.Context, rnd *rand.Rand) {
	switch rnd.IntN(4) {
	case 0:
		h.vote(ctx, 0, rnd, "mia")
		h.vote(ctx, 0, rnd, "otto")
	case 1:
		h.vote(ctx, 0, rnd, approvers[rnd.IntN(2)])
	}
	var all sync.WaitGroup
	for client := range 3 + rnd.IntN(3) {
		own := rand.New(rand.NewPCG(rnd.Uint64(), uint64(client)))
		all.Go(func() { h.part(ctx, client+1, own) })
	}
	all.Wait()
	h.read(ctx, 0)
}

// check fails the test unless what happened could have happened one after the other.
func (h *history) check(t *testing.T, asked state, seed uint64) {
	t.Helper()
	switch result := porcupine.CheckOperationsTimeout(model(asked), h.ops, time.Minute); {
	case len(h.wrong) > 0:
		t.Errorf("history %d: %v", seed, h.wrong)
	case result == porcupine.Unknown:
		t.Errorf("history %d of %d deeds was not checked within a minute", seed, len(h.ops))
	case result == porcupine.Illegal:
		t.Errorf("history %d could not have happened one after the other:\n%s", seed, h)
	}
}

func (h *history) String() string {
	var b strings.Builder
	for _, op := range h.ops {
		fmt.Fprintf(&b, "%3d-%-3d client %d: %s\n", op.Call, op.Return, op.ClientId, describe(op.Input.(deed), op.Output.(answer)))
	}
	return b.String()
}

// rest ends what a history has left, and lets so much time pass that the next
// begins as if nothing had been.
func (h *history) rest(t *testing.T) {
	t.Helper()
	if _, err := h.f.Engine.ExpireRequests(t.Context()); err != nil {
		t.Fatal(err)
	}
	if id := h.granted(); id != "" && h.f.Grant(id).State != access.Ended {
		if err := h.f.Engine.Revoke(t.Context(), h.f.As("sara"), id, "over"); err != nil {
			t.Fatal(err)
		}
	}
	h.f.Clock.Pass(48 * time.Hour)
	if _, err := h.f.Engine.ExpireRequests(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.f.Work()
}

// often lets others run where a deed is half done.
func often(o *enginetest.Options) { o.Seam = func(string) { runtime.Gosched() } }
