package ldap

import (
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

const (
	benchPeople  = 2000
	benchGroups  = 50
	benchMembers = 200 // of each group
)

// crowd is benchGroups groups of benchMembers each, as slapadd wants it.
func crowd() (ldif string, members [][]string) {
	groupsOf := map[string][]string{}
	members = make([][]string, benchGroups)
	for g := range members {
		for m := range benchMembers {
			uid := fmt.Sprintf("p%04d", (g*37+m)%benchPeople)
			members[g] = append(members[g], uid)
			groupsOf[uid] = append(groupsOf[uid], benchGroup(g))
		}
	}
	var b strings.Builder
	for p := range benchPeople {
		uid := fmt.Sprintf("p%04d", p)
		fmt.Fprintf(&b, "dn: %s\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\nsn: P\n", benchPerson(uid), uid, uid)
		for _, g := range groupsOf[uid] {
			fmt.Fprintf(&b, "memberOf: %s\n", g)
		}
		b.WriteByte('\n')
	}
	for g := range members {
		fmt.Fprintf(&b, "dn: %s\nobjectClass: groupOfNames\ncn: g%02d\n", benchGroup(g), g)
		for _, uid := range members[g] {
			fmt.Fprintf(&b, "member: %s\n", benchPerson(uid))
		}
		b.WriteByte('\n')
	}
	return b.String(), members
}

func benchPerson(uid string) string { return "uid=" + uid + "," + testserver.SlapdPeople }
func benchGroup(g int) string       { return fmt.Sprintf("cn=g%02d,%s", g, testserver.SlapdGroups) }

// BenchmarkRemove10k removes 10,000 memberships in 50 groups through Apply, by the
// batch, and sets that against the same batches as bare modifies by someone who
// knows every DN and that nobody else writes. Each starts from the same content.
// "grouped" is the order of the groups, "due" one in which everything is mixed.
// ratio is raw time by ours; ratio-best sets ours against the least anybody could
// send, one modify a group whatever the order.
func BenchmarkRemove10k(b *testing.B) {
	ldif, members := crowd()
	for _, sync := range []string{"nosync", "disk"} {
		for _, order := range []string{"grouped", "due"} {
			b.Run(sync+"/"+order, func(b *testing.B) {
				benchRemove(b, testserver.SlapdOptions{LDIF: ldif, NoSync: sync == "nosync"}, changesFor(members, order == "due"))
			})
		}
	}
}

func changesFor(members [][]string, mixed bool) (changes []connector.Change) {
	for g, uids := range members {
		for _, uid := range uids {
			changes = append(changes, connector.Change{Ref: connector.Ref{Account: uid, Object: fmt.Sprintf("g%02d", g)}})
		}
	}
	if mixed {
		r := rand.New(rand.NewPCG(1, 2))
		r.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
	}
	return changes
}

func benchRemove(b *testing.B, o testserver.SlapdOptions, changes []connector.Change) {
	// The least of each: a shared disk makes the same modifies take ten times as long.
	const never = time.Duration(math.MaxInt64)
	ours, raw, best, look := never, never, never, never
	for b.Loop() {
		raw = min(raw, removeRaw(b, testserver.Slapd(b, o), changes, batch))
		s := testserver.Slapd(b, o)
		c := connect(b, config(s))
		ours = min(ours, removeOurs(b, c, changes))
		look = min(look, lookOurs(b, c, changes))
		best = min(best, removeRaw(b, testserver.Slapd(b, o), changes, len(changes)))
	}
	b.ReportMetric(ours.Seconds(), "s/ours")
	b.ReportMetric(raw.Seconds(), "s/raw")
	b.ReportMetric(best.Seconds(), "s/best")
	b.ReportMetric(look.Seconds(), "s/look")
	b.ReportMetric(raw.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(best.Seconds()/ours.Seconds(), "ratio-best")
	b.ReportMetric(0, "ns/op")
}

func removeOurs(b *testing.B, c *Connector, changes []connector.Change) time.Duration {
	began := time.Now()
	for some := range slices.Chunk(changes, c.Capabilities().Batch) {
		for _, r := range c.Apply(context.Background(), some) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	}
	return time.Since(began)
}

// lookOurs looks at all of them, which must be gone.
func lookOurs(b *testing.B, c *Connector, changes []connector.Change) time.Duration {
	began := time.Now()
	for some := range slices.Chunk(changes, c.Capabilities().Batch) {
		refs := make([]connector.Ref, len(some))
		for i, ch := range some {
			refs[i] = ch.Ref
		}
		for _, seen := range c.Look(context.Background(), refs) {
			if seen.Err != nil || seen.Direct || seen.Effective {
				b.Fatalf("%+v", seen)
			}
		}
	}
	return time.Since(began)
}

// removeRaw sends one modify a group for each batch, as the same account.
func removeRaw(b *testing.B, s *testserver.SlapdServer, changes []connector.Change, batch int) time.Duration {
	conn, err := goldap.DialURL(s.URL, goldap.DialWithTLSConfig(&tls.Config{RootCAs: s.CA}))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind(testserver.SlapdService, testserver.SlapdServiceSecret); err != nil {
		b.Fatal(err)
	}
	left := map[string]int{}
	for _, ch := range changes {
		left[ch.Object]++
	}
	began := time.Now()
	for some := range slices.Chunk(changes, batch) {
		byGroup := map[string][]string{}
		for _, ch := range some {
			byGroup[ch.Object] = append(byGroup[ch.Object], benchPerson(ch.Account))
		}
		for g, dns := range byGroup {
			req := goldap.NewModifyRequest("cn="+g+","+testserver.SlapdGroups, nil)
			req.Delete("member", dns)
			if left[g] -= len(dns); left[g] == 0 {
				req.Add("member", []string{testserver.SlapdPlaceholder})
			}
			if err := conn.Modify(req); err != nil {
				b.Fatal(err)
			}
		}
	}
	return time.Since(began)
}

// BenchmarkLargeGroup works on a group of 100,000.
func BenchmarkLargeGroup(b *testing.B) {
	const size = 100_000
	group := "cn=all," + testserver.SlapdGroups
	var people, members strings.Builder
	for i := range size {
		uid := fmt.Sprintf("p%06d", i)
		fmt.Fprintf(&people, "dn: %s\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\nsn: P\nmemberOf: %s\n\n", benchPerson(uid), uid, uid, group)
		fmt.Fprintf(&members, "member: %s\n", benchPerson(uid))
	}
	ldif := people.String() + "dn: " + group + "\nobjectClass: groupOfNames\ncn: all\n" + members.String() + "\n"
	s := testserver.Slapd(b, testserver.SlapdOptions{LDIF: ldif, NoSync: true})
	c := connect(b, config(s))
	ref := connector.Ref{Account: "p050000", Object: group}
	ctx := context.Background()
	b.Run("look", func(b *testing.B) {
		for b.Loop() {
			if seen := c.Look(ctx, []connector.Ref{ref})[0]; seen.Err != nil || !seen.Direct {
				b.Fatalf("%+v", seen)
			}
		}
	})
	b.Run("remove-and-add", func(b *testing.B) {
		for b.Loop() {
			for _, want := range []bool{false, true} {
				if r := c.Apply(ctx, []connector.Change{{Ref: ref, Want: want}})[0]; r.Err != nil {
					b.Fatal(r.Err)
				}
			}
		}
	})
	b.Run("observe", func(b *testing.B) {
		for b.Loop() {
			n := 0
			if err := c.Observe(ctx, nil, func(connector.Holding) error { n++; return nil }); err != nil || n != size {
				b.Fatalf("%d holdings, %v", n, err)
			}
		}
	})
}
