package gitea

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
)

var issuerMade struct {
	sync.Once
	token string
}

// issuerToken is what the page's commands for an issuer make, once in a process.
func (w world) issuerToken(t testing.TB) func() string {
	t.Helper()
	issuerMade.Do(func() {
		text, err := os.ReadFile(pageRead)
		if err != nil {
			t.Fatal(err)
		}
		const begins = "gitea admin user create --admin --username lessor-issuer"
		_, block, _ := strings.Cut(string(text), "```sh\n"+begins)
		block, _, _ = strings.Cut(block, "\n```")
		for line := range strings.SplitSeq(begins+block, "\n") {
			out, err := w.Run(nil, strings.Fields(line)[1:]...)
			if err != nil {
				t.Fatalf("%s: %v\n%s", line, err, out)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			issuerMade.token = lines[len(lines)-1]
		}
	})
	if len(issuerMade.token) != 40 {
		t.Fatalf("the page's commands gave no token but %q", issuerMade.token)
	}
	return func() string { return issuerMade.token }
}

// enter asks Gitea whom a token lets in as.
func (w world) enter(t testing.TB, account, _ string, worth []byte) bool {
	t.Helper()
	code, out, err := w.Ask(string(worth), http.MethodGet, "/user", nil)
	if err != nil || code != http.StatusOK && code != http.StatusUnauthorized {
		t.Fatalf("who bears a token of %s: %d %s %v", account, code, out, err)
	}
	if code != http.StatusOK {
		return false
	}
	var who user
	decode(t, out, &who)
	return who.name() == account
}

func order(account, mark string, scopes ...string) connector.Order {
	return connector.Order{Account: account, Kind: accessToken, Mark: mark, Scopes: scopes}
}

// A token does what its scopes say; without the means to issue nothing is offered; what
// is no plain no is none.
func TestIssue(t *testing.T) {
	t.Parallel()
	w := open(t)
	plain := connect(t, w.config())
	if _, can := connector.As[connector.Issuer](plain); can {
		t.Error("without a token to issue by it offers to")
	}
	if _, can := connector.As[connector.Credentials](plain); !can {
		t.Error("without a token to issue by it lists no credentials")
	}
	if err := plain.Kill(t.Context(), connector.Credential{ID: "accesstoken/1", Account: "ann"}); !errors.Is(err, connector.ErrRefused) {
		t.Errorf("Kill without the means: %v", err)
	}
	cfg := w.config()
	cfg.IssuerToken = w.issuerToken(t)
	c, ann := connect(t, cfg), w.person(t, "Issue-Ann")
	made, err := c.Issue(t.Context(), order(ann, "one", "read:organization", "write:repository"))
	if err != nil {
		t.Fatal(err)
	}
	// 1. Its scopes do not let it say who it is, and it lets in all the same.
	if in, err := c.Try(t.Context(), made.Credential, made.Worth); !in || err != nil {
		t.Errorf("Try: %t, %v", in, err)
	}
	if code, out, err := w.Ask(string(made.Worth), http.MethodGet, "/user/orgs", nil); err != nil || code/100 == 2 {
		t.Errorf("it may do what its scopes do not say: %d %s %v", code, out, err)
	}
	// 2. The inventory knows it by the same id.
	cfg.AdminToken = w.adminToken(t)
	if got, is := credentials(t, connect(t, cfg))[made.ID]; !is || got.Account != ann || got.Name != "lessor-one" {
		t.Errorf("the inventory has %+v, want %+v", got, made.Credential)
	}
	// 3. Orders that Gitea refuses, and killings of nothing.
	for _, o := range []connector.Order{order(ann, "two"), order(ann, "two", "read:everything"), order("Issue-Ann", "two", "read:user"), order("../admin", "two", "read:user")} {
		if _, err := c.Issue(t.Context(), o); !errors.Is(err, connector.ErrRefused) {
			t.Errorf("%+v: %v, want refused", o, err)
		}
	}
	for _, id := range []string{"", "accesstoken/", "accesstoken/0", "accesstoken/lessor-one", "accesstoken/1/../2", "sshkey/-1", "deploykey/1", "gpgkey/1"} {
		if err := c.Kill(t.Context(), connector.Credential{ID: id, Account: ann}); !errors.Is(err, connector.ErrRefused) {
			t.Errorf("Kill of %q: %v, want refused", id, err)
		}
	}
	one := made.Credential
	if one.Account = w.person(t, "issue-bob"); c.Kill(t.Context(), one) != nil || !strings.HasPrefix(one.ID, "accesstoken/") {
		t.Error("of an account that has no such token it is gone")
	}
	// 4. An account that may not log in proves nothing by it.
	w.Must(t, http.MethodPatch, "/admin/users/"+ann, dict{"login_name": ann, "source_id": 0, "prohibit_login": true})
	if in, err := c.Try(t.Context(), made.Credential, made.Worth); in || err == nil {
		t.Errorf("of an account that may not log in: %t, %v, want an error", in, err)
	}
	w.Must(t, http.MethodPatch, "/admin/users/"+ann, dict{"login_name": ann, "source_id": 0, "prohibit_login": false})
	if in, err := c.Try(t.Context(), made.Credential, made.Worth); !in || err != nil {
		t.Errorf("Try: %t, %v", in, err)
	}
}

// Keys that it did not make it can kill, too: that somebody's leaked is found out by others.
func TestKillKeys(t *testing.T) {
	t.Parallel()
	w := open(t)
	cfg := w.config()
	cfg.IssuerToken, cfg.AdminToken = w.issuerToken(t), w.adminToken(t)
	c, ann, bob := connect(t, cfg), w.person(t, "kill-ann"), w.person(t, "kill-bob")
	w.org(t, "kill-org")
	one, two := w.repo(t, "kill-org", "one"), w.repo(t, "kill-org", "two")
	key := func(account, name string) string {
		line, _ := keyNamed(t, name)
		var made secretRead
		decode(t, w.Must(t, http.MethodPost, "/admin/users/"+account+"/keys", dict{"title": name, "key": line}), &made)
		return made.credential(sshKey).ID
	}
	leaked, kept, bobs := key(ann, "kill leaked"), key(ann, "kill kept"), key(bob, "kill bobs")
	deployed, other := w.deploy(t, one, "kill ci", true), w.deploy(t, two, "kill other", true)
	of := func(p place) []string { return []string{object{place: p, level: read}.String()} }
	for _, dead := range []connector.Credential{
		{ID: leaked, Account: ann}, {ID: leaked, Account: ann}, // again: it is gone
		{ID: deployed, Objects: of(one)}, {ID: deployed, Objects: of(one)},
	} {
		if err := c.Kill(t.Context(), dead); err != nil {
			t.Errorf("Kill of %+v: %v", dead, err)
		}
	}
	for _, theirs := range []connector.Credential{{ID: bobs, Account: ann}, {ID: other, Objects: of(one)}, {ID: other}, {ID: other, Objects: []string{"kill-org/team/owners"}}} {
		if err := c.Kill(t.Context(), theirs); err == nil {
			t.Errorf("Kill of %+v is no error", theirs)
		}
	}
	all := credentials(t, c)
	for id, want := range map[string]bool{leaked: false, deployed: false, kept: true, bobs: true, other: true} {
		if _, is := all[id]; is != want {
			t.Errorf("%s is there: %t, want %t", id, is, want)
		}
	}
}
