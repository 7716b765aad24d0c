package engine_test

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// Two replicas, one of which stands still right after it has read the clock: what the
// other does meanwhile is done before, and the log tells of it before. On SQLite no two
// write at once.
func TestTheLogTellsInTheOrderOfDeeds(t *testing.T) {
	t.Parallel()
	clock, dsn := &enginetest.Clock{}, enginetest.DSN(t, store.Postgres)
	clock.To(enginetest.Noon)
	tick := func() time.Time { clock.Pass(time.Millisecond); return clock.Now() }
	meanwhile := func() {}
	open := func(now func() time.Time) *enginetest.Fixture {
		return enginetest.Open(t, store.Postgres, func(o *enginetest.Options) { o.DSN, o.Key, o.Now = dsn, "order", now })
	}
	slow := open(func() time.Time {
		now := tick()
		do := meanwhile
		meanwhile = func() {}
		do()
		return now
	})
	quick := open(tick)
	r := slow.Ask("eve", ask("dir:root"))
	meanwhile = func() { quick.Approve("mia", r) }
	if r = slow.Approve("otto", r); r.State != access.Approved {
		t.Errorf("with both votes the request is %s", r.State)
	}
	slow.Work()
	slow.Check()
}
