package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/report"
)

// folderOf is a folder with one file of that text.
func folderOf(second bool, text string, voices ...string) engine.Loaded {
	return engine.Loaded{Files: []access.File{{Name: "directory.yaml", SHA256: text}, {Name: engine.ShippedRules, SHA256: "v1"}}, Second: second, Voices: voices, Tell: []string{"ada", "mia"}}
}

var atStart = access.Actor{Identity: access.Clock.Identity, Channel: "start"}

// admin is somebody with a token to administer.
func admin(identity string) access.Actor {
	return access.Actor{Identity: identity, Channel: "test", Scopes: []string{engine.ScopeAdmin}}
}

// tookIn has files taken in, and fails the test where they are refused.
func tookIn(t *testing.T, f *enginetest.Fixture, by access.Actor, l engine.Loaded, confirm string) access.Files {
	t.Helper()
	got, err := f.Engine.TakeFiles(t.Context(), by, l, confirm)
	if err != nil {
		t.Fatalf("%s: %v", by.Identity, err)
	}
	return got
}

// replayed holds the tables against the log, so that no change of files is untold.
func replayed(t *testing.T, f *enginetest.Fixture) {
	t.Helper()
	if _, err := f.Engine.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := report.Replay(t.Context(), f.DB, f.Signer.VerifierKey(), nil); err != nil {
		t.Errorf("replay: %v", err)
	}
}

// Each change of the files is told once, by whatever replica, and to everybody who
// answers for them but the one who made it; so is going back.
func TestFilesInForceAreTold(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		other, err := engine.New(f.Engine.Config)
		if err != nil {
			t.Fatal(err)
		}
		one := tookIn(t, f, atStart, folderOf(false, "1"), "")
		if again, err := other.TakeFiles(t.Context(), atStart, folderOf(false, "1"), ""); err != nil || again.ID != one.ID {
			t.Errorf("another replica: %+v, %v", again, err)
		}
		_, err = f.Engine.TakeFiles(t.Context(), f.As("eve"), folderOf(false, "2"), "")
		refused(t, "whoever does not administer", err, access.ErrDenied, "admin")
		two := folderOf(false, "2")
		two.Files = append(two.Files, access.File{Name: "feeds.yaml", SHA256: "x"})
		f.Advance(time.Minute)
		tookIn(t, f, admin("ada"), two, "")
		f.Advance(time.Minute)
		tookIn(t, f, admin("mia"), folderOf(false, "1"), "")
		list, err := f.Engine.FilesTaken(t.Context(), admin("ada"), "", 10)
		if err != nil || len(list) != 3 {
			t.Fatalf("%+v, %v", list, err)
		}
		back, change := list[0], list[1]
		if change.By != "ada" || change.Before != one.Digest || !slices.Equal(change.Added, []string{"feeds.yaml"}) || !slices.Equal(change.Changed, []string{"directory.yaml"}) || change.InForceAt.IsZero() || change.Waits() {
			t.Errorf("%+v", change)
		}
		if back.By != "mia" || back.Digest != one.Digest || back.Before != change.Digest || !slices.Equal(back.Removed, []string{"feeds.yaml"}) {
			t.Errorf("%+v", back)
		}
		told := 0
		for _, n := range f.Notices() {
			if strings.Contains(n.Text, change.Digest) && strings.Contains(n.Text, "ada had them read") {
				told++
				if slices.Contains(n.To, "ada") || !slices.Contains(n.To, "mia") || !slices.Contains(n.To, "security") {
					t.Errorf("told to %v", n.To)
				}
			}
		}
		if told != 1 {
			t.Errorf("told %d times", told)
		}
		for who, ok := range map[string]bool{"sara": true, "eve": false} {
			if _, err := f.Engine.FilesTaken(t.Context(), f.As(who), "", 10); (err == nil) != ok {
				t.Errorf("%s reads: %v", who, err)
			}
		}
		replayed(t, f)
	})
}

// A change of files that need a second person waits for one: another person, who is
// active, gains nothing by it, and has looked at these very files.
func TestFilesWaitForASecondPerson(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		tookIn(t, f, atStart, folderOf(false, "1"), "")
		next := folderOf(true, "2", "ada", "mia", "sara")
		next.Gains = []access.Gain{{Person: "mia", What: []string{"is in security"}}}
		_, err := f.Engine.TakeFiles(t.Context(), admin("ada"), folderOf(true, "2", "ada"), "")
		refused(t, "with one voice alone", err, access.ErrInvalid, "needs two people")
		// 1. A program may ask, and its word is none; a person's is one.
		if w := tookIn(t, f, admin("robot"), next, ""); !w.Waits() || len(w.Words) != 0 {
			t.Errorf("%+v", w)
		}
		waits := tookIn(t, f, admin("ada"), next, "")
		if again := tookIn(t, f, admin("ada"), next, ""); !again.Waits() || len(again.Words) != 1 || again.ID != waits.ID || !again.InForceAt.IsZero() {
			t.Errorf("%+v", again)
		}
		if err := engine.FilesWaiting(waits); !strings.Contains(err.Error(), "lessor reload --confirm "+waits.Digest) || !strings.Contains(err.Error(), "One of sara looks") || !strings.Contains(err.Error(), "mia gains by it (is in security)") {
			t.Errorf("it does not say what to do: %v", err)
		}
		// 2. None of these is a second person.
		for who, c := range map[string]struct {
			by      access.Actor
			confirm string
			kind    error
			says    string
		}{
			"whoever gains":             {admin("mia"), waits.Digest, access.ErrDenied, "mia gains by the change (is in security)"},
			"whoever gains, asking too": {admin("mia"), "", access.ErrDenied, "mia gains"},
			"a workload":                {admin("robot"), waits.Digest, access.ErrDenied, "only people"},
			"an agent":                  {admin("pilot"), waits.Digest, access.ErrDenied, "only people"},
			"somebody external":         {admin("xena"), waits.Digest, access.ErrDenied, "external"},
			"somebody of no standing":   {f.As("bob"), waits.Digest, access.ErrDenied, "people of security"},
			"other files":               {admin("sara"), "sha256:00", access.ErrConflict, "by now"},
		} {
			_, err := f.Engine.TakeFiles(t.Context(), c.by, next, c.confirm)
			refused(t, who, err, c.kind, c.says)
		}
		if w := tookIn(t, f, admin("ada"), next, waits.Digest); !w.Waits() {
			t.Error("ada is two people")
		}
		guise := next
		guise.PersonOf = func(id string) string { return strings.Replace(id, "sara", "ada", 1) }
		if w := tookIn(t, f, f.As("sara"), guise, waits.Digest); !w.Waits() {
			t.Error("two people who are one by the new files")
		}
		// 3. A word stands for a day.
		f.Advance(25 * time.Hour)
		if w := tookIn(t, f, f.As("sara"), next, waits.Digest); !w.Waits() || len(w.Words) != 1 {
			t.Errorf("by a word of yesterday: %+v", w)
		}
		in := tookIn(t, f, admin("ada"), next, "")
		if in.Waits() || in.InForceAt.IsZero() || len(in.Words) != 2 || in.Said() != "sara and ada said so" {
			t.Errorf("%+v", in)
		}
		// 4. To turn it off is such a change, and to go back is.
		off := tookIn(t, f, admin("ada"), folderOf(false, "3"), "")
		if !off.Waits() {
			t.Fatalf("turned off by one: %+v", off)
		}
		if stand, err := f.Engine.FilesStand(t.Context(), off.Digest); err != nil || stand {
			t.Errorf("%v, %v", stand, err)
		}
		if off = tookIn(t, f, f.As("sara"), folderOf(false, "3"), off.Digest); off.Waits() {
			t.Errorf("%+v", off)
		}
		if w := tookIn(t, f, admin("ada"), folderOf(false, "4"), ""); w.Waits() {
			t.Errorf("it is off: %+v", w)
		}
		replayed(t, f)
	})
}

// A server begins with files that nobody has confirmed, and they wait: only those count
// who could by the files that were confirmed last. Putting those back needs nobody, nor
// does another version of the program.
func TestFilesAtAStartWaitForTheLastVoices(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		good := folderOf(true, "1", "ada", "sara")
		began := good
		began.Start = true
		w := tookIn(t, f, atStart, began, "")
		if !w.Waits() || w.InForceAt.IsZero() {
			t.Fatalf("%+v", w)
		}
		for _, who := range []string{"ada", "sara"} {
			w = tookIn(t, f, admin(who), good, w.Digest)
		}
		if w.Waits() {
			t.Fatalf("%+v", w)
		}
		// 1. Files behind whose back: they name others.
		f.Advance(time.Minute)
		bad := folderOf(false, "evil", "eve", "bob", "ada")
		at := bad
		at.Start = true
		for range 2 { // a second start says nothing new
			if w = tookIn(t, f, atStart, at, ""); !w.Waits() || w.InForceAt.IsZero() {
				t.Fatalf("%+v", w)
			}
		}
		for _, who := range []string{"eve", "bob"} {
			_, err := f.Engine.TakeFiles(t.Context(), admin(who), bad, w.Digest)
			refused(t, who, err, access.ErrDenied, "one of ada, sara has")
		}
		if list, err := f.Engine.FilesTaken(t.Context(), admin("ada"), "", 10); err != nil || len(list) != 2 {
			t.Errorf("%+v, %v", list, err)
		}
		// 2. Put back, and with another program.
		if w := tookIn(t, f, admin("eve"), good, ""); w.Waits() || w.Said() != "ada and sara said so" {
			t.Errorf("%+v", w)
		}
		f.Advance(time.Minute)
		newer := folderOf(true, "1", "ada", "sara")
		newer.Files[1].SHA256, newer.Start = "v2", true
		if w := tookIn(t, f, atStart, newer, ""); w.Waits() || !slices.Equal(w.Changed, []string{engine.ShippedRules}) {
			t.Errorf("%+v", w)
		}
		replayed(t, f)
	})
}
