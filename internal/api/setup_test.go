package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// door is the whole door before an engine whose clock is held by hand.
type door struct {
	*enginetest.Fixture
	t testing.TB
	http.Handler
	log    *lines
	keys   *api.Keys
	known  atomic.Bool // whether anybody is
	server *httptest.Server
}

func open(t testing.TB, kind store.Dialect, change ...func(*enginetest.Options)) *door {
	t.Helper()
	d := &door{Fixture: enginetest.Open(t, kind, change...), t: t, log: &lines{}}
	if _, measured := t.(*testing.B); !measured { // which makes what nobody did
		t.Cleanup(d.Check)
	}
	d.known.Store(true)
	keys := api.NewKeys(func(string, time.Time) (bool, error) { return d.known.Load(), nil })
	d.keys = keys
	var list []api.Key
	for id := range d.Company.People {
		list = append(list, api.Key{Name: id, Identity: id, Strength: "mfa", Expires: enginetest.Noon.AddDate(1, 0, 0), SHA256: sha256.Sum256([]byte("token of " + id)),
			Scopes: []string{engine.ScopeRequest, engine.ScopeApprove, engine.ScopeView, engine.ScopeRevoke, engine.ScopeAudit, engine.ScopeAdmin}})
	}
	keys.Set(list)
	d.Handler = api.New(api.Config{Engine: d.Engine, News: d.Wire(), Alive: 50 * time.Millisecond, Keys: keys, Proof: noProof{}, Now: d.Now, Log: slog.New(slog.NewJSONHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Status: func(context.Context) (api.Status, error) { return api.Status{Systems: []api.SystemLine{}}, nil },
		Reload: func(context.Context, access.Actor, string) error {
			return errors.New("open /etc/secret/place: no such file")
		}})
	return d
}

// serve puts the door on loopback.
func (d *door) serve() string {
	s := httptest.NewServer(d)
	d.server = s
	d.t.Cleanup(s.Close)
	return s.URL
}

type answer struct {
	status int
	kind   string
	body   string
	header http.Header
}

// send has one request answered, with no network between.
func (d *door) send(method, path, who, body string, header ...string) answer {
	d.t.Helper()
	return d.sendBody(method, path, who, strings.NewReader(body), header...)
}

func (d *door) sendBody(method, path, who string, body io.Reader, header ...string) answer {
	d.t.Helper()
	req := httptest.NewRequest(method, "/", body)
	before, query, _ := strings.Cut(path, "?")
	if err := setPath(req, before, query); err != nil {
		d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if who != "" {
		req.Header.Set("Authorization", "Bearer token of "+who)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, req)
	return answer{w.Code, w.Header().Get("Content-Type"), w.Body.String(), w.Header()}
}

// setPath parses a path as the server would, which httptest does not for odd ones.
func setPath(req *http.Request, path, query string) error {
	u, err := req.URL.Parse("http://lessor" + path)
	if err != nil {
		return err
	}
	u.RawQuery = query
	req.URL, req.Host = u, "lessor"
	return nil
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

// refused holds that an answer is a clear refusal in the one form there is, and
// that nothing was stored since before.
func (d *door) refused(what string, a answer, before map[string]int) {
	d.t.Helper()
	var p struct {
		Status int    `json:"status"`
		Title  string `json:"title"`
		Detail string `json:"detail"`
	}
	switch err := json.Unmarshal([]byte(a.body), &p); {
	case a.status < 400 || a.status >= 500:
		d.t.Errorf("%s: status %d, want 4xx: %.300s", what, a.status, a.body)
	case a.kind != "application/problem+json" || err != nil || p.Status != a.status || p.Detail == "":
		d.t.Errorf("%s: %d as %s is no problem details: %.300s", what, a.status, a.kind, a.body)
	case len(a.body) > 4<<10:
		d.t.Errorf("%s: the refusal has %d bytes", what, len(a.body))
	}
	if after := d.stored(); !maps.Equal(before, after) {
		d.t.Errorf("%s: stored %v, before %v", what, after, before)
	}
}

// noProof is a log that cannot be read.
type noProof struct{}

var errDisk = fmt.Errorf("read /var/lib/lessor/lessor.db: input/output error")

// Bundle implements [api.Proof].
func (noProof) Bundle(context.Context, string) ([]byte, error) { return nil, errDisk }

// Checkpoint implements [api.Proof].
func (noProof) Checkpoint(context.Context) (string, error) { return "", errDisk }

// Tile implements [api.Proof].
func (noProof) Tile(context.Context, string) ([]byte, error) { return nil, access.ErrNotFound }

// lines keeps a log. It is safe for concurrent use.
type lines struct {
	mu  sync.Mutex
	buf strings.Builder
}

// Write implements [io.Writer].
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
