package deploy

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// object is as much of a manifest as is needed to send it.
type object struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string
	Metadata   struct{ Name, Namespace string }
	Data       map[string]string
	Spec       struct{ Template map[string]any }
	text       string
}

// manifests are all objects of the folder, in the order in which they are applied.
func manifests(t *testing.T) (list []object) {
	t.Helper()
	for _, name := range []string{"namespace", "config", "postgres", "migrate", "lessor"} {
		raw, err := os.ReadFile(filepath.Join("kubernetes", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for text := range strings.SplitSeq(string(raw), "\n---\n") {
			var o object
			if err := yaml.Unmarshal([]byte(text), &o); err != nil {
				t.Fatalf("%s.yaml: %v", name, err)
			}
			o.text = text
			list = append(list, o)
		}
	}
	return list
}

// paths are where objects of a kind are made.
var paths = map[string]string{
	"Namespace": "/api/v1/namespaces", "ConfigMap": "/api/v1/namespaces/%s/configmaps", "Service": "/api/v1/namespaces/%s/services",
	"ServiceAccount": "/api/v1/namespaces/%s/serviceaccounts", "Deployment": "/apis/apps/v1/namespaces/%s/deployments",
	"StatefulSet": "/apis/apps/v1/namespaces/%s/statefulsets", "Job": "/apis/batch/v1/namespaces/%s/jobs",
	"PodDisruptionBudget": "/apis/policy/v1/namespaces/%s/poddisruptionbudgets", "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/%s/networkpolicies",
}

// Each object is taken by a real kube-apiserver, with no field that it does not
// know, and each pod that would come of it at the level the namespace asks for.
func TestManifestsAreTaken(t *testing.T) {
	t.Parallel()
	k := testserver.Kubernetes(t)
	const dry = "?dryRun=All&fieldValidation=Strict"
	for _, o := range manifests(t) {
		path, ok := paths[o.Kind]
		if !ok {
			t.Fatalf("no path for a %s", o.Kind)
		}
		if o.Kind == "Namespace" { // in which the others would be
			k.Must(t, http.MethodPost, path+"?fieldValidation=Strict", []byte(o.text))
			continue
		}
		k.Must(t, http.MethodPost, fmt.Sprintf(path, o.Metadata.Namespace)+dry, []byte(o.text))
		if o.Spec.Template == nil {
			continue
		}
		if o.Kind == "StatefulSet" { // which adds what it claims
			spec := o.Spec.Template["spec"].(map[string]any)
			spec["volumes"] = append(spec["volumes"].([]any), map[string]any{"name": "data", "emptyDir": map[string]any{}})
		}
		o.Spec.Template["apiVersion"], o.Spec.Template["kind"] = "v1", "Pod"
		o.Spec.Template["metadata"].(map[string]any)["name"] = o.Metadata.Name
		pod, err := yaml.Marshal(o.Spec.Template)
		if err != nil {
			t.Fatal(err)
		}
		k.Must(t, http.MethodPost, "/api/v1/namespaces/"+o.Metadata.Namespace+"/pods"+dry, pod)
	}
	bad := []byte("apiVersion: v1\nkind: Pod\nmetadata: {name: bad}\nspec: {containers: [{name: a, image: b}]}\n")
	if code, _, err := k.Ask(testserver.KubernetesAdmin, http.MethodPost, "/api/v1/namespaces/lessor/pods"+dry, bad); err != nil || code != http.StatusForbidden {
		t.Errorf("a pod that is not restricted: %d, %v", code, err)
	}
}

// The folder of the manifests is one that a server takes, laid out as a cluster
// lays it out: links into a folder that is changed as a whole.
func TestFolderOfTheManifests(t *testing.T) {
	t.Parallel()
	// 1. The secrets.
	run := t.TempDir()
	for _, dir := range []string{"server", "tls"} {
		if err := os.Mkdir(filepath.Join(run, dir), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	first := filepath.Join(t.TempDir(), "first")
	if err := setup.First(first, "log.example.org/lessor"); err != nil {
		t.Fatal(err)
	}
	paper := t.TempDir()
	testserver.Certify(t, paper)
	for from, to := range map[string]string{filepath.Join(first, "log.key"): "server/log.key", filepath.Join(paper, "server.pem"): "tls/tls.crt", filepath.Join(paper, "server.key"): "tls/tls.key"} {
		raw, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(run, to), raw, 0o440); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(run, "server/ldap.password"), []byte("x"), 0o440); err != nil {
		t.Fatal(err)
	}
	// 2. The folder.
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "..2026_11_26", "policy"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("..2026_11_26", filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	for _, o := range manifests(t) {
		if o.Kind != "ConfigMap" || o.Metadata.Name != "lessor" {
			continue
		}
		for name, text := range o.Data {
			if name == "rules.cedar" {
				name = "policy/rules.cedar"
			}
			text = strings.ReplaceAll(text, "/run/lessor", run)
			if err := os.WriteFile(filepath.Join(dir, "..data", name), []byte(text), 0o444); err != nil {
				t.Fatal(err)
			}
			top, _, _ := strings.Cut(name, "/")
			if err := os.Symlink(filepath.Join("..data", top), filepath.Join(dir, top)); err != nil {
				t.Fatal(err)
			}
		}
	}
	// 3. Taken.
	c, _, warnings, err := server.Check(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.CheckKey(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		if !strings.Contains(w, "the certificate ends") { // the test's own
			t.Errorf("warning: %s", w)
		}
	}
}
