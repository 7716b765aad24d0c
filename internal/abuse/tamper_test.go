package abuse

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// edits are what somebody with the database file may do to it; each names what
// verify must name.
var edits = []struct {
	name, stmt, row string
}{
	{"another voter", "update approval set voter='sam', person='sam'", "approval vo-"},
	{"a vote turned round", "update approval set verdict='deny'", "approval vo-"},
	{"a vote for a stage it was not for", "update approval set stage='owner'", "approval vo-"},
	{"a withdrawn vote", "update approval set withdrawn_at=1", "approval vo-"},
	{"a vote less", "delete from approval", "approval vo-"},
	{"a vote more", "insert into approval select id||'x', request, revision, digest, entitlement, 'owner', 'olga', 'olga', verdict, term, basis, strength, note, channel, at, withdrawn_at, behalf from approval", "approval vo-"},
	{"an earlier vote", "update approval set at=at-1", "approval vo-"},
	{"a later end", "update grants set end_at=end_at+1", "grant gr-"},
	{"a term without end", "update grants set term=0", "grant gr-"},
	{"another holder", "update grants set identity='bob'", "grant gr-"},
	{"another entitlement", "update grants set entitlement='work:portal'", "grant gr-"},
	{"alive again", "update grants set state='live', ended='', ended_at=null", "grant gr-"},
	{"another reason of its end", "update grants set ended='revoked' where ended='returned'", "grant gr-"},
	{"other votes", "update grants set votes='[]'", "grant gr-"},
	{"a grant less", "delete from grants", "grant gr-"},
	{"a request approved", "update request set state='approved' where state='pending'", "request rq-"},
	{"another beneficiary", "update request set beneficiary='bob'", "request rq-"},
	{"another reason", "update request set reason='it was always so'", "request rq-"},
	{"seen gone", "update assignment set state='absent' where state='held'", "assignment as-"},
	{"another account", "update assignment set account='bob'", "assignment as-"},
	{"a look that saw nothing", "update receipt set direct=0, effective=0", "receipt re-"},
	{"no looks", "delete from receipt", "assignment as-"},
	{"an event rewritten", "update event set body=replace(body,'ann','bob') where kind='vote.cast'", "event #"},
	{"an event moved", "update event set seq=seq+1000 where kind='vote.cast'", "event #"},
	{"an event less", "delete from event where kind='vote.cast'", "signed head"},
	{"the tail cut off", "delete from event where seq>=(select max(seq) from event)", "signed head"},
	{"a tile", "update tile set body=x'00'", "tree"},
	{"an older head", "delete from checkpoint where size=(select max(size) from checkpoint)", "signed head"},
}

// While the server is stopped its database is edited: the check of the store
// names the record, and its exit code says that it does not hold.
func TestAB62_DatabaseEditedWhileStopped(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run()
	g := s.granted("ann", engine.Ask{Entitlements: []string{"work:wiki"}, Reason: "to write"}, "mia")
	s.soon("ann is seen there", func() bool { return s.state("ann", g.ID) == access.Held })
	over := s.granted("ann", engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit"})
	s.soon("ann is seen there", func() bool { return s.state("ann", over.ID) == access.Held })
	if err := s.as("ann").Return(t.Context(), over.ID, ""); err != nil {
		t.Fatal(err)
	}
	s.soon("ann is seen gone", func() bool { return s.state("ann", over.ID) == access.Absent })
	if _, err := s.as("ann").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:portal"}})); err != nil {
		t.Fatal(err)
	}
	if _, err := s.as("ann").Evidence(t.Context(), g.ID); err != nil { // everything has its place in the log
		t.Fatal(err)
	}
	s.halt()
	if code, out, errs := s.lessor("", "verify", "--store"); code != 0 || !strings.Contains(out, "is intact") {
		t.Fatalf("untouched: exit code %d\n%s%s", code, out, errs)
	}
	for _, c := range edits {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			copied := &site{t: t, dir: filepath.Join(t.TempDir(), "copy")}
			if err := os.CopyFS(copied.dir, os.DirFS(s.dir)); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(copied.dir, "log.key"), 0o600); err != nil {
				t.Fatal(err)
			}
			copied.sql("drop trigger grants_moves", "drop trigger request_moves", "drop trigger assignment_moves", c.stmt)
			code, out, errs := copied.lessor("", "verify", "--store")
			if code != 1 || !strings.Contains(errs, c.row) {
				t.Errorf("exit code %d, want 1 and %q named:\n%s%s", code, c.row, out, errs)
			}
		})
	}
}

// sql edits the database file of a folder, as the sqlite3 command would.
func (s *site) sql(stmts ...string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "lessor.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	for _, stmt := range stmts {
		if _, err := db.ExecContext(s.t.Context(), stmt); err != nil {
			s.t.Fatalf("%s: %v", stmt, err)
		}
	}
}

// A vote is edited, or added, in the database between the vote and the grant, or
// between the grant and its start. What the log does not tell counts nothing,
// and the server's log is loud.
func TestAB62_EditedVotesGrantNothing(t *testing.T) {
	t.Parallel()
	forge := "insert into approval select id||'x', request, revision, digest, entitlement, 'owner', 'otto', 'otto', verdict, term, basis, strength, note, channel, at, withdrawn_at, behalf from approval"
	for _, c := range []struct{ name, stmt string }{
		{"a vote more", forge},
		{"a vote for another stage", "update approval set stage='owner', voter='otto', person='otto'"},
		{"a vote of another", "update approval set voter='otto', person='otto'"},
		{"a vote of the other owner", strings.Replace(forge, "'otto', 'otto'", "'owen', 'owen'", 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
				d := open(t, kind)
				d.tampered = true
				d.Change(func(c *enginetest.Company) {
					e := c.Entitlements["dir:root"]
					e.Owners = []string{"otto", "owen", "ada"}
					c.Entitlements["dir:root"] = e
					c.Rules["more.cedar"] = `@id("more") @needs("security") permit (principal, action == Action::"oblige", resource in Class::"privileged");`
				})
				// Manager and security have voted, and the owner's vote is made up.
				r := d.approve("mia", d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}}))
				d.sql(c.stmt)
				if r, err := d.vote("sara", r); err != nil || r.State != access.Pending {
					t.Errorf("%s: %v", r.State, err)
				}
				story, err := d.as("anna").Request(t.Context(), r.ID)
				if err != nil || story.Request.State != access.Pending || len(story.Waiting) == 0 || story.Waiting[len(story.Waiting)-1].Stage != "owner" {
					t.Errorf("%s, waiting %v, %v", story.Request.State, story.Waiting, err)
				}
				d.Work()
				if held := d.Held("dir"); len(held) != 0 {
					t.Errorf("held: %v", held)
				}
			})
		})
	}
	for _, c := range []struct{ name, stmt string }{
		{"its vote is another's", "update approval set voter='ada', person='ada'"},
		{"its vote is older", "update approval set at=at-1000000"},
		{"its vote is for longer", "update approval set term=0, note='for ever'"},
		{"its vote is gone", "delete from approval"},
	} {
		t.Run("before its start "+c.name, func(t *testing.T) {
			t.Parallel()
			enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
				d := open(t, kind)
				d.tampered = true
				g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Start: d.Now().Add(time.Hour)}, "mia")
				d.sql(c.stmt)
				d.Advance(2 * time.Hour)
				if calls := d.Targets["dir"].Log(); len(calls) != 0 {
					t.Errorf("provisioned on an edited vote: %v", calls)
				}
				if g = d.Grant(g.ID); g.State != access.Ended || g.Ended != access.EndEligibilityLost {
					t.Errorf("the grant is %s (%s)", g.State, g.Ended)
				}
			})
		})
	}
}
