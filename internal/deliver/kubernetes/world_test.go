package kubernetes

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver/delivertest"
	"github.com/lessor-iam/lessor/internal/testserver"
)

const svc = testserver.KubernetesService

// The page the reader gets: what it tells him to apply is what the tests run with.
const pageRead = "../../../docs/secret-stores.md"

// world is the server, with one namespace in which the documented account may do what
// the page says.
type world struct {
	*testserver.KubernetesServer
	namespace string
}

var namespaces struct {
	sync.Mutex
	n int
}

// open makes a namespace of the test's own.
func open(t testing.TB) world {
	t.Helper()
	w := world{KubernetesServer: testserver.Kubernetes(t)}
	namespaces.Lock()
	namespaces.n++
	w.namespace = fmt.Sprintf("deliver-%d", namespaces.n)
	namespaces.Unlock()
	w.Must(t, http.MethodPost, "/api/v1/namespaces", []byte(`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"`+w.namespace+`"}}`))
	return w
}

// manifests gives the page's documents, for the test's own namespace.
func (w world) manifests(t testing.TB) []string {
	t.Helper()
	text, err := os.ReadFile(pageRead)
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(text), "```yaml\napiVersion:")
	block, _, end := strings.Cut(block, "\n```")
	if !ok || !end {
		t.Fatal("the page has no manifests")
	}
	block = strings.ReplaceAll("apiVersion:"+block, "namespace: billing", "namespace: "+w.namespace)
	return strings.Split(strings.ReplaceAll(block, "name: svc-lessor", "name: "+svc), "\n---\n")
}

// anySecret lets the account at every Secret of the namespace: the suite needs many.
func (w world) anySecret(t testing.TB) {
	t.Helper()
	role := `"apiVersion":"rbac.authorization.k8s.io/v1"`
	w.Must(t, http.MethodPost, "/apis/rbac.authorization.k8s.io/v1/namespaces/"+w.namespace+"/roles",
		[]byte(`{`+role+`,"kind":"Role","metadata":{"name":"all"},"rules":[{"apiGroups":[""],"resources":["secrets"],"verbs":["get","create","update"]}]}`))
	w.Must(t, http.MethodPost, "/apis/rbac.authorization.k8s.io/v1/namespaces/"+w.namespace+"/rolebindings",
		[]byte(`{`+role+`,"kind":"RoleBinding","metadata":{"name":"all"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"all"},`+
			`"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"`+svc+`"}]}`))
}

func (w world) config() Config {
	return Config{URL: w.URL, CA: w.CA, Token: func() string { return svc + testserver.KubernetesToken }}
}

func connect(t testing.TB, cfg Config) *Store {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// onLine is a store whose line to the API server can fail.
func (w world) onLine(t testing.TB) (*Store, *testserver.Line) {
	t.Helper()
	var s *Store
	l := testserver.NewLine(t, testserver.Way{To: w.URL, Paper: &w.Paper,
		Refuse: func(w http.ResponseWriter, odd bool) {
			code, reason := http.StatusForbidden, "Forbidden"
			if odd {
				code, reason = http.StatusUnprocessableEntity, "Invalid"
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"`+reason+`","message":"not this: hunter2-three aHVudGVyMi10aHJlZQ=="}`)
		},
		Cut: func() { s.line.Client.CloseIdleConnections() },
	})
	cfg := w.config()
	cfg.URL = l.URL
	s = connect(t, cfg)
	return s, l
}

type object struct {
	Metadata struct {
		Annotations, Labels map[string]string
		ResourceVersion     string
	}
	Type string
	Data map[string]string
}

// secret reads one as its administrator.
func (w world) secret(t testing.TB, name string) (o object, there bool) {
	t.Helper()
	code, out, err := w.Ask(testserver.KubernetesAdmin, http.MethodGet, "/api/v1/namespaces/"+w.namespace+"/secrets/"+name, nil)
	switch {
	case err == nil && code == http.StatusNotFound:
		return o, false
	case err != nil || code != http.StatusOK:
		t.Fatalf("%d %s %v", code, out, err)
	}
	if err := json.Unmarshal(out, &o); err != nil {
		t.Fatal(err)
	}
	return o, true
}

func (w world) read(t testing.TB, ref string) []byte {
	t.Helper()
	at, err := parse(ref)
	if err != nil {
		t.Fatal(err)
	}
	o, there := w.secret(t, at.name)
	text, ok := o.Data[at.key]
	if !there || !ok {
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// holds looks into every Secret of the namespace.
func (w world) holds(t testing.TB, _ string, worth []byte) bool {
	t.Helper()
	var list struct {
		Items []struct{ Data map[string][]byte }
	}
	all := w.Must(t, http.MethodGet, "/api/v1/namespaces/"+w.namespace+"/secrets", nil)
	if err := json.Unmarshal(all, &list); err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Items {
		for _, v := range o.Data {
			if bytes.Equal(v, worth) {
				return true
			}
		}
	}
	return bytes.Contains(all, []byte(base64.StdEncoding.EncodeToString(worth)))
}

func TestConformance(t *testing.T) {
	t.Parallel()
	testserver.Kubernetes(t)
	delivertest.Run(t, func(t *testing.T) delivertest.Target {
		w := open(t)
		w.anySecret(t)
		s, l := w.onLine(t)
		return delivertest.Target{
			Store: s, Other: connect(t, w.config()), Break: l.Break,
			Ref:   func(_ testing.TB, name string) string { return w.namespace + "/" + name + "#pass.word" },
			Read:  w.read,
			Holds: w.holds,
			Hostile: []string{"ns/name", "ns/name#", "ns/name.lessor#key", "NS/name#key", "ns/Name#key", "ns/a/b#key", "ns/name#a/b", "ns/name#key#key",
				"ns/name#.key", "ns/name#" + strings.Repeat("k", 51), strings.Repeat("n", 64) + "/name#key", "ns/" + strings.Repeat("n", 241) + "#key", "ns/..#key", "ns/name?x#key"},
		}
	})
}

// The page's account delivers what the page says it may, where nobody lets it create
// anything, and nowhere else.
func TestPage(t *testing.T) {
	t.Parallel()
	w := open(t)
	for _, doc := range w.manifests(t) {
		kind := field(t, doc, "kind")
		path := "/apis/rbac.authorization.k8s.io/v1/namespaces/" + w.namespace + "/" + strings.ToLower(kind) + "s"
		if kind == "Secret" {
			path = "/api/v1/namespaces/" + w.namespace + "/secrets"
		}
		w.Must(t, http.MethodPost, path, []byte(doc))
	}
	s, ref := connect(t, w.config()), w.namespace+"/database#password"
	for n, worth := range []string{"one", "two", "three"} {
		if err := s.Put(t.Context(), ref, int64(n+1), connector.Worth(worth)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Forget(t.Context(), ref, 1); err != nil {
		t.Error(err)
	}
	if got := string(w.read(t, ref)); got != "three" {
		t.Errorf("consumers get %q", got)
	}
	if got, err := s.Get(t.Context(), ref, 2); err != nil || string(got) != "two" {
		t.Errorf("%q %v", string(got), err)
	}
	if err := s.Put(t.Context(), w.namespace+"/other#password", 1, connector.Worth("hunter2")); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "403") {
		t.Error(err)
	}
	code, _, err := w.Ask(svc, http.MethodGet, "/api/v1/namespaces/"+w.namespace+"/secrets", nil)
	if err != nil || code != http.StatusForbidden {
		t.Errorf("it may list: %d %v", code, err)
	}
}

func field(t testing.TB, doc, name string) string {
	t.Helper()
	for line := range strings.Lines(doc) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), name+": "); ok {
			return v
		}
	}
	t.Fatalf("no %s in %s", name, doc)
	return ""
}

// What else is in the Secret stays as it is, and two keys are two credentials.
func TestOthersStay(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.anySecret(t)
	w.Must(t, http.MethodPost, "/api/v1/namespaces/"+w.namespace+"/secrets", []byte(`{"apiVersion":"v1","kind":"Secret","type":"example.org/odd","metadata":{"name":"db",
		"labels":{"app":"x"},"annotations":{"note":"by hand"},"finalizers":["example.org/keep"]},"stringData":{"user":"app","password":"by hand"}}`))
	s := connect(t, w.config())
	for _, key := range []string{"password", "other"} {
		for n := int64(1); n <= 2; n++ {
			if err := s.Put(t.Context(), w.namespace+"/db#"+key, n, connector.Worth(fmt.Sprint(key, n))); err != nil {
				t.Fatal(err)
			}
		}
	}
	o, _ := w.secret(t, "db")
	user, _ := base64.StdEncoding.DecodeString(o.Data["user"])
	if string(user) != "app" || o.Type != "example.org/odd" || o.Metadata.Labels["app"] != "x" || o.Metadata.Annotations["note"] != "by hand" || len(o.Data) != 3 {
		t.Errorf("the Secret is now %+v", o)
	}
	if got, err := s.Get(t.Context(), w.namespace+"/db#password", 1); err != nil || string(got) != "password1" {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	// An annotation that is not ours is not guessed at.
	w.Must(t, http.MethodPut, "/api/v1/namespaces/"+w.namespace+"/secrets/db", []byte(`{"apiVersion":"v1","kind":"Secret","type":"example.org/odd","metadata":{"name":"db",
		"annotations":{"`+generation+`password":"latest"}},"stringData":{"password":"by hand"}}`))
	if err := s.Put(t.Context(), w.namespace+"/db#password", 3, connector.Worth("hunter2")); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "is not a generation") {
		t.Error(err)
	}
}

// A Secret that is immutable is refused, and nothing of it told.
func TestImmutable(t *testing.T) {
	t.Parallel()
	w := open(t)
	w.anySecret(t)
	w.Must(t, http.MethodPost, "/api/v1/namespaces/"+w.namespace+"/secrets", []byte(`{"apiVersion":"v1","kind":"Secret","immutable":true,"metadata":{"name":"db"},"stringData":{"password":"hunter2"}}`))
	err := connect(t, w.config()).Put(t.Context(), w.namespace+"/db#password", 1, connector.Worth("hunter2 anew"))
	if !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "Invalid") || strings.Contains(err.Error(), "hunter2") {
		t.Error(err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := New(Config{URL: "http://cluster", Timeout: -1})
	for _, says := range []string{"https://", "CA is needed", "Token is needed", "Timeout"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want one that says %s", err, says)
		}
	}
}
