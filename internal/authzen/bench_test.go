package authzen_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/authzen"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// connections is how many of them ask at once.
const connections = 8

// people is how many hold something, each one thing of two hundred.
const people = 20_000

// BenchmarkEvaluation asks over plain HTTP, at eight connections, whether somebody
// holds something: us, from grants and what was seen, and beside us in the same
// run Cerbos, by a policy that finds the same in what the caller sends along. It
// needs .tools/cerbos (npm @cerbos/cerbos-linux-x64); without it we ask ourselves alone.
func BenchmarkEvaluation(b *testing.B) {
	d := open(b, store.SQLite, func(c *authzen.Config) { c.Base = "https://pdp.example" })
	d.populate()
	// The same door without TLS, as the server has it behind whatever ends TLS.
	s := httptest.NewServer(d.door)
	b.Cleanup(s.Close)
	who := func(i int64) (string, string) {
		n := i * 7919 % people
		return fmt.Sprintf("p%05d", n), fmt.Sprintf("dir:e%03d", n%200)
	}
	ask := func(identity, entitlement, properties string) string {
		return fmt.Sprintf(`{"subject":{"type":"user","id":%q%s},"resource":{"type":"entitlement","id":%q},"action":{"name":"use"}}`, identity, properties, entitlement)
	}
	b.Run("held", func(b *testing.B) {
		rush(b, s.URL, "token of harness", "true", func(i int64) string { id, e := who(i); return ask(id, e, "") })
	})
	b.Run("not held", func(b *testing.B) {
		rush(b, s.URL, "token of harness", "false", func(i int64) string { id, _ := who(i); return ask(id, "dir:wiki", "") })
	})
	b.Run("not held, requestable", func(b *testing.B) {
		rush(b, s.URL, "token of mia", "false", func(i int64) string { return ask("bob", "git:deploy", "") })
	})
	b.Run("cerbos, held", func(b *testing.B) {
		url := cerbos(b)
		rush(b, url, "", "true", func(i int64) string {
			id, e := who(i)
			return ask(id, e, fmt.Sprintf(`,"properties":{"roles":["user"],"held":[%q]}`, e))
		})
	})
	b.Run("cerbos, not held", func(b *testing.B) {
		url := cerbos(b)
		rush(b, url, "", "false", func(i int64) string {
			id, e := who(i)
			return ask(id, "dir:wiki", fmt.Sprintf(`,"properties":{"roles":["user"],"held":[%q]}`, e))
		})
	})
}

// rush asks as fast as eight connections can.
func rush(b *testing.B, url, token, want string, body func(i int64) string) {
	b.Helper()
	c := &http.Client{Transport: &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections}}
	defer c.CloseIdleConnections()
	one := func(i int64) error {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url+authzen.Evaluation, strings.NewReader(body(i)))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/json")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := c.Do(r)
		if err != nil {
			return err
		}
		raw, err := io.ReadAll(res.Body)
		if err == nil && !bytes.Contains(bytes.ReplaceAll(raw, []byte(" "), nil), []byte(`"decision":`+want)) {
			err = fmt.Errorf("%d %s; want %s", res.StatusCode, raw, want)
		}
		_ = res.Body.Close() // it was read to its end
		return err
	}
	if err := one(0); err != nil {
		b.Fatal(err)
	}
	var next atomic.Int64
	b.SetParallelism(connections) // at least so many, whatever the number of processors
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := one(next.Add(1)); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

// populate stores that many holders as the engine would, seen held.
func (d *desk) populate() {
	d.t.Helper()
	d.stuffed = true
	d.Change(func(c *enginetest.Company) {
		wiki := c.Entitlements["dir:wiki"]
		for i := range 200 {
			e := wiki
			e.Name = fmt.Sprintf("e%03d", i)
			e.ID, e.Object = "dir:"+e.Name, e.Name
			c.Entitlements[e.ID] = e
		}
		for i := range people {
			id := fmt.Sprintf("p%05d", i)
			c.People[id] = access.Identity{ID: id, Kind: access.Person, Name: id, Manager: "mia", Accounts: map[string]string{"dir": id}}
		}
	})
	ctx, now := d.t.Context(), d.Now()
	err := d.DB.Write(ctx, func(tx *store.Tx) error {
		for i := range people {
			who, what := fmt.Sprintf("p%05d", i), fmt.Sprintf("e%03d", i%200)
			rq, gr, as := fmt.Sprintf("rq-%06d", i), fmt.Sprintf("gr-%06d", i), fmt.Sprintf("as-%06d", i)
			r := access.Request{ID: rq, Revision: 1, Digest: "sha256:x", State: access.Submitted, Requester: who, Beneficiary: who, Reason: "to do my work", Term: 12 * hour, AnswerBy: now.Add(time.Hour),
				Channel: "api", At: now, Items: []access.Item{{Entitlement: "dir:" + what, Outcome: access.Granted, Term: 12 * hour, Grant: gr}}}
			done := r
			done.State = access.Approved
			a := store.Job{Assignment: access.Assignment{ID: as, System: "dir", Account: who, Object: what, Identity: who, Entitlement: "dir:" + what, State: access.Absent}}
			held := a
			held.State, held.SeenAt, held.Receipt = access.Held, now, "re-x"
			g := access.Grant{ID: gr, Request: rq, Revision: 1, Digest: "sha256:x", Identity: who, Entitlement: "dir:" + what, Assignment: as, State: access.Scheduled, Start: now, End: now.Add(12 * time.Hour),
				ChainStart: now, Owner: "owen", At: now}
			live := g
			live.State = access.Live
			for _, do := range []error{tx.AddRequest(ctx, r), tx.SaveRequest(ctx, r, done), tx.AddAssignment(ctx, a), tx.SaveJob(ctx, a, held), tx.AddGrant(ctx, g), tx.SaveGrant(ctx, access.Scheduled, live)} {
				if do != nil {
					return do
				}
			}
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

const cerbosPolicy = `apiVersion: api.cerbos.dev/v1
resourcePolicy:
  version: default
  resource: entitlement
  rules:
    - actions: ["use", "hold"]
      effect: EFFECT_ALLOW
      roles: ["*"]
      condition: {match: {expr: R.id in P.attr.held}}
`

// cerbos starts one for this benchmark, as it comes but for its ports.
func cerbos(b *testing.B) (url string) {
	b.Helper()
	program, err := filepath.Abs(filepath.Join("..", "..", ".tools", "cerbos", "node_modules", "@cerbos", "cerbos-linux-x64", "cerbos-linux-x64"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		b.Skip("there is no Cerbos in .tools/cerbos")
	}
	port := func() int {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		return l.Addr().(*net.TCPAddr).Port
	}
	dir, web, rpc := b.TempDir(), port(), port()
	conf := fmt.Sprintf("server: {httpListenAddr: \"127.0.0.1:%d\", grpcListenAddr: \"127.0.0.1:%d\"}\ntelemetry: {disabled: true}\nstorage: {driver: disk, disk: {directory: %q}}\n", web, rpc, filepath.Join(dir, "policies"))
	if err := os.Mkdir(filepath.Join(dir, "policies"), 0o700); err != nil {
		b.Fatal(err)
	}
	for name, text := range map[string]string{"conf.yaml": conf, "policies/entitlement.yaml": cerbosPolicy} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	cmd := exec.Command(program, "server", "--config="+filepath.Join(dir, "conf.yaml"), "--log-level=error")
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()         // … as it was told to
	})
	url = fmt.Sprintf("http://127.0.0.1:%d", web)
	testserver.Await(b, "Cerbos", 30*time.Second, func() error {
		res, err := http.Get(url + "/_cerbos/health")
		if err == nil {
			err = res.Body.Close()
		}
		return err
	})
	return url
}
