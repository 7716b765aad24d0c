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
// SQLite that is flushed at each commit. raw is one modify, or one REVOKE, a group by
// somebody who knows every name, looks at nothing and remembers nothing, on the same
// server in the same run; ratio is raw by ours.
func BenchmarkStorm(b *testing.B) {
	b.Run("OpenLDAP", func(b *testing.B) {
		var ours, raw time.Duration
		for b.Loop() {
			raw += stormRawLDAP(b, stormSlapd(b))
			s := stormSlapd(b)
			target, err := ldap.New(ldap.Config{URL: s.URL, CA: s.CA, BindDN: testserver.SlapdService, Password: func() string { return testserver.SlapdServiceSecret },
				PeopleBase: testserver.SlapdPeople, GroupsBase: testserver.SlapdGroups, Placeholder: testserver.SlapdPlaceholder, Timeout: time.Minute})
			if err != nil {
				b.Fatal(err)
			}
			ours += stormOurs(b, target)
		}
		stormReport(b, ours, raw)
	})
	for _, version := range testserver.PGTargetVersions {
		b.Run("PostgreSQL "+version, func(b *testing.B) {
			s := stormPostgres(b, version)
			var ours, raw time.Duration
			for b.Loop() {
				stormFill(b, s)
				raw += stormRawPostgres(b, s)
				stormFill(b, s)
				target, err := postgres.New(postgres.Config{URL: "postgres://" + s.Address, CA: s.CA, User: "storm", Password: func() string { return "storm-1f" }, Timeout: time.Minute})
				if err != nil {
					b.Fatal(err)
				}
				ours += stormOurs(b, target)
			}
			stormReport(b, ours, raw)
		})
	}
}

func stormReport(b *testing.B, ours, raw time.Duration) {
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/ours")
	b.ReportMetric(raw.Seconds()/float64(b.N), "s/raw")
	b.ReportMetric(raw.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

// stormOurs has one lane work until nothing is due. All of it must then be seen gone.
func stormOurs(b *testing.B, target connector.Connector) time.Duration {
	b.Helper()
	defer target.Close()
	f := stormOpen(b, stormMembers, nil, func(now time.Time, _ int) time.Time { return now })
	defer f.Close()
	began := time.Now()
	var all sync.WaitGroup
	for i := range stormWidth {
		all.Go(func() {
			lane := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: target, Holder: fmt.Sprintf("storm/%d", i), Pace: f.Engine.Pace, Backstop: time.Minute, Now: f.Now})
			for n := 1; n > 0; {
				var err error
				if n, err = lane.Once(b.Context()); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if gone := stormGone(b, f); gone != stormGroups*stormMembers {
		b.Fatalf("%d seen gone of %d", gone, stormGroups*stormMembers)
	}
	return took
}

// stormGone counts what was seen gone.
func stormGone(b *testing.B, f *enginetest.Fixture) (gone int) {
	b.Helper()
	if err := f.DB.Read(b.Context(), func(tx *store.Tx) error {
		return tx.QueryRowContext(b.Context(), "select count(*) from assignment where state = 'absent' and receipt <> 're-0'").Scan(&gone)
	}); err != nil {
		b.Fatal(err)
	}
	return gone
}

// stormOpen opens a database in which so many of each group's members hold it by a live
// grant that ends when ends says, the n-th of all.
func stormOpen(b *testing.B, members int, clock func() time.Time, ends func(now time.Time, n int) time.Time) *enginetest.Fixture {
	b.Helper()
	f := enginetest.Open(b, store.SQLite, func(o *enginetest.Options) {
		if clock != nil {
			o.Now = clock
		}
		o.Pace.Lease, o.Pace.Call = 10*time.Minute, 2*time.Minute
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
			fmt.Sprintf("w as (select i, printf('g%%03d', g) as object, printf('p%%04d', (g * 37 + k) %% %d) as person from m) ", stormPeople)
		for _, stmt := range []string{
			fmt.Sprintf("with recursive n(i) as (select 0 union all select i + 1 from n where i < %d) ", stormPeople-1) +
				fmt.Sprintf(`insert into request (id, revision, digest, state, requester, beneficiary, items, reason, ticket, term, fixed, extends, answer_by, channel, reference, policy, at)
				select printf('rq-p%%04d', i), 1, 'd', 'submitted', printf('p%%04d', i), printf('p%%04d', i), '[]', '', '', %d, false, '', %d, 'api', '', '', %d from n`, hour, now, now-hour),
			all + `insert into assignment (id, system, account, object, identity, entitlement, state, receipt, holder, fence, attempts, told, confirm, trouble)
				select 'as-' || i, 'dir', person, object, person, 'dir:' || object, 'absent', '', '', 0, 0, 0, false, '' from w`,
			fmt.Sprintf("update assignment set state = 'held', receipt = 're-0', seen_at = %d, due_at = (select %s from (select cast(substr(id, 4) as integer) as i))", now-hour, end),
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

func stormRawLDAP(b *testing.B, s *testserver.SlapdServer) time.Duration {
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
		for m := range stormMembers {
			dns = append(dns, "uid="+stormMember(g, m)+","+testserver.SlapdPeople)
		}
		for some := range slices.Chunk(dns, rawBatch) {
			req := goldap.NewModifyRequest("cn="+stormGroup(g)+","+testserver.SlapdGroups, nil)
			req.Delete("member", some)
			req.Add("member", []string{testserver.SlapdPlaceholder}) // the class demands one
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
