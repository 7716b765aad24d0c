package jira_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/channel/jira/webhook"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/store"
)

// booth is a receiver before an engine whose lanes run, and a bare handler
// beside it that reads the body, checks the same signature and keeps nothing.
type booth struct {
	*enginetest.Fixture
	b              *testing.B
	receiver, bare string // where they are
	client         *http.Client
	last           atomic.Int64 // the last body made
	grants         []access.Grant
}

// spare grants are revoked while webhooks come.
const spare = 300

func openBooth(b *testing.B) *booth {
	b.Helper()
	people, with := crowd(spare)
	k := &booth{b: b, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256, MaxConnsPerHost: 256}}}
	k.Fixture = enginetest.Open(b, store.SQLite, enginetest.Virtual, func(o *enginetest.Options) {
		o.Carries = func(channel string) bool { return channel == jira.Name }
		with.company(o.Company)
	})
	r, err := rest.New(rest.Config{Kind: rest.Cloud, Base: "http://127.0.0.1:1", Email: "a@example.com", Token: func() string { return "t" }})
	if err != nil {
		b.Fatal(err)
	}
	ch, err := jira.New(jira.Config{Site: config.JiraSite{ID: "acme"}, Rest: r, Door: k.Engine, Directory: func() *access.Directory { return nil },
		Bundle: (&desk{Fixture: k.Fixture}).bundle, Secret: func() secret.Value { return secret.New(hookSecret) }, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	k.receiver, k.bare = k.serve(ch.Receiver()), k.serve(http.HandlerFunc(echo))
	for _, id := range people {
		k.grants = append(k.grants, k.Granted(id, engine.Ask{Entitlements: []string{"dir:wiki"}}, "mia"))
	}
	k.Work()
	b.Cleanup(k.Run())
	return k
}

func (k *booth) serve(h http.Handler) string {
	s := httptest.NewServer(h)
	k.b.Cleanup(s.Close)
	return s.URL
}

// echo is what any receiver must do at least.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, webhook.MaxBody))
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write(body)
	if err != nil || !hmac.Equal([]byte("sha256="+hex.EncodeToString(mac.Sum(nil))), []byte(r.Header.Get("X-Hub-Signature"))) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

var padding = strings.Repeat("x", 8<<10) // genuine bodies are some 10 kB

// post sends one webhook nobody has sent before, signed.
func (k *booth) post(to string) int {
	n := k.last.Add(1)
	body := fmt.Appendf(nil, `{"webhookEvent":"jira:issue_updated","timestamp":%d,"issue":{"id":"%d","fields":{"description":%q}}}`, n, 10000+n%500, padding)
	r, err := http.NewRequest(http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	r.Header.Set("X-Hub-Signature", jirasim.Sign(hookSecret, body))
	a, err := k.client.Do(r)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, a.Body)
	a.Body.Close()
	return a.StatusCode
}

// revoke ends a grant and says how long it is until nothing is held at the target.
func (k *booth) revoke() (lag time.Duration, ok bool) {
	if len(k.grants) == 0 {
		return 0, false
	}
	g := k.grants[0]
	k.grants = k.grants[1:]
	began := time.Now()
	if err := k.Engine.Revoke(k.b.Context(), k.As("owen"), g.ID, "under load"); err != nil {
		k.b.Error(err)
		return 0, false
	}
	for k.Targets["dir"].Holds(g.Identity, "wiki") {
		if time.Since(began) > 30*time.Second {
			k.b.Errorf("%s still holds it", g.Identity)
			return 0, false
		}
		time.Sleep(500 * time.Microsecond) // a measure, no wait for a result
	}
	return time.Since(began), true
}

func middle(list []time.Duration, at float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return float64(list[int(at*float64(len(list)-1))].Microseconds()) / 1000
}

// BenchmarkWebhooks sends webhooks over loopback, each another one, to a
// receiver that notes them in SQLite (synchronous=FULL), sender and receiver on
// the same processors. "full" is as fast as 32 senders get answers, beside a bare
// handler, by turns; "offered" is 1,000 a second whatever is answered, with
// revocations meanwhile.
func BenchmarkWebhooks(b *testing.B) {
	b.Run("full", func(b *testing.B) {
		k := openBooth(b)
		const senders, each = 32, 25
		took := map[string]time.Duration{}
		turn := func(to string) {
			began := time.Now()
			var all sync.WaitGroup
			for range senders {
				all.Go(func() {
					for range each {
						if code := k.post(to); code != http.StatusNoContent {
							b.Errorf("answered with %d", code)
						}
					}
				})
			}
			all.Wait()
			took[to] += time.Since(began)
		}
		n := 0
		for b.Loop() {
			turn(k.bare)
			turn(k.receiver)
			n += senders * each
		}
		noted, bare := float64(n)/took[k.receiver].Seconds(), float64(n)/took[k.bare].Seconds()
		b.ReportMetric(noted, "noted/s")
		b.ReportMetric(bare, "bare/s")
		b.ReportMetric(noted/bare, "of-bare")
		b.ReportMetric(0, "ns/op")
	})
	b.Run("offered", func(b *testing.B) {
		k := openBooth(b)
		var alone, loaded []time.Duration
		for range 50 {
			if lag, ok := k.revoke(); ok {
				alone = append(alone, lag)
			}
		}
		answers := map[int]*atomic.Int64{http.StatusNoContent: {}, http.StatusTooManyRequests: {}}
		other := &atomic.Int64{}
		var lags []time.Duration
		var mu, one sync.Mutex // of lags; of revocations, one after the other
		var all sync.WaitGroup
		seconds := 0
		for b.Loop() {
			seconds++
			next := time.Now()
			for n := range 1000 {
				all.Go(func() {
					began := time.Now()
					code := k.post(k.receiver)
					if count := answers[code]; count != nil {
						count.Add(1)
					} else {
						other.Add(1)
					}
					mu.Lock()
					lags = append(lags, time.Since(began))
					mu.Unlock()
				})
				if n%100 == 50 {
					all.Go(func() {
						one.Lock()
						defer one.Unlock()
						if lag, ok := k.revoke(); ok {
							loaded = append(loaded, lag)
						}
					})
				}
				next = next.Add(time.Millisecond)
				time.Sleep(time.Until(next)) // the pace of what is offered
			}
		}
		all.Wait()
		if other.Load() > 0 {
			b.Errorf("%d were answered neither with 204 nor with 429", other.Load())
		}
		b.ReportMetric(float64(answers[http.StatusNoContent].Load())/float64(seconds), "noted/s-of-1000")
		b.ReportMetric(float64(answers[http.StatusTooManyRequests].Load())/float64(seconds), "refused/s-of-1000")
		b.ReportMetric(middle(lags, 0.5), "answer-p50-ms")
		b.ReportMetric(middle(lags, 0.99), "answer-p99-ms")
		b.ReportMetric(middle(alone, 0.5), "revoked-alone-p50-ms")
		b.ReportMetric(middle(loaded, 0.5), "revoked-meanwhile-p50-ms")
		b.ReportMetric(middle(loaded, 0.99), "revoked-meanwhile-p99-ms")
		b.ReportMetric(0, "ns/op")
	})
}
