package abuse

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

const hour = access.Term(time.Hour)

// everything but admin: what an attacker's token is at most good for.
var everything = []string{engine.ScopeRequest, engine.ScopeApprove, engine.ScopeView, engine.ScopeRevoke}

// door is the HTTP API on loopback before an engine whose clock is held by
// hand, with a token for each identity of the company.
type door struct {
	*enginetest.Fixture
	t       *testing.T
	url     string
	handler http.Handler // the same, with no network before it
	keys    []api.Key
	known   *api.Keys
	log     *lines
	reloads int
	// tampered is whether the case itself edits the database: then the oracle must notice.
	tampered bool
}

// open opens a door and has the oracle asked when the case is over.
func open(t *testing.T, kind store.Dialect, change ...func(*enginetest.Options)) *door {
	t.Helper()
	d := &door{Fixture: enginetest.Open(t, kind, change...), t: t, log: &lines{}}
	t.Cleanup(d.judge) // the database is closed after it: clean-ups run last to first
	d.known = api.NewKeys(func(id string, now time.Time) (bool, error) {
		dir := d.WorldAt(now).Directory
		who, ok := dir.Identity(id)
		person, _ := dir.Identity(dir.PersonOf(id))
		return ok && who.ActiveAt(now) && person.ActiveAt(now), nil
	})
	for _, id := range slices.Sorted(maps.Keys(d.Company.People)) {
		d.key(id, id, everything...)
	}
	d.handler = api.New(api.Config{Engine: d.Engine, News: d.Wire(), Alive: 50 * time.Millisecond, Keys: d.known, Proof: proof{d.Fixture}, Now: d.Now,
		Status: func(context.Context) (api.Status, error) { return api.Status{Systems: []api.SystemLine{}}, nil },
		Reload: func(context.Context, access.Actor, string) error { d.reloads++; return nil }, Log: slog.New(slog.NewJSONHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	server := httptest.NewServer(d.handler)
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

// judge asks the oracle.
func (d *door) judge() {
	d.t.Helper()
	if !d.tampered {
		d.Check()
		return
	}
	if problems, err := d.Oracle().Problems(context.WithoutCancel(d.t.Context()), false); err == nil && len(problems) == 0 {
		d.t.Error("the database was edited, and the oracle notices nothing")
	}
}

// each runs a case on both databases.
func each(t *testing.T, do func(t *testing.T, d *door)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) { do(t, open(t, kind)) })
}

// secretOf is the bearer token of that name.
func secretOf(name string) string { return "lessor_secret_of_" + name }

// key makes a token known.
func (d *door) key(name, identity string, scopes ...string) {
	d.addKey(api.Key{Name: name, Identity: identity, Scopes: scopes, Strength: "mfa", Expires: enginetest.Noon.AddDate(1, 0, 0)})
}

func (d *door) addKey(k api.Key) {
	k.SHA256 = sha256.Sum256([]byte(secretOf(k.Name)))
	d.keys = append(d.keys, k)
	d.known.Set(d.keys)
}

// as is the way to the server by the token of that name.
func (d *door) as(name string) *client.Client { return client.New(d.url, secretOf(name)) }

// ask asks through the door; an error fails the test.
func (d *door) ask(who string, a engine.Ask) access.Request {
	d.t.Helper()
	r, err := d.as(who).Submit(d.t.Context(), filled(a))
	if err != nil {
		d.t.Fatalf("%s asks: %v", who, err)
	}
	return r
}

func filled(a engine.Ask) engine.Ask {
	if a.Reason == "" {
		a.Reason = "to do my work"
	}
	if a.Term == 0 {
		a.Term = hour
	}
	return a
}

// vote casts an approving ballot through the door.
func (d *door) vote(who string, r access.Request) (access.Request, error) {
	return d.as(who).Vote(d.t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve})
}

// approve casts an approving ballot that must count.
func (d *door) approve(who string, r access.Request) access.Request {
	d.t.Helper()
	next, err := d.vote(who, r)
	if err != nil {
		d.t.Fatalf("%s approves: %v", who, err)
	}
	return next
}

// granted asks and has it approved.
func (d *door) granted(who string, a engine.Ask, approvers ...string) access.Grant {
	d.t.Helper()
	r := d.ask(who, a)
	for _, v := range approvers {
		r = d.approve(v, r)
	}
	if r.State != access.Approved || r.Items[0].Grant == "" {
		d.t.Fatalf("request %s is %s: %+v", r.ID, r.State, r.Items)
	}
	return d.Grant(r.Items[0].Grant)
}

// votesFor counts the standing votes of a request.
func (d *door) votesFor(request string) (n int) {
	d.t.Helper()
	if err := d.DB.Read(d.t.Context(), func(tx *store.Tx) error {
		list, err := tx.Approvals(d.t.Context(), request)
		for _, v := range list {
			if v.WithdrawnAt.IsZero() {
				n++
			}
		}
		return err
	}); err != nil {
		d.t.Fatal(err)
	}
	return n
}

// uncounted has somebody vote who must not, and holds that it counts nothing.
func (d *door) uncounted(who string, r access.Request) {
	d.t.Helper()
	before := d.votesFor(r.ID)
	_, err := d.vote(who, r)
	if got := status(err); got != http.StatusForbidden && got != http.StatusNotFound {
		d.t.Errorf("%s votes on %s: %v (status %d), want 403 or 404", who, r.ID, err, got)
	}
	if after := d.votesFor(r.ID); after != before {
		d.t.Errorf("the vote of %s counts: %d standing votes, before %d", who, after, before)
	}
}

// status is what the server answered: 200 for no error, 0 for no answer.
func status(err error) int {
	if err == nil {
		return http.StatusOK
	}
	if p := (*client.Problem)(nil); errors.As(err, &p) {
		return p.Status
	}
	return 0
}

// wantStatus fails the test unless the server answered so.
func wantStatus(t *testing.T, what string, err error, want int) {
	t.Helper()
	if got := status(err); got != want {
		t.Errorf("%s: status %d, want %d: %v", what, got, want, err)
	}
}

// stored counts the rows of every table that a verb may write.
func (d *door) stored() map[string]int {
	d.t.Helper()
	n := map[string]int{}
	if err := d.DB.Read(d.t.Context(), func(tx *store.Tx) error {
		for _, table := range []string{"request", "approval", "grants", "assignment", "receipt", "finding", "event"} {
			var rows int
			if err := tx.QueryRowContext(d.t.Context(), "select count(*) from "+table).Scan(&rows); err != nil {
				return err
			}
			n[table] = rows
		}
		return nil
	}); err != nil {
		d.t.Fatal(err)
	}
	return n
}

// unstored holds that what is done stores nothing at all.
func (d *door) unstored(what string, do func()) {
	d.t.Helper()
	before := d.stored()
	do()
	if after := d.stored(); !maps.Equal(before, after) {
		d.t.Errorf("%s: stored %v, before %v", what, after, before)
	}
}

// answer is what came back, byte for byte.
type answer struct {
	status int
	kind   string
	body   string
	header http.Header
}

// send sends bytes as they are. header may replace what is sent by itself.
func (d *door) send(method, path, name, body string, header ...string) answer {
	d.t.Helper()
	req, err := http.NewRequestWithContext(d.t.Context(), method, d.url+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	if name != "" {
		req.Header.Set("Authorization", "Bearer "+secretOf(name))
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header.Get("Content-Type"), string(raw), res.Header}
}

// lines keeps a log. It is safe for concurrent use.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// all is what was written so far.
func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// eachIsOne fails the test where a line of the log is not one JSON object.
func (l *lines) eachIsOne(t *testing.T) {
	t.Helper()
	n := 0
	for line := range strings.Lines(l.all()) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Errorf("log line %q is not one JSON object: %v", line, err)
		}
		n++
	}
	if n == 0 {
		t.Error("nothing was logged")
	}
}

// proof is what the door hands out of the fixture's log.
type proof struct{ f *enginetest.Fixture }

// Bundle implements [api.Proof].
func (p proof) Bundle(ctx context.Context, grant string) ([]byte, error) {
	if _, err := p.f.Engine.Sequence(ctx); err != nil {
		return nil, err
	}
	return report.Bundle(ctx, p.f.DB, grant)
}

// Checkpoint implements [api.Proof].
func (p proof) Checkpoint(ctx context.Context) (head string, err error) {
	err = p.f.DB.Read(ctx, func(tx *store.Tx) error {
		c, err := tx.LastCheckpoint(ctx)
		head = c.Note
		return err
	})
	return head, err
}

// Tile implements [api.Proof].
func (p proof) Tile(ctx context.Context, path string) (body []byte, err error) {
	level, index, width, ok := evidence.ParseTilePath(path)
	if !ok {
		return nil, access.ErrNotFound
	}
	err = p.f.DB.Read(ctx, func(tx *store.Tx) error {
		head, err := tx.LastCheckpoint(ctx)
		if err != nil {
			return err
		}
		body, err = evidence.ReadTile(ctx, engine.Tiles{Tx: tx}, head.Size, level, index, width)
		return err
	})
	return body, err
}

// mustJSON writes v, with whatever bytes it has, as the attacker would.
func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func clientPage(limit int) client.Page { return client.Page{Limit: limit} }

// keyOf is a key that is good for everything until then.
func keyOf(name, identity string, until time.Time) api.Key {
	return api.Key{Name: name, Identity: identity, Scopes: everything, Strength: "mfa", Expires: until}
}
