package report_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// What feeds say, and whom that made, is as the log tells, whatever became of it since.
func TestReplayOfRecords(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		f.Change(func(c *enginetest.Company) {
			c.Feeds = []access.Feed{{ID: "hr", Kind: "csv", Identity: "user", Gives: access.FeedGives, Shrink: 10}}
		})
		ann := access.Record{Key: "1", User: "ann", End: f.Now().Add(time.Hour), Accounts: map[string]string{"dir": "ann"}, More: map[string]string{"badge": "7"}}
		for _, list := range [][]access.Record{{ann, {Key: "2", User: "bea"}, {Key: "3", User: "eve"}}, {ann}, {}, {ann, {Key: "4", User: "ann"}}} {
			f.Clock.Pass(time.Minute)
			if _, err := f.Engine.FeedRead(t.Context(), "hr", f.Now(), list); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := f.Engine.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rep, err := report.Replay(t.Context(), f.DB, f.Signer.VerifierKey(), nil); err != nil || rep.Rows < 6 {
			t.Errorf("%+v, %v", rep, err)
		}
		if err := f.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.ExecContext(t.Context(), `update feed_record set doc = replace(doc, '"ann"', '"sara"') where key = '1'`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := report.Replay(t.Context(), f.DB, f.Signer.VerifierKey(), nil); err == nil {
			t.Error("a record edited behind the engine's back was not seen")
		}
	})
}
