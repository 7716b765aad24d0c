package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// What is deployed as an account that no workload answers for is found once, for whoever
// might, says what it says only once it changes, and is over when it is mended or when
// somebody has written the account down: then it is the workload's.
func TestExposedAccountsOfNobody(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		ctx := t.Context()
		read := func(seen ...engine.ExposureSeen) {
			t.Helper()
			f.Clock.Pass(time.Minute)
			if _, err := f.Engine.ObservedAccounts(ctx, "dir", f.Now(), []engine.AccountSeen{{Name: "svc-stray", ID: "1", Kind: "machine"}, {Name: "default", ID: "2", Kind: "built-in"}}); err != nil {
				t.Fatal(err)
			}
			if err := f.Engine.ObservedExposures(ctx, "dir", f.Now(), seen); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Engine.JudgeWorkloads(ctx); err != nil {
				t.Fatal(err)
			}
		}
		found := func(when string, want ...string) (text string) {
			t.Helper()
			got := map[string]bool{}
			for _, x := range f.Findings(true) {
				if x.Kind == access.WorkloadExposed {
					got[x.Subject+" "+x.Owner] = true
					text += x.Text
				}
			}
			for _, w := range want {
				if !got[w] {
					t.Errorf("%s: %q is not found", when, w)
				}
				delete(got, w)
			}
			for g := range got {
				t.Errorf("%s: nobody planted %q", when, g)
			}
			return text
		}
		seen := []engine.ExposureSeen{{Account: "svc-stray", What: "Deployment shop/web: a password"}, {Account: "default", What: "Pod shop/one: a\u202e token\n"}}
		read(seen...)
		all := len(f.Findings(false))
		read(seen...)
		if text := found("read", "dir svc-stray owen", "dir default owen"); strings.ContainsAny(text, "\u202e\n") || len(f.Findings(false)) != all {
			t.Errorf("%q, and %d findings more", text, len(f.Findings(false))-all)
		}
		// As many as there may be: some are named, and it stays as long as people read.
		for n := range 1000 {
			seen = append(seen, engine.ExposureSeen{Account: "svc-stray", What: fmt.Sprintf("Pod shop/p%04d: %s", n, strings.Repeat("x", 5000))})
		}
		read(seen...)
		if text := found("many", "dir svc-stray owen", "dir default owen"); len(text) > 12_000 || !strings.Contains(text, " more") {
			t.Errorf("%d letters", len(text))
		}
		// Somebody answers for it: it is found of the workload.
		f.Change(func(c *enginetest.Company) {
			k := whole()
			c.People["stray"] = access.Identity{ID: "stray", Kind: access.Workload, Name: "Stray", Owner: "eve", Accounts: map[string]string{"dir": "svc-stray"}, Contract: &k}
		})
		read(seen...)
		found("registered", "stray eve", "dir default owen")
		read()
		found("mended")
	})
}
