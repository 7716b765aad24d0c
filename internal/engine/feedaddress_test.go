package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// An address that a feed gives to two people, or to one where the files give it to another,
// is told of until it is one person's again; of those who have left nothing is told.
func TestAnAddressOfTwoPeople(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr())
		f.Change(func(c *enginetest.Company) {
			owen := c.People["owen"]
			owen.Mail = "owen@example.org"
			c.People["owen"] = owen
		})
		mail := func(to string) func(*access.Record) { return func(r *access.Record) { r.Mail, r.Manager = to, "" } }
		p, q, r := entry("7", "pat", mail("one@example.com")), entry("8", "quin", mail("One@Example.com ")), entry("9", "rob", mail("OWEN@example.org"))
		says := func() string {
			for _, found := range f.Findings(true) {
				if found.Kind == access.AddressShared {
					return found.Text
				}
			}
			return ""
		}
		read(t, f, "hr", p, q, r)
		if text := says(); !strings.Contains(text, "one@example.com: pat, quin; owen@example.org: owen, rob.") || !slices.Equal(feedFindings(f, access.AddressShared), []string{"hr"}) {
			t.Errorf("it says %q", text)
		}
		q.Inactive = true
		read(t, f, "hr", p, q, r)
		if text := says(); strings.Contains(text, "quin") || !strings.Contains(text, "owen@example.org: owen, rob.") {
			t.Errorf("one has left: %q", text)
		}
		r.Mail = "rob@example.org"
		if read(t, f, "hr", p, q, r); says() != "" {
			t.Errorf("nobody shares one: %q", says())
		}
	})
}
