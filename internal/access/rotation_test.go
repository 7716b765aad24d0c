package access_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lessor-iam/lessor/internal/access"
)

var everyDay = []time.Weekday{0, 1, 2, 3, 4, 5, 6}

// A rotation begins in no blackout, and so that its overlap ends in none; over the
// change of the clocks too.
func TestBegin(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	work := access.Blackout{Days: []time.Weekday{1, 2, 3, 4, 5}, From: 8 * time.Hour, To: 18 * time.Hour, Zone: berlin}
	night := access.Blackout{Days: []time.Weekday{5}, From: 22 * time.Hour, To: 4 * time.Hour, Zone: time.UTC}
	day := func(d, h, m int) time.Time { return time.Date(2026, 3, d, h, m, 0, 0, time.UTC) } // 2 March 2026 is a Monday; the 29th has 23 hours there
	for _, c := range []struct {
		from, want time.Time
		overlap    time.Duration
		in         []access.Blackout
	}{
		{day(2, 12, 0), day(2, 12, 0), 0, nil},
		{day(2, 12, 0), day(2, 17, 0), 0, []access.Blackout{work}},
		{day(30, 12, 0), day(30, 16, 0), 0, []access.Blackout{work}},
		{day(2, 6, 0), day(2, 6, 0), time.Hour / 2, []access.Blackout{work}},
		{day(2, 6, 0), day(2, 17, 0), 4 * time.Hour, []access.Blackout{work}},
		{day(7, 3, 59), day(7, 4, 0), 0, []access.Blackout{night}},
		{day(7, 22, 0), day(7, 22, 0), 0, []access.Blackout{night}},
		{day(6, 21, 0), day(7, 4, 0), 2 * time.Hour, []access.Blackout{night}},
	} {
		p := access.CredentialPlan{ID: "p", Overlap: access.Term(c.overlap), Blackouts: c.in}
		if at, ok := p.Begin(c.from); !ok || !at.Equal(c.want) {
			t.Errorf("from %s with an overlap of %s: %s %t, want %s", c.from, c.overlap, at, ok, c.want)
		}
	}
	p := access.CredentialPlan{Blackouts: []access.Blackout{{Days: everyDay, To: 24 * time.Hour, Zone: time.UTC}}}
	if at, ok := p.Begin(day(2, 0, 0)); ok {
		t.Errorf("no moment is clear, and %s is", at)
	}
}

// Jitter makes it earlier, never later than its interval, and is the same whoever asks.
func TestNextIsNeverLater(t *testing.T) {
	t.Parallel()
	spread := map[time.Time]bool{}
	for generation := range int64(40) {
		p := access.CredentialPlan{ID: "p", Every: access.Term(24 * time.Hour), Jitter: access.Term(6 * time.Hour)}
		at := p.Next(noon, generation)
		if at.After(noon.Add(24*time.Hour)) || at.Before(noon.Add(18*time.Hour)) || !at.Equal(p.Next(noon, generation)) {
			t.Errorf("generation %d: %s", generation, at)
		}
		spread[at] = true
	}
	if len(spread) < 30 {
		t.Errorf("only %d different moments", len(spread))
	}
}

// What ends by itself before its interval is over is made anew before that, however short its life.
func TestDueBeforeItsOwnEnd(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	p := access.CredentialPlan{ID: "p", Every: access.Term(30 * day), Overlap: access.Term(2 * day)}
	for _, row := range []struct{ lasts, due time.Duration }{
		{0, 30 * day},        // no end of its own
		{60 * day, 30 * day}, // the interval is over long before
		{33 * day, 27*day + 16*time.Hour + 48*time.Minute}, // a tenth of its life, and the overlap
		{10 * day, 7 * day},
		{200 * day, 30 * day},
		{3 * day, 36 * time.Hour}, // half of its life
		{time.Hour, 30 * time.Minute},
	} {
		var ends time.Time
		if row.lasts > 0 {
			ends = noon.Add(row.lasts)
		}
		if got := p.Due(noon, ends, 1); !got.Equal(noon.Add(row.due)) {
			t.Errorf("lasts %s: due after %s, not %s", row.lasts, got.Sub(noon), row.due)
		}
	}
	if p.Due(noon, noon.Add(-time.Hour), 1) != p.Next(noon, 1) {
		t.Error("an end before it was made")
	}
}

// Whatever happens to a rotation in whatever order, it moves as its machine lets it,
// says so in an event, and is never over with an old one alive.
func TestRotationMoves(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := noon
		r := access.Rotation{ID: "ro-1", State: access.RotationDue, Generation: 2, Cause: rapid.SampledFrom([]access.RotationCause{access.CauseScheduled,
			access.CauseCompromised, access.CauseRetired}).Draw(t, "cause"), Overlap: access.Term(time.Minute), Olds: []access.OldCredential{{Generation: 1, Native: "n"}}}
		r.Renew = r.Cause != access.CauseRetired
		chosen := rapid.Bool().Draw(t, "chosen")
		for range 12 {
			now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "passes")) * time.Second)
			var next access.Rotation
			var ev access.Event
			var err error
			switch rapid.IntRange(0, 8).Draw(t, "what") {
			case 0:
				next, ev, err = r.Begin(now, chosen, 0)
			case 1:
				next, ev, err = r.IssuedAs(now, "new", time.Time{})
			case 2:
				next, ev, err = r.DeliveredAt(now)
			case 3:
				next, ev, err = r.Lost(now, r.Generation, "lost")
			case 4:
				var moved bool
				if next, ev, moved, err = r.Tick(now); !moved {
					continue
				}
			case 5:
				next, ev, err = r.KilledAt(now)
			case 6:
				next, ev = r.Proved(now, 0, "tried")
			case 7:
				next, ev, err = r.Finish(now)
			case 8:
				next, _, ev, err = r.Drop(now, access.Clock, "ro-2")
			}
			if err != nil {
				if !errors.Is(err, access.ErrIllegalMove) {
					t.Fatal(err)
				}
				continue
			}
			if ev.From != string(r.State) || ev.To != string(next.State) || ev.Rotation != r.ID || ev.At != now ||
				r.State != next.State && access.CheckMove(access.RotationMachine, r.State, next.State) != nil {
				t.Fatalf("%s > %s told as %+v", r.State, next.State, ev)
			}
			if (next.State == access.RotationDone || next.State == access.RotationDead) && (len(next.Alive()) > 0 || next.Renew != (next.State == access.RotationDone)) {
				t.Fatalf("over with an old one alive: %+v", next)
			}
			if next.State == access.RotationKilling && next.Renew && next.Cause != access.CauseCompromised && next.Delivered.IsZero() {
				t.Fatalf("kills the old one before the new one is delivered: %+v", next)
			}
			if r = next; r.State.Over() {
				return
			}
		}
	})
}
