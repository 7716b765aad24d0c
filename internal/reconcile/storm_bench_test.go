package reconcile_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/jackc/pgx/v5"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/ldap"
	"github.com/lessor-iam/lessor/internal/connector/postgres"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// A storm is so many memberships, all of whose grants end in the same minute.
const (
	stormGroups  = 200
	stormPeople  = 10_000
	stormMembers = 500 // of each group: 100,000 in all
	stormWidth   = 2   // batches under way at once, as the server has it
	rawBatch     = 500 // values in one modify or REVOKE of the raw side: one statement a group
)

// stormMember names the m-th member of a group.
func stormMember(g, m int) string { return fmt.Sprintf("p%04d", (g*37+m)%stormPeople) }

func stormGroup(g int) string { return fmt.Sprintf("g%03d", g) }

// BenchmarkStorm has a system's lane remove 100,000 memberships in 200 groups whose grants
// have all ended: claimed, removed, looked at, settled and told in the log, on
// a database that is flushed at each commit. raw is one modify, or one REVOKE, a group by
// somebody who knows every name, looks at nothing and remembers nothing, on the same
// server in the same run; ratio is raw by ours. Meanwhile people ask and are answered:
// see asking.
func BenchmarkStorm(b *testing.B) {
	for _, ledger := range []store.Dialect{store.SQLite, store.Postgres} {
		b.Run("OpenLDAP, ledger on "+string(ledger), func(b *testing.B) {
			var sum stormRun
			for b.Loop() {
				raw := stormSlapd(b)
				sum.raw += stormRawLDAP(b, raw, stormMembers)
				rawCPU := slapdCPU(b, raw)
				s := stormSlapd(b)
				r := stormOurs(b, stormLDAP(b, s, s.URL), ledger)
				r.steps["slapd-cpu"], r.steps["slapd-cpu-raw"] = slapdCPU(b, s), rawCPU
				sum.add(r)
			}
			sum.report(b)
		})
	}
	for _, version := range testserver.PGTargetVersions {
		b.Run("PostgreSQL "+version, func(b *testing.B) {
			s := stormPostgres(b, version)
			var sum stormRun
			for b.Loop() {
				stormFill(b, s)
				sum.raw += stormRawPostgres(b, s)
				stormFill(b, s)
				target, err := postgres.New(postgres.Config{URL: "postgres://" + s.Address, CA: s.CA, User: "storm", Password: func() string { return "storm-1f" }, Timeout: time.Minute})
				if err != nil {
					b.Fatal(err)
				}
				sum.add(stormOurs(b, target, store.SQLite))
			}
			sum.report(b)
		})
	}
}

// stormRun is how long it took, and what else was seen of it.
type stormRun struct {
	ours, raw time.Duration
	cpu       time.Duration // of this process alone
	peak      float64       // MiB
	idle      []time.Duration
	beside    []time.Duration
	steps     map[string]time.Duration // over all batches, which overlap; and what slapd used of the processors
}

func (r *stormRun) add(o stormRun) {
	r.ours, r.cpu, r.peak = r.ours+o.ours, r.cpu+o.cpu, max(r.peak, o.peak)
	r.idle, r.beside = append(r.idle, o.idle...), append(r.beside, o.beside...)
	if r.steps == nil {
		r.steps = map[string]time.Duration{}
	}
	for step, took := range o.steps {
		r.steps[step] += took
	}
}

func (r *stormRun) report(b *testing.B) {
	n := float64(b.N)
	b.ReportMetric(r.ours.Seconds()/n, "s/ours")
	b.ReportMetric(r.raw.Seconds()/n, "s/raw")
	b.ReportMetric(r.raw.Seconds()/r.ours.Seconds(), "ratio")
	b.ReportMetric(r.cpu.Seconds()/n, "cpu-s/ours")
	b.ReportMetric(r.peak, "MiB/peak")
	for step, took := range r.steps {
		b.ReportMetric(took.Seconds()/n, "s/"+step)
	}
	percentiles(b, "idle-", r.idle)
	percentiles(b, "beside-", r.beside)
	b.ReportMetric(0, "ns/op")
}

// stormOurs has one lane work until nothing is due, while people ask. All of it must
// then be seen gone.
func stormOurs(b *testing.B, target connector.Connector, ledger store.Dialect) (r stormRun) {
	b.Helper()
	defer target.Close()
	f := stormOpen(b, ledger, stormMembers, time.Now, func(now time.Time, _ int) time.Time { return now })
	defer f.Close()
	asks := &asking{f: f}
	asks.during(b, func() { <-time.After(idleFor) })
	r.idle = asks.took
	resetPeak(b)
	var mu sync.Mutex
	r.steps = map[string]time.Duration{}
	watch := func(_ context.Context, t reconcile.Turn) {
		mu.Lock()
		defer mu.Unlock()
		for _, s := range t.Steps {
			r.steps[s.Name] += s.To.Sub(s.From)
		}
	}
	began, cpu := time.Now(), ownCPU(b)
	asks.during(b, func() {
		var all sync.WaitGroup
		for i := range stormWidth {
			all.Go(func() {
				lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: target, Holder: fmt.Sprintf("storm/%d", i), Pace: f.Engine.Pace, Backstop: time.Minute, Now: time.Now, Watch: watch})
				for n := 1; n > 0; {
					var err error
					if n, err = lane.Once(b.Context()); err != nil {
						b.Error(err)
					}
				}
			})
		}
		all.Wait()
	})
	r.ours, r.cpu, r.peak, r.beside = time.Since(began), ownCPU(b)-cpu, peak(b), asks.took
	if gone := stormGone(b, f); gone != stormGroups*stormMembers {
		b.Fatalf("%d seen gone of %d", gone, stormGroups*stormMembers)
	}
	return r
}

// stormGone counts what was seen gone.
func stormGone(b *testing.B, f *enginetest.Fixture) (gone int) {
	b.Helper()
	if err := f.DB.Read(b.Context(), func(tx *store.Tx) error {
		return tx.QueryRowContext(b.Context(), "select count(*) from assignment where system = 'dir' and state = 'absent' and receipt <> 're-0'").Scan(&gone)
	}); err != nil {
		b.Fatal(err)
	}
	return gone
}

// stormOpen opens a database in which so many of each group's members hold it by a live
// grant that ends when ends says, the n-th of all.
func stormOpen(b *testing.B, ledger store.Dialect, members int, now func() time.Time, ends func(now time.Time, n int) time.Time) *enginetest.Fixture {
	b.Helper()
	f := enginetest.Open(b, ledger, askers, func(o *enginetest.Options) {
		if ledger == store.Postgres {
			o.DSN = testserver.StartPostgres(b, "fsync=on", "shared_buffers=256MB", "max_wal_size=2GB").DSN
		}
		o.Now = now
		o.Pace.Lease, o.Pace.Call, o.Pace.Confirm = 10*time.Minute, 2*time.Minute, 2*time.Minute
		for g := range stormGroups {
			id := "dir:" + stormGroup(g)
			o.Company.Entitlements[id] = access.Entitlement{ID: id, System: "dir", Object: stormGroup(g), Name: id, Class: "standard", Owners: []string{"owen"},
				MaxTerm: access.Term(24 * time.Hour), MaxTotal: access.Term(72 * time.Hour), Powers: []string{"read"}}
		}
	})
	err := f.DB.Write(b.Context(), func(tx *store.Tx) error {
		at := f.Now()
		first, second := ends(at, 0), ends(at, 1) // as far apart as all the others
		now := at.UnixMicro()
		hour := time.Hour.Microseconds()
		end := fmt.Sprintf("(%d + %d * ((i * 7919) %% %d))", first.UnixMicro(), second.Sub(first).Microseconds(), stormGroups*members)
		all := fmt.Sprintf("with recursive n(i) as (select 0 union all select i + 1 from n where i < %d), m as (select i / %d as g, i %% %d as k, i from n), ",
			stormGroups*members-1, members, members) +
			fmt.Sprintf("w as (select i, 'g' || substr(cast(1000 + g as text), 2) as object, 'p' || substr(cast(10000 + (g * 37 + k) %% %d as text), 2) as person from m) ", stormPeople)
		for _, stmt := range []string{
			fmt.Sprintf("with recursive n(i) as (select 0 union all select i + 1 from n where i < %d) ", stormPeople-1) +
				fmt.Sprintf(`insert into request (id, revision, digest, state, requester, beneficiary, items, reason, ticket, term, fixed, extends, answer_by, channel, reference, policy, at)
				select 'rq-' || p, 1, 'd', 'submitted', p, p, '[]', '', '', %d, false, '', %d, 'api', '', '', %d from (select 'p' || substr(cast(10000 + i as text), 2) as p from n) as people`, hour, now, now-hour),
			all + `insert into assignment (id, system, account, object, identity, entitlement, state, receipt, holder, fence, attempts, told, confirm, trouble)
				select 'as-' || i, 'dir', person, object, person, 'dir:' || object, 'absent', '', '', 0, 0, 0, false, '' from w`,
			fmt.Sprintf("update assignment set state = 'held', receipt = 're-0', seen_at = %d, due_at = (select %s from (select cast(substr(id, 4) as bigint) as i) as n)", now-hour, end),
			all + fmt.Sprintf(`insert into grants (id, request, revision, digest, identity, entitlement, assignment, state, start_at, end_at, term, seen_at, chain_start, owner, votes, hold, at, ended)
				select 'gr-' || i, 'rq-' || person, 1, 'd', person, 'dir:' || object, 'as-' || i, 'scheduled', %d, %s, %d, %d, %d, 'mia', '[]', '{}', %d, '' from w`, now-hour, end, hour, now-hour, now-hour, now-hour),
			"update grants set state = 'live'",
		} {
			if _, err := tx.ExecContext(b.Context(), stmt); err != nil {
				return fmt.Errorf("%s: %w", stmt, err)
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return f
}

func stormSlapd(b *testing.B) *testserver.SlapdServer {
	b.Helper()
	person := func(uid string) string { return "uid=" + uid + "," + testserver.SlapdPeople }
	in := map[string][]string{}
	var groups, people strings.Builder
	for g := range stormGroups {
		dn := "cn=" + stormGroup(g) + "," + testserver.SlapdGroups
		fmt.Fprintf(&groups, "dn: %s\nobjectClass: groupOfNames\ncn: %s\n", dn, stormGroup(g))
		for m := range stormMembers {
			uid := stormMember(g, m)
			fmt.Fprintf(&groups, "member: %s\n", person(uid))
			in[uid] = append(in[uid], dn)
		}
		groups.WriteByte('\n')
	}
	for p := range stormPeople {
		uid := fmt.Sprintf("p%04d", p)
		fmt.Fprintf(&people, "dn: %s\nobjectClass: inetOrgPerson\nuid: %s\ncn: %s\nsn: P\n", person(uid), uid, uid)
		for _, dn := range in[uid] {
			fmt.Fprintf(&people, "memberOf: %s\n", dn)
		}
		people.WriteByte('\n')
	}
	return testserver.Slapd(b, testserver.SlapdOptions{LDIF: people.String() + groups.String()})
}

func stormLDAP(b *testing.B, s *testserver.SlapdServer, url string) connector.Connector {
	b.Helper()
	target, err := ldap.New(ldap.Config{URL: url, CA: s.CA, BindDN: testserver.SlapdService, Password: func() string { return testserver.SlapdServiceSecret },
		PeopleBase: testserver.SlapdPeople, GroupsBase: testserver.SlapdGroups, Placeholder: testserver.SlapdPlaceholder, Timeout: time.Minute})
	if err != nil {
		b.Fatal(err)
	}
	return target
}

func stormRawLDAP(b *testing.B, s *testserver.SlapdServer, members int) time.Duration {
	b.Helper()
	conn, err := goldap.DialURL(s.URL, goldap.DialWithTLSConfig(&tls.Config{RootCAs: s.CA}))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	if err := conn.Bind(testserver.SlapdService, testserver.SlapdServiceSecret); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	for g := range stormGroups {
		var dns []string
		for m := range members {
			dns = append(dns, "uid="+stormMember(g, m)+","+testserver.SlapdPeople)
		}
		for some := range slices.Chunk(dns, rawBatch) {
			req := goldap.NewModifyRequest("cn="+stormGroup(g)+","+testserver.SlapdGroups, nil)
			req.Delete("member", some)
			if members == stormMembers {
				req.Add("member", []string{testserver.SlapdPlaceholder}) // the class demands one
			}
			if err := conn.Modify(req); err != nil {
				b.Fatal(err)
			}
		}
	}
	return time.Since(began)
}

// stormPostgres gives a server with the people, the roles and an account that may grant them.
func stormPostgres(b *testing.B, version string) *testserver.PGTarget {
	b.Helper()
	s := testserver.PostgresTarget(b, version)
	inherit := "noinherit"
	if version == "15" {
		inherit = "inherit"
	}
	s.Exec(b, fmt.Sprintf(`do $$ begin
		if not exists (select from pg_roles where rolname = 'storm') then
			create role storm login %s password 'storm-1f';
			grant pg_signal_backend, pg_read_all_stats to storm;
			for i in 0..%d loop execute format('create role %%I login', 'p' || lpad(i::text, 4, '0')); end loop;
			for i in 0..%d loop
				execute format('create role %%I', 'g' || lpad(i::text, 3, '0'));
				execute format('grant %%I to storm with admin option', 'g' || lpad(i::text, 3, '0'));
			end loop;
		end if; end $$`, inherit, stormPeople-1, stormGroups-1))
	s.Exec(b, "alter system set fsync = on")
	s.Exec(b, "select pg_reload_conf()")
	b.Cleanup(func() {
		s.Exec(b, "alter system set fsync = off")
		s.Exec(b, "select pg_reload_conf()")
	})
	return s
}

func stormFill(b *testing.B, s *testserver.PGTarget) {
	b.Helper()
	conn := s.Connect(b, "storm", "storm-1f", "postgres")
	defer conn.Close(context.Background())
	for g := range stormGroups {
		stormSay(b, conn, "grant", "to", g)
	}
	s.Exec(b, "vacuum analyze pg_auth_members")
	s.Exec(b, "checkpoint")
}

func stormRawPostgres(b *testing.B, s *testserver.PGTarget) time.Duration {
	b.Helper()
	conn := s.Connect(b, "storm", "storm-1f", "postgres")
	defer conn.Close(context.Background())
	began := time.Now()
	for g := range stormGroups {
		stormSay(b, conn, "revoke", "from", g)
	}
	return time.Since(began)
}

// stormSay grants or revokes one role to all its members, in as few statements.
func stormSay(b *testing.B, conn *pgx.Conn, verb, towards string, g int) {
	b.Helper()
	var names []string
	for m := range stormMembers {
		names = append(names, `"`+stormMember(g, m)+`"`)
	}
	for some := range slices.Chunk(names, rawBatch) {
		if _, err := conn.Exec(context.Background(), fmt.Sprintf(`%s "%s" %s %s`, verb, stormGroup(g), towards, strings.Join(some, ", "))); err != nil {
			b.Fatal(err)
		}
	}
}
