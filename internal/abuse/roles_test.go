package abuse

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

// withRoles is a site whose groups auditors and security are roles that Lessor grants,
// kept apart from each other. Olga answers for them.
func withRoles(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	s.roles = true
	s.edit("catalog.yaml", "entitlements:\n", `  - {id: own, name: Lessor, connector: lessor, owner: olga}
entitlements:
  - {id: "own:auditors", name: Auditors, object: auditors, owners: [olga], class: standard, max_term: 1d, powers: [read]}
  - {id: "own:security", name: Security, object: security, owners: [olga], class: third-party, max_term: 1d, powers: [read]}
`)
	s.edit("catalog.yaml", "entitlements:\n", "duties:\n  - {id: watchers-apart, apart: [\"own:auditors\", \"own:security\"]}\nentitlements:\n")
	s.edit("directory.yaml", "groups:\n", "  - {id: bob.2, kind: person, name: Bob, same: bob}\n  - {id: bot, kind: workload, name: Bot, owner: bob}\ngroups:\n")
	return s
}

// onRoster is who holds a role by a grant, as the database has it.
func (s *site) onRoster(db *store.DB) (list []connector.Ref) {
	s.t.Helper()
	all, _, err := db.Roster(context.WithoutCancel(s.t.Context()))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range all {
		list = append(list, connector.Ref{Account: m.Identity, Object: m.Group})
	}
	return list
}

// reads tells whether somebody may read the register, as auditors and security may.
func (s *site) reads(who string) bool {
	s.t.Helper()
	_, _, err := s.as(who).Register(engine.Only{}).Page(s.t.Context(), clientPage(10))
	if got := status(err); got != http.StatusOK && got != http.StatusForbidden {
		s.t.Fatalf("the register for %s: %v", who, err)
	}
	return err == nil
}

// byAndBy is soon, for what takes so long that asking all the time would be refused.
func (s *site) byAndBy(what string, so func() bool) {
	s.t.Helper()
	look := time.NewTicker(400 * time.Millisecond)
	defer look.Stop()
	s.soon(what, func() bool {
		<-look.C
		return so()
	})
}

// A role comes with its grant, and its powers end with it: the moment it is seen
// gone, whoever had it reads nothing more.
func TestAB35_ARoleEndsWithItsPowers(t *testing.T) {
	t.Parallel()
	s := withRoles(t)
	s.run()
	if s.reads("bob") || s.reads("ann") || !s.reads("sam") {
		t.Fatal("who is in no role reads the register, or who is does not")
	}
	// 1. Taken away by hand.
	g := s.granted("ann", engine.Ask{Entitlements: []string{"own:auditors"}, Term: hour}, "mia")
	s.byAndBy("ann has the role", func() bool { return s.state("ann", g.ID) == access.Held })
	if !s.reads("ann") {
		t.Error("ann is seen to have the role, and it lets her do nothing")
	}
	if err := s.as("sam").Revoke(t.Context(), g.ID, "no longer needed"); err != nil {
		t.Fatal(err)
	}
	s.byAndBy("ann's role is seen gone", func() bool { return s.state("ann", g.ID) == access.Absent })
	if s.reads("ann") {
		t.Error("ann's role was seen gone, and she still reads the register")
	}
	// 2. By its end; and it outlives the server, as the end does.
	g = s.granted("bob", engine.Ask{Entitlements: []string{"own:auditors"}, Term: access.Term(20 * time.Second)}, "mia")
	s.byAndBy("bob has the role", func() bool { return s.reads("bob") })
	s.halt()
	s.run()
	if time.Now().Before(g.End) && !s.reads("bob") && s.state("bob", g.ID) == access.Held {
		t.Error("the server was started anew, and bob's role lets him do nothing")
	}
	s.byAndBy("bob's role is over", func() bool {
		gone := s.state("bob", g.ID) == access.Absent
		if reads := s.reads("bob"); gone && reads {
			t.Error("bob's role was seen gone, and he still reads the register")
		}
		return gone
	})
	sight, err := s.as("bob").Grant(t.Context(), g.ID)
	if err != nil || sight.Grant.Ended != access.EndExpired || sight.Assignment.SeenAt.Before(sight.Grant.End) {
		t.Errorf("bob's grant: %+v, seen gone %s, %v", sight.Grant, sight.Assignment.SeenAt, err)
	}
}

// Nobody makes themselves an auditor or an operator, whoever they are; and two others
// answer for who becomes one.
func TestAB35_NobodyGrantsThemselvesARole(t *testing.T) {
	t.Parallel()
	s := withRoles(t)
	s.edit("directory.yaml", "{id: security, members: [sam]}", "{id: security, members: [sam, olga]}")
	s.run()
	// 1. By whoever answers for the role, or has it.
	for _, who := range []string{"olga", "sam"} {
		r, err := s.as(who).Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"own:security"}}))
		if err != nil {
			t.Fatal(err)
		}
		if r.Open() {
			if _, err = s.as(who).Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); status(err) != http.StatusForbidden {
				t.Errorf("%s votes on the own role: %v", who, err)
			}
			if r, err = s.as(who).Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err == nil || r.State == access.Approved {
				t.Errorf("%s has the role by the own vote: %s", who, r.State)
			}
		}
	}
	// 2. By whoever may have the files read anew, and nothing else.
	if _, err := s.as("adam").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"own:auditors"}})); status(err) != http.StatusForbidden {
		t.Errorf("adam asks with a token to administer: %v", err)
	}
	if s.reads("adam") {
		t.Error("adam reads the register")
	}
	// 3. For somebody else one vote is not enough, and each counts once.
	r, err := s.as("bob").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"own:security"}}))
	if err != nil {
		t.Fatal(err)
	}
	ballot := engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}
	if r, err = s.as("olga").Vote(t.Context(), ballot); err != nil || r.State != access.Pending {
		t.Fatalf("by one vote: %s, %v", r.State, err)
	}
	if _, err = s.as("olga").Vote(t.Context(), ballot); err == nil {
		t.Error("olga, who is in security too, has a second vote")
	}
	if r, err = s.as("sam").Vote(t.Context(), ballot); err != nil || r.State != access.Approved {
		t.Fatalf("by two: %s, %v", r.State, err)
	}
	s.byAndBy("bob is in security", func() bool { return s.reads("bob") })
}

// Whoever audits is not whoever is audited: by no grant, no guise and no line of the files.
func TestAB35_AuditorsAndOperatorsApart(t *testing.T) {
	t.Parallel()
	s := withRoles(t)
	s.token("bob.2", "bob.2", everything...)
	s.token("bot", "bot", everything...)
	s.run()
	g := s.granted("bob", engine.Ask{Entitlements: []string{"own:auditors"}, Term: hour}, "mia")
	s.byAndBy("bob audits", func() bool { return s.state("bob", g.ID) == access.Held })
	for name, c := range map[string]struct {
		who  string
		what []string
		has  string
	}{
		"beside a grant":               {"bob", []string{"own:security"}, "own:auditors"},
		"under a second identity":      {"bob.2", []string{"own:security"}, "own:auditors"},
		"by a workload":                {"bot", []string{"own:security"}, "own:auditors"},
		"beside a line of the files":   {"sam", []string{"own:auditors"}, "own:security"},
		"both at once, and in a bunch": {"ann", []string{"own:security", "own:auditors"}, "own:auditors"},
	} {
		r, err := s.as(c.who).Submit(t.Context(), filled(engine.Ask{Entitlements: c.what}))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r.State != access.Denied || !slices.ContainsFunc(r.Items, func(it access.Item) bool { return slices.Contains(it.Decision.Clashes, c.has) }) {
			t.Errorf("%s: %s, %+v", name, r.State, r.Items)
		}
	}
	// And where the files are changed so that it comes about, it is found.
	s.edit("directory.yaml", "members: [sam]", "members: [sam, bob.2]")
	if err := s.as("adam").Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.byAndBy("it is found", func() bool {
		list, err := s.as("sam").Findings(t.Context(), false, 100)
		return err == nil && slices.ContainsFunc(list, func(f access.Finding) bool {
			return f.Kind == "duties_together" && f.Subject == "bob: own:auditors with own:security"
		})
	})
	if err := s.as("bob").Return(t.Context(), g.ID, "done"); err != nil {
		t.Fatal(err)
	}
	s.byAndBy("bob does not audit", func() bool { return s.state("bob", g.ID) == access.Absent })
}

// Whom the files name in a role nobody granted it: that is found, and can be made a
// grant. Its end takes what Lessor gave; what stands in the files it names.
func TestAB35_ARoleByTheFilesIsFound(t *testing.T) {
	t.Parallel()
	s := withRoles(t)
	s.edit("directory.yaml", "{id: auditors, members: []}", "{id: auditors, members: [ann], groups: [outside]}\n  - {id: outside, members: [mia]}")
	s.run()
	// 1. Found, also through a group within the group.
	var found access.Finding
	s.byAndBy("it is found", func() bool {
		list, err := s.as("sam").Findings(t.Context(), false, 100)
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(list, func(f access.Finding) bool { return f.Kind == "unexpected_access" && f.Subject == "own:auditors" })
		if at >= 0 {
			found = list[at]
		}
		return at >= 0
	})
	if !strings.Contains(found.Text, "ann") || !strings.Contains(found.Text, "mia") || found.Owner != "olga" {
		t.Errorf("%+v", found)
	}
	// 2. Adopted.
	list, err := s.as("sam").Adopt(t.Context(), engine.Remedy{Finding: found.ID, Accounts: []string{"ann"}, Reason: "she audits this year"})
	if err != nil || len(list) != 1 {
		t.Fatalf("adopt: %+v, %v", list, err)
	}
	r, err := s.as("mia").Vote(t.Context(), engine.Ballot{Request: list[0].ID, Digest: list[0].Digest, Verdict: access.Approve})
	if err != nil || r.State != access.Approved {
		t.Fatalf("%s, %v", r.State, err)
	}
	grant := r.Items[0].Grant
	s.byAndBy("it is held", func() bool { return s.state("ann", grant) == access.Held })
	// 3. Ended: only people take out of the files what stands there, and are told where.
	if err := s.as("olga").Revoke(t.Context(), grant, "the year is over"); err != nil {
		t.Fatal(err)
	}
	s.byAndBy("it is said which file to edit", func() bool {
		sight, err := s.as("olga").Grant(t.Context(), grant)
		return err == nil && sight.Assignment.State == access.Removing &&
			strings.Contains(sight.Trouble, `directory.yaml, or a file below directory/, names "ann" among the members of group "auditors"`)
	})
	if !s.reads("ann") {
		t.Error("ann still stands in the files, and is not in auditors")
	}
	s.edit("directory.yaml", "members: [ann], groups", "members: [], groups")
	if err := s.as("adam").Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.reads("ann") {
		t.Error("ann stands nowhere any more, and still is in auditors")
	}
	s.byAndBy("it is seen gone", func() bool { return s.state("ann", grant) == access.Absent })
}

// A line written into the roster behind Lessor's back is as any other access that
// nobody granted; and what left the files does not come back by their old name.
func TestAB35_TheRosterWrittenByHand(t *testing.T) {
	t.Parallel()
	s := withRoles(t)
	s.edit("policy/rules.cedar", `@id("ask-open")`, `@id("out") @remedy("remove")
permit (principal, action == Action::"remedy", resource in System::"own");

@id("ask-open")`)
	s.edit("lessor.yaml", "listen:", "inventory: 1s\nlisten:")
	s.run()
	s.byAndBy("it was read", func() bool { return strings.Contains(s.log.all(), `"msg":"inventory","system":"own"`) })
	s.halt()
	write := func(group string, who ...string) {
		db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(s.dir, "lessor.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, w := range who {
			if err := db.ChangeRoster(t.Context(), []store.Member{{Group: group, Identity: w}}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	// 1. Found, and removed by rule.
	write("auditors", "bob", "nobody")
	write("no-group", "bob")
	s.run()
	s.byAndBy("bob is out", func() bool {
		db := s.inspect()
		defer db.Close()
		return len(s.onRoster(db)) == 0 && !s.reads("bob")
	})
	if all := s.log.all(); !strings.Contains(all, `"identity":"nobody"`) || !strings.Contains(all, `"group":"no-group"`) {
		t.Error("the log does not say whom and what there is not")
	}
}
