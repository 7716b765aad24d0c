package survive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// The company of the benchmark, and what it does.
const (
	speedPeople  = 200 // who ask, two of each manager
	speedThings  = 150 // entitlements: each pair is asked for once
	speedRate    = 200 // submits a second, offered whatever comes back
	speedOffered = 15 * time.Second
	speedClosed  = 5 * time.Second
	speedAtOnce  = 16 // callers who wait for each answer
)

// BenchmarkReplicas measures what people wait for at 1, 2 and 4 replicas: processes of
// their own over HTTP, on one PostgreSQL that flushes each commit. Who asks runs on the
// same machine, and the database, too: its processors are shared by all of them.
//
// First 200 requests a second are offered for 15 seconds, whatever comes back: each is
// measured from when it should have been sent until its answer, which has policy's
// decision; how many fail is told. Then sixteen callers, who wait for each answer, submit, vote and ask AuthZEN
// as fast as they can. What is granted begins tomorrow: no lane works meanwhile.
func BenchmarkReplicas(b *testing.B) {
	for _, n := range []int{1, 2, 4} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				c := newSpeed(b, n)
				c.submitsOffered(b)
				c.closed(b, "submits/s", c.submit)
				c.closed(b, "votes/s", c.vote)
				c.closed(b, "authzen/s", c.evaluate)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// speed is the replicas and who asks them.
type speed struct {
	http   *http.Client
	list   []*replica
	urls   []string
	tokens map[string]string
	asked  atomic.Int64 // pairs used up
	mu     sync.Mutex
	wait   []access.Request
}

func newSpeed(b *testing.B, replicas int) *speed {
	b.Helper()
	pg := testserver.StartPostgres(b, "fsync=on", "full_page_writes=on", "shared_buffers=128MB", "max_wal_size=1GB")
	s := &speed{http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}}
	b.Cleanup(s.http.CloseIdleConnections)
	dir := s.folder(b)
	for i := range replicas {
		r := newReplica(b, fmt.Sprintf("replica-%d", i), dir, pg.DSN+"&pool_max_conns=10")
		r.plan.Metrics = fmt.Sprintf("127.0.0.1:%d", testserver.Port(b))
		r.start(b, "", 0)
		s.list, s.urls = append(s.list, r), append(s.urls, r.url)
	}
	for _, r := range s.list {
		r.ready(b)
	}
	return s
}

// folder writes the configuration.
func (s *speed) folder(b *testing.B) string {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "lessor")
	var people, things strings.Builder
	for i := range speedPeople {
		fmt.Fprintf(&people, "  - {id: p%d, kind: person, name: P %d, manager: m%d, accounts: {list: p%d}}\n", i, i, i/2, i)
	}
	for i := range speedPeople / 2 {
		fmt.Fprintf(&people, "  - {id: m%d, kind: person, name: M %d}\n", i, i)
	}
	for i := range speedThings {
		fmt.Fprintf(&things, "  - {id: \"list:e%d\", name: e%d, object: e%d, owners: [olga], class: standard, max_term: 1d, powers: [read]}\n", i, i, i)
	}
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"lessor.yaml":    "listen: 127.0.0.1:0\nmetrics: {listen: 127.0.0.1:9}\ndatabase_ref: env:" + dsnKey + "\nclasses: [standard, third-party, privileged]\ntokens:\n",
		"directory.yaml": "identities:\n  - {id: olga, kind: person, name: Olga}\n" + people.String() + "groups:\n  - {id: security, members: [olga]}\n",
		"catalog.yaml":   "systems:\n  - {id: list, connector: manual, owner: olga, settings: {asked_file: asked.jsonl, holdings_file: holdings.csv}}\nentitlements:\n" + things.String(),
		"policy/x.cedar": "@id(\"standard\") @needs(\"manager\") permit (principal, action == Action::\"request\", resource in Class::\"standard\");\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	if err := setup.Folder(dir, files, "log.example.org/speed"); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "holdings.csv"), []byte("account,object,seen_at,by\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	s.tokens = map[string]string{}
	for i := range speedPeople + speedPeople/2 {
		who := fmt.Sprintf("p%d", i)
		if i >= speedPeople {
			who = fmt.Sprintf("m%d", i-speedPeople)
		}
		file, err := setup.AddToken(dir, setup.Token{Name: who, Identity: who, Scopes: []string{"request", "approve", "view", "evaluate"}, Strength: "mfa", Expires: time.Now().Add(24 * time.Hour)})
		if err != nil {
			b.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		s.tokens[who] = strings.TrimSpace(string(text))
	}
	return dir
}

// post has one replica answer somebody; the n-th call goes to the n-th of them in turn.
func (s *speed) post(ctx context.Context, n int64, who, path string, in, out any) error {
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.urls[n%int64(len(s.urls))]+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+s.tokens[who])
	req.Header.Set("Content-Type", "application/json")
	res, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s of %s: %s %.300s", path, who, res.Status, text)
	}
	return json.Unmarshal(text, out)
}

// pair is who asks next, and what for: each pair once, and nobody twice in a row.
func (s *speed) pair() (n int64, who, what string, err error) {
	n = s.asked.Add(1) - 1
	if n >= speedPeople*speedThings {
		return n, "", "", errors.New("everybody has asked for everything: the company is too small for this machine")
	}
	return n, fmt.Sprintf("p%d", n%speedPeople), fmt.Sprintf("list:e%d", n/speedPeople), nil
}

func (s *speed) submit(ctx context.Context) error {
	n, who, what, err := s.pair()
	if err != nil {
		return err
	}
	var r access.Request
	a := engine.Ask{Entitlements: []string{what}, Reason: "to do my work", Term: access.Term(time.Hour), Start: time.Now().Add(24 * time.Hour)}
	if err := s.post(ctx, n, who, "/api/v1/requests", a, &r); err != nil {
		return err
	}
	if r.State != access.Pending || !r.Items[0].Decision.Allow {
		return fmt.Errorf("%s is %s: %+v", r.ID, r.State, r.Items)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait = append(s.wait, r)
	return nil
}

// vote has a manager approve what waits; the grant is written with it.
func (s *speed) vote(ctx context.Context) error {
	s.mu.Lock()
	if len(s.wait) == 0 {
		s.mu.Unlock()
		return errNothingWaits
	}
	r := s.wait[0]
	s.wait = s.wait[1:]
	left := len(s.wait)
	s.mu.Unlock()
	var p int
	if _, err := fmt.Sscanf(r.Requester, "p%d", &p); err != nil {
		return err
	}
	var next access.Request
	if err := s.post(ctx, int64(left), fmt.Sprintf("m%d", p/2), "/api/v1/requests/"+r.ID+"/votes", engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}, &next); err != nil {
		return err
	}
	if next.State != access.Approved || next.Items[0].Grant == "" {
		return fmt.Errorf("%s is %s: %+v", next.ID, next.State, next.Items)
	}
	return nil
}

var errNothingWaits = errors.New("nothing waits")

// evaluate asks whether somebody holds what they do not, and whether they may ask for it.
func (s *speed) evaluate(ctx context.Context) error {
	n := s.asked.Add(1)
	who := fmt.Sprintf("p%d", n%speedPeople)
	var said struct {
		Decision bool
		Context  map[string]any
	}
	if err := s.post(ctx, n, who, "/access/v1/evaluation", map[string]any{"subject": map[string]string{"type": "user", "id": who},
		"resource": map[string]string{"type": "entitlement", "id": fmt.Sprintf("list:e%d", speedThings-1)}, "action": map[string]string{"name": "use"}}, &said); err != nil {
		return err
	}
	if said.Decision || said.Context["reason"] != "approval_required" {
		return fmt.Errorf("%+v", said)
	}
	return nil
}

// submitsOffered sends at the rate, whatever comes back, and measures each from the
// moment at which it was to be sent.
func (s *speed) submitsOffered(b *testing.B) {
	b.Helper()
	const n = int(speedOffered/time.Second) * speedRate
	took, failed, first := make([]time.Duration, n), atomic.Int64{}, atomic.Pointer[error]{}
	var all sync.WaitGroup
	began := time.Now()
	for i := range n {
		due := began.Add(time.Duration(i) * time.Second / speedRate)
		if early := time.Until(due); early > 0 {
			<-time.After(early)
		}
		all.Go(func() {
			if err := s.submit(b.Context()); err != nil {
				failed.Add(1)
				first.CompareAndSwap(nil, &err)
			}
			took[i] = time.Since(due)
		})
	}
	all.Wait()
	if err := first.Load(); err != nil {
		b.Logf("the first of %d of %d submits that failed: %v", failed.Load(), n, *err)
	}
	slices.Sort(took)
	b.ReportMetric(float64(failed.Load())*100/float64(n), "offered_failed_%")
	b.ReportMetric(took[n/2].Seconds()*1000, "submit_p50_ms")
	b.ReportMetric(took[n*99/100].Seconds()*1000, "submit_p99_ms")
	b.ReportMetric(float64(n)/time.Since(began).Seconds(), "offered/s")
}

// closed has callers do something again and again, each after its answer.
func (s *speed) closed(b *testing.B, unit string, do func(context.Context) error) {
	b.Helper()
	var done, failed atomic.Int64
	var first atomic.Pointer[error]
	var all sync.WaitGroup
	wrote, again := s.figure(b, `lessor_database_seconds_count{kind="write"}`), s.figure(b, "lessor_database_retries_total")
	began := time.Now()
	for range speedAtOnce {
		all.Go(func() {
			for time.Since(began) < speedClosed {
				if err := do(b.Context()); errors.Is(err, errNothingWaits) {
					return
				} else if err != nil {
					failed.Add(1)
					first.CompareAndSwap(nil, &err)
					continue
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	if err := first.Load(); err != nil {
		b.Logf("%s: the first of %d that failed beside %d: %v", unit, failed.Load(), done.Load(), *err)
	}
	b.ReportMetric(float64(failed.Load())*100/float64(max(1, failed.Load()+done.Load())), strings.TrimSuffix(unit, "/s")+"_failed_%")
	b.ReportMetric(float64(done.Load())/time.Since(began).Seconds(), unit)
	each := func(before float64, name string) float64 {
		return (s.figure(b, name) - before) / float64(max(1, done.Load()))
	}
	b.ReportMetric(each(wrote, `lessor_database_seconds_count{kind="write"}`), strings.TrimSuffix(unit, "s/s")+"_writes")
	b.ReportMetric(each(again, "lessor_database_retries_total"), strings.TrimSuffix(unit, "s/s")+"_again")
}

// figure is the sum of one figure over all replicas.
func (s *speed) figure(b *testing.B, name string) (sum float64) {
	b.Helper()
	for _, r := range s.list {
		res, err := s.http.Get("http://" + r.plan.Metrics + "/metrics")
		if err != nil {
			b.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil {
			b.Fatal(err)
		}
		_, after, found := strings.Cut(string(text), "\n"+name+" ")
		line, _, _ := strings.Cut(after, "\n")
		is, err := strconv.ParseFloat(line, 64)
		if !found || err != nil {
			b.Fatalf("%s: no figure %s: %v", r.name, name, err)
		}
		sum += is
	}
	return sum
}
