package years

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

const (
	day    = 24 * time.Hour
	week   = 7 * day
	months = 60
	weeks  = 5 * 47 // with deeds: at each month's end some days are waited
)

// How many requests there are in the five years, about: three of four become grants.
const (
	few, many = 200, 1_500
	// What the process keeps may grow from the end of the second year to any later one by
	// this share of a hundred: those who have left stay in the directory.
	mayGrow = 25
)

// Five years of a company: no invariant broken at any month's end, nothing left undone,
// and the process keeps no more in the last year than in the second.
//
//nolint:paralleltest // the heap is measured
func TestFiveYears(t *testing.T) {
	asks, seed, dialects := uint64(few), uint64(1), []store.Dialect{store.SQLite}
	if os.Getenv("LESSOR_TEST_LONG") != "" {
		asks, seed, dialects = many, uint64(time.Now().UnixNano()), append(dialects, store.Postgres)
	}
	asks, seed = number(t, "LESSOR_YEARS_REQUESTS", asks), number(t, "LESSOR_YEARS_SEED", seed)
	for _, d := range dialects {
		t.Run(string(d), func(t *testing.T) {
			t.Logf("seed %d, about %d requests (LESSOR_YEARS_SEED, LESSOR_YEARS_REQUESTS)", seed, asks)
			live(t, d, seed, int(asks))
		})
	}
}

// number is a variable of the environment, or what stands for it.
func number(t *testing.T, name string, or uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return or
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		t.Fatalf("%s is to be a number: %v", name, err)
	}
	return n
}

// live is the five years on one database.
func live(t *testing.T, d store.Dialect, seed uint64, asks int) {
	t.Helper()
	began := time.Now()
	c := begin(t, d, seed, asks)
	var heaps []uint64
	for month := 1; month <= months && !t.Failed(); month++ {
		// 1. A month of deeds, week by week.
		for end := enginetest.Noon.AddDate(0, month, 0); c.Now().Before(end); {
			c.week()
		}
		// 2. What it came to.
		c.settle()
		c.monthEnds(month)
		if month%12 != 0 {
			continue
		}
		// 3. What the process keeps at the year's end.
		heap := c.kept()
		heaps = append(heaps, heap)
		t.Logf("year %d: %d grants, %d events, %d people known, heap %.2f MiB, %d goroutines, after %s", month/12, c.count("grants"), c.count("event"),
			len(c.WorldAt(c.Now()).Directory.Identities()), float64(heap)/(1<<20), runtime.NumGoroutine(), time.Since(began).Round(time.Second))
		if month > 24 && heap > heaps[1]*(100+mayGrow)/100 {
			t.Errorf("at the end of year %d the process keeps %d bytes, at the end of the second %d: more than %d of a hundred above it", month/12, heap, heaps[1], mayGrow)
		}
	}
	t.Logf("what was met: %v", c.met)
	if !t.Failed() {
		c.metAll()
	}
}

// kept is what the process keeps: not what the tests remember, nor the database.
func (c *company) kept() uint64 {
	c.ForgetWorlds()
	for _, s := range enginetest.Systems {
		c.Targets[s].ForgetLog()
	}
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// metAll says what these years were silent about; of what is rare, only the long run.
func (c *company) metAll() {
	c.t.Helper()
	if c.long && c.met["review kept"] == 0 {
		c.t.Error("nobody kept what somebody who moved brought along")
	}
	for _, what := range []string{"join", "leave", "move", "ask approved", "ask denied", "ask pending", "vote ok", "cancel ok", "edit ok",
		"extend approved", "return ok", "revoke ok", "outage", "fault", "taken away", "rotated", "job escalate", "job notice", "job sweep",
		"delegate ok", "vote of the deputy ok", "break glass ok", "review emergency ok", "register workload ok", "workload approved", "change contract ok", "retire workload ok"} {
		if c.met[what] == 0 {
			c.t.Errorf("nothing was %q in five years: they say nothing about it", what)
		}
	}
}

func (c *company) count(table string) (n int) {
	c.t.Helper()
	c.read(func(tx *store.Tx) error {
		return tx.QueryRowContext(c.t.Context(), fmt.Sprintf("select count(*) from %s", table)).Scan(&n)
	})
	return n
}
