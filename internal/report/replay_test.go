package report_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

func TestReplayOfAnHonestStore(t *testing.T) {
	t.Parallel()
	p := live(t)
	var told []int64
	rep, err := report.Replay(t.Context(), p.DB, p.Signer.VerifierKey(), func(done, _ int64) { told = append(told, done) })
	if err != nil {
		t.Fatal(err)
	}
	if rep.Events < 50 || rep.Waiting != 0 || rep.Rows < 20 || rep.Head == "" || len(told) == 0 || told[len(told)-1] != rep.Events {
		t.Errorf("covered too little: %+v, told %v", rep, told)
	}
	// What has no place in the log yet is compared as well.
	if err := p.Engine.Return(t.Context(), p.As("eve"), p.live.ID, "done"); err != nil {
		t.Fatal(err)
	}
	if again, err := report.Replay(t.Context(), p.DB, p.Signer.VerifierKey(), nil); err != nil || again.Waiting == 0 || again.Events != rep.Events {
		t.Errorf("with events that wait: %+v, %v", again, err)
	}
	if _, err := report.Replay(t.Context(), p.DB, signer(t, "another").VerifierKey(), nil); err == nil || !strings.Contains(err.Error(), "the log's head (size ") {
		t.Errorf("with another key: %v", err)
	}
}

// AB-62: whoever edits a row, and drops what guards it, is named by the first
// record that differs. AB-63: so is whoever cuts the log, as far as the database
// alone can tell.
func TestAB62TheFirstDifferenceIsNamed(t *testing.T) {
	t.Parallel()
	p, reopen := copies(t)
	ended, second := p.ended, p.second
	for _, tc := range []struct {
		name, edit, want string
	}{
		{"a request's state", q("update request set state='approved' where id='%s'", p.pending.ID), "request " + p.pending.ID + ": the table says something else"},
		{"a request's reason", q("update request set reason='because' where id='%s'", ended.Request), "request " + ended.Request + ": the table says"},
		{"a request's items", q(`update request set items=replace(items, '"undecided"', '"granted"') where id='%s'`, p.pending.ID), "request " + p.pending.ID},
		{"a request's answer-by", q("update request set answer_by=answer_by+1 where id='%s'", p.pending.ID), "request " + p.pending.ID},
		{"a vote's verdict", q("update approval set verdict='deny' where id='%s'", ended.Votes[0]), "approval " + ended.Votes[0] + ": the table says"},
		{"a vote's voter", q("update approval set voter='ada' where id='%s'", ended.Votes[1]), "approval " + ended.Votes[1]},
		{"a vote's basis", q(`update approval set basis=replace(basis, 'manager', 'owner') where id='%s'`, ended.Votes[0]), "approval " + ended.Votes[0]},
		{"a vote is taken back", q("update approval set withdrawn_at=1 where id='%s'", ended.Votes[0]), "approval " + ended.Votes[0]},
		{"a vote vanishes", q("delete from approval where id='%s'", ended.Votes[0]), "approval " + ended.Votes[0] + ": the log tells of it, and no table has it"},
		{"a vote appears", q("insert into approval select 'vo-zz', request, revision, digest, 'dir:zz', stage, voter, person, verdict, term, basis, strength, note, channel, at, withdrawn_at, behalf from approval where id='%s'", ended.Votes[0]), "approval vo-zz: the table has it, and no event ever told of it"},
		{"a grant's end", q("update grants set end_at=end_at+3600000000 where id='%s'", second.ID), "grant " + second.ID + ": the table says"},
		{"a grant's state", q("update grants set state='live', ended_at=null, ended='' where id='%s'", ended.ID), "grant " + ended.ID},
		{"a grant's votes", q(`update grants set votes='[]' where id='%s'`, ended.ID), "grant " + ended.ID},
		{"whom a grant is for", q("update grants set identity='mia' where id='%s'", second.ID), "grant " + second.ID},
		{"a grant appears", q("insert into grants select 'gr-zz', request, revision, digest, identity, entitlement, assignment, state, start_at, end_at, term, seen_at, chain_start, owner, votes, hold, at, ended_at, ended from grants where id='%s'", second.ID), "grant gr-zz: the table has it, and no event"},
		{"a grant vanishes", q("delete from grants where id='%s'", ended.ID), "grant " + ended.ID + ": the log tells of it"},
		{"an assignment's state", q("update assignment set state='absent' where id='%s'", second.Assignment), "assignment " + second.Assignment + ": the table says"},
		{"an assignment's account", q("update assignment set account='root' where id='%s'", second.Assignment), "assignment " + second.Assignment},
		{"an assignment nothing will end", q("update assignment set due_at=null where id='%s'", second.Assignment), "assignment " + second.Assignment + ": it is held and no work on it is due, ever"},
		{"an assignment put off for years", q("update assignment set due_at=due_at+100000000000000 where id='%s'", second.Assignment), "assignment " + second.Assignment + ": a grant starts or ends "},
		{"what a look saw", q("update receipt set direct=false, effective=false where assignment='%s'", second.Assignment), ": its content does not give its digest"},
		{"looks vanish", q("delete from receipt where assignment='%s'", second.Assignment), "assignment " + second.Assignment + ": it is held, and no receipt says so"},
		{"a finding is closed", "update finding set closed_at=1, resolution='nothing' where closed_at is null", "finding "},
		{"an event's body", "update event set body=replace(body, 'kind', 'kine') where seq=3", "event #3 ("},
		{"an event's salt", "update event set salt=x'00' where seq=5", "event #5 ("},
		{"an event's row beside its body", "update event set grant_id='gr-other' where seq=7", "its row says something else than its body"},
		{"an event vanishes", "delete from event where seq=9", "the signed head counts"},
		{"an event makes room", "update event set seq=1000 where seq=9", "event #9 is missing from the event table"},
		{"two events change places", "update event set seq=case seq when 4 then -4 else -6 end where seq in (4, 6); update event set seq=10+seq where seq in (-4, -6)", "event #4 ("},
		{"an entry in the tree", "update tile set body=substr(body, 1, 80) || x'00' || substr(body, 82) where level=-1", "the log's tree: "},
		{"a hash in the tree", "update tile set body=substr(body, 1, 80) || x'00' || substr(body, 82) where level=0", "the log's tree: "},
		{"AB-63 the tail of the events", "delete from event where seq >= 40", "the signed head counts"},
		{"AB-63 the tail and its head", "delete from event where seq >= (select min(size) from checkpoint); delete from checkpoint where size > (select min(size) from checkpoint)", ": the table has it, and no event ever told of it"},
		{"AB-63 every head", "delete from checkpoint", "have a place in the log, but the log has no signed head"},
		{"AB-63 a head's note", "update checkpoint set note=replace(note, 'log.example.com/test', 'log.example.com/twin')", "the log's head (size "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			db := reopen(t)
			spoil(t, db, tc.edit)
			if _, err := report.Replay(t.Context(), db, p.Signer.VerifierKey(), nil); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant %q", err, tc.want)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		if _, err := report.Replay(t.Context(), reopen(t), p.Signer.VerifierKey(), nil); err != nil {
			t.Errorf("an untouched copy: %v", err)
		}
	})
}

func q(format string, a ...any) string { return fmt.Sprintf(format, a...) }

// spoil runs statements as somebody would who has the file: what guards the
// tables is dropped first.
func spoil(t *testing.T, db *store.DB, statements string) {
	t.Helper()
	err := db.Write(t.Context(), func(tx *store.Tx) error {
		var drops []string
		list, err := tx.QueryContext(t.Context(), "select 'drop trigger ' || name from sqlite_master where type = 'trigger'")
		if err != nil {
			return err
		}
		defer list.Close()
		for list.Next() {
			var drop string
			if err := list.Scan(&drop); err != nil {
				return err
			}
			drops = append(drops, drop)
		}
		changed := int64(0)
		for _, s := range append(append(drops, "pragma defer_foreign_keys=on"), strings.Split(statements, "; ")...) {
			res, err := tx.ExecContext(t.Context(), s)
			if err != nil {
				return fmt.Errorf("%s: %w", s, err)
			}
			if n, err := res.RowsAffected(); err == nil {
				changed += n
			}
		}
		if changed == 0 {
			return errors.New("nothing was changed")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// AB-63: a database put back from an old copy agrees with itself; a head kept
// elsewhere shows what it is.
func TestAB63AHeadKeptElsewhere(t *testing.T) {
	t.Parallel()
	p, reopen := copies(t)
	key := p.Signer.VerifierKey()
	db := reopen(t)
	heads := headsOf(t, db)
	for i, head := range heads {
		if err := report.Continues(t.Context(), db, key, head); err != nil {
			t.Errorf("head %d: %v", i, err)
		}
	}
	cut := reopen(t)
	spoil(t, cut, "delete from event where seq >= (select min(size) from checkpoint); delete from checkpoint where size > (select min(size) from checkpoint)")
	if err := report.Continues(t.Context(), cut, key, heads[len(heads)-1]); !errors.Is(err, access.ErrConflict) || !strings.Contains(err.Error(), "the log was cut back: its key signed") {
		t.Errorf("cut back: %v", err)
	}
	if err := report.Continues(t.Context(), cut, key, heads[0]); err != nil {
		t.Errorf("what is left continues what was there: %v", err)
	}
	fork := live(t) // the same key, another history
	if err := report.Continues(t.Context(), fork.DB, fork.Signer.VerifierKey(), heads[0]); err == nil {
		t.Error("another log's head was accepted")
	}
	spoil(t, cut, "update tile set body=substr(body, 1, 80) || x'00' || substr(body, 82) where level=0")
	if err := report.Continues(t.Context(), cut, key, heads[0]); !errors.Is(err, access.ErrConflict) || !strings.Contains(err.Error(), "the log was rewritten: its first") {
		t.Errorf("rewritten: %v", err)
	}
	if err := report.Continues(t.Context(), db, key, "anything"); err == nil || !strings.Contains(err.Error(), "the head that was kept") {
		t.Errorf("no head: %v", err)
	}
}
