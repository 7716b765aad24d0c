package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// What a reading would do is what it then does, and looking does nothing.
func TestAPreviewIsWhatFollows(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		feeds(f, hr())
		read(t, f, "hr", entry("1", "boss"), entry("2", "pia"), entry("3", "quin"), entry("4", "rob"), entry("5", "tess"))
		next := []access.Record{entry("1", "boss"), entry("2", "pia", in("x")), entry("3", "quin", gone), entry("5", "tess", func(r *access.Record) { r.Department = "Sales" }),
			entry("6", "uma"), entry("7", "quin")}
		before := record(t, f, "hr", "3")
		sec := access.Actor{Identity: "sara", Channel: "cli", Scopes: []string{engine.ScopeView, engine.ScopeRevoke}}
		if _, err := f.Engine.PreviewFeed(t.Context(), access.Actor{Identity: "ann", Channel: "cli", Scopes: sec.Scopes}, "hr", next); !errors.Is(err, access.ErrDenied) {
			t.Errorf("somebody else was shown it: %v", err)
		}
		if err := f.Engine.AskFeed(t.Context(), access.Actor{Identity: "ann", Channel: "cli", Scopes: sec.Scopes}, "hr"); !errors.Is(err, access.ErrDenied) {
			t.Errorf("somebody else had it read: %v", err)
		}
		p, err := f.Engine.PreviewFeed(t.Context(), sec, "hr", next)
		if err != nil || p.Records != 6 || p.New != 1 || p.Changed != 1 || p.Left != 2 || p.Doubted != 0 || p.Held != 1 || len(p.Some) != 5 {
			t.Fatalf("%+v, %v", p, err)
		}
		if now := record(t, f, "hr", "3"); now.Version != before.Version {
			t.Errorf("looking changed %+v", now)
		}
		drift := read(t, f, "hr", next...)
		if drift.New != 2 || drift.Left != p.Left || drift.Held != p.Held || drift.Changed != p.Changed {
			t.Errorf("%+v after %+v", drift, p)
		}
		// Of many leavers at once it says that they are not believed.
		p, err = f.Engine.PreviewFeed(t.Context(), sec, "hr", nil)
		if err != nil || p.Left != 0 || p.Doubted != 5 {
			t.Errorf("%+v, %v", p, err)
		}
		if err := f.Engine.AskFeed(t.Context(), sec, "hr"); err != nil || len(f.Jobs(engine.FeedJob{}.Kind())) != 1 {
			t.Errorf("%v, %v", err, f.Jobs(engine.FeedJob{}.Kind()))
		}
	})
}

// Whoever is active by a feed alone that is no longer in the files is said, until
// somebody has decided it; nobody leaves by a line that was deleted.
func TestAFeedThatIsGone(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		sweep := func() {
			t.Helper()
			f.Advance(time.Minute)
			if _, err := f.Engine.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		idp := hr(func(x *access.Feed) {
			x.ID, x.Identity = "idp", ""
			x.Match = []access.Match{{Attribute: "user", Feed: "hr", Equals: "user"}}
		})
		feeds(f, hr(), idp)
		read(t, f, "hr", entry("1", "boss"), entry("2", "pia"), entry("3", "quin", gone))
		sweep()
		if got := feedFindings(f, access.FeedGone); len(got) != 0 {
			t.Errorf("%v", got)
		}
		feeds(f)
		sweep()
		found := f.Findings(true)
		n := slices.IndexFunc(found, func(x access.Finding) bool { return x.Kind == access.FeedGone })
		if n < 0 || found[n].Subject != "hr" || found[n].Owner != "security" || !strings.Contains(found[n].Text, "2 people") || found[n].DueAt.IsZero() || who(f, "pia").Inactive {
			t.Fatalf("%+v", found)
		}
		// Another feed has one of them: the text is another, and no time is gained.
		feeds(f, idp)
		f.Change(func(c *enginetest.Company) { c.Feeds[0].Match = []access.Match{{Attribute: "user", Equals: "id"}} })
		read(t, f, "idp", entry("b", "boss"))
		sweep()
		again := f.Findings(true)
		m := slices.IndexFunc(again, func(x access.Finding) bool { return x.Kind == access.FeedGone })
		if m < 0 || !strings.Contains(again[m].Text, "1 people") || !again[m].DueAt.Equal(found[n].DueAt) {
			t.Errorf("%+v", again)
		}
		feeds(f, hr(), idp)
		sweep()
		if got := feedFindings(f, access.FeedGone); len(got) != 0 {
			t.Errorf("%v", got)
		}
	})
}
