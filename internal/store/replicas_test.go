package store

import (
	"slices"
	"testing"
	"time"
)

// Whoever is there says so again and again, and whoever was not seen for long is forgotten.
func TestReplicas(t *testing.T) {
	t.Parallel()
	for _, d := range []Dialect{SQLite, Postgres} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			db, ctx := open(t, d), t.Context()
			noon := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
			beat := func(id, files string, now time.Time) (ids []string) {
				t.Helper()
				list, err := db.Beat(ctx, Replica{ID: id, Name: "host " + id, Version: "1", Files: files, Began: noon, Seen: now}, now.Add(-time.Minute))
				must(t, err)
				for _, r := range list {
					ids = append(ids, r.ID+" "+r.Files)
				}
				return ids
			}
			for _, step := range []struct {
				got, want []string
			}{
				{beat("b", "x", noon), []string{"b x"}},
				{beat("a", "x", noon.Add(time.Second)), []string{"a x", "b x"}},
				{beat("a", "y", noon.Add(time.Minute)), []string{"a y", "b x"}},
				{beat("a", "y", noon.Add(time.Minute+time.Second)), []string{"a y"}},
				{beat("c", "y", noon.Add(time.Minute+time.Second)), []string{"a y", "c y"}},
			} {
				if !slices.Equal(step.got, step.want) {
					t.Errorf("%q, want %q", step.got, step.want)
				}
			}
			must(t, db.Leave(ctx, "a"))
			if list, err := db.Replicas(ctx); err != nil || len(list) != 1 || list[0].ID != "c" || !list[0].Seen.Equal(noon.Add(time.Minute+time.Second)) {
				t.Errorf("%+v, %v", list, err)
			}
		})
	}
}
