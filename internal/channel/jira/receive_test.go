package jira_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/channel/jira"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/channel/jira/webhook"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

const nudge = `{"webhookEvent":"jira:issue_updated","issue":{"id":"10000"}}`

// post sends a body with these signatures to a receiver.
func post(h http.Handler, body io.Reader, signatures ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/hooks/jira/acme", body)
	for _, s := range signatures {
		r.Header.Add("X-Hub-Signature", s)
	}
	h.ServeHTTP(w, r)
	return w
}

// asked counts the readings that were asked for.
func (k *desk) asked() int {
	k.t.Helper()
	return len(k.Jobs(engine.ReadTicket{}.Kind()))
}

// What the site did not sign is refused, nothing of it is stored, and the log
// says so once a minute.
func TestAB01_NotSignedByTheSite(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		old := hmac.New(sha1.New, []byte(hookSecret))
		old.Write([]byte(nudge))
		good := jirasim.Sign(hookSecret, []byte(nudge))
		for range 3 {
			for name, signatures := range map[string][]string{
				"none": nil, "empty": {""}, "sha1": {"sha1=" + hex.EncodeToString(old.Sum(nil))}, "another key": {jirasim.Sign("another", []byte(nudge))},
				"another body": {jirasim.Sign(hookSecret, []byte(nudge+" "))}, "two": {good, good}, "good and bad": {good, "sha256=00"}, "in one": {good + ", " + good},
				"cut": {good[:len(good)-1]}, "capitals": {strings.ToUpper(good)}, "padded": {good + " x"}, "empty key": {jirasim.Sign("", []byte(nudge))},
			} {
				w := post(k.hook, strings.NewReader(nudge), signatures...)
				if w.Code != http.StatusUnauthorized || strings.Contains(w.Body.String(), "sha256") {
					t.Errorf("%s: %d %q", name, w.Code, w.Body)
				}
			}
			k.Clock.Pass(20 * time.Second)
		}
		if n := strings.Count(k.log.String(), "webhook refused"); n != 1 {
			t.Errorf("in a minute the log said so %d times", n)
		}
		k.Clock.Pass(time.Minute)
		post(k.hook, strings.NewReader(nudge))
		if n := strings.Count(k.log.String(), "webhook refused"); n != 2 {
			t.Errorf("a minute later: %d times", n)
		}
		if n := k.asked(); n != 0 {
			t.Errorf("%d readings were asked for", n)
		}
		if fresh, err := k.Engine.Heed(t.Context(), "acme", "x", "jira:acme:1"); err != nil || !fresh {
			t.Fatal(err)
		}
		if w := post(k.hook, strings.NewReader(nudge), good); w.Code != http.StatusNoContent || k.asked() != 2 {
			t.Errorf("the genuine one after all that: %d, %d readings", w.Code, k.asked())
		}
		k.CheckQuiet()
	})
}

// endless is a body that never ends, and counts what was read of it.
type endless struct{ n int }

func (e *endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	e.n += len(b)
	return len(b), nil
}

// A body is read so far and no further, and what is no webhook is no webhook.
func TestReceiverBounds(t *testing.T) {
	t.Parallel()
	k := open(t, store.SQLite)
	body := &endless{}
	if w := post(k.hook, body); w.Code != http.StatusRequestEntityTooLarge || body.n > 2*webhook.MaxBody {
		t.Errorf("an endless body: %d after %d bytes", w.Code, body.n)
	}
	large := bytes.Repeat([]byte(" "), webhook.MaxBody-len(nudge))
	for text, want := range map[string]int{
		string(large) + nudge: http.StatusNoContent, string(large) + nudge + " ": http.StatusRequestEntityTooLarge,
		"": http.StatusBadRequest, "null": http.StatusBadRequest, "[]": http.StatusBadRequest, `"x"`: http.StatusBadRequest, "{": http.StatusBadRequest,
		"{}": http.StatusNoContent, `{"webhookEvent":"project_created"}`: http.StatusNoContent, `{"issue":{"id":"../../x"}}`: http.StatusNoContent, `{"issue":{"id":"-1"}}`: http.StatusNoContent,
	} {
		if w := post(k.hook, strings.NewReader(text), jirasim.Sign(hookSecret, []byte(text))); w.Code != want {
			t.Errorf("%.40q (%d bytes): %d, want %d", text, len(text), w.Code, want)
		}
	}
	if n := k.asked(); n != 1 {
		t.Errorf("%d readings were asked for, want the one of the large body", n)
	}
	k.CheckQuiet()
}

// slow is an engine whose notes wait.
type slow struct {
	jira.Door
	begun chan struct{}
	go_   chan struct{}
}

func (s *slow) Heed(ctx context.Context, site, digest, ticket string) (bool, error) {
	s.begun <- struct{}{}
	<-s.go_
	return s.Door.Heed(ctx, site, digest, ticket)
}

// Sixty-four are noted at once; the next is asked to come again, and what was
// refused so is noted when it does.
func TestReceiverIsNotFlooded(t *testing.T) {
	t.Parallel()
	k := open(t, store.SQLite)
	s := &slow{Door: k.Engine, begun: make(chan struct{}), go_: make(chan struct{})}
	k.ch.Door = s
	h := k.ch.Receiver()
	body := func(n int) string {
		return strings.Replace(nudge, "10000", "1"+strings.Repeat("0", 4)+string(rune('0'+n%10))+string(rune('0'+n/10)), 1)
	}
	var all sync.WaitGroup
	codes := make([]int, 64)
	for n := range codes {
		all.Go(func() { codes[n] = post(h, strings.NewReader(body(n)), jirasim.Sign(hookSecret, []byte(body(n)))).Code })
		<-s.begun
	}
	over := body(99)
	for range 3 {
		w := post(h, strings.NewReader(over), jirasim.Sign(hookSecret, []byte(over)))
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Errorf("past the bound: %d", w.Code)
		}
	}
	if w := post(h, strings.NewReader(over)); w.Code != http.StatusUnauthorized { // whatever else is full
		t.Errorf("unsigned: %d", w.Code)
	}
	close(s.go_)
	all.Wait()
	for n, code := range codes {
		if code != http.StatusNoContent {
			t.Errorf("delivery %d: %d", n, code)
		}
	}
	go func() { <-s.begun }()
	if w := post(h, strings.NewReader(over), jirasim.Sign(hookSecret, []byte(over))); w.Code != http.StatusNoContent {
		t.Errorf("when it comes again: %d", w.Code)
	}
	if n := k.asked(); n != 65 {
		t.Errorf("%d readings were asked for", n)
	}
}

// The database takes nothing: Jira is told to come again, and no delivery counts
// as known that was not noted.
func TestReceiverWithoutADatabase(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		k := open(t, d)
		sign := jirasim.Sign(hookSecret, []byte(nudge))
		k.Engine.Seam = func(step string) {
			if step == "heed before commit" {
				panic(errors.New("the disk is gone"))
			}
		}
		failing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					w.WriteHeader(http.StatusInternalServerError) // as net/http would cut the connection
				}
			}()
			k.hook.ServeHTTP(w, r)
		})
		if w := post(failing, strings.NewReader(nudge), sign); w.Code/100 != 5 {
			t.Errorf("it fails before its commit: %d", w.Code)
		}
		k.Engine.Seam = func(string) {}
		if n := k.asked(); n != 0 {
			t.Errorf("%d readings", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		r := httptest.NewRequest(http.MethodPost, "/hooks/jira/acme", strings.NewReader(nudge)).WithContext(ctx)
		r.Header.Set("X-Hub-Signature", sign)
		w := httptest.NewRecorder()
		if k.hook.ServeHTTP(w, r); w.Code != http.StatusServiceUnavailable || k.asked() != 0 {
			t.Errorf("its caller has gone: %d", w.Code)
		}
		if w := post(k.hook, strings.NewReader(nudge), sign); w.Code != http.StatusNoContent || k.asked() != 1 {
			t.Errorf("it comes again: %d, %d readings", w.Code, k.asked())
		}
		k.CheckQuiet()
		k.Close()
		if w := post(k.hook, strings.NewReader(nudge+" "), jirasim.Sign(hookSecret, []byte(nudge+" "))); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "sql") {
			t.Errorf("without a database: %d %q", w.Code, w.Body)
		}
	})
}

// The bodies that Jiras really sent go through the receiver.
func TestGenuineWebhooks(t *testing.T) {
	t.Parallel()
	folder := os.Getenv("LESSOR_JIRA_CONTRACT")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "..", "shared", "jira")
	}
	files, err := filepath.Glob(filepath.Join(folder, "webhook-samples", "*.json"))
	if err != nil || len(files) == 0 {
		t.Skip("the published contract is not here: set LESSOR_JIRA_CONTRACT to its folder")
	}
	k := open(t, store.SQLite)
	names := map[string]bool{}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		about, err := webhook.ReadUnsigned(body)
		if err != nil {
			t.Errorf("%s: %v", f, err)
		}
		before := k.asked()
		for n := range 2 {
			if w := post(k.hook, bytes.NewReader(body), jirasim.Sign(hookSecret, body)); w.Code != http.StatusNoContent {
				t.Errorf("%s, time %d: %d", filepath.Base(f), n+1, w.Code)
			}
		}
		if w := post(k.hook, bytes.NewReader(body)); w.Code != http.StatusUnauthorized {
			t.Errorf("%s, unsigned: %d", filepath.Base(f), w.Code)
		}
		want := 0
		if about.Issue != "" {
			names[about.Issue], want = true, 1
		}
		if n := k.asked() - before; n != want {
			t.Errorf("%s: %d readings, want %d", filepath.Base(f), n, want)
		}
	}
	t.Logf("%d bodies, about %d issues", len(files), len(names))
	k.catchUp() // of issues that are not here
	if list, err := k.Engine.Tickets(t.Context(), "", "", 100); err != nil || len(list) != 0 {
		t.Errorf("%d tickets: %v", len(list), err)
	}
	k.CheckQuiet()
}
