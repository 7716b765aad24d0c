package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// placed are the attributes by which somebody has a place: who answers for them, and
// what they have by it. A feed that loses them for everybody moves a whole house.
var placed = []struct {
	name string
	none func(access.Record) bool
	keep func(next *access.Record, was access.Record)
}{
	{"department", func(r access.Record) bool { return r.Department == "" }, func(next *access.Record, was access.Record) { next.Department = was.Department }},
	{"manager", func(r access.Record) bool { return r.Manager == "" }, func(next *access.Record, was access.Record) { next.Manager = was.Manager }},
	{"groups", func(r access.Record) bool { return len(r.Groups) == 0 }, func(next *access.Record, was access.Record) { next.Groups = was.Groups }},
}

// emptied has a reading say what was said before, of an attribute that it no longer gives
// to more than its share of those who had one, with whoever has lost one within the day. It
// tells of how many, by attribute: with every reading anew, until the feed gives it again or
// its share is raised. Of the others it notes that they have.
func emptied(f access.Feed, was, says map[string]access.Record, now time.Time) map[string]int {
	here := 0
	of, lately := map[string][]string{}, map[string]bool{}
	for key, old := range was {
		next, still := says[key]
		if old.Group || !old.Believed() || !still || !next.Here() {
			continue
		}
		here++
		if emptiedLately(old, now) {
			lately[key] = true
		}
		for _, a := range placed {
			if slices.Contains(f.Gives, a.name) && !a.none(old) && a.none(next) {
				of[a.name] = append(of[a.name], key)
			}
		}
	}
	lost := map[string]int{}
	for _, a := range placed {
		others := len(lately)
		for _, key := range of[a.name] {
			if lately[key] {
				others--
			}
		}
		if f.Shrink >= 100 || len(of[a.name])+others <= max(fewLeavers, here*f.Shrink/100) {
			for _, key := range of[a.name] {
				next := says[key]
				next.Emptied = now
				says[key] = next
			}
			continue
		}
		lost[a.name] = len(of[a.name])
		for _, key := range of[a.name] {
			next := says[key]
			a.keep(&next, was[key])
			says[key] = next
		}
	}
	return lost
}

// tellEmptied keeps the finding that a feed has lost what it said of many, as long as that is so.
func (d *deed) tellEmptied(ctx context.Context, f access.Feed, lost map[string]int) error {
	var what []string
	for _, a := range placed {
		if n := lost[a.name]; n > 0 {
			what = append(what, fmt.Sprintf("%s of %d people", a.name, n))
		}
	}
	if len(what) == 0 {
		return d.settleFinding(ctx, access.FeedEmptied, f.ID, "it says so again, or of so few that it is believed")
	}
	return d.renew(ctx, access.Finding{Kind: access.FeedEmptied, Subject: f.ID, Owner: "security", DueAt: d.now.Add(4 * time.Hour),
		Text: fmt.Sprintf("Feed %s no longer says the %s whom it still has: more than its share of %d%% at once. They keep what it said before. Mend the feed; or, if that is so, set shrink of the feed to 100%% until it was read once.",
			f.ID, strings.Join(what, ", nor the "), f.Shrink)}, "another number is in doubt")
}
