package engine_test

import (
	"slices"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// A label that understates is a finding of its own, once, until it is mended.
func TestAppraise(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		wiki := func(change func(*access.Entitlement)) {
			f.Change(func(c *enginetest.Company) {
				e := c.Entitlements["dir:wiki"]
				change(&e)
				c.Entitlements["dir:wiki"] = e
			})
		}
		appraised := func(gaps int, want ...string) {
			t.Helper()
			got, err := f.Engine.Appraise(t.Context())
			if err != nil || got != gaps {
				t.Fatalf("%d gaps, %v; want %d", got, err, gaps)
			}
			found, err := f.Engine.Findings(t.Context(), f.As("sara"), false, 100)
			if err != nil {
				t.Fatal(err)
			}
			var open []string
			for _, x := range found {
				if x.Kind == "label_understates" {
					open = append(open, x.Subject+" to "+x.Owner)
				}
			}
			if !slices.Equal(open, want) {
				t.Errorf("open findings: %v, want %v", open, want)
			}
		}
		appraised(0)
		wiki(func(e *access.Entitlement) { e.Powers, e.Grants = []string{"grant"}, []string{"dir:root"} })
		appraised(1, "dir:wiki to owen")
		appraised(1, "dir:wiki to owen")
		wiki(func(e *access.Entitlement) { e.Class = "privileged" })
		appraised(0)
		f.CheckQuiet()
	})
}
