// Package move carries a whole database from SQLite to PostgreSQL: every row to the
// type, the log letter by letter, and the work that is not done. It decides nothing
// and reads no noun: a row is a row.
//
//	copy ahead, the server working -> wait until it stops -> carry over what differs
//	-> compare everything -> leave the one -> let the other be served
//
// Wherever it stops, at most one of the two can be served: the target from the first
// row on is not, until the last step; the source from the last but one on is not. To
// stop before that leaves the source as it was, and the target to be filled anew; to
// stop between the last two, and the same command finishes it.
package move

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Config is what is moved where. Every field is needed.
type Config struct {
	From, To string // "sqlite:PATH", a "postgres://" URL
	Now      func() time.Time
	Wait     time.Duration                 // how long the server of the source may take to stop
	Say      func(format string, a ...any) // how far it has come, for people
	Seam     func(step string)             // nil, or told between steps: tests stop there
}

// Moved is what was done.
type Moved struct {
	Ahead   int64         `json:"copied_ahead"`  // rows copied while the server worked
	Carried int64         `json:"carried_over"`  // rows that had changed meanwhile
	Jobs    int64         `json:"jobs"`          // background work that is not done
	Events  int64         `json:"events"`        // that the log has
	Stopped time.Duration `json:"stopped_nanos"` // from having the source alone until the target could be served
}

// mover is one move under way.
type mover struct {
	Config
	token   string
	to      *store.DB
	settled store.Settled // of the source, when it was copied ahead
	moved   Moved
}

// Run moves a database.
func Run(ctx context.Context, c Config) (moved Moved, err error) {
	if !strings.HasPrefix(c.From, "sqlite:") || strings.HasPrefix(c.To, "sqlite:") {
		return moved, fmt.Errorf("%w: a move is from sqlite:PATH to a postgres:// URL", access.ErrInvalid)
	}
	if c.Seam == nil {
		c.Seam = func(string) {}
	}
	m := &mover{Config: c, token: rand.Text()}
	// 1. The target, alone, and empty or left behind by a move that did not come to its end.
	if m.to, err = store.OpenToFill(ctx, c.To); err != nil {
		return moved, fmt.Errorf("the target: %w", err)
	}
	defer func() { err = errors.Join(err, m.to.Close()) }()
	release, err := m.to.Alone(ctx)
	if err != nil {
		return moved, fmt.Errorf("the target: %w", err)
	}
	defer release()
	done, err := m.begin(ctx)
	if err != nil || done {
		return m.moved, err
	}
	c.Seam("begun")
	// 2. What there is, while the server goes on.
	if err := m.ahead(ctx); err != nil {
		return m.moved, fmt.Errorf("copy ahead: %w", err)
	}
	c.Seam("copied ahead")
	// 3. From here on nobody serves the source; what falls due waits for the target.
	from, err := m.alone(ctx)
	if err != nil {
		return m.moved, err
	}
	began := c.Now()
	defer func() { err = errors.Join(err, from.Close()) }()
	if err := m.carry(ctx, from); err != nil {
		return m.moved, fmt.Errorf("carry over: %w", err)
	}
	c.Seam("carried over")
	// 4. Only what was compared counts.
	if err := m.compare(ctx, from); err != nil {
		return m.moved, fmt.Errorf("compare: %w", err)
	}
	c.Seam("compared")
	// 5. The source is left before the target is served: never can both be.
	err = m.handOver(ctx, from)
	m.moved.Stopped = c.Now().Sub(began)
	return m.moved, err
}

// begin marks the target as not to be served. done says that there is nothing left
// to do: the move came to its end before, or its last step was all it lacked.
func (m *mover) begin(ctx context.Context) (done bool, err error) {
	source, err := look(ctx, m.From)
	if err != nil {
		return false, fmt.Errorf("the source: %w", err)
	}
	err = m.to.Write(ctx, func(tx *store.Tx) error {
		here, moving, err := tx.Moving(ctx)
		if err != nil {
			return err
		}
		filled, err := tx.Filled(ctx)
		switch {
		case err != nil:
			return err
		case source.State == store.Left && moving && here.Token == source.Token:
			done = true
			return nil
		case source.State == store.Left:
			return fmt.Errorf("%w: the source was moved to %s on %s already", access.ErrGone, source.Other, source.At.Format(time.RFC3339))
		case !moving && filled != "":
			return fmt.Errorf("%w: the target is not empty: its table %s has rows; name an empty database", access.ErrConflict, filled)
		case moving && here.State == store.Left:
			return fmt.Errorf("%w: the target was itself moved to %s", access.ErrGone, here.Other)
		}
		if err := tx.Clear(ctx); err != nil {
			return err
		}
		return tx.SetMoving(ctx, store.Moving{State: store.Arriving, Token: m.token, Other: m.From, At: m.Now()})
	})
	if !done || err != nil {
		return false, err
	}
	m.Say("doing the last step of a move that had stopped")
	return true, m.to.EndMoving(ctx)
}

// look reads whether the source is as new as this program, and whether it was left.
func look(ctx context.Context, dsn string) (moving store.Moving, err error) {
	db, err := store.Inspect(ctx, dsn)
	if err != nil {
		return moving, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	has, newest, err := db.Version(ctx)
	if err != nil {
		return moving, err
	}
	if has != newest {
		return moving, fmt.Errorf("%w: its schema is at step %d and this program's at %d: start the server of this version on it once, or run lessor migrate", access.ErrConflict, has, newest)
	}
	err = db.Read(ctx, func(tx *store.Tx) error {
		moving, _, err = tx.Moving(ctx)
		return err
	})
	return moving, err
}

// ahead copies every table as it is at one moment. The server may be at work.
func (m *mover) ahead(ctx context.Context) (err error) {
	from, err := store.Inspect(ctx, m.From)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	return from.Read(ctx, func(read *store.Tx) error {
		if m.settled, err = read.SettledBy(ctx); err != nil {
			return err
		}
		for _, table := range store.Tables {
			var rows int64
			err := m.to.Write(ctx, func(tx *store.Tx) (err error) { rows, err = store.CopyTable(ctx, read, tx, table.Name); return err })
			if err != nil {
				return err
			}
			if m.moved.Ahead += rows; rows > 0 {
				m.Say("copied %d rows of %s", rows, table.Name)
			}
		}
		// What will not change any more is compared now, not while nobody is served.
		return m.to.Read(ctx, func(other *store.Tx) error {
			for _, table := range []string{"event", "receipt"} {
				if err := same(ctx, read, other, table, store.Settled{}); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// pollEvery is how often it is tried whether the source's server has stopped.
const pollEvery = 100 * time.Millisecond

// alone waits until no server has the source.
func (m *mover) alone(ctx context.Context) (*store.DB, error) {
	wait, cancel := context.WithTimeout(ctx, m.Wait)
	defer cancel()
	for told := false; ; {
		from, err := store.OpenToLeave(ctx, m.From)
		if err == nil || !errors.Is(err, access.ErrConflict) {
			return from, err
		}
		if !told {
			told = true
			m.Say("copied ahead: stop the server now; the rest is done as soon as it has stopped")
		}
		select {
		case <-wait.Done():
			return nil, fmt.Errorf("the server of the source did not stop within %s; nothing was changed there: %w", m.Wait, err)
		case <-time.After(pollEvery):
		}
	}
}

// most is how many rows are held at once.
const most = 1000

// carry brings the target to what the source is now: what is gone goes first, then
// what changed, then what is new, so that nothing is there twice in between.
func (m *mover) carry(ctx context.Context, from *store.DB) error {
	return from.Read(ctx, func(read *store.Tx) error {
		found := map[string]map[store.Difference]int64{}
		for i := len(store.Tables) - 1; i >= 0; i-- {
			table := store.Tables[i].Name
			n, err := m.mend(ctx, read, table, store.Extra)
			if err != nil {
				return err
			}
			found[table] = n
		}
		for _, table := range store.Tables {
			for _, kind := range []store.Difference{store.Changed, store.Missing} {
				if found[table.Name][kind] == 0 {
					continue
				}
				if _, err := m.mend(ctx, read, table.Name, kind); err != nil {
					return err
				}
			}
			for _, n := range found[table.Name] {
				m.moved.Carried += n
			}
		}
		return m.jobs(ctx, read)
	})
}

// mend removes one kind of difference of a table, and counts all kinds.
func (m *mover) mend(ctx context.Context, read *store.Tx, table string, kind store.Difference) (map[store.Difference]int64, error) {
	found := map[store.Difference]int64{}
	var rows [][]any
	flush := func() error {
		err := m.to.Write(ctx, func(tx *store.Tx) error {
			if kind == store.Extra {
				return tx.Take(ctx, table, rows)
			}
			return tx.Put(ctx, table, rows)
		})
		rows = rows[:0]
		return err
	}
	err := m.to.Read(ctx, func(other *store.Tx) error {
		return store.Differences(ctx, read, other, table, m.settled, func(d store.Difference, row []any) error {
			if found[d]++; d != kind {
				return nil
			}
			if rows = append(rows, row); len(rows) < most {
				return nil
			}
			return flush()
		})
	})
	if err == nil && len(rows) > 0 {
		err = flush()
	}
	return found, err
}

// jobs carries over the background work that is not done.
func (m *mover) jobs(ctx context.Context, read *store.Tx) error {
	return m.to.Write(ctx, func(tx *store.Tx) error {
		m.moved.Jobs = 0
		return read.Undone(ctx, func(row *store.Undone) error {
			m.moved.Jobs++
			return tx.EnqueueAgain(ctx, row)
		})
	})
}

// compare holds every table against the other's, row by row.
func (m *mover) compare(ctx context.Context, from *store.DB) error {
	return from.Read(ctx, func(read *store.Tx) error {
		return m.to.Read(ctx, func(other *store.Tx) error {
			for _, table := range store.Tables {
				if err := same(ctx, read, other, table.Name, m.settled); err != nil {
					return err
				}
				a, err := m.settled.Rows(ctx, read, table.Name)
				if err != nil {
					return err
				}
				b, err := m.settled.Rows(ctx, other, table.Name)
				if err != nil {
					return err
				}
				if a != b {
					return fmt.Errorf("table %s: %d rows that were to change no more are %d now: run it again with the server stopped", table.Name, b, a)
				}
			}
			total, waiting, err := read.CountEvents(ctx)
			m.moved.Events = total - waiting
			return err
		})
	})
}

func same(ctx context.Context, a, b *store.Tx, table string, s store.Settled) error {
	return store.Differences(ctx, a, b, table, s, func(d store.Difference, _ []any) error {
		return fmt.Errorf("table %s: a row is %s", table, d)
	})
}

// handOver leaves the source and lets the target be served. If we stop between the
// second and the third step nobody serves either; to run it again does the third.
func (m *mover) handOver(ctx context.Context, from *store.DB) error {
	at := m.Now()
	if err := m.to.Write(ctx, func(tx *store.Tx) error {
		return tx.SetMoving(ctx, store.Moving{State: store.Arrived, Token: m.token, Other: m.From, At: at})
	}); err != nil {
		return err
	}
	m.Seam("arrived")
	if err := from.Write(ctx, func(tx *store.Tx) error {
		return tx.SetMoving(ctx, store.Moving{State: store.Left, Token: m.token, Other: named(m.To), At: at})
	}); err != nil {
		return err
	}
	m.Seam("left")
	return m.to.EndMoving(ctx)
}

// named is a database's URL without what lets somebody in.
func named(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return "a PostgreSQL database"
	}
	return u.Scheme + "://" + u.Host + u.Path
}
