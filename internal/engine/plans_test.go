package engine_test

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// growing are the tables that have as many rows as the company has history.
var growing = []string{"request", "request_key", "approval", "assignment", "grants", "receipt", "finding", "event", "river_job"}

// mayScan are the queries that may read a whole table, each with why.
var mayScan = map[string]string{
	"select count(*) from event": "the figure of all events",
}

// Every query of a whole life, on a PostgreSQL that has seen a company's history,
// takes the rows it needs off an index: none reads a table that grows from its
// beginning to its end, nor sorts what is not a few rows. What the database did is
// read from its own log.
func TestPlansOfALife(t *testing.T) {
	t.Parallel()
	pg := testserver.StartPostgres(t)
	// 1. One life makes a row of each kind; each of them becomes a history.
	dsn := func(o *enginetest.Options) { o.DSN, o.Key = pg.DSN, "log" }
	f := enginetest.Open(t, store.Postgres, dsn)
	life(t, f)
	f.Close()
	history(t, pg.DSN)
	// 2. Another life on top of it, which the database explains.
	f = enginetest.Open(t, store.Postgres, dsn)
	f.Clock.Pass(72 * time.Hour)
	life(t, f)
	f.Close()
	// 3. What it did.
	plans := plansIn(t, pg.Log)
	if len(plans) < 60 {
		t.Fatalf("only %d queries were explained", len(plans))
	}
	hot := map[string][]string{ // part of a query -> the indexes of which it is read off one
		"order by due_at, object, id limit":                    {"assignment_turn"},
		"from grants where state <> 'ended' and assignment in": {"grants_assignment"},
		"from event where seq is null and id not in":           {"event_unsequenced", "event_seq_key"},
		"update event set seq = $1 + listed.n":                 {"event_pkey"}, // not off those that wait: in a storm they are many
		"from approval where request=$1":                       {"approval_request"},
	}
	for query, plan := range plans {
		slices.Sort(plan.bad)
		for _, bad := range slices.Compact(plan.bad) {
			if why := mayScan[query]; why == "" {
				t.Errorf("%s\n\tof %q", bad, query)
			}
		}
		for part, of := range hot {
			if !strings.Contains(query, part) {
				continue
			}
			delete(hot, part)
			if !slices.ContainsFunc(of, func(index string) bool { return slices.Contains(plan.indexes, index) }) {
				t.Errorf("%q is read off %v, not %v", query, plan.indexes, of)
			}
		}
	}
	if len(hot) > 0 {
		t.Errorf("no query of the life has %v", hot)
	}
}

// life asks, edits, votes, extends, gives back, revokes, lets end, and reads as people do.
func life(t *testing.T, f *enginetest.Fixture) {
	t.Helper()
	ctx, e := t.Context(), f.Engine
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	r := f.Ask("eve", ask("dir:wiki"))
	next := ask("dir:reports")
	r, err := e.Edit(ctx, f.As("eve"), r.ID, r.Digest, next)
	ok(err)
	ok(e.Comment(ctx, f.As("mia"), r.ID, "what for?"))
	r = f.Approve("mia", r)
	f.Work()
	g := f.Grant(r.Items[0].Grant)
	longer := f.Ask("eve", engine.Ask{Extends: g.ID, Term: hour})
	f.Approve("mia", longer)
	ok(e.Revoke(ctx, f.As("sara"), f.Granted("bob", ask("dir:wiki"), "mia").ID, "incident"))
	f.Granted("bob", ask("dir:lobby"))
	f.Ask("bob", ask("dir:root"))
	_, err = e.Sequence(ctx)
	ok(err)
	for _, who := range []string{"eve", "mia", "owen"} {
		_, err = e.Show(ctx, f.As(who), r.ID)
		ok(err)
		_, err = e.Desk(ctx, f.As(who), "", 50)
		ok(err)
	}
	f.Advance(3 * time.Hour)
	_, err = e.Sequence(ctx)
	ok(err)
}

// history makes of each row that a life has left thousands, of other people.
func history(t *testing.T, dsn string) {
	t.Helper()
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	many := func(table string, n int, key string, change string) string {
		return fmt.Sprintf(`insert into %[1]s select (jsonb_populate_record(null::%[1]s, to_jsonb(r) || jsonb_build_object('%[3]s', r.%[3]s || '-' || n) || %[4]s)).*
			from (select * from %[1]s order by %[3]s limit 1) r, generate_series(1, %[2]d) n`, table, n, key, change)
	}
	for _, stmt := range []string{
		"set session_replication_role = replica", // neither triggers nor references: rows come as they are
		"insert into finding (id, kind, subject, owner, body, opened_at, due_at, resolution) values ('fi-0', 'drift', 's', 'owen', 't', 1, 2, '')",
		many("request", 4000, "id", "jsonb_build_object('requester', 'p' || n % 500, 'beneficiary', 'p' || n % 500, 'state', case when n % 5 = 0 then 'pending' else 'approved' end, 'reference', '', 'answer_by', 4102444800000000)"),
		many("approval", 4000, "id", "jsonb_build_object('request', 'rq-' || n, 'person', 'p' || n % 300)"),
		many("assignment", 4000, "id", "jsonb_build_object('account', 'p' || n, 'identity', 'p' || n % 500, 'state', case when n % 2 = 0 then 'held' else 'absent' end, 'due_at', case when n % 2 = 0 then 4102444800000000 + n end, 'lease_until', null, 'holder', '')"),
		many("grants", 4000, "id", "jsonb_build_object('request', 'rq-' || n, 'assignment', 'as-' || n, 'identity', 'p' || n % 500, 'state', case when n % 2 = 0 then 'live' else 'ended' end, 'end_at', 4102444800000000 + n, 'ended_at', case when n % 2 = 0 then null else r.at + n end)"),
		many("receipt", 4000, "id", "jsonb_build_object('assignment', 'as-' || n % 1000)"),
		many("event", 5000, "id", "jsonb_build_object('request', 'rq-' || n, 'grant_id', 'gr-' || n, 'assignment', '', 'seq', 200000 + n)"),
		many("finding", 2000, "id", "jsonb_build_object('subject', 's' || n, 'owner', 'p' || n % 300, 'closed_at', case when n % 20 = 0 then null else r.opened_at end)"),
		many("request_key", 4000, "request", "jsonb_build_object('key', 'i:p' || n % 500, 'waits', n % 5 = 0)"),
		"analyze",
		// From the next connection on the database explains what it does.
		"alter role postgres set session_preload_libraries = 'auto_explain'",
		"alter role postgres set auto_explain.log_min_duration = 0",
		"alter role postgres set auto_explain.log_format = 'json'",
		"alter role postgres set auto_explain.log_analyze = on",
		"alter role postgres set auto_explain.log_timing = off",
	} {
		if _, err := db.ExecContext(t.Context(), stmt); err != nil {
			t.Fatalf("%s: %v", stmt, err)
		}
	}
}

// explained is what the database did for one query.
type explained struct {
	indexes []string
	bad     []string
}

// node is one step of a plan, as the database tells it.
type node struct {
	Type     string  `json:"Node Type"`
	Relation string  `json:"Relation Name"`
	Index    string  `json:"Index Name"`
	Rows     float64 `json:"Actual Rows"`
	Removed  float64 `json:"Rows Removed by Filter"`
	Plans    []node  `json:"Plans"`
}

func (n node) walk(x *explained) {
	if n.Index != "" {
		x.indexes = append(x.indexes, n.Index)
	}
	switch {
	case n.Type == "Seq Scan" && slices.Contains(growing, n.Relation):
		x.bad = append(x.bad, "reads the whole of "+n.Relation)
	case n.Type == "Sort" && n.Rows > 500:
		x.bad = append(x.bad, fmt.Sprintf("sorts %.0f rows", n.Rows))
	case n.Removed > 1000:
		x.bad = append(x.bad, fmt.Sprintf("reads %.0f rows of %s%s for nothing", n.Removed, n.Relation, n.Index))
	}
	for _, p := range n.Plans {
		p.walk(x)
	}
}

// plansIn reads the plans from the database's log.
func plansIn(t *testing.T, log string) map[string]explained {
	t.Helper()
	file, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	plans := map[string]explained{}
	var text *strings.Builder
	take := func() {
		if text == nil {
			return
		}
		var p struct {
			Query string `json:"Query Text"`
			Plan  node   `json:"Plan"`
		}
		if err := json.Unmarshal([]byte(text.String()), &p); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		text = nil
		query := strings.Join(strings.Fields(p.Query), " ")
		x := plans[query]
		p.Plan.walk(&x)
		plans[query] = x
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		switch line := lines.Text(); {
		case strings.HasSuffix(line, "plan:"):
			take()
			text = &strings.Builder{}
		case text != nil && strings.HasPrefix(line, "\t"):
			text.WriteString(line)
		default:
			take()
		}
	}
	take()
	return plans
}
