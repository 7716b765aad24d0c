package server_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// A server that comes up goes on with what another had begun when it died: somebody's
// leaving that was said and no more, and a handover that nobody has decided.
func TestALeavingIsGoneOnWith(t *testing.T) {
	t.Parallel()
	dir, file := told(t)
	employees(t, file, 1)
	dsn := "sqlite:" + filepath.Join(dir, "lessor.db")
	// 1. What was committed: mia has left, who owns the system and what is at it.
	db, err := store.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), func(tx *store.Tx) error {
		if err := tx.SaveHand(t.Context(), access.Hand{Subject: "left mia", Owner: "sam"}); err != nil {
			return err
		}
		if err := tx.Hasten(t.Context()); err != nil {
			return err
		}
		if err := tx.Enqueue(t.Context(), engine.LeaveJob{Person: "mia"}, nil); err != nil {
			return err
		}
		return tx.Enqueue(t.Context(), engine.HandoverJob{Handover: "ho-due"}, nil)
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	// 2. What follows from it is done.
	sam := serve(t, dir)("sam")
	testserver.Await(t, "what mia answered for", time.Minute, func() error {
		l, err := sam.Leaving(t.Context(), "mia")
		if err != nil {
			return err
		}
		var subjects []string
		for _, h := range l.Decisions {
			if h.Undecided() && h.ID != "" {
				subjects = append(subjects, h.Subject)
			}
		}
		for _, want := range []string{"system list", "entitlement list:wiki"} {
			if l.Left.IsZero() || !slices.Contains(subjects, want) {
				return fmt.Errorf("left at %s, to be handed over are %q", l.Left, subjects)
			}
		}
		return nil
	})
	// 3. The jobs are done, too, whatever a sweep had done before them; each handover has its reminder.
	look, err := store.Inspect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = look.Close() }()
	testserver.Await(t, "the jobs", time.Minute, func() error {
		jobs := map[string]int{}
		if err := look.Read(t.Context(), func(tx *store.Tx) error {
			rows, err := tx.QueryContext(t.Context(), "select kind, state, count(*) from river_job where kind in ('leave','handover') group by kind, state")
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var kind, state string
				var n int
				if err := rows.Scan(&kind, &state, &n); err != nil {
					return err
				}
				jobs[kind+" "+state] = n
			}
			return rows.Err()
		}); err != nil {
			return err
		}
		if jobs["leave completed"] != 1 || jobs["handover completed"] != 1 || jobs["handover scheduled"] == 0 {
			return fmt.Errorf("jobs are %v", jobs)
		}
		return nil
	})
}
