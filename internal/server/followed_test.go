package server

import (
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// Who serves is counted once it has said so, and a witness that has signed nothing is
// behind by the whole log; without witnesses nothing is said of any.
func TestFollowed(t *testing.T) {
	t.Parallel()
	s, l, _ := first(t)
	defer l.Close()
	if alike, other := s.replicaCount(); alike != 0 || other != 0 {
		t.Errorf("before the first beat: %d, %d", alike, other)
	}
	s.self.is.ID, s.self.is.Name, s.self.is.Began = "this", "here", time.Now()
	if err := s.beat(t.Context()); err != nil {
		t.Fatal(err)
	}
	if alike, other := s.replicaCount(); alike != 1 || other != 0 {
		t.Errorf("after it: %d, %d", alike, other)
	}
	if err := s.engine.Find(t.Context(), "inventory_unread", "ldap", "security", "why", time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := s.engine.Sequence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f, err := s.followed(t.Context()); err != nil || len(f.Behind) > 0 || f.Late > 0 {
		t.Errorf("no witnesses: %+v, %v", f, err)
	}
	c := *s.current.Load()
	c.Witnesses = config.Witnesses{List: []config.Witness{{ID: "near", Key: enginetest.NewCosigner("near").Key}}, Quorum: 1, Within: time.Minute}
	s.current.Store(&c)
	head, err := s.engine.Witnessing(t.Context())
	if err != nil || head.Head.Size == 0 {
		t.Fatalf("no head: %+v, %v", head, err)
	}
	if f, err := s.followed(t.Context()); err != nil || f.Behind["near"] != head.Head.Size || f.Late == 0 {
		t.Errorf("one that has signed nothing: %+v, want %d, %v", f, head.Head.Size, err)
	}
}

// Another version of the program may be there as long as nothing was heard, and then
// while one has said so lately.
func TestMixed(t *testing.T) {
	t.Parallel()
	s, l, _ := first(t)
	defer l.Close()
	beat := func(want bool, when string) {
		t.Helper()
		if err := s.beat(t.Context()); err != nil {
			t.Fatal(err)
		}
		if s.mixed() != want {
			t.Errorf("%s: mixed is %v", when, !want)
		}
	}
	s.self.is.ID, s.self.is.Version, s.self.is.Began = "this", "2", time.Now()
	if !s.mixed() {
		t.Error("before anything was heard nothing is mixed")
	}
	beat(false, "alone")
	other := store.Replica{ID: "other", Name: "there", Version: "1", Began: time.Now(), Seen: time.Now()}
	say := func() {
		t.Helper()
		if _, err := s.db.Beat(t.Context(), other, time.Now().Add(-replicaForget)); err != nil {
			t.Fatal(err)
		}
	}
	say()
	beat(true, "beside an older one")
	other.Seen = time.Now().Add(-2 * replicaGone)
	say()
	beat(false, "after an older one was last heard long ago")
	other.ID, other.Version, other.Seen = "third", "2", time.Now()
	say()
	beat(false, "beside one that is alike")
	s.self.heard = time.Now().Add(-2 * replicaGone) // as one that was frozen
	if !s.mixed() {
		t.Error("what was heard long ago is believed")
	}
}
