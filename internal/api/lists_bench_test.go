package api_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// How large the company of the benchmark is.
const (
	manyPeople       = 100_000
	manyEntitlements = 50_000
	manyPending      = 20_000
	manyFindings     = 50_000
)

// large is a company with a manager of ten for each ten, an owner of 20,000
// entitlements (otto2), a manager of 500 (mia) and a workload with 20,000 grants (hog).
func large(o *enginetest.Options) {
	c := o.Company
	c.People["carol"] = access.Identity{ID: "carol", Kind: access.Person, Name: "carol", Accounts: map[string]string{"dir": "carol"}}
	for i := range manyPeople {
		id := fmt.Sprintf("p%06d", i)
		boss := fmt.Sprintf("p%06d", i/10)
		if i >= manyPeople-500 {
			boss = "mia"
		}
		c.People[id] = access.Identity{ID: id, Kind: access.Person, Name: "Person " + id, Manager: boss, Department: fmt.Sprintf("dep%03d", i%500), Accounts: map[string]string{"dir": id, "git": id}}
	}
	otto := c.People["otto"]
	otto.ID, otto.Name, otto.Accounts = "otto2", "otto2", map[string]string{"dir": "otto2"}
	c.People["otto2"] = otto
	hog := c.People["robot"]
	hog.ID, hog.Name, hog.Accounts = "hog", "hog", map[string]string{"dir": "hog"}
	c.People["hog"] = hog
	for i := range manyEntitlements {
		e := c.Entitlements["dir:wiki"]
		e.ID, e.Object, e.Name = fmt.Sprintf("dir:e%05d", i), fmt.Sprintf("e%05d", i), fmt.Sprintf("group %05d of the directory", i)
		e.Owners = []string{fmt.Sprintf("p%06d", i%manyPeople)}
		if i < 20_000 {
			e.Owners = []string{"otto2"}
		}
		if i%4 == 3 { // leads to others, and so on: what it can become is not what its name says
			e.Powers, e.Grants = []string{"grant"}, []string{fmt.Sprintf("dir:e%05d", (i+1)%manyEntitlements), fmt.Sprintf("dir:e%05d", (i+5)%manyEntitlements)}
		}
		c.Entitlements[e.ID] = e
	}
}

// BenchmarkLists measures what each list costs in the server, from the request to
// the last byte of the answer, in a company of 100,000 people, 50,000 entitlements
// and a million grants, or ten: the median and the 99th of a hundred. cpu_ is the
// processor's time, garbage collection too, whatever else the machine has to do.
// Last it measures what a lane asks: when work is due next, and a hundred that are.
func BenchmarkLists(b *testing.B) {
	if os.Getenv("LESSOR_TEST_ALL") == "" {
		b.Skip("LESSOR_TEST_ALL is not set: it makes a database of gigabytes")
	}
	for _, kind := range []store.Dialect{store.SQLite, store.Postgres} {
		for _, grants := range []int{1_000_000, 10_000_000} {
			b.Run(fmt.Sprintf("%s/%d", kind, grants), func(b *testing.B) {
				if grants > 1_000_000 && os.Getenv("LESSOR_TEST_LONG") == "" {
					b.Skip("LESSOR_TEST_LONG is not set: it makes a database of more than ten gigabytes")
				}
				benchLists(b, history{kind: kind, grants: grants})
			})
		}
	}
}

func benchLists(b *testing.B, h history) {
	d := h.opened(b)
	if size, err := h.size(b.Context(), d); err != nil {
		b.Fatal(err)
	} else {
		b.Logf("the database has %.1f GB", size/1e9)
	}
	// What mia is to answer was really asked for: by forty of her five hundred.
	waiting, err := d.Engine.Desk(b.Context(), d.As("mia"), "", 40)
	if err != nil {
		b.Fatal(err)
	}
	waiting = slices.DeleteFunc(waiting, func(r access.Request) bool { return r.ID < "rq-0101" }) // made up; the others an earlier run asked for
	for i := len(waiting); i < 40; i++ {
		who := fmt.Sprintf("p%06d", manyPeople-1-i)
		waiting = append(waiting, d.Ask(who, engine.Ask{Entitlements: []string{fmt.Sprintf("dir:e%05d", 20_003+4*i)}}))
	}
	ordinary, boss := "p060055", "p006005" // of the request 12,345, and who is asked
	get := func(who, path string) func() {
		return func() {
			if a := d.send(http.MethodGet, "/api/v1"+path, who, ""); a.status != http.StatusOK {
				b.Fatalf("%s: %d %.300s", path, a.status, a.body)
			}
		}
	}
	deep := "/register?limit=50"
	for range 20 {
		a := d.send(http.MethodGet, "/api/v1"+deep, "anna", "")
		deep = "/register?limit=50&cursor=" + pageAfter(b, a)
	}
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"requests_mine", get(ordinary, "/requests?mine=true")}, {"requests_manager", get(boss, "/requests")}, {"requests_auditor", get("anna", "/requests")},
		{"requests_auditor_pending", get("anna", "/requests?state=pending")}, {"requests_auditor_denied_none", get("anna", "/requests?state=denied")}, {"requests_of_entitlement", get("anna", "/requests?entitlement=dir:e00031")},
		{"requests_of_person", get("anna", "/requests?identity="+ordinary)}, {"requests_manager_of_500", get("mia", "/requests")}, {"requests_owner_of_20000", get("otto2", "/requests")}, {"requests_nobody", get("carol", "/requests")},
		{"desk_25_of_40", get("mia", "/desk?limit=25")}, {"desk_nothing", get(ordinary, "/desk")}, {"desk_owner_of_20000", get("otto2", "/desk?limit=25")},
		{"grants_mine", get(ordinary, "/grants")}, {"grants_open_of_one_in_50", get("eve", "/grants?identity=hog&open=true")}, {"grants_of_one_in_50", get("anna", "/grants?identity=hog")},
		{"register", get("anna", "/register")}, {"register_open", get("anna", "/register?open=true")}, {"register_1000_down", get("anna", deep)}, {"register_open_of_one_in_10", get("owen", "/register?entitlement=dir:wiki&open=true")},
		{"findings_auditor", get("anna", "/findings")}, {"findings_owner", get("mia", "/findings?closed=true")},
		{"entitlements", get(ordinary, "/entitlements")}, {"entitlements_search", get(ordinary, "/entitlements?q=4999+group")}, {"entitlements_search_none", get(ordinary, "/entitlements?q=nothing+like+it")},
		{"desk_25_and_one_laid_open", func() {
			if list, err := d.Engine.Desk(b.Context(), d.As("mia"), "", 25); err != nil || len(list) != 25 {
				b.Fatal(len(list), err)
			}
			if c, err := d.Engine.Case(b.Context(), d.As("mia"), waiting[0].ID); err != nil || len(c.Points[0].Reach.Implied) == 0 {
				b.Fatal(c, err)
			}
		}},
		{"due_next", func() {
			if due, ok, err := d.Engine.NextDue(b.Context(), "dir"); err != nil || !ok || due.After(d.Clock.Now()) {
				b.Fatal(due, ok, err)
			}
		}},
		{"due_claim_100", func() {
			if tasks, err := d.Engine.Claim(b.Context(), "lane", "dir", 100); err != nil || len(tasks) != 100 {
				b.Fatal(len(tasks), err)
			}
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			took, worked := make([]time.Duration, 0, 100), make([]time.Duration, 0, 100)
			for b.Loop() {
				d.Clock.Pass(time.Second)
				began, before := time.Now(), processor(b)
				c.do()
				took, worked = append(took, time.Since(began)), append(worked, processor(b)-before)
			}
			for name, list := range map[string][]time.Duration{"": took, "cpu_": worked} {
				slices.Sort(list)
				b.ReportMetric(list[len(list)/2].Seconds()*1000, name+"p50_ms")
				b.ReportMetric(list[min(len(list)-1, len(list)*99/100)].Seconds()*1000, name+"p99_ms")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// processor is how long the processor has worked for this process.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// pageAfter is where an answer says that the list goes on.
func pageAfter(b *testing.B, a answer) string {
	b.Helper()
	to := nextPage.FindStringSubmatch(a.header.Get("Link"))
	if to == nil {
		b.Fatalf("no next page in %q", a.header.Get("Link"))
	}
	return to[2]
}
