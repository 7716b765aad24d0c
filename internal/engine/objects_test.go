package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
)

// said is a target whose objects say what they are.
type said struct {
	*enginetest.Fixture
	t *testing.T
}

// tell is a whole reading of dir, a minute after the one before.
func (s *said) tell(seen ...engine.ObjectSeen) engine.ObjectDrift {
	s.t.Helper()
	s.Advance(time.Minute)
	drift, err := s.Engine.ObservedObjects(s.t.Context(), "dir", s.Now(), seen)
	if err != nil {
		s.t.Fatal(err)
	}
	return drift
}

// would is what a decision about the entitlement would go by.
func (s *said) would(entitlement string) access.Reach {
	s.t.Helper()
	items, err := s.Engine.Preview(s.t.Context(), s.As("eve"), engine.Ask{Entitlements: []string{entitlement}, Term: hour, Reason: "work"})
	if err != nil {
		s.t.Fatal(err)
	}
	return items[0].Decision.Reach
}

// finds fails the test unless exactly these are found, and a fresh appraisal agrees.
func (s *said) finds(want ...string) {
	s.t.Helper()
	for _, when := range []string{"at once", "appraised again"} {
		var open []access.Finding
		for _, f := range s.Findings(true) {
			if f.Kind == "label_understates" {
				open = append(open, f)
			}
		}
		slices.SortFunc(open, func(a, b access.Finding) int { return strings.Compare(a.Subject, b.Subject) })
		if len(open) != len(want) {
			s.t.Fatalf("%s: %d findings, want %d: %+v", when, len(open), len(want), open)
		}
		for i, f := range open {
			if !strings.Contains(f.Text, want[i]) || f.Owner == "" {
				s.t.Errorf("%s: %+v does not say %q", when, f, want[i])
			}
		}
		if gaps, err := s.Engine.Appraise(s.t.Context()); err != nil || gaps != len(want) {
			s.t.Errorf("%d gaps, %v", gaps, err)
		}
	}
}

func (s *said) catalog(id string, change func(*access.Entitlement)) {
	s.Change(func(c *enginetest.Company) {
		e := c.Entitlements[id]
		change(&e)
		c.Entitlements[id] = e
	})
}

func withSaid(t *testing.T, do func(s *said)) {
	t.Helper()
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		s := &said{f, t}
		do(s)
		s.Check()
		if _, err := f.Engine.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := report.Replay(t.Context(), f.DB, f.Signer.VerifierKey(), func(int64, int64) {}); err != nil {
			t.Errorf("the log against the tables: %v", err)
		}
	})
}

// What a target says of powers adds to the catalog from that moment on, for every
// decision, and no more once it says so no longer.
func TestWhatATargetSaysIsDecidedBy(t *testing.T) {
	withSaid(t, func(s *said) {
		wiki := engine.ObjectSeen{Object: "wiki", Description: "The\twiki\nof all", Powers: []string{"read"}, Why: "a reader"}
		plain := s.would("dir:wiki")
		if drift := s.tell(wiki, engine.ObjectSeen{Object: "reports"}, engine.ObjectSeen{Object: "not ours", Powers: []string{"admin"}}); drift != (engine.ObjectDrift{Changed: 2}) {
			s.t.Errorf("drift is %+v", drift)
		}
		if r := s.would("dir:wiki"); r.Beyond() || r.Class != plain.Class {
			s.t.Errorf("what the catalog says, too, changes nothing: %+v", r)
		}
		if drift := s.tell(wiki, engine.ObjectSeen{Object: "reports"}); drift != (engine.ObjectDrift{}) {
			s.t.Errorf("the same again: %+v", drift)
		}
		s.finds()
		// 1. It administers, and so is worth the highest class; who is asked goes by that.
		admin := wiki
		admin.Powers, admin.Why = []string{"read", "admin"}, "SUPER\u202eUSER"
		if drift := s.tell(admin, engine.ObjectSeen{Object: "reports"}); drift != (engine.ObjectDrift{Changed: 1, Unsaid: 1}) {
			s.t.Errorf("drift is %+v", drift)
		}
		const path = "wiki can administer wiki (as dir itself says: SUPER\uFFFDUSER)"
		if r := s.would("dir:wiki"); r.Declared != "standard" || r.Class != "privileged" || r.Path != path || r.SelfGrant {
			s.t.Errorf("reach is %+v", r)
		}
		s.finds("dir:wiki is declared standard and reaches privileged: " + path + ". Requests are decided by what it reaches; give it that class, or take the power away. dir itself says that dir:wiki carries the power admin")
		r := s.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour, Reason: "work"})
		var asked []string
		for _, st := range r.Items[0].Decision.Stages {
			asked = append(asked, st.Name)
		}
		if !slices.Equal(asked, []string{"manager", "owner"}) {
			s.t.Errorf("asked are %v", asked)
		}
		// 2. It hands out everything of the system.
		grant := wiki
		grant.Powers, grant.Why = []string{"grant"}, ""
		s.tell(grant, engine.ObjectSeen{Object: "reports"})
		if r := s.would("dir:wiki"); !r.SelfGrant || r.Class != "privileged" || !slices.Contains(r.Implied, "dir:root") ||
			!strings.Contains(r.Path, "hand out every entitlement of dir (as dir itself says), so its holder can give himself") {
			s.t.Errorf("reach is %+v", r)
		}
		// 3. It is what it was: nothing is said any more, and then it is gone.
		s.tell(wiki, engine.ObjectSeen{Object: "reports"})
		if r := s.would("dir:wiki"); r.Beyond() {
			s.t.Errorf("reach is %+v", r)
		}
		s.finds()
		s.tell(admin)
		if o, err := s.Engine.Said(s.t.Context(), s.As("eve"), "dir:wiki"); err != nil || o.Description != "The wiki of all" || o.Why != "SUPER\uFFFDUSER" || !o.Since.Equal(s.Now()) {
			s.t.Errorf("%+v %v", o, err)
		}
		if drift := s.tell(); drift != (engine.ObjectDrift{Gone: 1}) {
			s.t.Errorf("drift is %+v", drift)
		}
		if o, err := s.Engine.Said(s.t.Context(), s.As("eve"), "dir:wiki"); !errors.Is(err, access.ErrNotFound) {
			s.t.Errorf("%+v %v", o, err)
		}
		s.finds()
		s.tell(admin)
		s.finds(path)
	})
}

// Rules read the powers of both.
func TestRulesReadWhatATargetSays(t *testing.T) {
	withSaid(t, func(s *said) {
		s.Change(func(c *enginetest.Company) {
			c.Rules["writers.cedar"] = `@id("no-writers")
@reason("Nobody writes.")
forbid (principal, action == Action::"request", resource)
when { resource.entitlement.powers.containsAll(["read", "write"]) };
`
		})
		asked := func() access.Item {
			s.t.Helper()
			items, err := s.Engine.Preview(s.t.Context(), s.As("eve"), engine.Ask{Entitlements: []string{"dir:wiki"}, Term: hour, Reason: "work"})
			if err != nil {
				s.t.Fatal(err)
			}
			return items[0]
		}
		before := asked()
		if before.Outcome == access.ItemDenied {
			s.t.Fatalf("denied already: %+v", before)
		}
		s.tell(engine.ObjectSeen{Object: "wiki", Powers: []string{"write"}, Why: "a writer"})
		if it := asked(); it.Outcome != access.ItemDenied || !strings.Contains(it.Decision.Why, "Nobody writes.") || !slices.Equal(it.Decision.Reach.Said, []string{"write"}) {
			s.t.Errorf("%+v", it)
		}
		s.tell(engine.ObjectSeen{Object: "wiki"})
		if it := asked(); it.Outcome == access.ItemDenied || it.Decision.Reach.Said != nil {
			s.t.Errorf("%+v", it)
		}
	})
}

// What somebody can hand out is worth what its target says of it.
func TestWhatATargetSaysIsFollowed(t *testing.T) {
	withSaid(t, func(s *said) {
		s.catalog("dir:pay", func(e *access.Entitlement) { e.Powers, e.Grants = []string{"grant"}, []string{"dir:reports"} })
		if r := s.would("dir:pay"); r.Class != "standard" {
			s.t.Fatalf("reach is %+v", r)
		}
		s.tell(engine.ObjectSeen{Object: "reports", Powers: []string{"admin"}, Why: "512"}, engine.ObjectSeen{Object: "pay", Powers: []string{"grant"}, Why: "owner"})
		if r := s.would("dir:pay"); r.Class != "privileged" || !strings.HasSuffix(r.Path, "so its holder can give himself reports, and then administer reports (as dir itself says: 512)") ||
			!slices.Equal(r.Implied, []string{"dir:reports"}) {
			s.t.Errorf("reach is %+v", r)
		}
		s.finds("dir:pay is declared standard", "dir:reports is declared standard")
	})
}

// It takes nothing away, and the catalog mends what it finds.
func TestTheCatalogMendsWhatATargetSays(t *testing.T) {
	withSaid(t, func(s *said) {
		s.catalog("dir:wiki", func(e *access.Entitlement) { e.Powers = []string{"admin"} })
		s.tell(engine.ObjectSeen{Object: "wiki"}, engine.ObjectSeen{Object: "reports", Powers: []string{"write"}, Why: "a writer"},
			engine.ObjectSeen{Object: "lobby", Powers: []string{"grant"}, Why: "owner"})
		if r := s.would("dir:wiki"); r.Class != "privileged" {
			s.t.Errorf("what the target does not say took it away: %+v", r)
		}
		s.finds("dir:lobby is declared open", "dir itself says that dir:reports carries the power write (a writer), and the catalog does not", "dir:wiki is declared standard")
		s.catalog("dir:wiki", func(e *access.Entitlement) { e.Class = "privileged" })
		s.catalog("dir:reports", func(e *access.Entitlement) { e.Powers = []string{"write"} })
		s.catalog("dir:lobby", func(e *access.Entitlement) { e.Powers, e.Class = []string{"grant"}, "privileged" })
		if _, err := s.Engine.Appraise(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		s.finds()
	})
}

// An older reading changes nothing, and a word that nobody knows is refused whole.
func TestWhatATargetSaysIsChecked(t *testing.T) {
	withSaid(t, func(s *said) {
		root := engine.ObjectSeen{Object: "wiki", Powers: []string{"admin"}, Why: "SUPERUSER"}
		s.tell(root)
		if drift, err := s.Engine.ObservedObjects(s.t.Context(), "dir", s.Now().Add(-time.Second), nil); err != nil || drift != (engine.ObjectDrift{}) {
			s.t.Errorf("%+v %v", drift, err)
		}
		s.Advance(time.Minute)
		_, err := s.Engine.ObservedObjects(s.t.Context(), "dir", s.Now(), []engine.ObjectSeen{{Object: "wiki", Powers: []string{"root"}}})
		if !errors.Is(err, access.ErrInvalid) || !strings.Contains(err.Error(), `the power "root"`) {
			s.t.Error(err)
		}
		s.finds("SUPERUSER")
		// Told of twice, all of it counts.
		s.tell(engine.ObjectSeen{Object: "wiki", Powers: []string{"read"}, Why: "a reader"}, root)
		s.finds("as dir itself says: a reader")
	})
}
