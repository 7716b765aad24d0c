package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

const (
	benchPeople  = 2000
	benchRoles   = 50
	benchMembers = 200 // of each role
)

// crowd is benchRoles roles of benchMembers each, made once on that server.
func crowd(b *testing.B, w *world) (members [][]string) {
	b.Helper()
	members = make([][]string, benchRoles)
	for r := range members {
		for m := range benchMembers {
			members[r] = append(members[r], fmt.Sprintf("p%04d", (r*37+m)%benchPeople))
		}
	}
	if len(w.members(b, "bench-00")) == 0 && !w.exists(b, "bench-00") {
		w.Exec(b, fmt.Sprintf(`do $$ begin for i in 0..%d loop execute format('create role %%I login', 'p' || lpad(i::text, 4, '0')); end loop; end $$`, benchPeople-1))
		for r := range members {
			w.object(b, benchRole(r))
		}
	}
	return members
}

func benchRole(r int) string { return fmt.Sprintf("bench-%02d", r) }

func (w *world) exists(t testing.TB, role string) (is bool) {
	t.Helper()
	if err := w.Admin.QueryRow(context.Background(), "select exists (select from pg_roles where rolname::text = $1)", role).Scan(&is); err != nil {
		t.Fatal(err)
	}
	return is
}

// fsync lets the server write to disk before it answers, or not.
func (w *world) fsync(t testing.TB, on bool) {
	t.Helper()
	w.Exec(t, fmt.Sprintf("alter system set fsync = %t", on))
	w.Exec(t, "select pg_reload_conf()")
	testserver.Await(t, "fsync", 10*time.Second, func() error {
		var is bool
		err := w.Admin.QueryRow(context.Background(), "select current_setting('fsync')::bool").Scan(&is)
		if err == nil && is != on {
			err = errors.New("it is as before")
		}
		return err
	})
}

// BenchmarkRemove10k removes 10,000 memberships in 50 roles through Apply, by the
// batch, and sets that against the same batches as bare REVOKE statements, one for
// each role in a batch, by someone who reads nothing, checks nothing and uses one
// connection. Each starts from the same content. "grouped" is the order of the
// roles, "due" one in which everything is mixed. ratio is raw time by ours;
// ratio-best sets ours against one REVOKE a role whatever the order.
func BenchmarkRemove10k(b *testing.B) {
	for _, version := range testserver.PGTargetVersions {
		for _, sync := range []string{"nosync", "disk"} {
			for _, order := range []string{"grouped", "due"} {
				b.Run(version+"/"+sync+"/"+order, func(b *testing.B) { benchRemove(b, version, sync == "disk", order == "due") })
			}
		}
	}
}

func benchRemove(b *testing.B, version string, disk, mixed bool) {
	w := open(b, version)
	members := crowd(b, w)
	w.fsync(b, disk)
	b.Cleanup(func() { w.fsync(b, false) })
	var changes []connector.Change
	for r, names := range members {
		for _, n := range names {
			changes = append(changes, remove(n, benchRole(r)))
		}
	}
	if mixed {
		random := rand.New(rand.NewPCG(1, 2))
		random.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
	}
	fill := func() {
		for r, names := range members {
			w.put(b, benchRole(r), names...)
		}
		w.Exec(b, "vacuum analyze pg_auth_members")
		w.Exec(b, "checkpoint")
	}
	// The least of each: a shared disk makes the same work take many times as long.
	const never = time.Duration(math.MaxInt64)
	ours, raw, best, sight := never, never, never, never
	c := connect(b, w.config())
	for b.Loop() {
		fill()
		raw = min(raw, removeRaw(b, w, changes, batch))
		fill()
		ours = min(ours, removeOurs(b, c, changes))
		sight = min(sight, lookOurs(b, c, changes))
		fill()
		best = min(best, removeRaw(b, w, changes, len(changes)))
	}
	b.ReportMetric(ours.Seconds(), "s/ours")
	b.ReportMetric(raw.Seconds(), "s/raw")
	b.ReportMetric(best.Seconds(), "s/best")
	b.ReportMetric(sight.Seconds(), "s/look")
	b.ReportMetric(raw.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(best.Seconds()/ours.Seconds(), "ratio-best")
	b.ReportMetric(0, "ns/op")
}

func removeOurs(b *testing.B, c *Connector, changes []connector.Change) time.Duration {
	began := time.Now()
	for some := range slices.Chunk(changes, c.Capabilities().Batch) {
		for _, r := range c.Apply(context.Background(), some) {
			if r.Err != nil {
				b.Fatal(r.Err)
			}
		}
	}
	return time.Since(began)
}

// lookOurs looks at all of them, which must be gone.
func lookOurs(b *testing.B, c *Connector, changes []connector.Change) time.Duration {
	began := time.Now()
	for some := range slices.Chunk(changes, c.Capabilities().Batch) {
		refs := make([]connector.Ref, len(some))
		for i, ch := range some {
			refs[i] = ch.Ref
		}
		for _, seen := range c.Look(context.Background(), refs) {
			if seen.Err != nil || seen.Direct || seen.Effective {
				b.Fatalf("%+v", seen)
			}
		}
	}
	return time.Since(began)
}

// removeRaw sends one REVOKE a role for each batch, as the same account.
func removeRaw(b *testing.B, w *world, changes []connector.Change, batch int) time.Duration {
	conn := w.Connect(b, svc, svcSecret, "postgres")
	defer conn.Close(context.Background())
	began := time.Now()
	for some := range slices.Chunk(changes, batch) {
		byRole := map[string][]string{}
		for _, ch := range some {
			byRole[ch.Object] = append(byRole[ch.Object], quoted(ch.Account))
		}
		for role, names := range byRole {
			if _, err := conn.PgConn().Exec(context.Background(), "revoke "+quoted(role)+" from "+strings.Join(names, ", ")).ReadAll(); err != nil {
				b.Fatal(err)
			}
		}
	}
	took := time.Since(began)
	if left := w.members(b, benchRole(0)); len(left) > 0 {
		b.Fatalf("%d members are left", len(left))
	}
	return took
}

// BenchmarkObserve reads 10,000 memberships, and the same by a bare SELECT.
func BenchmarkObserve(b *testing.B) {
	for _, version := range testserver.PGTargetVersions {
		b.Run(version, func(b *testing.B) {
			w := open(b, version)
			for r, names := range crowd(b, w) {
				w.put(b, benchRole(r), names...)
			}
			c, conn := connect(b, w.config()), w.Connect(b, svc, svcSecret, "postgres")
			ours, raw := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
			for b.Loop() {
				began, n := time.Now(), 0
				if err := c.Observe(context.Background(), nil, func(connector.Holding) error { n++; return nil }); err != nil || n < benchRoles*benchMembers {
					b.Fatalf("%d holdings, %v", n, err)
				}
				ours = min(ours, time.Since(began))
				began = time.Now()
				if _, err := conn.PgConn().Exec(context.Background(), `select r.rolname, u.rolname from pg_auth_members m
					join pg_roles r on r.oid = m.roleid join pg_roles u on u.oid = m.member`).ReadAll(); err != nil {
					b.Fatal(err)
				}
				raw = min(raw, time.Since(began))
			}
			b.ReportMetric(ours.Seconds(), "s/ours")
			b.ReportMetric(raw.Seconds(), "s/raw")
			b.ReportMetric(raw.Seconds()/ours.Seconds(), "ratio")
			b.ReportMetric(0, "ns/op")
		})
	}
}
