package ldap

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/testserver"
)

// BenchmarkFollow listens to a whole directory: how long until it is listened to, and
// how long after a member was added the group is named.
func BenchmarkFollow(b *testing.B) {
	const people = 100_000
	s := testserver.Slapd(b, testserver.SlapdOptions{LDIF: wholeTree(people, people/10, 52), NoSync: true})
	c := connect(b, config(s))
	group, person := fmt.Sprintf("cn=g%06d,%s", 7, testserver.SlapdGroups), benchPerson("p099999")
	var listen, word time.Duration
	for b.Loop() {
		ctx, stop := context.WithCancel(b.Context())
		heard, ended := make(chan []string, 100), make(chan error, 1)
		began := time.Now()
		go func() { ended <- c.Follow(ctx, func(objects []string) { heard <- objects }) }()
		next := func() []string {
			select {
			case objects := <-heard:
				return objects
			case err := <-ended:
				b.Fatal(err)
				return nil
			}
		}
		if first := next(); len(first) != 0 {
			b.Fatalf("first it says %q", first)
		}
		listen += time.Since(began)
		began = time.Now()
		s.Modify(b, group, "member", []string{person}, nil)
		if objects := next(); len(objects) == 0 {
			b.Fatal("anything may have changed")
		}
		word += time.Since(began)
		stop()
		<-ended
		s.Modify(b, group, "member", nil, []string{person})
	}
	b.ReportMetric(listen.Seconds()/float64(b.N), "listening-s")
	b.ReportMetric(1000*word.Seconds()/float64(b.N), "word-ms")
}
