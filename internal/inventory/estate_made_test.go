package inventory_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/gitea"
	"github.com/lessor-iam/lessor/internal/connector/kubernetes"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// TestEstateOfACluster plants what programs' accounts at Kubernetes and Gitea come to,
// by the servers' own interfaces, and finds all of it. The fixture's system dir is the
// cluster, and git the forge. Both are others' too: of them only what is ours is judged.
func TestEstateOfACluster(t *testing.T) {
	t.Parallel()
	n := 2
	if os.Getenv("LESSOR_TEST_LONG") != "" {
		n = 8
	}
	c := openCluster(t)
	for i := range n {
		c.plant(i)
	}
	c.f.Change(func(co *enginetest.Company) {
		delete(co.People, "robot")
		delete(co.People, "pilot")
		for _, i := range c.bots {
			co.People[i.ID] = i
		}
		for name, production := range map[string]bool{"allowed": false, "more": false, "live": true} {
			ent := co.Entitlements["dir:wiki"]
			ent.ID, ent.Name, ent.Object, ent.Environment = "dir:"+name, name, c.space+"/role/"+name, ""
			if production {
				ent.Environment = access.Production
			}
			co.Entitlements[ent.ID] = ent
		}
	})
	c.read()
	c.f.Clock.Pass(100 * 24 * time.Hour)
	c.read()
	c.judge()
	c.orphans()
	c.holds(func(x access.Finding) bool { return strings.Contains(x.Subject+" "+x.Text, c.space) })
	c.f.Check()
}

// cluster is an estate at the two of them; space is in the name of all that is ours.
type cluster struct {
	estate
	at    *testserver.KubernetesServer
	forge *testserver.GiteaServer
	space string
}

func openCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{estate: estate{t: t, want: map[string]bool{}}, at: testserver.Kubernetes(t), forge: testserver.Gitea(t), space: fmt.Sprintf("es-%d", time.Now().UnixNano())}
	c.f = enginetest.Open(t, store.SQLite)
	c.f.Clock.To(time.Now().UTC().Truncate(time.Second))
	c.send("/api/v1/namespaces", `{"metadata":{"name":"`+c.space+`"}}`)
	for _, name := range []string{"allowed", "more", "live"} {
		c.send(c.rbac("roles"), `{"metadata":{"name":"`+name+`"},"rules":[{"apiGroups":[""],"resources":["configmaps"],"verbs":["get"]}]}`)
	}
	directory := func() *access.Directory { return c.f.WorldAt(c.f.Now()).Directory }
	reader := func(system string, made connector.Connector, err error) {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = made.Close() })
		c.readers = append(c.readers, inventory.New(inventory.Config{Door: c.f.Engine, System: system, Connector: made, Now: c.f.Now, Directory: directory, Log: slog.New(slog.DiscardHandler)}))
	}
	admin := func() string { return testserver.KubernetesAdmin + testserver.KubernetesToken }
	k, err := kubernetes.New(kubernetes.Config{URL: c.at.URL, CA: c.at.CA, Token: admin, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	reader("dir", k.Deployed(admin), nil)
	token := func() string { return c.forge.Token }
	g, err := gitea.New(gitea.Config{URL: c.forge.URL, CA: c.forge.CA, Token: token, AdminToken: token, Timeout: 30 * time.Second})
	reader("git", g, err)
	return c
}

func (c *cluster) send(path, body string) {
	c.t.Helper()
	c.at.Must(c.t, http.MethodPost, path, []byte(body))
}

func (c *cluster) rbac(what string) string {
	return "/apis/rbac.authorization.k8s.io/v1/namespaces/" + c.space + "/" + what
}

// robot is a service account.
func (c *cluster) robot(name string) (account string) {
	c.t.Helper()
	c.send("/api/v1/namespaces/"+c.space+"/serviceaccounts", `{"metadata":{"name":"`+name+`"}}`)
	return "serviceaccount:" + c.space + "/" + name
}

// token is one of a service account's that stands in a Secret.
func (c *cluster) token(robot string) {
	c.t.Helper()
	c.send("/api/v1/namespaces/"+c.space+"/secrets",
		`{"metadata":{"name":"`+robot+`","annotations":{"kubernetes.io/service-account.name":"`+robot+`"}},"type":"kubernetes.io/service-account-token","data":{"token":"eA=="}}`)
}

// deploy makes a Deployment whose pods act as a service account.
func (c *cluster) deploy(robot, more, env string) {
	c.t.Helper()
	c.send("/apis/apps/v1/namespaces/"+c.space+"/deployments", `{"metadata":{"name":"`+robot+`"},"spec":{"selector":{"matchLabels":{"app":"`+robot+`"}},"template":{"metadata":{"labels":{"app":"`+robot+`"}},
		"spec":{"serviceAccountName":"`+robot+`"`+more+`,"containers":[{"name":"app","image":"registry.example.org/app:1","env":[`+env+`]}]}}}}`)
}

func (c *cluster) bind(robot, role string) {
	c.t.Helper()
	c.send(c.rbac("rolebindings"), `{"metadata":{"name":"`+robot+`"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"`+role+`"},"subjects":[{"kind":"ServiceAccount","namespace":"`+c.space+`","name":"`+robot+`"}]}`)
}

// user is one of the forge, with an access token.
func (c *cluster) user(name string) {
	c.t.Helper()
	c.forge.Must(c.t, http.MethodPost, "/admin/users", map[string]any{"username": name, "email": name + "@example.com", "password": testserver.GiteaPassword, "must_change_password": false})
	code, answer, err := c.forge.Ask(name+":"+testserver.GiteaPassword, http.MethodPost, "/users/"+name+"/tokens", map[string]any{"name": "ci", "scopes": []string{"read:user"}})
	if err != nil || code != http.StatusCreated {
		c.t.Fatalf("a token of %s: %d %s %v", name, code, answer, err)
	}
}

// plant plants one of each kind, and healthy ones.
func (c *cluster) plant(n int) {
	id := func(what string) string { return fmt.Sprintf("%s-%s-%d", c.space, what, n) }
	robot := func(kind, what string, change func(*access.Identity)) string {
		name := fmt.Sprintf("%s-%d", what, n)
		c.bot(kind, "dir", id(what), func(i *access.Identity) {
			i.Accounts = map[string]string{"dir": c.robot(name)}
			if change != nil {
				change(i)
			}
		})
		return name
	}
	forge := func(kind, what string, change func(*access.Identity)) {
		c.bot(kind, "git", id(what), change)
		c.user(id(what))
		c.want[access.WorkloadUnending+" "+id(what)] = true // no token there ever ends
	}
	// As it should be: a service account whose tokens are asked for, and stand nowhere; what
	// acts as it has its secrets from elsewhere, and its token because it is said to need it.
	c.deploy(robot("", "healthy", nil), `,"automountServiceAccountToken":true`, `{"name":"DB_PASSWORD","valueFrom":{"secretKeyRef":{"name":"db","key":"password"}}},{"name":"DB_PASSWORD_FILE","value":"/run/db/password"},{"name":"DB_URL","value":"postgres://app:$(DB_PASSWORD)@db/shop"}`)
	// 1. Nobody has written it down; nor does anybody answer for what lets it in.
	stray := fmt.Sprintf("stray-%d", n)
	c.want[access.WorkloadUnregistered+" dir "+c.robot(stray)] = true
	c.token(stray)
	c.user(id("stray"))
	c.stray = append(c.stray, "dir serviceaccount:"+c.space+"/"+stray, "git "+id("stray"))
	// 2. Its owner has left. Its token is an orphan, too.
	robot(access.WorkloadUnowned, "left", func(i *access.Identity) { i.Owner = "zoe" })
	// 3. It holds more than its contract allows.
	c.bind(robot(access.WorkloadOverpowered, "over", func(i *access.Identity) { i.Contract.Entitlements = []string{"dir:allowed"} }), "more")
	// 4. It is of test, and reaches production.
	c.bind(robot(access.WorkloadProduction, "prod", nil), "live")
	// 5. It is somebody else's, and nobody has looked at it for long.
	robot(access.WorkloadThirdParty, "third", func(i *access.Identity) {
		i.Contract.ThirdParty, i.Contract.Reviewed = "Acme", c.f.Now().Add(-150*24*time.Hour)
	})
	// 5b. It is deployed with a secret in plain, in one of three places; with a token that
	// nobody has asked for; and so is what nobody answers for.
	c.deploy(robot(access.WorkloadExposed, "plain", nil), `,"automountServiceAccountToken":false`, `{"name":"DB_PASSWORD","value":"planted in plain"}`)
	read := robot(access.WorkloadExposed, "map", nil)
	c.send("/api/v1/namespaces/"+c.space+"/configmaps", `{"metadata":{"name":"`+read+`"},"data":{"db":"postgres://app:planted@db/shop"}}`)
	c.deploy(read, `,"automountServiceAccountToken":false`, `{"name":"DB","valueFrom":{"configMapKeyRef":{"name":"`+read+`","key":"db"}}}`)
	c.deploy(robot(access.WorkloadExposed, "mounted", nil), "", "")
	c.send("/apis/batch/v1/namespaces/"+c.space+"/cronjobs", `{"metadata":{"name":"`+fmt.Sprint("nightly-", n)+`"},"spec":{"schedule":"0 3 * * *","jobTemplate":{"spec":{"template":{"spec":{"serviceAccountName":"nightly-`+fmt.Sprint(n)+`",
		"automountServiceAccountToken":false,"restartPolicy":"Never","containers":[{"name":"app","image":"registry.example.org/app:1","args":["--db=postgres://app:planted@db/shop"]}]}}}}}}`)
	c.want[access.WorkloadExposed+" dir serviceaccount:"+c.space+fmt.Sprint("/nightly-", n)] = true
	// 6. What lets it in never ends.
	c.token(robot(access.WorkloadUnending, "ever", nil))
	forge("", "ever-g", nil)
	// 7. … and should have been changed.
	often := func(i *access.Identity) { i.Contract.RotateEvery = 30 * 24 * access.Term(time.Hour) }
	c.token(robot(access.WorkloadOverdue, "old", often))
	c.want[access.WorkloadUnending+" "+id("old")] = true
	forge(access.WorkloadOverdue, "old-g", often)
}
