package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Event is one stored event: what is queried by, the canonical body, and its
// place in the log (Seq, -1 while it has none). Stamp is what the log's key said to it
// when it was written.
type Event struct {
	ID, Kind                            string
	Request, Grant, Assignment, Finding string
	At                                  time.Time
	Body, Salt, Stamp                   []byte
	Seq                                 int64
}

const eventColumns = `id, at, kind, request, grant_id, assignment, finding, body, salt, stamp, seq`

func scanEvent(s scanner) (e Event, err error) {
	var seq sql.NullInt64
	err = s.Scan(&e.ID, at{&e.At}, &e.Kind, &e.Request, &e.Grant, &e.Assignment, &e.Finding, &e.Body, &e.Salt, &e.Stamp, &seq)
	if e.Seq = seq.Int64; !seq.Valid {
		e.Seq = -1
	}
	return e, err
}

// AddEvent stores an event with no place in the log yet. It is written with others, by the
// end of the transaction at the latest.
func (tx *Tx) AddEvent(ctx context.Context, e Event) error {
	return tx.addLater(ctx, "event", e.ID, `insert into event (id, at, kind, request, grant_id, assignment, finding, body, salt, stamp)`, e.ID, moment(e.At), e.Kind, e.Request, e.Grant, e.Assignment, e.Finding, string(e.Body), e.Salt, e.Stamp)
}

// unsequencedSeen is among how many that wait, the earliest by their ids, the order is
// found in which it was done: more wait only where nothing was given a place for long.
const unsequencedSeen = 20_000

// Unsequenced lists up to limit events with no place in the log, but for those named, in
// the order in which it was done: none comes before another that its transaction could
// read. Ids tell as much where one process writes, as on SQLite. Replicas' clocks may
// differ; PostgreSQL counts its transactions, each when it first writes, and thus after
// all that it reads.
func (tx *Tx) Unsequenced(ctx context.Context, limit int, but ...string) ([]Event, error) {
	except, err := json.Marshal(append([]string{}, but...))
	if err != nil {
		return nil, err
	}
	if tx.db.Dialect != Postgres {
		return all(ctx, tx, scanEvent, `select `+eventColumns+` from event indexed by event_unsequenced
			where seq is null and id not in (select value from json_each($2)) order by id limit $1`, limit, string(except))
	}
	return all(ctx, tx, scanEvent, `select `+eventColumns+` from (select `+eventColumns+`, age(xmin) as done from event where seq is null and id not in (select json_array_elements_text(cast($3 as json))) order by id limit $2) e
		order by done desc, id limit $1`, limit, max(limit, unsequencedSeen), string(except))
}

// LastEventAt is when the last of all events was written; the zero time if there is none.
func (tx *Tx) LastEventAt(ctx context.Context) (last time.Time, err error) {
	list, err := all(ctx, tx, func(s scanner) (t time.Time, err error) { err = s.Scan(at{&t}); return t, err }, `select at from event order by id desc limit 1`)
	if len(list) > 0 {
		last = list[0]
	}
	return last, err
}

// PlaceEvent gives an event its place in the log, once. That it has none yet is said
// in words that PostgreSQL finds no index for: it would read all that wait, each time,
// believing from before a storm that they are few.
func (tx *Tx) PlaceEvent(ctx context.Context, id string, seq int64) error {
	return tx.exec(ctx, "place event "+id, `update event set seq=$1 where id=$2 and coalesce(seq, -1) = -1`, seq, id)
}

// PlaceEvents gives events their places in the log, one after the other from seq on, in
// the order in which their ids come, each once: in one statement, for a thousand cost the
// database a thousand journeys. Each is found by its id, as PlaceEvent finds it.
func (tx *Tx) PlaceEvents(ctx context.Context, ids []string, seq int64) error {
	list, err := json.Marshal(ids)
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, placeEvents[tx.db.Dialect], seq, string(list))
	if err != nil {
		return fmt.Errorf("place %d events from %d on: %w", len(ids), seq, err)
	}
	if placed, err := res.RowsAffected(); err != nil || placed != int64(len(ids)) {
		return fmt.Errorf("%w: place events from %d on: %d of %d had none yet", access.ErrConflict, seq, placed, len(ids))
	}
	return nil
}

// placeEvents differ in how a list is read, which each database has words of its own for.
var placeEvents = map[Dialect]string{
	SQLite: `update event set seq = $1 + listed.n from (select key as n, value as id from json_each($2)) as listed
		where event.id = listed.id and coalesce(event.seq, -1) = -1`,
	Postgres: `update event set seq = $1 + listed.n - 1 from json_array_elements_text(cast($2 as json)) with ordinality as listed (id, n)
		where event.id = listed.id and coalesce(event.seq, -1) = -1`,
}

// Events lists up to limit events from a place in the log on, in its order.
func (tx *Tx) Events(ctx context.Context, from int64, limit int) ([]Event, error) {
	return all(ctx, tx, scanEvent, `select `+eventColumns+` from event where seq >= $1 order by seq limit $2`, from, limit)
}

// That an id is not empty is said in so many words: the indexes leave the empty
// ones out, and without it SQLite would read every event there is.
// Events are listed as the log has them; what has no place yet comes last, by its id.

// EventsAbout lists the events of a request, grant or assignment, sequenced or not, in order.
func (tx *Tx) EventsAbout(ctx context.Context, request, grant, assignment string) ([]Event, error) {
	return all(ctx, tx, scanEvent, `select `+eventColumns+` from event where (request = $1 and request <> '') or (grant_id = $2 and grant_id <> '')
		or (assignment = $3 and assignment <> '') order by coalesce(seq, 9223372036854775807), id`, request, grant, assignment)
}

// EventsOf lists the events of some kinds about one request, in order.
func (tx *Tx) EventsOf(ctx context.Context, request string, kinds ...string) ([]Event, error) {
	marks, args := in(append([]string{request}, kinds...))
	_, marks, _ = strings.Cut(marks, ",")
	return all(ctx, tx, scanEvent, `select `+eventColumns+` from event where request = $1 and request <> '' and kind in (`+marks+`) order by coalesce(seq, 9223372036854775807), id`, args...)
}

// CountEvents returns how many events there are, and how many have no place yet.
func (tx *Tx) CountEvents(ctx context.Context) (total, waiting int64, err error) {
	err = tx.QueryRowContext(ctx, `select count(*), count(*) - count(seq) from event`).Scan(&total, &waiting)
	return total, waiting, err
}

// Tile reads a tile of the log's tree; nil where there is none.
func (tx *Tx) Tile(ctx context.Context, level int, index int64) (body []byte, err error) {
	err = tx.QueryRowContext(ctx, `select body from tile where level=$1 and idx=$2`, level, index).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("tile %d/%d: %w", level, index, err)
	}
	return body, nil
}

// SetTile writes a tile; what it held is a prefix of what it will hold.
func (tx *Tx) SetTile(ctx context.Context, level int, index int64, body []byte) error {
	return tx.exec(ctx, fmt.Sprintf("set tile %d/%d", level, index), `insert into tile (level, idx, body) values ($1,$2,$3)
		on conflict (level, idx) do update set body = excluded.body`, level, index, body)
}

// Checkpoint is one signed head of the log.
type Checkpoint struct {
	Size int64
	Root string
	Note string
	At   time.Time
}

// AddCheckpoint stores a signed head.
func (tx *Tx) AddCheckpoint(ctx context.Context, c Checkpoint) error {
	return tx.exec(ctx, "add checkpoint", `insert into checkpoint (size, root, note, at) values ($1,$2,$3,$4)`, c.Size, c.Root, c.Note, moment(c.At))
}

// LastCheckpoint reads the newest signed head; the zero one if there is none.
func (tx *Tx) LastCheckpoint(ctx context.Context) (c Checkpoint, err error) {
	err = tx.QueryRowContext(ctx, `select size, root, note, at from checkpoint order by size desc limit 1`).Scan(&c.Size, &c.Root, &c.Note, at{&c.At})
	if errors.Is(err, sql.ErrNoRows) {
		return Checkpoint{}, nil
	}
	return c, err
}
