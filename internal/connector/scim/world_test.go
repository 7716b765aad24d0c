package scim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/scim"
	"github.com/lessor-iam/lessor/internal/connector/scimtarget"
)

const token = "t0p-s3cret"

// between runs an honest target with something in between that bends what goes
// to it or comes back, and connects to it.
func between(t *testing.T, bend func(target http.Handler) http.HandlerFunc) (*scimtarget.Target, *scim.Connector) {
	t.Helper()
	target, err := scimtarget.New(scimtarget.Config{Token: token, PageSize: 7})
	if err != nil {
		t.Fatal(err)
	}
	return target, against(t, bend(target))
}

// against connects to a server that is all ours.
func against(t *testing.T, h http.HandlerFunc) *scim.Connector {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return connect(t, server.URL+"/v2", token)
}

// book is a server of fixed answers: users and groups by id, as JSON, found by
// whatever filter.
type book struct {
	users, groups map[string]string
	mu            sync.Mutex
	patched       []string // the bodies of PATCHes
}

func (b *book) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/scim+json")
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/"), "/")
	all := map[string]map[string]string{"Users": b.users, "Groups": b.groups}[parts[0]]
	switch {
	case r.Method == http.MethodPatch:
		var body json.RawMessage
		_ = json.NewDecoder(r.Body).Decode(&body)
		b.mu.Lock()
		b.patched = append(b.patched, string(body))
		b.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	case len(parts) == 1:
		var list []string
		for _, one := range all {
			list = append(list, one)
		}
		_, _ = fmt.Fprintf(w, `{"totalResults":%d,"Resources":[%s]}`, len(list), strings.Join(list, ","))
	case all[parts[1]] != "":
		_, _ = fmt.Fprint(w, all[parts[1]])
	default:
		scimError(w, http.StatusNotFound, "no such resource")
	}
}

func scimError(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/scim+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "detail": detail,
	})
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func put(account, object string) connector.Change {
	return connector.Change{Ref: connector.Ref{Account: account, Object: object}, Want: true}
}

func take(account, object string) connector.Change {
	return connector.Change{Ref: connector.Ref{Account: account, Object: object}}
}

// one applies one change.
func one(t *testing.T, c *scim.Connector, ch connector.Change) error {
	t.Helper()
	return c.Apply(soon(t), []connector.Change{ch})[0].Err
}

func look(t *testing.T, c *scim.Connector, account, object string) connector.Seen {
	t.Helper()
	return c.Look(soon(t), []connector.Ref{{Account: account, Object: object}})[0]
}

func observe(t *testing.T, c *scim.Connector, objects ...string) ([]connector.Ref, error) {
	t.Helper()
	var got []connector.Ref
	err := c.Observe(soon(t), objects, func(h connector.Holding) error {
		got = append(got, h.Ref)
		return nil
	})
	return got, err
}

func wants(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %q", err, want)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
