package report_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

// past is a store with a history, and what is in it.
type past struct {
	*enginetest.Fixture
	ended   access.Grant // privileged, two stages, asked for, narrowed, seen, ended, seen gone
	live    access.Grant // of the same person, still live
	first   access.Grant // ended while
	second  access.Grant // … this one keeps the same access
	pending access.Request
}

const hour = access.Term(time.Hour)

// live makes a history by the engine's own verbs and reconciler: grants that
// ended and that live, two for one assignment, votes withdrawn and refused,
// requests denied, pending and edited, drift with its finding.
func live(t testing.TB, change ...func(*enginetest.Options)) *past {
	t.Helper()
	p := &past{Fixture: enginetest.Open(t, store.SQLite, change...)}
	// 1. One grant that lives from its first day to its last.
	r := p.Ask("eve", engine.Ask{Entitlements: []string{"dir:root"}, Term: 2 * hour, Ticket: "jira:ACC-41"})
	p.vote("mia", engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve, Term: hour})
	p.vote("otto", engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve, Note: "as agreed"})
	p.ended = p.Grant(p.Request(r.ID).Items[0].Grant)
	p.Advance(3 * time.Hour)
	p.place(t)
	// 2. Two reasons for one assignment; the first ends alone.
	p.first = p.Granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour}, "mia")
	p.Advance(10 * time.Minute)
	p.second = p.Granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 20 * hour}, "mia")
	p.Advance(2 * time.Hour)
	// 3. What came to nothing, what stands, a finding that is open and one that was closed.
	p.Ask("ada", engine.Ask{Entitlements: []string{"dir:reports"}}) // who has no manager
	no := p.Ask("eve", engine.Ask{Entitlements: []string{"git:deploy"}})
	p.vote("otto", engine.Ballot{Request: no.ID, Digest: no.Digest, Verdict: access.Deny, Note: "not this week"})
	p.pending = p.Ask("eve", engine.Ask{Entitlements: []string{"dir:reports"}})
	p.live = p.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 24 * hour}, "mia")
	p.Advance(time.Minute)
	p.Targets["dir"].Take("eve", "wiki") // seen and mended at the next look
	p.Advance(2 * time.Hour)
	p.ended, p.first, p.second, p.live = p.Grant(p.ended.ID), p.Grant(p.first.ID), p.Grant(p.second.ID), p.Grant(p.live.ID)
	if p.ended.State != access.Ended || p.live.State != access.Live || p.second.State != access.Live || p.first.State != access.Ended {
		t.Fatalf("history went another way: %s, %s, %s, %s", p.ended.State, p.live.State, p.second.State, p.first.State)
	}
	if open, all := len(p.Findings(true)), len(p.Findings(false)); open == 0 || open == all {
		t.Fatalf("%d of %d findings are open, and some of each are wanted", open, all)
	}
	p.place(t)
	return p
}

func (p *past) vote(by string, b engine.Ballot) {
	if _, err := p.Engine.Vote(context.Background(), p.As(by), b); err != nil {
		panic(err)
	}
}

func (p *past) place(t testing.TB) {
	t.Helper()
	if _, err := p.Engine.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (p *past) heads(t testing.TB) []string { return headsOf(t, p.DB) }

// headsOf are the signed heads of a log, in order.
func headsOf(t testing.TB, db *store.DB) (notes []string) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		list, err := tx.QueryContext(t.Context(), "select note from checkpoint order by size")
		if err != nil {
			return err
		}
		defer list.Close()
		for list.Next() {
			var note string
			if err := list.Scan(&note); err != nil {
				return err
			}
			notes = append(notes, note)
		}
		return list.Err()
	})
	if err != nil || len(notes) < 2 {
		t.Fatalf("%d heads: %v", len(notes), err)
	}
	return notes
}

func signer(t testing.TB, seed string) *evidence.Signer {
	t.Helper()
	skey, _, err := evidence.GenerateKey(rand.NewChaCha8(sha256.Sum256([]byte(seed))), "log.example.com/other")
	if err != nil {
		t.Fatal(err)
	}
	s, err := evidence.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (p *past) bundle(t testing.TB, grant string) []byte {
	t.Helper()
	file, err := report.Bundle(t.Context(), p.DB, grant)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// open verifies a bundle that must be good, down to its story.
func open(t testing.TB, file []byte, vkey string) (evidence.Verified, report.Story) {
	t.Helper()
	v, err := evidence.OpenBundle(file, vkey)
	if err != nil {
		t.Fatal(err)
	}
	s, err := report.Tell(v)
	if err != nil {
		t.Fatal(err)
	}
	return v, s
}

// parts reads a bundle without verifying it, to be changed.
func parts(t testing.TB, file []byte) (b evidence.Bundle) {
	t.Helper()
	if err := json.Unmarshal(file, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func encode(t testing.TB, b evidence.Bundle) []byte {
	t.Helper()
	file, err := evidence.Encode(b)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// relogged puts the records of a bundle, as they were changed, into a log of
// their own and signs it with the given key: what a liar with the key can do.
func relogged(t testing.TB, b evidence.Bundle, key *evidence.Signer) []byte {
	t.Helper()
	var entries [][]byte
	for i, r := range b.Records {
		c := evidence.Commit(r.Salt, r.Body)
		entries = append(entries, c[:])
		b.Records[i].Index = int64(i)
	}
	tiles := rows{}
	size, root, err := evidence.Append(t.Context(), tiles, 0, entries)
	if err != nil {
		t.Fatal(err)
	}
	if b.Checkpoint, err = key.Sign(size, root); err != nil {
		t.Fatal(err)
	}
	for i := range b.Records {
		if b.Records[i].Proof, err = evidence.ProveInclusion(t.Context(), tiles, size, int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	return encode(t, b)
}

// rows keep tiles in memory.
type rows map[[2]int64][]byte

func (r rows) Tile(_ context.Context, level int, index int64) ([]byte, error) {
	return r[[2]int64{int64(level), index}], nil
}

func (r rows) SetTile(_ context.Context, t evidence.Tile) error {
	r[[2]int64{int64(t.Level), t.Index}] = t.Data
	return nil
}

// copies writes a history once and gives a function that opens a copy of its
// own for whoever wants to spoil it.
func copies(t *testing.T) (p *past, reopen func(t *testing.T) *store.DB) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image.db")
	t.Run("history", func(t *testing.T) {
		p = live(t, func(o *enginetest.Options) { o.DSN = "sqlite:" + image })
	}) // closes it
	return p, func(t *testing.T) *store.DB {
		t.Helper()
		raw, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "lessor.db")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := store.Open(t.Context(), "sqlite:"+path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		return db
	}
}
