package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lessor-iam/lessor/internal/access"
)

// Manner is how a transaction that writes keeps out of the way of others on PostgreSQL.
// SQLite has one writer, and knows no other manner than that.
//
// A serializable transaction of PostgreSQL locks what it has read, and of an index whole
// pages: everybody's requests of this week stand on the same few, and each submit reads
// and writes them, so that of all that were under way at one moment one got through.
// What a deed of one person really rests on is smaller: who else's requests and grants it
// has read. So a Noted transaction sees one snapshot and says, when it is over, whose
// requests and grants it has read or written, by a row for each identity, which it
// changes. PostgreSQL refuses whoever would change a row that somebody else has changed
// since the snapshot: of two that share an identity the second begins anew, and sees the
// first. What else a Noted transaction goes by must not change while it runs: whoever
// changes it is Apart, and the two kinds take turns at the gate.
//
//	         beside Noted             beside Apart, Beside, Serial
//	Noted    identities they share    (Apart) never at once; (Beside) identities they share
//	Apart    never at once            serializable
//	Beside   identities they share    serializable
//	Serial   has nothing to do        serializable
//	         with any of it
//
// Whoever has lost to others too often tries to be alone, whatever its manner: all others
// wait at the gate until it has ended, so that it cannot lose once more.
type Manner int

const (
	// Serial is serializable, and no Noted transaction reads what it writes by a rule, or
	// writes what it reads.
	Serial Manner = iota
	// Apart is serializable, and no Noted transaction runs meanwhile.
	Apart
	// Beside is serializable, and notes whose requests and grants it reads and writes. Two
	// that only read of one identity are no matter to each other.
	Beside
	// Noted notes the same, and is repeatable read. Whatever else it decides by only those
	// change that are Apart; whatever else it changes it presumes in the same statement.
	Noted
)

const (
	// frozenWithin is how long a transaction may do nothing while others may wait for it at
	// the gate: the process is frozen, or its machine is gone. PostgreSQL ends it then.
	frozenWithin = "10s"
	// aloneWithin is how long who would be alone waits for the others to end, for whoever
	// comes meanwhile waits too, removals among them.
	aloneWithin = "1s"
)

// opening is what a transaction begins with: its place at the gate, and only then what it
// sees. "lock table" fixes nothing of that. Beside and Serial pass the gate unless somebody
// is alone. None of the modes is "access exclusive": for that PostgreSQL gives the transaction
// its number before it waits (LogAccessExclusiveLockPrepare), and so before that of those it
// comes to read, and the log would tell of its deed before theirs ([Tx.Unsequenced]).
func (m Manner) opening(alone bool) string {
	place := "lock table gate in row share mode"
	switch {
	case alone:
		place = "set local lock_timeout = '" + aloneWithin + "'; lock table gate in exclusive mode; set local lock_timeout = 0"
	case m == Apart:
		place = "lock table gate in share mode"
	case m == Noted:
		place = "lock table gate in row exclusive mode"
	}
	return place + "; set local idle_in_transaction_session_timeout = '" + frozenWithin + "'; select 1"
}

// notes are whose requests and grants a transaction has read, and whose it has written.
type notes struct{ read, wrote map[string]bool }

func notesFor(d Dialect, m Manner) *notes {
	if d != Postgres || (m != Noted && m != Beside) {
		return nil
	}
	return &notes{read: map[string]bool{}, wrote: map[string]bool{}}
}

// reads notes of whom a statement asks, whether or not there is anything.
func (tx *Tx) reads(identities ...string) {
	if tx.notes != nil {
		for _, id := range identities {
			tx.notes.read[id] = true
		}
	}
}

// writes notes of whom something is written.
func (tx *Tx) writes(identities ...string) {
	if tx.notes != nil {
		for _, id := range identities {
			tx.notes.wrote[id] = true
		}
	}
}

// saw notes of whom a row is that was read.
func (tx *Tx) saw(row any) {
	switch r := row.(type) {
	case access.Request:
		tx.reads(r.Requester, r.Beneficiary)
	case access.Grant:
		tx.reads(r.Identity)
	}
}

// settleNotes changes a row for each identity, in order, so that no two wait for each
// other. It is the last that a transaction does: whoever waits waits for a commit.
func (tx *Tx) settleNotes(ctx context.Context) error {
	if tx.notes == nil {
		return nil
	}
	wrote, read := tx.notes.wrote, tx.notes.read
	if tx.manner == Noted {
		maps.Copy(wrote, read)
	}
	maps.DeleteFunc(read, func(id string, _ bool) bool { return wrote[id] })
	if err := tx.onlyRead(ctx, slices.Sorted(maps.Keys(read))); err != nil {
		return err
	}
	for batch := range chunks(slices.Sorted(maps.Keys(wrote))) {
		rows, args := touchedRows(batch)
		if _, err := tx.ExecContext(ctx, `insert into touched (identity, times) values `+rows+` on conflict (identity) do update set times = touched.times + 1`, args...); err != nil {
			return fmt.Errorf("note whose it was: %w", err)
		}
	}
	return nil
}

// onlyRead refuses if anything was written of these since the snapshot, and lets nobody
// write of them until the commit; others may read.
func (tx *Tx) onlyRead(ctx context.Context, identities []string) error {
	for batch := range chunks(identities) {
		rows, args := touchedRows(batch) // a row that is not there cannot be locked
		if _, err := tx.ExecContext(ctx, `insert into touched (identity, times) values `+rows+` on conflict (identity) do nothing`, args...); err != nil {
			return fmt.Errorf("note of whom it was read: %w", err)
		}
		marks, args := in(batch)
		if _, err := tx.ExecContext(ctx, `select 1 from touched where identity in (`+marks+`) order by identity for share`, args...); err != nil {
			return fmt.Errorf("note of whom it was read: %w", err)
		}
	}
	return nil
}

func touchedRows(identities []string) (rows string, args []any) {
	list := make([]string, len(identities))
	for i, id := range identities {
		list[i], args = fmt.Sprintf("($%d,1)", i+1), append(args, id)
	}
	return strings.Join(list, ","), args
}

// begun fixes what a transaction sees before anything is done in it. PostgreSQL fixes
// it with the first statement: whoever read the clock before that could see what others
// did later, and the log would tell of their deed after its own. SQLite's transactions
// that write begin with the lock. Whoever is alone begins when all others have ended.
func (tx *Tx) begun(ctx context.Context, alone bool) error {
	if tx.db.Dialect != Postgres {
		return nil
	}
	if _, err := tx.Tx.ExecContext(ctx, tx.manner.opening(alone), pgx.QueryExecModeSimpleProtocol); err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	return nil
}
