package report

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// Replayed is what a comparison of log and tables covered.
type Replayed struct {
	Events  int64 // in the signed log
	Waiting int64 // written, not yet in the log
	Rows    int   // compared with it
	Head    string
}

// Replay checks the whole store against its own log: the head's signature, the
// tree, each event against its place, each row of each table against the last
// event that told of it, and that no end is without the work that brings it
// about. The error names the first thing that differs. A database put back
// whole agrees with itself: [Continues] holds it against what was kept elsewhere.
func Replay(ctx context.Context, db *store.DB, vkey string, progress func(done, total int64)) (rep Replayed, err error) {
	err = db.Read(ctx, func(tx *store.Tx) error {
		r := &replay{tx: tx, last: map[string]string{}, progress: progress}
		total, waiting, err := tx.CountEvents(ctx)
		if err != nil {
			return err
		}
		head, err := r.head(ctx, vkey, total-waiting)
		if err != nil {
			return err
		}
		if err := r.events(ctx, head, total); err != nil {
			return err
		}
		if err := r.rows(ctx); err != nil {
			return err
		}
		if err := r.standIns(ctx); err != nil {
			return err
		}
		rep = Replayed{Events: head.Size, Waiting: waiting, Rows: r.compared, Head: base64.StdEncoding.EncodeToString(head.Root[:])}
		return r.leftOver()
	})
	return rep, err
}

type replay struct {
	tx       *store.Tx
	last     map[string]string // table and id -> digest of the noun as last told
	compared int
	progress func(done, total int64)
}

// head verifies the newest checkpoint and the tree below it.
func (r *replay) head(ctx context.Context, vkey string, placed int64) (evidence.Checkpoint, error) {
	row, err := r.tx.LastCheckpoint(ctx)
	if err != nil {
		return evidence.Checkpoint{}, err
	}
	if row.Note == "" {
		if placed > 0 {
			return evidence.Checkpoint{}, fmt.Errorf("%d events have a place in the log, but the log has no signed head", placed)
		}
		return evidence.Checkpoint{}, nil
	}
	keys, err := engine.LogKeys(ctx, r.tx, vkey)
	if err != nil {
		return evidence.Checkpoint{}, fmt.Errorf("the log's keys: %w", err)
	}
	head, err := keys.OpenCheckpoint(row.Note)
	if err != nil {
		return head, fmt.Errorf("the log's head (size %d): %w", row.Size, err)
	}
	if head.Size != row.Size || head.Size != placed {
		return head, fmt.Errorf("the signed head counts %d events, its row %d, the event table %d", head.Size, row.Size, placed)
	}
	if err := evidence.VerifyTiles(ctx, engine.Tiles{Tx: r.tx}, head.Size, head.Root); err != nil {
		return head, fmt.Errorf("the log's tree: %w", err)
	}
	for _, then := range keys.Successions() {
		root, err := evidence.Root(ctx, engine.Tiles{Tx: r.tx}, then.Size)
		if err != nil || root != then.Root {
			return head, errors.Join(err, fmt.Errorf("the log's keys: the first %d events are not those that both keys stood behind when one followed the other", then.Size))
		}
	}
	return head, nil
}

// replayPage is how many events are read at a time.
const replayPage = 1000

// events compares each event with its place in the log, and keeps what it told last.
func (r *replay) events(ctx context.Context, head evidence.Checkpoint, total int64) error {
	for from := int64(0); from < head.Size; {
		page, err := r.tx.Events(ctx, from, replayPage)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			return fmt.Errorf("event #%d is missing from the event table", from)
		}
		leaves, err := r.leaves(ctx, head.Size, from, int64(len(page)))
		if err != nil {
			return err
		}
		for i, ev := range page {
			if ev.Seq != from+int64(i) {
				return fmt.Errorf("event #%d is missing from the event table", from+int64(i))
			}
			if c := evidence.Commit(ev.Salt, ev.Body); !bytes.Equal(leaves[i], c[:]) {
				return fmt.Errorf("event #%d (%s, %s): its content is not the one the log committed to", ev.Seq, ev.ID, ev.Kind)
			}
			if err := r.take(ev); err != nil {
				return err
			}
		}
		if from += int64(len(page)); r.progress != nil {
			r.progress(from, total)
		}
	}
	waiting, err := r.tx.Unsequenced(ctx, 1<<30)
	if err != nil {
		return err
	}
	for _, ev := range waiting {
		if err := r.take(ev); err != nil {
			return err
		}
	}
	return nil
}

// leaves reads n entries of the log from a place on.
func (r *replay) leaves(ctx context.Context, size, from, n int64) ([][]byte, error) {
	var out [][]byte
	for i := from; i < from+n; {
		tile := i / evidence.TileWidth
		width := evidence.WidthAt(size, evidence.EntryLevel, tile)
		body, err := evidence.ReadTile(ctx, engine.Tiles{Tx: r.tx}, size, evidence.EntryLevel, tile, width)
		if err != nil {
			return nil, err
		}
		for ; i < from+n && i/evidence.TileWidth == tile; i++ {
			at := int(i%evidence.TileWidth) * (2 + evidence.EntrySize)
			out = append(out, body[at+2:at+2+evidence.EntrySize])
		}
	}
	return out, nil
}

// take keeps the noun an event tells of.
func (r *replay) take(stored store.Event) error {
	var ev event
	if err := json.Unmarshal(stored.Body, &ev); err != nil {
		return fmt.Errorf("event %s: %w", stored.ID, err)
	}
	if ev.ID != stored.ID || ev.Kind != stored.Kind || ev.Request != stored.Request || ev.Grant != stored.Grant ||
		ev.Assignment != stored.Assignment || ev.Finding != stored.Finding || !ev.At.Equal(stored.At) {
		return fmt.Errorf("event %s: its row says something else than its body", stored.ID)
	}
	if len(ev.After) == 0 {
		return nil
	}
	room, _, _ := strings.Cut(ev.Kind, ".")
	key, digest, err := noun(room, ev)
	if err != nil {
		return fmt.Errorf("event %s: %w", ev.ID, err)
	}
	r.last[key] = digest
	if ev.Kind == "credential."+access.Forgotten {
		delete(r.last, key)
	}
	return nil
}

// noun reads the noun back into its type, so that both sides are digested alike.
func noun(room string, ev event) (key, digest string, err error) {
	switch {
	case room == "request":
		return readNoun(ev.After, func(v access.Request) (string, any) { return "request " + v.ID, v })
	case room == "vote":
		return readNoun(ev.After, func(v access.Approval) (string, any) { return "approval " + v.ID, v })
	case room == "seal":
		return readNoun(ev.After, func(v access.Seal) (string, any) { return "seal " + v.ID, v })
	case room == "emergency":
		return readNoun(ev.After, func(v access.Emergency) (string, any) { return "emergency " + v.ID, v })
	case room == "logkey":
		return readNoun(ev.After, func(v access.LogKey) (string, any) { return "log key " + v.ID, v })
	case room == "recovery":
		return readNoun(ev.After, func(v access.Recovery) (string, any) { return "recovery " + v.ID, v })
	case room == "files":
		return readNoun(ev.After, func(v access.Files) (string, any) { return "files " + v.ID, v })
	case room == "halt":
		return readNoun(ev.After, func(v access.Halt) (string, any) { return "halt " + v.ID, v })
	case room == "delegation":
		return readNoun(ev.After, func(v access.Delegation) (string, any) { return "delegation " + v.ID, v })
	case room == "absence":
		return readNoun(ev.After, func(v access.Absence) (string, any) { return "absence " + v.ID, v })
	case room == "grant":
		return readNoun(ev.After, func(v access.Grant) (string, any) { return "grant " + v.ID, v })
	case ev.Kind == "assignment.seen":
		return readNoun(ev.After, func(v access.Receipt) (string, any) { return "receipt " + v.ID, v })
	case room == "assignment":
		return readNoun(ev.After, func(v access.Assignment) (string, any) { return "assignment " + v.ID, bare(v) })
	case room == "ticket":
		return readNoun(ev.After, func(v access.Ticket) (string, any) { return "ticket " + v.ID, v })
	case room == "credential":
		return readNoun(ev.After, func(v access.Credential) (string, any) { return "credential " + v.ID, v.Told() })
	case room == "identity":
		return readNoun(ev.After, func(v store.Registered) (string, any) { return "identity " + v.ID, v })
	case room == "record":
		return readNoun(ev.After, func(v access.Record) (string, any) { return "record " + v.Feed + " " + v.Key, v })
	case room == "hand":
		return readNoun(ev.After, func(v access.Hand) (string, any) { return "hand " + v.Subject, v })
	case room == "handover":
		return readNoun(ev.After, func(v access.Handover) (string, any) { return "handover " + v.ID, v })
	case room == "departure":
		return readNoun(ev.After, func(v access.Departure) (string, any) { return "departure " + v.Person, v })
	case room == "object":
		return readNoun(ev.After, func(v access.SaidObject) (string, any) { return "object " + v.System + " " + v.Object, v })
	case room == "registration":
		return readNoun(ev.After, func(v access.Registration) (string, any) { return "registration " + v.ID, v })
	case room == "rotation":
		return readNoun(ev.After, func(v access.Rotation) (string, any) { return "rotation " + v.ID, v })
	case room == "finding":
		return readNoun(ev.After, func(v access.Finding) (string, any) { return "finding " + v.ID, v })
	}
	return "", "", errors.New("tells of a noun nobody knows: " + ev.Kind)
}

func readNoun[T any](raw json.RawMessage, name func(T) (string, any)) (key, digest string, err error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return "", "", err
	}
	key, what := name(v)
	return key, access.Digest(what), nil
}

// bare leaves out of an assignment what looks that confirm bring up to date without an event.
func bare(a access.Assignment) access.Assignment {
	a.Receipt, a.SeenAt = "", time.Time{}
	return a
}

// compare holds one row against what was last told of it.
func (r *replay) compare(key string, row any) error {
	told, ok := r.last[key]
	if !ok {
		return fmt.Errorf("%s: the table has it, and no event ever told of it", key)
	}
	if told != access.Digest(row) {
		return fmt.Errorf("%s: the table says something else than the last event that told of it", key)
	}
	delete(r.last, key)
	r.compared++
	return nil
}

// leftOver names a noun the log tells of and no table has.
func (r *replay) leftOver() error {
	first := ""
	for key := range r.last {
		if first == "" || key < first {
			first = key
		}
	}
	if first != "" {
		return fmt.Errorf("%s: the log tells of it, and no table has it", first)
	}
	return nil
}
