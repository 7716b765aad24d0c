package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/store"
)

// blockReader is the account that reads credentials.
const blockReader = blockPolicy + 1

// worth is what stands in the Secrets of tests, and must come nowhere.
const worth = "d29ydGgtNzFjOQ=="

// reads makes the documented account that reads, which is a service account here, in a
// namespace of its own, shown by a token that is asked for.
func (w world) reads(t testing.TB) (ns string, token func() string) {
	t.Helper()
	ns = w.space(t, "reading-"+digest(t.Name())[:8])
	w.robot(t, ns, "reader")
	for _, d := range manifests(t, blockReader) {
		w.write(t, strings.NewReplacer("name: lessor-reader\n", "name: lessor-reader-"+ns+"\n", "name: lessor-reader", "name: lessor-reader-"+ns,
			"- apiGroup: rbac.authorization.k8s.io\n  kind: User\n  name: lessor-reader", "- kind: ServiceAccount\n  namespace: "+ns+"\n  name: reader").Replace(d))
	}
	who := "system:serviceaccount:" + ns + ":reader"
	for _, resource := range []string{"secrets", "serviceaccounts"} {
		w.await(t, reviewSpec{User: who, Resource: &resourceRight{Verb: "list", Resource: resource}}, true)
		w.await(t, reviewSpec{User: who, Resource: &resourceRight{Verb: "get", Resource: resource}}, false)
	}
	var asked struct {
		Status struct {
			Token string `json:"token"`
		} `json:"status"`
	}
	decode(t, w.Must(t, http.MethodPost, "/api/v1/namespaces/"+ns+"/serviceaccounts/reader/token", []byte(`{"spec":{}}`)), &asked)
	return ns, func() string { return asked.Status.Token }
}

// reading is a connector with the account that reads; its answers are kept.
func (w world) reading(t testing.TB) (Reading, *answers) {
	t.Helper()
	_, token := w.reads(t)
	c, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	c.page = 2 // so that there are pages
	r := c.Reading(token)
	t.Cleanup(func() { _ = r.Close() })
	kept := &answers{RoundTripper: r.line.Client.Transport}
	r.line.Client.Transport = kept
	return r, kept
}

// answers keeps all that came.
type answers struct {
	http.RoundTripper
	mu  sync.Mutex
	all bytes.Buffer
}

func (a *answers) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := a.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all.Write(raw)
	resp.Body = io.NopCloser(bytes.NewReader(raw))
	return resp, err
}

// secret makes one, as somebody does by hand, and says what its UID is.
func (w world) secret(t testing.TB, ns, name, kind string, metadata string) (uid string) {
	t.Helper()
	var made tagged
	decode(t, w.Must(t, http.MethodPost, "/api/v1/namespaces/"+ns+"/secrets",
		fmt.Appendf(nil, `{"metadata":{"name":%q%s},"type":%q,"data":{"token":%q}}`, name, metadata, kind, worth)), &made)
	return made.Metadata.UID
}

func ofAccount(name string) string {
	return `,"annotations":{"kubernetes.io/service-account.name":"` + name + `"}`
}

// listed reads all credentials of one namespace, by UID.
func listed(t testing.TB, r Reading, ns string) map[string]connector.Credential {
	t.Helper()
	all := map[string]connector.Credential{}
	if err := r.Credentials(t.Context(), func(c connector.Credential) error {
		if strings.HasPrefix(c.Name, ns+"/") {
			all[c.ID] = c
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// Token Secrets are listed with whom they act as, other Secrets are not, and of none
// does the API server send what is in it.
func TestCredentials(t *testing.T) {
	t.Parallel()
	w := open(t)
	r, kept := w.reading(t)
	ns := w.space(t, "cred")
	w.robot(t, ns, "robot")
	live := w.secret(t, ns, "live", tokenSecret, ofAccount("robot"))
	used := w.secret(t, ns, "used", tokenSecret, ofAccount("robot")+`,"labels":{"kubernetes.io/legacy-token-last-used":"2026-01-02","kubernetes.io/legacy-token-invalid-since":"2026-03-04"}`)
	join := w.secret(t, ns, "bootstrap-token-abc123", bootstrapSecret, "")
	w.secret(t, ns, "other", "Opaque", ofAccount("robot"))
	for range 3 {
		w.secret(t, ns, fmt.Sprintf("more-%d", time.Now().UnixNano()), tokenSecret, ofAccount("robot"))
	}
	all := listed(t, r, ns)
	if len(all) != 6 {
		t.Errorf("%d credentials, want 6: %+v", len(all), all)
	}
	for uid, want := range map[string]connector.Credential{
		live: {ID: live, Kind: "service account token", Account: "serviceaccount:cred/robot", Name: "cred/live"},
		used: {ID: used, Kind: "service account token", Account: "serviceaccount:cred/robot", Name: "cred/used",
			Used: time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), Ends: time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)},
		join: {ID: join, Kind: "bootstrap token", Account: "user:system:bootstrap:abc123", Name: "cred/bootstrap-token-abc123", EndUnknown: true},
	} {
		got := all[uid]
		if time.Since(got.Issued) > time.Hour || got.Issued.IsZero() {
			t.Errorf("%s was made %s", got.Name, got.Issued)
		}
		want.Issued = got.Issued
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if kept.all.Len() == 0 || bytes.Contains(kept.all.Bytes(), []byte(worth)) {
		t.Errorf("in %d bytes of answers stands what a Secret is worth, or nothing", kept.all.Len())
	}
	if _, out, err := w.Ask("root", http.MethodGet, "/api/v1/namespaces/cred/secrets", nil); err != nil || !bytes.Contains(out, []byte(worth)) {
		t.Errorf("asked for as usual it is not there: %v", err)
	}
}

// Whoever may not list Secrets is told, and no list is called empty.
func TestCredentialsNeedTheReader(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	r := c.Reading(w.config().Token)
	err := r.Credentials(t.Context(), func(connector.Credential) error { return nil })
	if !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "cannot list resource") {
		t.Errorf("%v", err)
	}
	if err := r.Accounts(t.Context(), func(connector.Account) error { return nil }); !errors.Is(err, connector.ErrRefused) {
		t.Errorf("%v", err)
	}
	if _, can := any(c).(connector.Credentials); can {
		t.Error("the connector says that it can what its account may not")
	}
}

// A token Secret made by hand is found: of a service account that is nobody's, and of
// one that is somebody's but never ends. A service account made anew under its name is another.
func TestATokenMadeByHandIsFound(t *testing.T) {
	t.Parallel()
	w := open(t)
	r, _ := w.reading(t)
	ns := w.space(t, "byhand")
	build := w.robot(t, ns, "build")
	f := enginetest.Open(t, store.SQLite, func(o *enginetest.Options) {
		o.Now = time.Now
		p := o.Company.People["robot"]
		p.Accounts = map[string]string{"git": build}
		o.Company.People["robot"] = p
	})
	reader := inventory.New(inventory.Config{Door: f.Engine, System: "git", Connector: one{r, ns}, Now: time.Now,
		Directory: func() *access.Directory { return f.WorldAt(f.Now()).Directory }, Log: slog.New(slog.DiscardHandler)})
	read := func(kind string) (open []access.Finding) {
		t.Helper()
		if _, err := reader.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(f.Findings(true), func(f access.Finding) bool { return f.Kind != kind })
	}
	if open := read("credential_unending"); len(open) != 0 {
		t.Fatalf("findings %+v", open)
	}
	w.secret(t, ns, "backdoor", tokenSecret, ofAccount("build"))
	if open := read("credential_unending"); len(open) != 1 || !strings.Contains(open[0].Text, "service account token byhand/backdoor (") {
		t.Fatalf("findings %+v", open)
	}
	w.robot(t, ns, "spy")
	uid := w.secret(t, ns, "spy", tokenSecret, ofAccount("spy"))
	if open := read("credential_orphan"); len(open) != 1 || !strings.Contains(open[0].Text, "service account token byhand/spy ("+uid+"; account serviceaccount:byhand/spy) acts as an account that is nobody's") {
		t.Fatalf("findings %+v", open)
	}
	w.Must(t, http.MethodDelete, "/api/v1/namespaces/byhand/serviceaccounts/build", nil)
	w.robot(t, ns, "build")
	if open := read("account_made_anew"); len(open) != 1 || open[0].Subject != "git "+build {
		t.Fatalf("findings %+v", open)
	}
	f.Check()
}

// one shows of the cluster, which others use, one namespace, and nobody's holdings.
type one struct {
	Reading
	ns string
}

func (o one) Observe(context.Context, []string, func(connector.Holding) error) error { return nil }

func (o one) Accounts(ctx context.Context, yield func(connector.Account) error) error {
	return o.Reading.Accounts(ctx, func(a connector.Account) error {
		if strings.HasPrefix(a.Name, "serviceaccount:"+o.ns+"/") {
			return yield(a)
		}
		return nil
	})
}

func (o one) Credentials(ctx context.Context, yield func(connector.Credential) error) error {
	return o.Reading.Credentials(ctx, func(c connector.Credential) error {
		if strings.HasPrefix(c.Name, o.ns+"/") {
			return yield(c)
		}
		return nil
	})
}
