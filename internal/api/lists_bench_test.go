package api_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	manyGrants       = 1_000_000
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

// fill makes a million requests that came to grants, four in five of them ended,
// 20,000 that wait, and 50,000 findings. SQLite makes them itself.
func fill(b *testing.B, db *store.DB) {
	b.Helper()
	const rows = `with recursive n(i) as (select 0 union all select i+1 from n where i+1 < %d) `
	who := fmt.Sprintf(`case when i %% 50 = 7 then 'hog' else printf('p%%06d', (i * 7919) %% %d) end`, manyPeople)
	what := fmt.Sprintf(`case when i %% 10 = 0 then 'dir:wiki' else printf('dir:e%%05d', (i * 31) %% %d) end`, manyEntitlements)
	items := `'[{"entitlement":"' || ` + what + ` || '","outcome":"OUTCOME","term":"8h","decision":{"question":"request","allow":true,"rules":[{"id":"ask-standard","effect":"permit","reason":"Standard access needs the manager."}],"why":"Standard access needs the manager; it needs manager:1.","stages":[{"name":"manager","count":1}],"max_term":"1d","policy":"sha256:0000000000000000000000000000000000000000000000000000000000000000","facts":"sha256:0000000000000000000000000000000000000000000000000000000000000000","at":"2026-01-01T00:00:00Z"}}]'`
	digest := `'sha256:' || printf('%064d', i)`
	at := fmt.Sprint(enginetest.Noon.AddDate(-1, 0, 0).UnixMicro())
	state := `case when i % 5 = 0 then 'live' else 'ended' end`
	request := `insert into request (id, revision, digest, state, requester, beneficiary, items, reason, ticket, start_at, term, fixed, extends, answer_by, channel, reference, policy, at, makers) `
	for _, s := range []string{
		"drop trigger request_begins", "drop trigger grants_begins", "drop trigger assignment_begins", "drop trigger grants_moves",
		fmt.Sprintf(rows, manyGrants) + request + `select printf('rq-00%010d', i), 1, ` + digest + `, 'approved', ` + who + `, ` + who + `, ` + strings.Replace(items, "OUTCOME", "granted", 1) + `, 'month end figures', '', null, 28800000000, false, '', ` + at + `, 'api', '', 'sha256:0', ` + at + ` + i, 'null' from n`,
		fmt.Sprintf(rows, manyPending) + request + `select printf('rq-01%010d', i), 1, ` + digest + `, 'pending', ` + who + `, ` + who + `, ` + strings.Replace(items, "OUTCOME", "undecided", 1) + `, 'month end figures', '', null, 28800000000, false, '', ` + fmt.Sprint(enginetest.Noon.AddDate(1, 0, 0).UnixMicro()) + `, 'api', '', 'sha256:0', ` + at + ` + i, 'null' from n`,
		`insert into request_key (key, request, waits) select 'i:' || beneficiary, id, state = 'pending' from request where id < 'rq-02'`,
		`insert into request_key (key, request, waits) select 'e:' || json_extract(items, '$[0].entitlement'), id, state = 'pending' from request where id < 'rq-02'`,
		`insert into request_key (key, request, waits) select 'm:' || beneficiary, id, state = 'pending' from request where id < 'rq-02'`,
		`insert into request_key (key, request, waits) select 'y:dir', id, state = 'pending' from request where id < 'rq-02'`,
		fmt.Sprintf(rows, manyGrants) + `insert into assignment (id, system, account, object, identity, entitlement, state, receipt, seen_at, holder, fence, attempts, told, confirm, trouble)
			select printf('as-00%010d', i), 'dir', ` + who + `, 'o' || i, ` + who + `, ` + what + `, 'held', '', ` + at + `, '', 0, 0, 0, false, '' from n`,
		fmt.Sprintf(rows, manyGrants) + `insert into grants (id, request, revision, digest, identity, entitlement, assignment, state, start_at, end_at, term, seen_at, chain_start, owner, votes, hold, at, ended_at, ended)
			select printf('gr-00%010d', i), printf('rq-00%010d', i), 1, ` + digest + `, ` + who + `, ` + what + `, printf('as-00%010d', i), ` + state + `, ` + at + `, ` + fmt.Sprint(enginetest.Noon.AddDate(1, 0, 0).UnixMicro()) + `, 28800000000, ` + at + `, ` + at + `, 'otto2', '[]',
			'{"question":"hold","allow":true,"rules":[{"id":"guard.hold","effect":"permit","reason":"The request is still permitted and every stage has its approvals."}],"why":"The request is still permitted.","policy":"sha256:0","facts":"sha256:0","at":"2026-01-01T00:00:00Z"}', ` + at + ` + i, null, case when i % 5 = 0 then '' else 'expired' end from n`,
		fmt.Sprintf(rows, manyFindings) + `insert into finding (id, kind, subject, owner, body, opened_at, due_at, closed_at, resolution)
			select printf('fi-00%010d', i), 'late_removal', 'as-' || i, case when i % 100 = 0 then 'mia' else printf('p%06d', i) end, 'A removal is late.', ` + at + ` + i, ` + at + `, case when i % 3 = 0 then null else ` + at + ` end, '' from n`,
	} {
		began := time.Now()
		if err := db.Write(b.Context(), func(tx *store.Tx) error { _, err := tx.ExecContext(b.Context(), s); return err }); err != nil {
			b.Fatalf("%.80s: %v", s, err)
		}
		b.Logf("%6.1fs %.60s", time.Since(began).Seconds(), s)
	}
}

// BenchmarkLists measures what each list costs in the server, from the request to
// the last byte of the answer, in a company of 100,000 people, 50,000 entitlements
// and a million grants: the median and the 99th of a hundred. cpu_ is the
// processor's time, garbage collection too, whatever else the machine has to do.
func BenchmarkLists(b *testing.B) {
	if os.Getenv("LESSOR_TEST_ALL") == "" {
		b.Skip("LESSOR_TEST_ALL is not set: it makes a database of gigabytes")
	}
	dir := b.TempDir()
	d := open(b, store.SQLite, large, func(o *enginetest.Options) { o.DSN = "sqlite:" + filepath.Join(dir, "large.db") })
	fill(b, d.DB)
	// What mia is to answer was really asked for: by forty of her five hundred.
	var waiting []access.Request
	for i := range 40 {
		who := fmt.Sprintf("p%06d", manyPeople-1-i)
		waiting = append(waiting, d.Ask(who, engine.Ask{Entitlements: []string{fmt.Sprintf("dir:e%05d", 20_003+4*i)}}))
	}
	ordinary, boss := fmt.Sprintf("p%06d", 54_321), fmt.Sprintf("p%06d", 5_432)
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
		{"grants_mine", get(ordinary, "/grants")}, {"grants_open_of_20000", get("eve", "/grants?identity=hog&open=true")}, {"grants_of_20000", get("anna", "/grants?identity=hog")},
		{"register", get("anna", "/register")}, {"register_open", get("anna", "/register?open=true")}, {"register_1000_down", get("anna", deep)}, {"register_100000_of_one", get("owen", "/register?entitlement=dir:wiki&open=true")},
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
