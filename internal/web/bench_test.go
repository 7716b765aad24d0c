package web_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// What a page costs, server and loopback together, in a company of 10,000
// people and 5,000 entitlements.
func BenchmarkPages(b *testing.B) {
	p := open(b, func(c *enginetest.Company) {
		for i := range 10_000 {
			id := fmt.Sprintf("p%06d", i)
			c.People[id] = access.Identity{ID: id, Kind: access.Person, Name: "Person " + id, Manager: "mia", Department: fmt.Sprintf("dep%03d", i%500), Accounts: map[string]string{"dir": id}}
		}
		for i := range 5_000 {
			e := c.Entitlements["dir:wiki"]
			e.Name = fmt.Sprintf("group %05d of the directory", i)
			e.ID, e.Object = fmt.Sprintf("dir:group%05d", i), fmt.Sprintf("group%05d", i)
			c.Entitlements[e.ID] = e
		}
	})
	who := p.as("eve")
	r := who.asks("dir:group00007", "2h", "to do my work")
	mia := p.as("mia")
	for _, page := range []struct {
		name, path string
		by         *person
	}{
		{"access", "/access", who}, {"ask", "/ask", who}, {"search", "/ask?q=4999+group", who}, {"form", "/ask/form?entitlement=dir:group00007", who},
		{"requests", "/requests", who}, {"request", "/requests/" + r.ID, who}, {"desk", "/waiting", mia},
	} {
		b.Run(page.name, func(b *testing.B) {
			for b.Loop() {
				page.by.goTo(page.path)
				if page.by.status == http.StatusTooManyRequests {
					b.StopTimer()
					p.Clock.Pass(10_000_000_000)
					b.StartTimer()
				}
			}
		})
	}
}
