package server_test

import (
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// A token or a certificate, and always the cluster's own authority.
func TestKubernetesSettings(t *testing.T) {
	t.Parallel()
	some := httptest.NewTLSServer(nil)
	some.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: some.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	const url = "      url: https://127.0.0.1:6443\n"
	rest := url + "      ca_file: " + ca + "\n"
	for settings, want := range map[string]string{
		rest + "      token_ref: env:HOME\n":                                                            "",
		rest + "      certificate_ref: env:HOME\n      key_ref: env:HOME\n      lingers: 1h\n":          "",
		rest + "      token_ref: env:HOME\n      certificate_ref: env:HOME\n      key_ref: env:HOME\n":  "not both",
		rest + "      certificate_ref: env:HOME\n":                                                      `"key_ref" is needed`,
		rest + "      token_ref: env:HOME\n      reader_token_ref: env:HOME\n":                          "",
		rest + "      token_ref: env:HOME\n      deployments: true\n":                                   "\"deployments\" needs \"reader_token_ref\"",
		rest + "      token_ref: env:HOME\n      deployments: true\n      reader_token_ref: env:HOME\n": "",
		rest + "      reader_token_ref: env:HOME\n":                                                     "\"token_ref\" is needed",
		rest:                                "\"token_ref\" is needed",
		url + "      token_ref: env:HOME\n": `"ca_file" is needed`,
		"      ca_file: " + ca + "\n      token_ref: env:HOME\n":                    `"url" is needed`,
		rest + "      token_ref: env:HOME\n      plain: true\n":                     `has no setting "plain"`,
		strings.Replace(rest, "https:", "http:", 1) + "      token_ref: env:HOME\n": "must begin with https://",
	} {
		_, _, _, err := server.Check(connected(t, "kubernetes", settings))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", settings, err, want)
		}
	}
}

// A lease of a Role, from the request to the removal that is seen; and a token made by
// hand, which is found.
func TestKubernetesUnderAServer(t *testing.T) {
	t.Parallel()
	k := testserver.Kubernetes(t)
	k.Must(t, http.MethodPost, "/api/v1/namespaces", []byte(`{"metadata":{"name":"shop"}}`))
	const roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/shop/roles"
	k.Must(t, http.MethodPost, roles, []byte(`{"metadata":{"name":"deployer"},"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["configmaps"]}]}`))

	dir := filepath.Join(t.TempDir(), "lessor")
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"lessor.yaml":    "listen: 127.0.0.1:0\ninventory: 1s\nprovision_within: 30s\npace: {lease: 10s, call: 3s, retry: 200ms, slowest_off: 2s, recheck: 10s, confirm: 500ms}\ntokens:\n",
		"directory.yaml": "identities:\n  - {id: ann, kind: person, name: Ann, manager: mia, accounts: {shop: \"user:ann\"}}\n  - {id: mia, kind: person, name: Mia}\n",
		"catalog.yaml": fmt.Sprintf("systems:\n  - id: shop\n    connector: kubernetes\n    owner: mia\n    settings: {url: %q, ca_file: %q, token_ref: file:token, reader_token_ref: file:token, lingers: 1h}\n", k.URL, k.CAFile) +
			"entitlements:\n  - {id: \"shop:deployer\", name: Deploy, object: shop/role/deployer, owners: [mia], class: standard, max_term: 1d}\n",
		"policy/rules.cedar": "@id(\"ask\") @needs(\"manager\") permit (principal, action == Action::\"request\", resource);\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	if err := setup.Folder(dir, files, "log.example.org/test"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "token"), []byte(testserver.KubernetesAdmin+testserver.KubernetesToken), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, who := range []string{"ann", "mia"} {
		token := setup.Token{Name: who, Identity: who, Scopes: []string{"request", "approve", "view", "revoke"}, Expires: time.Now().Add(time.Hour)}
		if _, err := setup.AddToken(dir, token); err != nil {
			t.Fatal(err)
		}
	}
	can := func() bool {
		code, _, err := k.Ask("ann", http.MethodGet, "/api/v1/namespaces/shop/configmaps/any", nil)
		return err == nil && code == http.StatusNotFound // which is not "forbidden"
	}
	if can() {
		t.Fatal("ann can already")
	}
	as := serve(t, dir)
	r, err := as("ann").Submit(t.Context(), engine.Ask{Entitlements: []string{"shop:deployer"}, Term: access.Term(2 * time.Second), Reason: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	if r, err = as("mia").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err != nil {
		t.Fatal(err)
	}
	could := false
	testserver.Await(t, "the whole life of a grant", time.Minute, func() error {
		could = could || can()
		s, err := as("ann").Grant(t.Context(), r.Items[0].Grant)
		if err == nil && (s.Grant.State != access.Ended || s.Assignment.State != access.Absent) {
			err = errors.New("it is not over yet")
		}
		return err
	})
	if !could || can() {
		t.Errorf("ann could: %t; she can at last: %t", could, can())
	}
	const in = "/api/v1/namespaces/shop/"
	k.Must(t, http.MethodPost, in+"serviceaccounts", []byte(`{"metadata":{"name":"robot"}}`))
	k.Must(t, http.MethodPost, in+"secrets", []byte(`{"metadata":{"name":"backdoor","annotations":{"kubernetes.io/service-account.name":"robot"}},"type":"kubernetes.io/service-account-token"}`))
	testserver.Await(t, "what is found about the token", time.Minute, func() error {
		found, err := as("mia").Findings(t.Context(), false, 100)
		if err == nil && !slices.ContainsFunc(found, func(f access.Finding) bool {
			return f.Kind == "credential_orphan" && strings.HasPrefix(f.Text, "service account token shop/backdoor (")
		}) {
			err = errors.New("nothing yet")
		}
		return err
	})
}
