package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// of is a request of somebody.
func of(id, who string) access.Request {
	r := request(id)
	r.Requester, r.Beneficiary = who, who
	return r
}

// twoAtOnce runs one transaction, and another to its end in the middle of its first try.
func twoAtOnce(t *testing.T, db *DB, first, second Manner, one, before, other func(ctx context.Context, tx *Tx) error) (tries int) {
	t.Helper()
	ctx := t.Context()
	must(t, db.WriteIn(ctx, first, func(tx *Tx) error {
		if tries++; before != nil {
			if err := before(ctx, tx); err != nil {
				return err
			}
		}
		if tries == 1 {
			if err := db.WriteIn(ctx, second, func(tx *Tx) error { return other(ctx, tx) }); err != nil {
				return err
			}
		}
		return one(ctx, tx)
	}))
	return tries
}

// Of two transactions that read or write the requests or grants of one identity the one
// that ends second begins anew and sees the first; others are no matter to each other,
// though they read and write the same pages.
func TestNotedTransactions(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		first, second      Manner
		before, one, other func(ctx context.Context, tx *Tx) error
		tries              int
		known              string // of whom something was noted before
	}{
		"two people's requests":        {first: Noted, second: Noted, before: countsOpen("ann"), one: adds("rq-a", "ann"), other: adds("rq-b", "ben"), tries: 1},
		"one person's requests":        {first: Noted, second: Noted, before: countsOpen("ann"), one: adds("rq-a", "ann"), other: adds("rq-b", "ann"), tries: 2},
		"what is pending for somebody": {first: Noted, second: Noted, before: pendingFor("ann"), one: adds("rq-a", "ben"), other: adds("rq-b", "ann"), tries: 2},
		"somebody's grants":            {first: Noted, second: Noted, before: grantsOf("ann", "bob"), one: adds("rq-a", "ann"), other: grants("bob"), tries: 2},
		"others' grants":               {first: Noted, second: Noted, before: grantsOf("ann"), one: adds("rq-a", "ann"), other: grants("bob"), tries: 1},
		"a reference": {first: Noted, second: Noted, before: func(ctx context.Context, tx *Tx) error {
			_, err := tx.RequestByReference(ctx, "api", "ann", "ref-rq-b")
			return found(err)
		}, one: adds("rq-a", "ben"), other: adds("rq-b", "ann"), tries: 2},
		"beside, reading what is written": {first: Beside, second: Noted, before: grantsOf("bob"), one: nothing, other: grants("bob"), tries: 2},
		"beside, reading anew":            {first: Beside, second: Noted, before: grantsOf("new"), one: nothing, other: adds("rq-b", "new"), tries: 2},
		"beside, writing what is read":    {first: Beside, second: Noted, before: nothing, one: ends("gr-1"), other: readsToo("bob"), tries: 2},
		"reading what beside has written": {first: Noted, second: Beside, before: grantsOf("bob"), one: adds("rq-a", "ann"), other: ends("gr-1"), tries: 2},
		"both beside, both reading":       {first: Beside, second: Beside, before: grantsOf("bob"), one: nothing, other: readsToo("bob"), tries: 1, known: "bob"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			db := open(t, Postgres)
			base(t, db)
			if c.known != "" { // or both would write that they read
				must(t, db.WriteIn(t.Context(), Beside, func(tx *Tx) error { return grantsOf(c.known)(t.Context(), tx) }))
			}
			if tries := twoAtOnce(t, db, c.first, c.second, c.one, c.before, c.other); tries != c.tries {
				t.Errorf("%d tries, want %d", tries, c.tries)
			}
		})
	}
}

func nothing(context.Context, *Tx) error { return nil }

func found(err error) error {
	if errors.Is(err, access.ErrNotFound) {
		return nil
	}
	return err
}

func adds(id, who string) func(context.Context, *Tx) error {
	return func(ctx context.Context, tx *Tx) error { return tx.AddRequest(ctx, of(id, who)) }
}

func countsOpen(who string) func(context.Context, *Tx) error {
	return func(ctx context.Context, tx *Tx) error { _, err := tx.CountOpen(ctx, who); return err }
}

func pendingFor(who ...string) func(context.Context, *Tx) error {
	return func(ctx context.Context, tx *Tx) error { _, err := tx.PendingFor(ctx, who); return err }
}

func grantsOf(who ...string) func(context.Context, *Tx) error {
	return func(ctx context.Context, tx *Tx) error {
		_, err := tx.GrantsOf(ctx, who, true, "", 10)
		return err
	}
}

func readsToo(who string) func(context.Context, *Tx) error { return grantsOf(who) }

func grants(who string) func(context.Context, *Tx) error {
	return func(ctx context.Context, tx *Tx) error {
		g := grant("gr-2", "rq-1", "as-1")
		g.Identity = who
		return tx.AddGrant(ctx, g)
	}
}

func ends(id string) func(context.Context, *Tx) error {
	return func(ctx context.Context, tx *Tx) error {
		g, err := tx.Grant(ctx, id)
		if err != nil {
			return err
		}
		was := g.State
		g.State, g.EndedAt, g.Ended = access.Ended, noon, access.EndRevoked
		return tx.SaveGrant(ctx, was, g)
	}
}

// A transaction that is apart begins when no noted one is under way, and sees what those
// did; meanwhile none begins.
func TestApartWaitsForNoted(t *testing.T) {
	t.Parallel()
	db := open(t, Postgres)
	ctx := t.Context()
	began, ended := make(chan struct{}), make(chan error, 1)
	seen := -1
	must(t, db.WriteIn(ctx, Noted, func(tx *Tx) error {
		go func() {
			close(began)
			ended <- db.WriteIn(ctx, Apart, func(tx *Tx) (err error) {
				seen, err = tx.CountOpen(ctx, "ann")
				return err
			})
		}()
		<-began
		for waiting := 0; waiting == 0; { // until it stands at the gate
			must(t, db.read.QueryRowContext(ctx, "select count(*) from pg_locks where relation = 'gate'::regclass and database = (select oid from pg_database where datname = current_database()) and not granted").Scan(&waiting))
		}
		return tx.AddRequest(ctx, of("rq-a", "ann"))
	}))
	if err := <-ended; err != nil || seen != 1 {
		t.Errorf("it saw %d requests: %v", seen, err)
	}
}

// Where every connection is taken, whoever wants one is told so and does not wait for ever.
func TestEveryConnectionIsTaken(t *testing.T) {
	t.Parallel()
	db := open(t, Postgres)
	var hold func(n int) error
	hold = func(n int) error {
		return db.Read(t.Context(), func(*Tx) error {
			if n > 1 {
				return hold(n - 1)
			}
			db.connectedWithin = 20 * time.Millisecond // no longer: to open one may take as long
			err := db.Write(t.Context(), func(*Tx) error { return nil })
			if !errors.Is(err, access.ErrUnavailable) {
				t.Errorf("with no connection left: %v", err)
			}
			return nil
		})
	}
	must(t, hold(int(db.pool.Config().MaxConns)))
	db.connectedWithin = connectedWithin
	must(t, write(t, db, func(context.Context, *Tx) error { return nil }))
}

// Whoever loses to somebody quicker each time is alone in the end, and done.
func TestALoserIsAloneInTheEnd(t *testing.T) {
	t.Parallel()
	for _, m := range []Manner{Serial, Apart, Beside, Noted} {
		t.Run(fmt.Sprint(m), func(t *testing.T) {
			t.Parallel()
			db := open(t, Postgres)
			var rivals sync.WaitGroup
			tries, alone := 0, false
			must(t, db.WriteIn(t.Context(), m, func(tx *Tx) error {
				tries++
				done := make(chan error, 1)
				rivals.Go(func() { done <- write(t, db, counts) })
				alone = !endedFirst(t, db, done)
				return counts(t.Context(), tx)
			}))
			rivals.Wait()
			if !alone || tries != aloneAfter+1 {
				t.Errorf("done at try %d, alone: %v", tries, alone)
			}
		})
	}
}

// counts changes a row that all who count change.
func counts(ctx context.Context, tx *Tx) error {
	_, err := tx.ExecContext(ctx, `insert into touched (identity, times) values ('all', 1) on conflict (identity) do update set times = touched.times + 1`)
	return err
}

// endedFirst waits until a rival has ended, or stands at the gate.
func endedFirst(t *testing.T, db *DB, done <-chan error) bool {
	t.Helper()
	for {
		select {
		case err := <-done:
			must(t, err)
			return true
		default:
		}
		waiting := 0
		must(t, db.read.QueryRowContext(t.Context(), "select count(*) from pg_locks where relation = 'gate'::regclass and database = (select oid from pg_database where datname = current_database()) and not granted").Scan(&waiting))
		if waiting > 0 {
			return false
		}
	}
}

// Nobody is alone beside somebody who writes for long: who would be tries as the others do.
func TestNobodyIsAloneForLong(t *testing.T) {
	t.Parallel()
	db := open(t, Postgres)
	var rivals sync.WaitGroup
	tries := 0
	must(t, db.WriteIn(t.Context(), Serial, func(*Tx) error { // this one goes on, whatever happens
		return db.WriteIn(t.Context(), Beside, func(tx *Tx) error {
			if tries++; tries <= aloneAfter {
				done := make(chan error, 1)
				rivals.Go(func() { done <- write(t, db, counts) })
				if !endedFirst(t, db, done) {
					t.Error("alone beside another")
				}
			}
			return counts(t.Context(), tx)
		})
	}))
	if rivals.Wait(); tries != aloneAfter+1 {
		t.Errorf("%d tries", tries)
	}
}

// No transaction has its number before it sees what it sees: the log tells of deeds in the
// order of those numbers.
func TestNoNumberBeforeTheFirstWrite(t *testing.T) {
	t.Parallel()
	db := open(t, Postgres)
	for _, m := range []Manner{Serial, Apart, Beside, Noted} {
		for _, alone := range []bool{false, true} {
			must(t, db.once(t.Context(), db.write, nil, func(tx *Tx) error {
				tx.manner = m
				return errors.Join(tx.begun(t.Context(), alone), tx.numbered(t, fmt.Sprint(m, alone)))
			}))
		}
	}
}

func (tx *Tx) numbered(t *testing.T, what string) error {
	t.Helper()
	var is bool
	err := tx.QueryRowContext(t.Context(), "select pg_current_xact_id_if_assigned() is not null").Scan(&is)
	if is {
		t.Errorf("%s: it has its number already", what)
	}
	return err
}
