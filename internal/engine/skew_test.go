package engine_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// behind is another replica on the fixture's database, whose clock is behind by that much.
func behind(t *testing.T, f *enginetest.Fixture, by time.Duration) *engine.Engine {
	t.Helper()
	c := f.Engine.Config
	c.Now = func() time.Time { return f.Now().Add(-by) }
	e, err := engine.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Replicas whose clocks differ take turns at one request and what comes of it. The log
// tells it in the order in which it was done, whatever ids and times say, also where
// batches end in between, and holds against the tables.
func TestOrderOfReplicasWhoseClocksDiffer(t *testing.T) {
	t.Parallel()
	for name, sequence := range map[string]bool{"all at once": false, "one by one": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := enginetest.Open(t, store.Postgres)
			now, late := f.Engine, behind(t, f, 3*time.Second)
			var done []string // kinds, as each replica was told it had done
			did := func(e *engine.Engine, err error, kinds ...string) {
				t.Helper()
				if err == nil && sequence {
					_, err = e.Sequence(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
				done = append(done, kinds...)
				f.Clock.Pass(200 * time.Millisecond)
			}
			// 1. Asked, edited, withdrawn and voted on by turns.
			r, err := now.Submit(t.Context(), f.As("eve"), ask("dir:wiki"))
			did(now, err, "request.submitted", "request.decided", "request.pending")
			r, err = late.Edit(t.Context(), f.As("eve"), r.ID, r.Digest, engine.Ask{Entitlements: []string{"dir:wiki"}, Reason: "another", Term: hour})
			did(late, err, "request.submitted", "request.decided", "request.pending")
			did(now, now.Comment(t.Context(), f.As("mia"), r.ID, "what for?"), "request.commented")
			did(late, late.Comment(t.Context(), f.As("eve"), r.ID, "this"), "request.commented")
			ballot := engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}
			r, err = late.Vote(t.Context(), f.As("mia"), ballot)
			did(late, err)
			// 2. Provisioned by one, ended by the other.
			f.Work()
			did(now, late.Revoke(t.Context(), f.As("sara"), r.Items[0].Grant, "incident"))
			f.Work()
			f.Advance(time.Minute)
			if _, err := now.Sequence(t.Context()); err != nil {
				t.Fatal(err)
			}
			// 3. The log.
			key := f.Signer.VerifierKey()
			if _, err := report.Replay(t.Context(), f.DB, key, nil); err != nil {
				t.Errorf("replay: %v", err)
			}
			var kinds, ids []string
			for _, ev := range f.Events(r.ID, r.Items[0].Grant, "") {
				var told access.Event
				if err := json.Unmarshal(ev.Body, &told); err != nil {
					t.Fatal(err)
				}
				kinds, ids = append(kinds, ev.Kind), append(ids, ev.ID)
			}
			if got := kinds[:min(len(kinds), len(done))]; !slices.Equal(got, done) {
				t.Errorf("the log tells %v\nand done was %v", got, done)
			}
			if slices.IsSorted(ids) {
				t.Error("the ids are in order by chance: the clocks did not differ enough to try anything")
			}
			f.Check()
		})
	}
}
