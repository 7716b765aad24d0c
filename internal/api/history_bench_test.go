package api_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// history is what a company has been granted: so many grants, of each ten of which
// nine have ended, asked for five at a time.
type history struct {
	kind   store.Dialect
	grants int
	dsn    string
}

func (h history) assignments() int { return h.grants / 10 }
func (h history) requests() int    { return h.grants / 5 }

// opened is a door before the history, which the database makes itself, by its own
// schema: without the indexes and triggers, which are there again at the end. A SQLite
// file that LESSOR_BENCH_DIR has from an earlier run is used again, on a later day.
func (h history) opened(b *testing.B) *door {
	b.Helper()
	made := ""
	if kept := os.Getenv("LESSOR_BENCH_DIR"); kept != "" && h.kind == store.SQLite {
		file := filepath.Join(kept, fmt.Sprint(h.grants), "large.db")
		if _, err := os.Stat(file + ".filled"); err == nil {
			return h.again(b, "sqlite:"+file)
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			b.Fatal(err)
		}
		h.dsn = "sqlite:" + file
		made = file + ".filled"
	} else if h.kind == store.Postgres {
		h.dsn = testserver.StartPostgres(b, "shared_buffers=512MB", "maintenance_work_mem=256MB", "max_wal_size=1GB", "wal_level=minimal", "max_wal_senders=0").DSN
	} else {
		h.dsn = "sqlite:" + filepath.Join(b.TempDir(), "large.db")
	}
	db, err := store.Open(b.Context(), h.dsn)
	if err != nil {
		b.Fatal(err)
	}
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	h.fill(b)
	if made != "" {
		if err := os.WriteFile(made, nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return open(b, h.kind, large, func(o *enginetest.Options) { o.DSN = h.dsn })
}

// again opens a history that was used before, on a day that is not over.
func (h history) again(b *testing.B, dsn string) *door {
	b.Helper()
	d := open(b, h.kind, large, func(o *enginetest.Options) { o.DSN = dsn })
	var last time.Time
	if err := d.DB.Read(b.Context(), func(tx *store.Tx) (err error) { last, err = tx.LastEventAt(b.Context()); return err }); err != nil {
		b.Fatal(err)
	}
	d.Clock.To(last.Add(time.Hour))
	return d
}

// fill writes the rows.
func (h history) fill(b *testing.B) {
	b.Helper()
	name, dsn := "pgx", h.dsn
	settings := []string{"set session_replication_role = replica", "set work_mem = '256MB'"} // neither triggers nor references
	if h.kind == store.SQLite {
		name, dsn = "sqlite", strings.TrimPrefix(h.dsn, "sqlite:")
		settings = []string{"pragma journal_mode = off", "pragma synchronous = off", "pragma cache_size = -400000",
			"drop trigger request_begins", "drop trigger grants_begins", "drop trigger assignment_begins"} // made anew when it is opened
	}
	db, err := sql.Open(name, dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	on, err := db.Conn(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer on.Close()
	do := func(list ...string) {
		b.Helper()
		for _, s := range list {
			began := time.Now()
			if _, err := on.ExecContext(b.Context(), s); err != nil {
				b.Fatalf("%.200s: %v", s, err)
			}
			if took := time.Since(began); took > time.Second {
				b.Logf("%6.1fs %.60s", took.Seconds(), s)
			}
		}
	}
	drop, create := h.indexes(b, on)
	do(settings...)
	do(drop...)
	do(h.rows()...)
	do(create...)
	if h.kind == store.Postgres {
		do("vacuum analyze", "checkpoint") // as it does by itself, a little later
	}
}

// indexes says how those of the tables to be filled are taken away and made again.
func (h history) indexes(b *testing.B, on *sql.Conn) (drop, create []string) {
	b.Helper()
	const tables = `('request', 'request_key', 'assignment', 'grants')`
	query := `select name, sql from sqlite_schema where type = 'index' and sql is not null and tbl_name in ` + tables
	if h.kind == store.Postgres {
		query = `select indexname, indexdef from pg_indexes where tablename in ` + tables + ` and indexname not in (select conname from pg_constraint)`
	}
	rows, err := on.QueryContext(b.Context(), query)
	if err != nil {
		b.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			b.Fatal(err)
		}
		drop, create = append(drop, "drop index "+name), append(create, text)
	}
	if err := rows.Err(); err != nil || len(drop) < 10 {
		b.Fatalf("%d indexes: %v", len(drop), err)
	}
	return drop, create
}

// rows are the statements that write them. Every tenth grant of an assignment is
// live; 20,000 requests wait, and 20,000 assignments are due.
func (h history) rows() []string {
	whose := func(i string) string { // of a request
		return "(case when (" + i + ") % 50 = 7 then 'hog' else 'p' || " + h.pad(fmt.Sprintf("(((%s) %% %d) * 7919) %% %d", i, h.requests()/10, manyPeople), 6) + " end)"
	}
	who, of := whose("i"), whose("i / 5")
	what := func(i string) string {
		a := fmt.Sprintf("((%s) %% %d)", i, h.assignments())
		return fmt.Sprintf("(case when %s %% 10 = 0 then 'dir:wiki' else 'dir:e' || %s end)", a, h.pad(fmt.Sprintf("(%s * 31) %% %d", a, manyEntitlements), 5))
	}
	item := func(i, outcome string) string {
		return `'{"entitlement":"' || ` + what(i) + ` || '","outcome":"` + outcome + `","term":"8h","decision":{"question":"request","allow":true,"rules":[{"id":"ask-standard","effect":"permit","reason":"Standard access needs the manager."}],"why":"It needs manager:1.","stages":[{"name":"manager","count":1}],"max_term":"1d","policy":"sha256:0","facts":"sha256:0","at":"2026-01-01T00:00:00Z"}}'`
	}
	items := item("i*5", "granted")
	for j := 1; j < 5; j++ {
		items += " || ',' || " + item(fmt.Sprintf("i*5+%d", j), "granted")
	}
	began, until := enginetest.Noon.AddDate(-1, 0, 0).UnixMicro(), enginetest.Noon.AddDate(1, 0, 0).UnixMicro()
	request := func(n int, id, state, who, items string, answer int64) string {
		return h.series(n) + fmt.Sprintf(`insert into request (id, revision, digest, state, requester, beneficiary, items, reason, ticket, start_at, term, fixed, extends, answer_by, channel, reference, policy, at, makers)
			select %s, 1, 'sha256:' || i, '%s', %s, %s, '[' || %s || ']', 'month end figures', '', null, 28800000000, false, '', %d, 'api', '', 'sha256:0', %d + i, 'null' from n`,
			h.id(id, "i"), state, who, who, items, answer, began)
	}
	keys := []string{"'i:' || " + who, "'m:' || " + who, "'y:dir'"}
	asks := "'p' || " + h.pad(fmt.Sprintf("(i * 7919) %% %d", manyPeople), 6) // a decision reads all that who asks holds: nobody asks who holds thousands
	waiting := []string{"'e:' || " + what("i*5"), "'i:' || " + asks, "'m:' || " + asks, "'y:dir'"}
	for j := range 5 {
		keys = append(keys, "'e:' || "+what(fmt.Sprintf("i*5+%d", j)))
	}
	live := fmt.Sprintf("(i / %d) = i %% 10", h.assignments())
	return []string{
		request(h.requests(), "rq-00", "approved", who, items, began),
		request(manyPending, "rq-01", "pending", asks, item("i*5", "undecided"), until),
		h.keyed(h.requests(), "rq-00", "false", keys),
		h.keyed(manyPending, "rq-01", "true", waiting),
		h.series(h.assignments()) + fmt.Sprintf(`insert into assignment (id, system, account, object, identity, entitlement, state, receipt, seen_at, due_at, holder, fence, attempts, told, confirm, trouble)
			select %s, 'dir', %s, 'o' || i, %s, %s, 'held', '', %d, case when i < 20000 then %d + i else %d + i end, '', 0, 0, 0, false, '' from n`, h.id("as-00", "i"), of, of, what("i"), began, began, until),
		h.series(h.grants) + fmt.Sprintf(`insert into grants (id, request, revision, digest, identity, entitlement, assignment, state, start_at, end_at, term, seen_at, chain_start, owner, votes, hold, at, ended_at, ended)
			select %s, %s, 1, 'sha256:' || (i / 5), %s, %s, %s, case when %s then 'live' else 'ended' end, %d, case when %s then %d + i else %d + i end, 28800000000, %d, %d, 'otto2', '[]',
			'{"question":"hold","allow":true,"rules":[{"id":"guard.hold","effect":"permit","reason":"Still permitted."}],"why":"Still permitted.","policy":"sha256:0","facts":"sha256:0","at":"2026-01-01T00:00:00Z"}',
			%d + i, case when %s then null else %d + i end, case when %s then '' else 'expired' end from n`,
			h.id("gr-00", "i"), h.id("rq-00", "i / 5"), of, what("i"), h.id("as-00", fmt.Sprintf("i %% %d", h.assignments())), live, began, live, until, began+28800000000, began, began, began, live, began+28800000000, live),
		h.series(manyFindings) + fmt.Sprintf(`insert into finding (id, kind, subject, owner, body, opened_at, due_at, closed_at, resolution)
			select %s, 'late_removal', 'as-' || i, case when i %% 100 = 0 then 'mia' else 'p' || %s end, 'A removal is late.', %d + i, %d, case when i %% 3 = 0 then null else %d end, '' from n`, h.id("fi-00", "i"), h.pad("i", 6), began, began, began),
	}
}

// keyed is what requests are found by, in the order of its index.
func (h history) keyed(n int, id, waits string, keys []string) string {
	var parts []string
	for _, k := range keys {
		parts = append(parts, fmt.Sprintf("select %s as key, %s as request from n", k, h.id(id, "i")))
	}
	return h.series(n) + "insert into request_key (key, request, waits) select key, request, " + waits + " from (" + strings.Join(parts, " union all ") + ") as k order by key, request"
}

// series begins a statement over n(i), which counts from naught.
func (h history) series(n int) string {
	if h.kind == store.Postgres {
		return fmt.Sprintf("with n(i) as (select generate_series(0, %d)::bigint) ", n-1)
	}
	return fmt.Sprintf("with recursive n(i) as (select 0 union all select i+1 from n where i+1 < %d) ", n)
}

// pad is a number with so many digits.
func (h history) pad(number string, digits int) string {
	if h.kind == store.Postgres {
		return fmt.Sprintf("lpad((%s)::text, %d, '0')", number, digits)
	}
	return fmt.Sprintf("printf('%%0%dd', %s)", digits, number)
}

func (h history) id(prefix, number string) string {
	return "'" + prefix + "' || " + h.pad(number, 10)
}

// size is how many bytes the history takes.
func (h history) size(ctx context.Context, d *door) (n float64, err error) {
	query := "select page_count * page_size from pragma_page_count(), pragma_page_size()"
	if h.kind == store.Postgres {
		query = "select pg_database_size(current_database())"
	}
	err = d.DB.Read(ctx, func(tx *store.Tx) error { return tx.QueryRowContext(ctx, query).Scan(&n) })
	return n, err
}
