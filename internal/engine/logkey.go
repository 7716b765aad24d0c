package engine

import (
	"context"
	"encoding/base64"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/store"
)

// LogKeys are the keys of the stored log, joined by its statements with one that is
// trusted: a single key, or several as [evidence.Keys.Text] writes them.
func LogKeys(ctx context.Context, tx *store.Tx, trusted string) (evidence.Keys, error) {
	keys, err := evidence.ParseKeys(trusted)
	if err != nil {
		return keys, err
	}
	rows, err := tx.LogKeys(ctx)
	if err != nil {
		return keys, err
	}
	says := make([]string, len(rows))
	for i, k := range rows {
		s, err := evidence.OpenSuccession(k.Says)
		if err != nil || s.New != k.Key || s.Size != k.Size {
			return keys, fmt.Errorf("log key %s: its row says something else than what the keys signed: %w", k.ID, err)
		}
		says[i] = k.Says
	}
	return keys.With(says...)
}

// signer is the one whose key the log is signed with now. A process that has only an old
// key signs nothing: that is what makes it old.
func (e *Engine) signer(ctx context.Context, tx *store.Tx) (*evidence.Signer, error) {
	rows, err := tx.LogKeys(ctx)
	if err != nil || len(rows) == 0 {
		return e.Signer, err
	}
	newest := rows[len(rows)-1].Key
	if e.Signer.VerifierKey() == newest {
		return e.Signer, nil
	}
	if s := e.next.Load(); s != nil && s.VerifierKey() == newest {
		return s, nil
	}
	if s := e.NextSigner(); s != nil && s.VerifierKey() == newest {
		e.next.Store(s)
		return s, nil
	}
	return nil, fmt.Errorf("%w: the log is signed with key %s now, and this process has not got it: put that key where log_key_ref says; until then it signs nothing", access.ErrConflict, newest)
}

// RotateLogKey has another key sign the log from its newest head on. Both keys state it,
// and the statement, its event and the fence for the old key are one transaction: from
// its commit on no process that has only the old key signs. If we stop before, nothing
// has changed; after, whoever has the new key goes on.
func (e *Engine) RotateLogKey(ctx context.Context, by access.Actor, next *evidence.Signer) (k access.LogKey, err error) {
	err = e.do(ctx, "rotate log key", by, func(d *deed) error {
		// 1. Who may, and whether it is done already: a command that was broken off is given again.
		if err := d.scope(ScopeAdmin); err != nil {
			return err
		}
		rows, err := d.LogKeys(ctx)
		if err != nil {
			return err
		}
		if n := len(rows); n > 0 && rows[n-1].Key == next.VerifierKey() {
			k = rows[n-1]
			return nil
		}
		// 2. A log that contradicts another one, or is about to tell what nobody did, is not carried on under another name.
		if err := e.maySign(ctx, d.Tx); err != nil {
			return err
		}
		// 3. What both keys state of the newest head.
		now, err := e.signer(ctx, d.Tx)
		if err != nil {
			return err
		}
		size, root, err := d.newestHead(ctx)
		if err != nil {
			return err
		}
		says, err := now.Succeed(next, size, root)
		if err != nil {
			return fmt.Errorf("%w: %w", access.ErrInvalid, err)
		}
		if n := len(rows); n > 0 && size <= rows[n-1].Size {
			return fmt.Errorf("%w: the log has taken in nothing since its key was changed last; try again in a moment", access.ErrConflict)
		}
		// 4. It is so, and told.
		k = access.LogKey{ID: d.e.ids.next("lk", d.now), Size: size, Key: next.VerifierKey(), Says: says, At: d.now}
		if err := d.AddLogKey(ctx, k); err != nil {
			return err
		}
		ev := d.event("logkey.followed")
		ev.From, ev.To, ev.After = now.VerifierKey(), k.Key, k
		if err := d.tell(ctx, ev); err != nil {
			return err
		}
		return d.notice(ctx, Notice{To: []string{"security"}, Subject: "the log's key was changed",
			Text: fmt.Sprintf("From %d events on the log is signed with %s, by the word of %s. Publish it, and give it to the witnesses.", size, k.Key, by.Identity)})
	})
	return k, err
}

// newestHead is the size and root of the log, as signed.
func (d *deed) newestHead(ctx context.Context) (int64, tlog.Hash, error) {
	head, err := d.LastCheckpoint(ctx)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	if head.Size == 0 {
		root, err := evidence.Root(ctx, Tiles{d.Tx}, 0)
		return 0, root, err
	}
	raw, err := base64.StdEncoding.DecodeString(head.Root)
	if err != nil || len(raw) != tlog.HashSize {
		return 0, tlog.Hash{}, fmt.Errorf("the root of the head of %d events is not a hash", head.Size)
	}
	return head.Size, tlog.Hash(raw), nil
}
