package kubernetes

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
)

// blockDeployed is what the account that reads needs besides, for how programs are deployed.
const blockDeployed = blockTokensPolicy + 1

// deployed is a connector with the documented accounts.
func (w world) deployed(t testing.TB) Deployed {
	t.Helper()
	ns, token := w.reads(t)
	for _, d := range manifests(t, blockDeployed) {
		w.write(t, strings.NewReplacer("name: lessor-deployments", "name: lessor-deployments-"+ns,
			"- apiGroup: rbac.authorization.k8s.io\n  kind: User\n  name: lessor-reader", "- kind: ServiceAccount\n  namespace: "+ns+"\n  name: reader").Replace(d))
	}
	who := "system:serviceaccount:" + ns + ":reader"
	w.await(t, reviewSpec{User: who, Resource: &resourceRight{Verb: "list", Resource: "cronjobs", Group: "batch"}}, true)
	w.await(t, reviewSpec{User: who, Resource: &resourceRight{Verb: "get", Resource: "pods"}}, false)
	c, err := New(w.config())
	if err != nil {
		t.Fatal(err)
	}
	c.page = 2 // so that there are pages
	d := c.Deployed(token)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// exposures are those of a namespace, "ACCOUNT WHAT" without the namespace, in order.
func exposures(t testing.TB, d Deployed, ns string) (list []string) {
	t.Helper()
	if err := d.Exposures(t.Context(), func(x connector.Exposure) error {
		if strings.Contains(x.Account, ns) {
			list = append(list, strings.ReplaceAll(strings.TrimPrefix(x.Account, "serviceaccount:")+" "+x.What, ns+"/", ""))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// What is planted in each thing that pods are made from is found, of the account it acts
// as, and what it is worth is not said; what is as it should be is not.
func TestExposures(t *testing.T) {
	t.Parallel()
	w := open(t)
	d := w.deployed(t)
	ns := w.space(t, fmt.Sprintf("deployed-%s", digest(t.Name())[:8]))
	for _, name := range []string{"app", "calm", "bound"} {
		w.robot(t, ns, name)
	}
	w.Must(t, http.MethodPost, "/api/v1/namespaces/"+ns+"/serviceaccounts", []byte(`{"metadata":{"name":"decided"},"automountServiceAccountToken":true}`))
	w.bind(t, "serviceaccount:"+ns+"/bound", ns+"/clusterrole/view", others("a-favour"))
	const secret = "planted-8c2f"
	send := func(path, body string) {
		t.Helper()
		w.Must(t, http.MethodPost, strings.Replace(path, "NS", ns, 1), []byte(body))
	}
	pod := func(as, more, containers string) string {
		if as != "" {
			as = `"serviceAccountName":"` + as + `",`
		}
		return `{` + as + more + `"containers":[` + containers + `]}`
	}
	const no, app, deployments = `"automountServiceAccountToken":false,`, `{"name":"web","image":"x:1","env":[%s]}`, "/apis/apps/v1/namespaces/NS/deployments"
	made := func(name, pod string) string {
		return `{"metadata":{"name":"` + name + `"},"spec":{"selector":{"matchLabels":{"a":"b"}},"serviceName":"x","template":{"metadata":{"labels":{"a":"b"}},"spec":` + pod + `}}}`
	}
	env := func(s string) string { return fmt.Sprintf(app, s) }
	// As it should be.
	send(deployments, made("calm", pod("calm", no, env(`{"name":"DB_PASSWORD","valueFrom":{"secretKeyRef":{"name":"db","key":"p"}}},{"name":"DB_URL","value":"postgres://app:$(DB_PASSWORD)@db/x"}`))))
	send(deployments, made("calm-bound", pod("bound", "", env(""))))
	send(deployments, made("calm-decided", pod("decided", "", env(""))))
	send("/api/v1/namespaces/NS/configmaps", `{"metadata":{"name":"nobodys"},"data":{"password":"`+secret+`"}}`)
	// Each kind of thing, each place.
	send(deployments, made("web", pod("app", no, env(`{"name":"DB_PASSWORD","value":"`+secret+`"}`))))
	send("/apis/apps/v1/namespaces/NS/statefulsets", made("db", pod("app", no, env(`{"name":"AWS_SECRET_ACCESS_KEY","valueFrom":{"secretKeyRef":{"name":"aws","key":"k"}}}`))))
	send("/apis/apps/v1/namespaces/NS/daemonsets", made("logs", pod("app", no, `{"name":"web","image":"x:1","args":["--to=https://u:`+secret+`@logs/x"]}`)))
	send("/apis/apps/v1/namespaces/NS/replicasets", made("old", pod("app", "", env(""))))
	send("/apis/batch/v1/namespaces/NS/cronjobs", `{"metadata":{"name":"nightly"},"spec":{"schedule":"0 3 * * *","jobTemplate":{"spec":{"template":{"spec":`+
		pod("app", no+`"restartPolicy":"Never","initContainers":[`+env(`{"name":"API_TOKEN","value":"`+secret+`"}`)+`],`, `{"name":"run","image":"x:1"}`)+`}}}}}`)
	send("/apis/batch/v1/namespaces/NS/jobs", `{"metadata":{"name":"once"},"spec":{"template":{"spec":`+pod("", no+`"restartPolicy":"Never","volumes":[{"name":"c","configMap":{"name":"settings"}}],`, env(""))+`}}}`)
	send("/api/v1/namespaces/NS/pods", `{"metadata":{"name":"lone"},"spec":`+pod("app", no, `{"name":"web","image":"x:1","envFrom":[{"configMapRef":{"name":"settings"}}]}`)+`}`)
	send("/api/v1/namespaces/NS/configmaps", `{"metadata":{"name":"settings"},"data":{"colour":"blue","smtp.password":"`+secret+`"}}`)
	// What one of them made says what that says.
	var owner struct{ Metadata meta }
	decode(t, w.Must(t, http.MethodGet, strings.Replace(deployments, "NS", ns, 1)+"/web", nil), &owner)
	owned := fmt.Sprintf(`"ownerReferences":[{"apiVersion":"apps/v1","kind":"Deployment","name":"web","uid":%q,"controller":true}]`, owner.Metadata.UID)
	send("/apis/apps/v1/namespaces/NS/replicasets", strings.Replace(made("web-1", pod("app", no, env(`{"name":"DB_PASSWORD","value":"`+secret+`"}`))), `"name":"web-1"`, `"name":"web-1",`+owned, 1))

	got := exposures(t, d, ns)
	want := []string{
		"app CronJob nightly: a secret stands in plain in the variable API_TOKEN of container web",
		"app DaemonSet logs: a password in URL stands in plain in what container web is called with",
		"app Deployment web: a password stands in plain in the variable DB_PASSWORD of container web",
		"app Pod lone: a password stands in plain in smtp.password of ConfigMap settings",
		"app ReplicaSet old: a token of its account is mounted, though nobody has said that it is needed, and no role is bound to it",
		"app StatefulSet db: container web signs in at a cloud by a key that does not end by itself, AWS_SECRET_ACCESS_KEY",
		"default Job once: a password stands in plain in smtp.password of ConfigMap settings",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if strings.Contains(strings.Join(got, "\n"), secret) {
		t.Error("a worth is said")
	}
}

// Without the right to read one of them nothing is told: less than all would close what
// was found before.
func TestExposuresWhole(t *testing.T) {
	t.Parallel()
	w := open(t)
	_, token := w.reads(t)
	d := connect(t, w.config()).Deployed(token)
	err := d.Exposures(t.Context(), func(connector.Exposure) error { return nil })
	if !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "list") {
		t.Errorf("%v", err)
	}
}
