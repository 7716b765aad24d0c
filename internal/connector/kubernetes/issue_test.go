package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/connectortest"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// The page's blocks on issuing.
const (
	blockTokens       = blockReader + 1
	blockTokensPolicy = blockTokens + 1
)

var guarded sync.Once

// tokens gives the connector's account what the page says it needs to issue tokens of
// one service account of the namespace, or of all if none is named.
func (w world) tokens(t testing.TB, space, robot string) {
	t.Helper()
	guarded.Do(func() {
		for i, kind := range []string{"policies", "policybindings"} {
			w.Must(t, http.MethodPost, "/apis/admissionregistration.k8s.io/v1/validatingadmission"+kind, []byte(manifests(t, blockTokensPolicy)[i]))
		}
	})
	only := ""
	if robot != "" {
		only = "  resourceNames: [" + robot + "]\n"
	}
	for _, d := range manifests(t, blockTokens) {
		w.write(t, strings.NewReplacer("namespace: shop", "namespace: "+space, "  resourceNames: [app]\n", only).Replace(d))
	}
	w.await(t, reviewSpec{User: svc, Resource: &resourceRight{space, "delete", "", "secrets", "", ""}}, true)
	w.await(t, reviewSpec{User: svc, Resource: &resourceRight{space, "create", "", "serviceaccounts", "token", robot}}, true)
	w.await(t, reviewSpec{User: svc, Resource: &resourceRight{space, "list", "", "secrets", "", ""}}, false)
}

// enter asks the API server, as its administrator, whom a token lets in as.
func (w world) enter(t testing.TB, account string, worth []byte) bool {
	t.Helper()
	var r struct {
		Status struct {
			Authenticated bool
			User          struct{ Username string }
		}
	}
	decode(t, w.Must(t, http.MethodPost, "/apis/authentication.k8s.io/v1/tokenreviews",
		encode(t, map[string]any{"spec": map[string]string{"token": string(worth)}})), &r)
	a, err := parseAccount(account)
	return err == nil && r.Status.Authenticated && r.Status.User.Username == a.username()
}

func order(account, mark string) connector.Order {
	return connector.Order{Account: account, Kind: robotToken, Mark: mark, Ends: time.Now().Add(time.Hour)}
}

// Only the named account's tokens are given, and what was refused leaves nothing behind;
// nobody else's Secret is touched; the inventory knows ours by the id we gave it.
func TestIssue(t *testing.T) {
	t.Parallel()
	w := open(t)
	ns := w.space(t, "issue")
	app, other := w.robot(t, ns, "app"), w.robot(t, ns, "other")
	w.tokens(t, ns, "app")
	c := connect(t, w.config())
	made, err := c.Issue(t.Context(), order(app, "one"))
	if err != nil {
		t.Fatal(err)
	}
	if in, err := c.Try(t.Context(), made.Credential, made.Worth); !in || err != nil {
		t.Errorf("Try: %t, %v", in, err)
	}
	if left := time.Until(made.Ends); left < 50*time.Minute || left > 61*time.Minute {
		t.Errorf("it ends in %s", left)
	}
	// 1. Another account's: refused, and the Secret is taken back.
	if _, err := c.Issue(t.Context(), order(other, "one")); !errors.Is(err, connector.ErrRefused) {
		t.Errorf("of another account: %v", err)
	}
	if list, err := c.Marked(t.Context(), order(other, "one")); err != nil || len(list) > 0 {
		t.Errorf("what was refused left %v, %v", list, err)
	}
	// 2. Too short an end: as the API server says.
	soon := order(app, "soon")
	soon.Ends = time.Now().Add(time.Minute)
	if _, err := c.Issue(t.Context(), soon); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "422") {
		t.Errorf("for a minute: %v", err)
	}
	if _, err := c.Issue(t.Context(), order("user:ann", "one")); !errors.Is(err, connector.ErrRefused) {
		t.Errorf("of a user: %v", err)
	}
	// 3. Without an end it has one all the same.
	long := order(app, "long")
	long.Ends = time.Time{}
	if one, err := c.Issue(t.Context(), long); err != nil || one.Ends.Before(time.Now().AddDate(1, 0, 0)) {
		t.Errorf("without an end: ends %s, %v", one.Ends, err)
	}
	// 4. Somebody else's Secret stays.
	uid, n := "", 0
	testserver.Await(t, "the policy", time.Minute, func() error { // the API server takes it up by and by
		n++
		name := fmt.Sprint("theirs-", n)
		uid = w.secret(t, ns, name, "Opaque", "")
		err := c.Kill(t.Context(), connector.Credential{ID: uid, Kind: robotToken, Account: app, Name: ns + "/" + name})
		if errors.Is(err, connector.ErrRefused) && strings.Contains(err.Error(), "may touch only") {
			return nil
		}
		return fmt.Errorf("Kill of another's Secret: %v", err)
	})
	for _, one := range []connector.Credential{
		{ID: uid, Account: app, Name: "default/theirs"}, {ID: uid, Account: app, Name: ns + "/../x"}, {ID: uid, Account: app}, {Account: app, Name: ns + "/theirs"}, {ID: "theirs/", Account: app}, {ID: "../theirs/" + uid, Account: app}, {ID: "/" + uid, Account: app, Name: ns + "/theirs"},
		{ID: uid, Account: "user:ann", Name: ns + "/theirs"},
	} {
		if err := c.Kill(t.Context(), one); !errors.Is(err, connector.ErrRefused) {
			t.Errorf("Kill of %+v: %v", one, err)
		}
	}
	if one := made.Credential; true { // its UID is another's: gone
		one.ID = strings.Split(one.ID, "/")[0] + "/" + uid
		if err := c.Kill(t.Context(), one); err != nil {
			t.Errorf("Kill of what bears the name no more: %v", err)
		}
	}
	if !w.enter(t, app, made.Worth) {
		t.Error("the token was killed")
	}
	// 5. The inventory.
	r := c.Reading(func() string { return testserver.KubernetesAdmin + testserver.KubernetesToken })
	got := listed(t, r, ns)[made.ID]
	if got.Account != app || got.Kind != robotToken || got.Name != made.Name || got.Ends.Sub(made.Ends).Abs() > time.Minute {
		t.Errorf("the inventory has %+v, want %+v", got, made.Credential)
	}
	// 6. Whose account is gone lets nobody in.
	w.Must(t, http.MethodDelete, must(t, app, "clusterrole/any").account.path(), nil)
	testserver.Await(t, "the token's death", remembered+time.Minute, func() error {
		in, err := c.Try(context.Background(), made.Credential, made.Worth)
		if err == nil && in {
			err = errors.New("it lets in")
		}
		return err
	})
}

// Cut off between the Secret and its token, the Secret is found by its mark; so it is
// where the API server refuses the token, and then the Secret's deletion.
func TestIssueCutOffInBetween(t *testing.T) {
	t.Parallel()
	w := open(t)
	ns := w.space(t, "between")
	app := w.robot(t, ns, "app")
	w.tokens(t, ns, "app")
	c, line := onLine(t, w, "/secrets")
	for mark, f := range map[string]connectortest.Fault{"lost": connectortest.LostAnswer, "refused": connectortest.Refuse} {
		mend := line.Break(t, f)
		_, err := c.Issue(t.Context(), order(app, mark))
		mend()
		if !errors.Is(err, connector.ErrUnanswered) || errors.Is(err, connector.ErrRefused) {
			t.Errorf("%s: %v, want that it leaves open what was done", mark, err)
		}
		list, err := c.Marked(t.Context(), order(app, mark))
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: the mark finds %v, %v", mark, list, err)
		}
		if err := c.Kill(t.Context(), list[0]); err != nil {
			t.Error(err)
		}
		if list, err := c.Marked(t.Context(), order(app, mark)); err != nil || len(list) > 0 {
			t.Errorf("%s: after the killing the mark finds %v, %v", mark, list, err)
		}
	}
}

// Certificates and tokens that are no tokens of the account are no yes.
func TestTryIsPlain(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	one := connector.Credential{Account: "serviceaccount:default/nobody", Kind: robotToken}
	if in, err := c.Try(t.Context(), one, connector.Worth(testserver.KubernetesAdmin+testserver.KubernetesToken)); in || err == nil || strings.Contains(err.Error(), testserver.KubernetesToken) {
		t.Errorf("somebody else's token: %t, %v, want an error", in, err)
	}
	if in, err := c.Try(t.Context(), one, connector.Worth("no-token-of-anybodys")); in || err != nil {
		t.Errorf("nobody's token: %t, %v, want a no", in, err)
	}
	if in, err := c.Try(t.Context(), one, connector.Worth("a\nb")); in || err == nil {
		t.Errorf("no token at all: %t, %v, want an error", in, err)
	}
}
