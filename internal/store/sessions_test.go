package store

import (
	"errors"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// A session begins in the place of another, is seen, and ends alone, with its
// identity's others, or by its time.
func TestSessionsBeginAndEnd(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		ctx := t.Context()
		there := func(hash string) bool {
			t.Helper()
			_, err := db.Session(ctx, hash)
			if err != nil && !errors.Is(err, access.ErrNotFound) {
				t.Fatal(err)
			}
			return err == nil
		}
		session := func(hash, who string) Session {
			return Session{Hash: hash, Identity: who, Strength: "mfa", Began: noon, Seen: noon, End: noon.Add(time.Hour), Browser: "Firefox on Linux"}
		}
		must(t, db.BeginSession(ctx, session("a", "eve"), "", noon))
		got, err := db.Session(ctx, "a")
		same(t, "session", got, err, session("a", "eve"))
		must(t, db.SawSession(ctx, "a", noon.Add(time.Minute)))
		if got, err = db.Session(ctx, "a"); err != nil || !got.Seen.Equal(noon.Add(time.Minute)) {
			t.Errorf("seen: %v, %v", got.Seen, err)
		}
		must(t, db.BeginSession(ctx, session("b", "eve"), "a", noon))
		must(t, db.BeginSession(ctx, session("c", "bob"), "", noon))
		if there("a") || !there("b") || !there("c") {
			t.Error("b did not take the place of a alone")
		}
		if list, err := db.SessionsOf(ctx, "eve"); err != nil || len(list) != 1 || list[0] != session("b", "eve") {
			t.Errorf("eve's are %+v: %v", list, err)
		}
		must(t, db.EndSession(ctx, "c"))
		must(t, db.EndSession(ctx, "c"))
		must(t, db.SawSession(ctx, "c", noon))
		if there("c") {
			t.Error("c is still there")
		}
		must(t, db.BeginSession(ctx, session("d", "eve"), "", noon))
		if n, err := db.EndSessionsOf(ctx, "eve"); n != 2 || err != nil {
			t.Errorf("ended %d of eve: %v", n, err)
		}
		must(t, db.BeginSession(ctx, session("e", "eve"), "", noon))
		late := session("f", "bob")
		late.Began, late.Seen, late.End = noon.Add(time.Hour), noon.Add(time.Hour), noon.Add(2*time.Hour)
		must(t, db.BeginSession(ctx, late, "", noon.Add(time.Hour)))
		if there("e") || !there("f") {
			t.Error("what has ended is not forgotten")
		}
	})
}
