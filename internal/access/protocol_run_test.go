package access_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// With its three rules the protocol has no quiet state in which reality differs
// from authority, whatever happens.
func TestProtocol(t *testing.T) {
	t.Parallel()
	confirm := searchPace
	confirm.Confirm, confirm.Recheck = searchPace.Call, searchPace.Call
	for _, c := range []struct {
		name            string
		s               search
		faults, crashes int8
	}{
		{"lost, late, blind, slow, crashed", search{rules: allRules, pace: searchPace, whole: true}, 4, 2},
		// A call that was answered and lands once more is beyond any protocol that
		// believes an answer enough to stop; the looks that confirm and recheck find it.
		{"answered, and landing once more", search{rules: allRules, pace: confirm, whole: true, doubled: true}, 3, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			states, way := c.s.run(begin(c.faults, c.crashes))
			if way != "" {
				t.Errorf("after %d states: %s", states, way)
			}
			t.Logf("%d states in %s (%d faults, %d crashes, 1 revocation)", states, time.Since(began).Round(time.Millisecond), c.faults, c.crashes)
		})
	}
}

// Take any of the rules away, and the search finds what goes wrong.
func TestProtocolNeedsEachRule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		take   func(*rules)
		mangle func(*search)
	}{
		{"nothing is sent once the lease has run out", func(r *rules) {
			r.maySend = func(access.Work, time.Time, access.Pace) bool { return true }
		}, nil},
		{"no look settles while a call may still land", func(r *rules) {
			r.settles = func(access.Work, time.Time, bool) bool { return true }
		}, nil},
		{"whoever lost the lease settles nothing", func(r *rules) {
			r.maySettle = func(access.Work, string, int64, time.Time) bool { return true }
		}, nil},
		{"what is settled is looked at again where answered calls land again", func(*rules) {}, func(s *search) { s.doubled = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := search{rules: allRules, pace: searchPace}
			c.take(&s.rules)
			if c.mangle != nil {
				c.mangle(&s)
			}
			states, way := s.run(begin(2, 1))
			if !strings.HasPrefix(way, "quiet as ") {
				t.Fatalf("not noticed in %d states: %q", states, way)
			}
			t.Logf("after %d states: %s", states, way)
		})
	}
}
