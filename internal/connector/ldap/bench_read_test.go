package ldap

import (
	"context"
	"crypto/tls"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// BenchmarkReadWhole reads a whole directory, accounts and memberships, beside a
// bare paged read of the same values that does nothing with them. heap-MB is the
// most that was alive at once beyond what was before.
func BenchmarkReadWhole(b *testing.B) {
	for _, people := range []int{50_000, 100_000, 200_000} {
		groups, each := people/10, 52
		b.Run(fmt.Sprintf("accounts=%d memberships=%d", people, groups*each), func(b *testing.B) {
			s := testserver.Slapd(b, testserver.SlapdOptions{LDIF: wholeTree(people, groups, each), NoSync: true})
			c := connect(b, config(s))
			conn, err := goldap.DialURL(s.URL, goldap.DialWithTLSConfig(&tls.Config{RootCAs: s.CA}))
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			if err := conn.Bind(testserver.SlapdService, testserver.SlapdServiceSecret); err != nil {
				b.Fatal(err)
			}
			var ours, bare time.Duration
			var heap uint64
			for b.Loop() {
				began := time.Now()
				if n := bareRead(b, conn, testserver.SlapdPeople, "(objectClass=inetOrgPerson)", "uid") + bareRead(b, conn, testserver.SlapdGroups, "(objectClass=groupOfNames)", "member"); n < people+groups*each {
					b.Fatalf("the bare read saw %d values", n)
				}
				bare += time.Since(began)
				began = time.Now()
				n := 0
				heap = max(heap, mostAlive(func() {
					err = c.Observe(context.Background(), nil, func(connector.Holding) error { n++; return nil })
				}))
				if err != nil || n != groups*each {
					b.Fatalf("%d holdings, %v", n, err)
				}
				ours += time.Since(began)
			}
			b.ReportMetric(ours.Seconds()/float64(b.N), "ours-s")
			b.ReportMetric(bare.Seconds()/float64(b.N), "bare-s")
			b.ReportMetric(bare.Seconds()/ours.Seconds(), "ratio")
			b.ReportMetric(float64(heap)/(1<<20), "heap-MB")
		})
	}
}

func wholeTree(people, groups, each int) string {
	var b strings.Builder
	of := make([][]int, people)
	for g := range groups {
		for m := range each {
			p := (g*each + m*7919) % people
			of[p] = append(of[p], g)
		}
	}
	group := func(g int) string { return fmt.Sprintf("cn=g%06d,%s", g, testserver.SlapdGroups) }
	for p := range people {
		uid := fmt.Sprintf("p%06d", p)
		fmt.Fprintf(&b, "dn: %s\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\nsn: P\n", benchPerson(uid), uid, uid)
		for _, g := range of[p] {
			fmt.Fprintf(&b, "memberOf: %s\n", group(g))
		}
		b.WriteString("\n")
	}
	members := make([][]int, groups)
	for p, gs := range of {
		for _, g := range gs {
			members[g] = append(members[g], p)
		}
	}
	for g, ps := range members {
		fmt.Fprintf(&b, "dn: %s\nobjectClass: groupOfNames\ncn: g%06d\n", group(g), g)
		for _, p := range ps {
			fmt.Fprintf(&b, "member: %s\n", benchPerson(fmt.Sprintf("p%06d", p)))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// bareRead pages through a subtree and counts the values of one attribute.
func bareRead(b *testing.B, conn *goldap.Conn, base, filter, attribute string) (n int) {
	b.Helper()
	paging := goldap.NewControlPaging(1000)
	for {
		res, err := conn.Search(goldap.NewSearchRequest(base, goldap.ScopeWholeSubtree, goldap.NeverDerefAliases, 0, 0, false,
			filter, []string{attribute}, []goldap.Control{paging}))
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range res.Entries {
			n += len(e.GetAttributeValues(attribute))
		}
		next, _ := goldap.FindControl(res.Controls, goldap.ControlTypePaging).(*goldap.ControlPaging)
		if next == nil || len(next.Cookie) == 0 {
			return n
		}
		paging.SetCookie(next.Cookie)
	}
}

// mostAlive runs something and says how much more was in use at its highest, asked every few
// milliseconds.
func mostAlive(do func()) uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := m.HeapInuse
	var most atomic.Uint64
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				var now runtime.MemStats
				runtime.ReadMemStats(&now)
				most.Store(max(most.Load(), now.HeapInuse))
			}
		}
	}()
	do()
	close(stop)
	<-stopped
	return most.Load() - min(before, most.Load())
}
