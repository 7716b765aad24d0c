package web

import (
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func TestSpansAsPeopleSayThem(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 s", time.Second: "1 s", 59 * time.Second: "59 s", 90 * time.Second: "1 min 30 s", 41 * time.Minute: "41 min", time.Hour: "1 h",
		3*24*time.Hour + 19*time.Hour + 5*time.Minute: "3 d 19 h", 21*24*time.Hour + 5*time.Hour: "21 d", -time.Minute: "1 min", 500 * time.Millisecond: "0 s",
	} {
		if got := span(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestTermsInFull(t *testing.T) {
	t.Parallel()
	for d, want := range map[access.Term]string{8 * hour: "8 hours", day: "1 day", day + 12*hour: "1 day 12 hours", access.Term(90 * time.Minute): "1 hour 30 minutes", access.Term(time.Second): "1 second"} {
		if got := term(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

// Terms offered are never longer than the longest, which is the last.
func TestTermsOffered(t *testing.T) {
	t.Parallel()
	for longest, want := range map[access.Term][]access.Term{
		8 * hour: {hour, 4 * hour, 8 * hour}, 20 * access.Term(time.Second): {20 * access.Term(time.Second)}, hour: {hour},
		30 * day: {4 * hour, 8 * hour, day, 7 * day, 30 * day}, 0: {day, 7 * day, 30 * day, 90 * day, access.LongestTerm},
	} {
		if got := offered(longest); !slices.Equal(got, want) {
			t.Errorf("at most %s: %v, want %v", longest, got, want)
		}
	}
}

func TestCountsAndLists(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ got, want string }{
		{count(1, "day"), "1 day"}, {count(2, "day"), "2 days"}, {count(2, "person"), "2 people"}, {count(3, "hash"), "3 hashes"}, {count(2, "entity"), "2 entities"},
		{list(nil, "or"), ""}, {list([]string{"a"}, "or"), "a"}, {list([]string{"a", "b", "c"}, "or"), "a, b or c"}, {few([]string{"a", "b", "c", "d"}, 2, "and"), "a, b and 2 more"},
		{brief("sha256:7f3a09c2aa"), "7f3a 09c2"}, {brief("rq-06h168tutg000ltg6otd368c"), "rq …td368c"}, {brief("short"), "short"},
		{capital("a"), "A"}, {capital(""), ""},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func TestHowMuchHasPassed(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for now, want := range map[time.Duration]int{-time.Hour: 0, 0: 0, 5 * time.Hour: 50, 10 * time.Hour: 100, 11 * time.Hour: 100} {
		if got := percent(noon, noon.Add(10*time.Hour), noon.Add(now)); got != want {
			t.Errorf("after %s: %d percent, want %d", now, got, want)
		}
	}
	if percent(noon, noon, noon) != 0 {
		t.Error("an empty window has passed")
	}
}
