package inventory_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/store"
)

const (
	removeStandard = `@id("out") @remedy("remove") permit (principal, action == Action::"remedy", resource in Class::"standard");`
	adoptStandard  = `@id("in") @remedy("adopt") permit (principal, action == Action::"remedy", resource in Class::"standard");`
)

// ruled is a company with one more rule, on both databases, its first reading done.
func ruled(t *testing.T, rule string, do func(t *testing.T, f *enginetest.Fixture, r *inventory.Reader)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d, func(o *enginetest.Options) { o.Company.Rules["remedy.cedar"] = rule })
		f.Targets["dir"].Put("nora", "wiki")
		r := reader(f)
		if drift := read(t, r); drift.Unexpected != 1 || drift.Removing != 0 {
			t.Fatalf("first reading: %+v", drift)
		}
		do(t, f, r)
		f.Check()
	})
}

// What rules have removed is removed by the lane, seen gone and told; what was
// there before the first reading never is, until it has gone and come back.
func TestRemovedByRule(t *testing.T) {
	ruled(t, removeStandard, func(t *testing.T, f *enginetest.Fixture, r *inventory.Reader) {
		dir := f.Targets["dir"]
		dir.Put("bob", "wiki")
		dir.Put("stranger", "wiki")
		dir.Put("bob", "root") // privileged: no rule
		if drift := read(t, r); drift.Unexpected != 4 || drift.Removing != 2 {
			t.Fatalf("drift is %+v", drift)
		}
		if dir.Holds("bob", "wiki") == false {
			t.Error("the reading itself removed something")
		}
		one := finding(f, "unexpected_access")
		f.Work()
		if dir.Holds("bob", "wiki") || dir.Holds("stranger", "wiki") || !dir.Holds("nora", "wiki") || !dir.Holds("bob", "root") {
			t.Fatalf("held: %v", dir.Held())
		}
		for _, did := range dir.Log() {
			if did.Want || did.Object != "wiki" {
				t.Errorf("it was asked for %+v", did)
			}
		}
		// It is told while it is under way, and closed when it is seen gone.
		told := 0
		for _, g := range f.Findings(false) {
			if g.Kind == "seen_again" && strings.Contains(g.Text, "although no grant of it is live") && !g.ClosedAt.IsZero() {
				told++
			}
		}
		if told != 2 || one.ID == "" {
			t.Errorf("%d of 2 removals are told: %+v", told, f.Findings(false))
		}
		// nora's stays for ever, as long as it is hers.
		f.Advance(24 * time.Hour)
		if drift := read(t, r); drift.Removing != 0 || drift.Unexpected != 2 {
			t.Fatalf("drift is %+v", drift)
		}
		dir.Take("nora", "wiki")
		read(t, r)
		dir.Put("nora", "wiki")
		if drift := read(t, r); drift.Removing != 1 {
			t.Fatalf("come back, it is %+v", drift)
		}
		f.Work()
		if dir.Holds("nora", "wiki") {
			t.Error("nora's came back and stays")
		}
		// Put back once more, it is seen again: the removal re-opens.
		dir.Put("bob", "wiki")
		if drift := read(t, r); drift.Again != 1 || drift.Removing != 0 {
			t.Fatalf("drift is %+v", drift)
		}
		f.Work()
		if dir.Holds("bob", "wiki") {
			t.Error("put back, it stays")
		}
	})
}

// What rules have adopted is asked for once, on behalf of its holder, decided as
// any other request, and ends as any other grant.
func TestAdoptedByRule(t *testing.T) {
	ruled(t, adoptStandard, func(t *testing.T, f *enginetest.Fixture, r *inventory.Reader) {
		list := asked(t, f)
		if len(list) != 1 || list[0].Beneficiary != "nora" || list[0].Channel != access.ChannelInventory || list[0].State != access.Pending || list[0].Term != access.Term(24*time.Hour) {
			t.Fatalf("asked for: %+v", list)
		}
		q := list[0]
		if drift := read(t, r); drift.Adopting != 1 || len(asked(t, f)) != 1 {
			t.Fatalf("asked again: %+v", drift)
		}
		if one := finding(f, "unexpected_access"); !strings.Contains(one.Text, "nora (nora; asked for as "+q.ID) {
			t.Errorf("finding is %+v", one)
		}
		// Nobody lets himself be, and nobody makes something else of it.
		if _, err := f.Engine.Vote(t.Context(), f.As("nora"), engine.Ballot{Request: q.ID, Digest: q.Digest, Verdict: access.Approve}); !errors.Is(err, access.ErrDenied) {
			t.Errorf("nora votes: %v", err)
		}
		if _, err := f.Engine.Edit(t.Context(), f.As("nora"), q.ID, q.Digest, engine.Ask{Entitlements: []string{"dir:reports"}, Term: q.Term, Reason: "more"}); !errors.Is(err, access.ErrDenied) {
			t.Errorf("nora edits: %v", err)
		}
		f.Approve("mia", q)
		f.Work()
		if drift := read(t, r); drift != (engine.Drift{}) {
			t.Fatalf("adopted, it is still drift: %+v", drift)
		}
		if finding(f, "unexpected_access").ID != "" {
			t.Error("the finding is still open")
		}
		f.CheckQuiet()
		g := f.Grants()[0]
		if g.Owner != "owen" || g.End.IsZero() || g.State != access.Live {
			t.Errorf("grant is %+v", g)
		}
		// Before its end comes, its owner is told.
		f.Advance(17 * time.Hour)
		if read(t, r); finding(f, "certification_due").ID != "" {
			t.Error("told too early")
		}
		f.Advance(2 * time.Hour)
		read(t, r)
		if one := finding(f, "certification_due"); one.Subject != g.ID || one.Owner != "owen" || !one.DueAt.Equal(g.End) {
			t.Errorf("finding is %+v, the grant ends %s", one, g.End)
		}
		f.Advance(6 * time.Hour)
		if read(t, r); finding(f, "certification_due").ID != "" {
			t.Error("told of what is over")
		}
		if f.Targets["dir"].Holds("nora", "wiki") {
			t.Error("still there after the end of its grant")
		}
		f.CheckQuiet()
	})
}

// asked lists the adoptions asked for.
func asked(t *testing.T, f *enginetest.Fixture) (list []access.Request) {
	all, err := f.Engine.List(t.Context(), f.As("sara"), "", false, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		if r.Adoption() {
			list = append(list, r)
		}
	}
	return list
}

// What was denied is not asked again by itself and nothing is removed; what nobody
// answered is; an account that is nobody's is adopted for nobody.
func TestAdoptionsThatAreNot(t *testing.T) {
	ruled(t, adoptStandard, func(t *testing.T, f *enginetest.Fixture, r *inventory.Reader) {
		q := asked(t, f)[0]
		if _, err := f.Engine.Vote(t.Context(), f.As("mia"), engine.Ballot{Request: q.ID, Digest: q.Digest, Verdict: access.Deny}); err != nil {
			t.Fatal(err)
		}
		f.Targets["dir"].Put("stranger", "wiki")
		f.Targets["dir"].Put("bob", "reports")
		if drift := read(t, r); drift.Adopting != 1 || drift.Unexpected != 3 {
			t.Fatalf("drift is %+v", drift)
		}
		one := finding(f, "unexpected_access")
		for _, g := range f.Findings(true) {
			if g.Subject == "dir:wiki" {
				one = g
			}
		}
		if !strings.Contains(one.Text, "nora (nora; denied as "+q.ID) || !strings.Contains(one.Text, "stranger (nobody we know; nobody to adopt it for)") {
			t.Errorf("finding is %+v", one)
		}
		f.Advance(15 * 24 * time.Hour)
		if drift := read(t, r); drift.Adopting != 1 || len(asked(t, f)) != 3 {
			t.Fatalf("after bob's was not answered: %+v, %d asked for", drift, len(asked(t, f)))
		}
		if held := f.Targets["dir"].Held(); len(held) != 3 {
			t.Errorf("held: %v", held)
		}
		// Gone, the adoption's past is forgotten.
		f.Targets["dir"].Take("nora", "wiki")
		read(t, r)
		f.Targets["dir"].Put("nora", "wiki")
		if drift := read(t, r); drift.Adopting != 2 {
			t.Errorf("come back, it is %+v", drift)
		}
	})
}

// A person settles what was found: adopts it for somebody else, or has it removed.
func TestSettledByPeople(t *testing.T) {
	ruled(t, ``, func(t *testing.T, f *enginetest.Fixture, r *inventory.Reader) {
		f.Targets["dir"].Put("owen", "wiki")
		f.Targets["dir"].Put("stranger", "wiki")
		read(t, r)
		id := finding(f, "unexpected_access").ID
		ctx := t.Context()
		m := func(accounts ...string) engine.Remedy {
			return engine.Remedy{Finding: id, Accounts: accounts, Reason: "seen to"}
		}
		// 1. Who may not, and what is not so.
		for name, tc := range map[string]struct {
			who  string
			m    engine.Remedy
			want error
		}{
			"not theirs to know": {"eve", m("nora"), access.ErrNotFound},
			"an auditor":         {"anna", m("nora"), access.ErrDenied},
			"for himself":        {"owen", m("owen"), access.ErrDenied},
			"nobody's account":   {"owen", m("stranger"), access.ErrInvalid},
			"not found there":    {"owen", m("bob"), access.ErrInvalid},
			"without a reason":   {"owen", engine.Remedy{Finding: id, Accounts: []string{"nora"}}, access.ErrInvalid},
			"neither nor":        {"owen", engine.Remedy{Finding: id, Reason: "all?"}, access.ErrInvalid},
			"no such finding":    {"owen", engine.Remedy{Finding: "fi-0", Accounts: []string{"nora"}, Reason: "x"}, access.ErrNotFound},
		} {
			if _, err := f.Engine.Adopt(ctx, f.As(tc.who), tc.m); !errors.Is(err, tc.want) {
				t.Errorf("%s: %v, want %v", name, err, tc.want)
			}
		}
		if _, err := f.Engine.Remove(ctx, f.As("anna"), m("nora")); !errors.Is(err, access.ErrDenied) {
			t.Errorf("an auditor removes: %v", err)
		}
		if err := f.Engine.Accept(ctx, f.As("owen"), m()); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("let be: %v", err)
		}
		if len(asked(t, f)) != 0 {
			t.Fatal("something was asked for")
		}
		// 2. Adopted, it is a request of whoever said so, who does not answer it too.
		list, err := f.Engine.Adopt(ctx, f.As("owen"), m("nora"))
		if err != nil || len(list) != 1 || list[0].Requester != "owen" || list[0].Beneficiary != "nora" || list[0].State != access.Pending {
			t.Fatalf("adopted: %+v, %v", list, err)
		}
		if _, err := f.Engine.Adopt(ctx, f.As("sara"), m("nora")); !errors.Is(err, access.ErrConflict) {
			t.Errorf("adopted twice: %v", err)
		}
		f.Approve("mia", list[0])
		// 3. Removed, it goes by the lane.
		if n, err := f.Engine.Remove(ctx, f.As("sara"), m("owen", "stranger")); err != nil || n != 2 {
			t.Fatalf("removed: %d, %v", n, err)
		}
		f.Work()
		if held := f.Held("dir"); len(held) != 1 || held[0].Account != "nora" {
			t.Errorf("held: %v", held)
		}
		read(t, r)
		if _, err := f.Engine.Remove(ctx, f.As("sara"), m("stranger")); !errors.Is(err, access.ErrGone) {
			t.Errorf("a closed finding: %v", err)
		}
		f.CheckQuiet()
	})
}

// AB-61 and its mirror: rules that would empty a system are held back, and so is
// everything after a reading that is not believed.
func TestAB61RemediesAreHeldBack(t *testing.T) {
	ruled(t, removeStandard, func(t *testing.T, f *enginetest.Fixture, r *inventory.Reader) {
		for i := range 30 {
			f.Targets["dir"].Put(fmt.Sprintf("old%02d", i), "reports")
		}
		drift := read(t, r)
		if drift.HeldBack != 30 || drift.Removing != 0 || finding(f, "removals_held_back").Owner == "" {
			t.Fatalf("drift is %+v", drift)
		}
		f.Work()
		if n := len(f.Held("dir")); n != 31 {
			t.Fatalf("%d are left of 31", n)
		}
		// People may.
		id := ""
		for _, g := range f.Findings(true) {
			if g.Subject == "dir:reports" {
				id = g.ID
			}
		}
		if n, err := f.Engine.Remove(t.Context(), f.As("sara"), engine.Remedy{Finding: id, All: true, Reason: "meant"}); err != nil || n != 30 {
			t.Fatalf("removed %d, %v", n, err)
		}
		f.Work()
		f.Targets["dir"].Put("bob", "pay")
		if drift := read(t, r); !drift.Braked || drift.Removing != 0 {
			t.Fatalf("shrunk, it is %+v", drift)
		}
		if drift := read(t, r); drift.Removing != 1 || finding(f, "removals_held_back").ID != "" {
			t.Fatalf("and the next is %+v", drift)
		}
	})
}
