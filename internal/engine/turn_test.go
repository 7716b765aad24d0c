package engine

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// zeros is randomness that is none.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// Whatever is kept and however small the pages, a list read to its end has each
// kept row once, in order; no page looks at more than it may.
func TestPagesAddUp(t *testing.T) {
	t.Parallel()
	for _, rows := range []int{0, 1, 2, 7, 50, 1201} {
		for _, every := range []int{1, 3, 400, 5000} {
			for _, limit := range []int{1, 2, 50, 500} {
				for _, most := range []int{0, 1, 500} {
					var got []int
					pages := 0
					for p := (Page{Limit: limit}); ; pages++ {
						looked := 0
						list, next, err := turn(p, most, func(n int) string { return fmt.Sprintf("%06d", n) },
							func(before string, n int) (page []int, err error) {
								for i := rows - 1; i >= 0 && len(page) < n; i-- {
									if before == "" || fmt.Sprintf("%06d", i) < before {
										page = append(page, i)
									}
								}
								return page, nil
							}, func(n int) (bool, error) { looked++; return n%every == 0, nil })
						if err != nil || len(list) > limit || (most > 0 && looked > limit+most) {
							t.Fatalf("%d rows, every %dth, pages of %d, at most %d: a page of %d after %d, %v", rows, every, limit, most, len(list), looked, err)
						}
						got = append(got, list...)
						if p.Before = next; next == "" {
							break
						}
					}
					var want []int
					for i := rows - 1; i >= 0; i-- {
						if i%every == 0 {
							want = append(want, i)
						}
					}
					if !slices.Equal(got, want) {
						t.Errorf("%d rows, every %dth, pages of %d, at most %d: %d of %d in %d pages", rows, every, limit, most, len(got), len(want), pages)
					}
				}
			}
		}
	}
	broken := errors.New("broken")
	if _, _, err := turn(Page{Limit: 1}, 0, func(int) string { return "" }, func(string, int) ([]int, error) { return nil, broken }, nil); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// What was made at a moment or later has an id from there on, and nothing made before has.
func TestIDsFromAMoment(t *testing.T) {
	t.Parallel()
	if idFrom("rq", time.Time{}) != "" {
		t.Error("no moment is a moment")
	}
	g := &ids{rand: zeros{}}
	var made []string
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	for range 200 {
		made = append(made, g.next("rq", at))
		if from := idFrom("rq", at); made[len(made)-1] < from {
			t.Errorf("%s, made at %s, is below %s", made[len(made)-1], at, from)
		}
		if from := idFrom("rq", at.Add(time.Millisecond)); made[len(made)-1] >= from {
			t.Errorf("%s, made at %s, is not below %s", made[len(made)-1], at, from)
		}
		at = at.Add(time.Millisecond)
	}
}
