package jira_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
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
	for _, signatures := range [][]string{nil, {"sha256=00"}, {jirasim.Sign("x", nil), jirasim.Sign("x", nil)}} {
		body := &endless{}
		if w := post(k.hook, body, signatures...); w.Code != http.StatusUnauthorized || body.n != 0 {
			t.Errorf("of a body signed %q: %d after %d bytes", signatures, w.Code, body.n)
		}
	}
	body := &endless{}
	if w := post(k.hook, body, jirasim.Sign("x", nil)); w.Code != http.StatusRequestEntityTooLarge || body.n > 2*webhook.MaxBody {
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
	unread := &endless{}
	if w := post(k.ch.Receiver(), unread, jirasim.Sign("x", nil)); w.Code != http.StatusTooManyRequests || unread.n != 0 {
		t.Errorf("past the bound: %d after %d bytes", w.Code, unread.n)
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

// Bodies that never come whole hold every place there is, and lose it: who sends
// in time is noted, and of what came too late nothing is.
func TestReceiverIsNotHeldUp(t *testing.T) {
	t.Parallel()
	k := open(t, store.SQLite)
	c := k.ch.Config
	c.BodyTime = time.Second
	ch, err := jira.New(c)
	k.must(err)
	server := httptest.NewServer(ch.Receiver())
	t.Cleanup(server.Close)
	sign := jirasim.Sign(hookSecret, []byte(nudge))
	send := func(body io.Reader, length int64) (int, error) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
		if err != nil {
			return 0, err
		}
		r.Header.Set("X-Hub-Signature", sign)
		r.ContentLength = length
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err
		}
		return a.StatusCode, a.Body.Close()
	}
	if code, err := send(strings.NewReader(nudge), webhook.MaxBody+1); err == nil && code != http.StatusRequestEntityTooLarge {
		t.Errorf("said to be too large: %d", code)
	}
	var all sync.WaitGroup
	codes := make([]int, 64)
	for n := range codes {
		half, rest := io.Pipe()
		t.Cleanup(func() { rest.Close() })
		all.Go(func() { codes[n], _ = send(half, int64(len(nudge))) }) // an error: it was cut off
		all.Go(func() { _, _ = io.WriteString(rest, nudge[:len(nudge)/2]) })
	}
	all.Wait()
	for n, code := range codes {
		if code != http.StatusRequestTimeout && code != http.StatusTooManyRequests && code != 0 {
			t.Errorf("half a body, %d: %d", n, code)
		}
	}
	if code, err := send(strings.NewReader(nudge), int64(len(nudge))); err != nil || code != http.StatusNoContent {
		t.Errorf("a whole one after them: %d, %v", code, err)
	}
	if n := k.asked(); n != 1 {
		t.Errorf("%d readings were asked for", n)
	}
	k.CheckQuiet()
}

// Whatever is wrong with a delivery's signature, and whatever it is about, the
// answer is the same: who has no secret learns nothing, and who has one learns
// only that it was noted.
func TestAB68_WebhookTellsNothing(t *testing.T) {
	t.Parallel()
	k := open(t, store.SQLite)
	i := k.raise(jirasim.ExamplePerson, "wiki:editors", "8 hours")
	k.live(time.Minute, time.Minute)
	about := func(issue string) string { return strings.Replace(nudge, "10000", issue, 1) }
	answers := map[string]bool{}
	for _, issue := range []string{i.ID, "99999"} { // one that is known, one that is not
		body := about(issue)
		good := jirasim.Sign(hookSecret, []byte(body))
		for _, signatures := range [][]string{nil, {""}, {"sha256=00"}, {good[:len(good)-1] + "0"}, {"sha256=0" + good[8:]}, {jirasim.Sign("", []byte(body))}, {good, good}} {
			w := post(k.hook, strings.NewReader(body), signatures...)
			if w.Code == http.StatusNoContent { // the last digit was 0 anyway
				continue
			}
			answers[fmt.Sprint(w.Code, w.Header(), w.Body)] = true
		}
	}
	if len(answers) != 1 {
		t.Errorf("a wrong signature has %d answers: %v", len(answers), slices.Collect(maps.Keys(answers)))
	}
	noted := map[string]bool{}
	for _, issue := range []string{i.ID, "99999"} {
		body := about(issue)
		for range 2 { // and again
			w := post(k.hook, strings.NewReader(body), jirasim.Sign(hookSecret, []byte(body)))
			noted[fmt.Sprint(w.Code, w.Header(), w.Body)] = true
		}
	}
	if len(noted) != 1 {
		t.Errorf("a right one has %d answers: %v", len(noted), slices.Collect(maps.Keys(noted)))
	}
	k.live(time.Minute, time.Minute)
	k.CheckQuiet()
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
