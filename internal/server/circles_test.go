package server

import (
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Groups that lie in each other are a finding until they do no more.
func TestAB24_CirclesAreFound(t *testing.T) {
	t.Parallel()
	s, l, _ := first(t)
	defer l.Close()
	for _, circles := range [][]string{nil, {"a > b > a", "c > c"}, {"a > b > a", "c > c"}, nil} {
		c := *s.current.Load()
		c.Circles = circles
		s.current.Store(&c)
		if err := s.appraise(t.Context()); err != nil {
			t.Fatal(err)
		}
		var open []access.Finding
		if err := s.db.Read(t.Context(), func(tx *store.Tx) (err error) {
			open, err = tx.OpenFindings(t.Context(), groupCycle)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if len(open) != min(len(circles), 1) || (len(open) == 1 && (open[0].Owner != "security" || !strings.Contains(open[0].Text, "a > b > a; c > c"))) {
			t.Errorf("%v: %+v", circles, open)
		}
	}
}
