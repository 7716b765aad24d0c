package gitea

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// keyNamed is one made from a name, with its fingerprint.
func keyNamed(t testing.TB, name string) (line, print string) {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%-32.32s", name))).Public()
	public, err := ssh.NewPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))) + " " + strings.ReplaceAll(name, " ", "-"), ssh.FingerprintSHA256(public)
}

// deploy plants a key in a repository.
func (w world) deploy(t testing.TB, p place, name string, readOnly bool) (id string) {
	t.Helper()
	line, _ := keyNamed(t, name)
	var made secretRead
	decode(t, w.Must(t, http.MethodPost, p.path()+"/keys", dict{"title": name, "key": line, "read_only": readOnly}), &made)
	return made.credential(deployedKey).ID
}

// adminToken is what the page's commands make, for the whole process.
func (w world) adminToken(t testing.TB) func() string {
	t.Helper()
	text, err := os.ReadFile(pageRead)
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(text), "```sh\ngitea admin user create --admin")
	block, _, whole := strings.Cut(block, "\n```")
	if !ok || !whole {
		t.Fatal("the page has no commands for an administrator")
	}
	name := "reader-" + digest(t.Name())
	token := ""
	for line := range strings.SplitSeq("gitea admin user create --admin"+block, "\n") {
		out, err := w.Run(nil, strings.Fields(strings.ReplaceAll(line, "lessor-reader", name))[1:]...)
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		token = lines[len(lines)-1]
	}
	if len(token) != 40 {
		t.Fatalf("the page's commands gave no token but %q", token)
	}
	return func() string { return token }
}

// credentials reads all of them, by id.
func credentials(t testing.TB, c *Connector) map[string]connector.Credential {
	t.Helper()
	all := map[string]connector.Credential{}
	if err := c.Credentials(t.Context(), func(one connector.Credential) error {
		if _, twice := all[one.ID]; twice {
			t.Errorf("%s is yielded twice", one.ID)
		}
		all[one.ID] = one
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// The tokens and keys of accounts are shown to the administrator's token, and to no
// other; deploy keys to whoever administers their repository.
func TestCredentials(t *testing.T) {
	t.Parallel()
	w := open(t)
	cfg := w.config()
	plain := connect(t, cfg)
	cfg.AdminToken = w.adminToken(t)
	whole := connect(t, cfg)
	whole.reads.page = 7
	org := w.org(t, "Cred-Org")
	w.repo(t, org, "Ours")
	ours, theirs := place{"cred-org", "ours"}, place{"cred-other", "theirs"}
	w.Must(t, http.MethodPost, "/orgs", dict{"username": "cred-other", "visibility": "private"})
	w.Must(t, http.MethodPost, "/orgs/cred-other/repos", dict{"name": "theirs", "private": true, "auto_init": true})
	w.person(t, "Cred-Ann")
	for i := range 9 { // more than a page
		w.key(t, "Cred-Ann", slices.Repeat([]string{"read:user"}, i+1)...)
	}
	line, print := keyNamed(t, "cred laptop")
	var laptop secretRead
	decode(t, w.Must(t, http.MethodPost, "/admin/users/Cred-Ann/keys", dict{"title": "laptop", "key": line}), &laptop)
	ci, spy := w.deploy(t, ours, "cred ci", true), w.deploy(t, theirs, "cred spy", false)

	all := credentials(t, whole)
	if got, want := all[laptop.credential(sshKey).ID], (connector.Credential{ID: laptop.credential(sshKey).ID, Kind: "ssh key", Account: "cred-ann", Name: "laptop", Print: print, Issued: laptop.Made}); !same(got, want) {
		t.Errorf("ssh key %+v, want %+v", got, want)
	}
	_, print = keyNamed(t, "cred spy")
	if got, want := all[spy], (connector.Credential{ID: spy, Kind: "deploy key", Objects: []string{"cred-other/theirs:write"}, Name: "cred spy", Print: print, Issued: all[spy].Issued}); !same(got, want) || got.Issued.IsZero() {
		t.Errorf("deploy key %+v, want %+v", got, want)
	}
	if got := all[ci]; !slices.Equal(got.Objects, []string{"cred-org/ours:read"}) {
		t.Errorf("deploy key %+v", got)
	}
	tokens := 0
	for _, one := range all {
		if one.Kind == accessToken && one.Account == "cred-ann" {
			tokens++
			if one.Issued.IsZero() || !one.Used.IsZero() || one.EndUnknown || !one.Ends.IsZero() || one.Name == "" {
				t.Errorf("token %+v", one)
			}
		}
	}
	if tokens != 9 {
		t.Errorf("%d tokens", tokens)
	}
	// Without the token: only what the account administers.
	some := credentials(t, plain)
	if _, is := some[ci]; !is {
		t.Errorf("%s is not among %+v", ci, some)
	}
	for id, one := range some {
		if one.Kind != deployedKey || id == spy {
			t.Errorf("shown without a token of an administrator: %+v", one)
		}
	}
	// No administrator's token: said, not passed over.
	cfg.AdminToken = cfg.Token
	if err := connect(t, cfg).Credentials(t.Context(), func(connector.Credential) error { return nil }); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "svc-lessor is no administrator of the server") {
		t.Errorf("%v", err)
	}
}

func same(a, b connector.Credential) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }

// A token that was used shows when; what the token is worth is shown to nobody.
func TestCredentialsSayWhenTheyWereUsed(t *testing.T) {
	t.Parallel()
	w := open(t)
	cfg := w.config()
	cfg.AdminToken = w.adminToken(t)
	c := connect(t, cfg)
	w.person(t, "used-ann")
	token := w.key(t, "used-ann", "read:user")
	testserver.Await(t, "the token's use", time.Minute, func() error { // Gitea tells moments in seconds
		if code, out, err := w.Ask(token, http.MethodGet, "/user", nil); err != nil || code != http.StatusOK {
			t.Fatal(code, string(out), err)
		}
		for _, one := range credentials(t, c) {
			if strings.Contains(fmt.Sprintf("%+v", one), token) {
				t.Fatalf("it is told what the token is worth: %+v", one)
			}
			if one.Account == "used-ann" && one.Used.After(one.Issued) {
				return nil
			}
		}
		return errors.New("not yet")
	})
}

// A deploy key that writes, planted behind our back, is a finding; let be, and put
// back under the same name after it was deleted, it is one again.
func TestAPlantedDeployKeyIsFound(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	p := w.repo(t, w.org(t, "plant-org"), "web")
	f := enginetest.Open(t, store.SQLite, func(o *enginetest.Options) { o.Now = time.Now })
	r := inventory.New(inventory.Config{Door: f.Engine, System: "git", Connector: only{c, p}, Now: time.Now,
		Directory: func() *access.Directory { return f.WorldAt(f.Now()).Directory }, Log: slog.New(slog.DiscardHandler)})
	read := func() (open []access.Finding) {
		t.Helper()
		if _, err := r.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(f.Findings(true), func(f access.Finding) bool { return f.Kind != "credential_orphan" })
	}
	if open := read(); len(open) != 0 {
		t.Fatalf("findings %+v", open)
	}
	id := w.deploy(t, p, "build", false)
	open := read()
	if len(open) != 1 || !strings.Contains(open[0].Text, "deploy key build ("+id) || !strings.Contains(open[0].Text, "opens plant-org/web:write") {
		t.Fatalf("findings %+v", open)
	}
	if err := f.Engine.Accept(t.Context(), f.As("sara"), engine.Remedy{Finding: open[0].ID, Reason: "it is the build's"}); err != nil {
		t.Fatal(err)
	}
	if open := read(); len(open) != 0 {
		t.Fatalf("let be, and found: %+v", open)
	}
	w.Must(t, http.MethodDelete, p.path()+"/keys/"+strings.TrimPrefix(id, "deploykey/"), nil)
	again := w.deploy(t, p, "build", false)
	if open := read(); len(open) != 1 || !strings.Contains(open[0].Text, again) || again == id {
		t.Fatalf("findings %+v", open)
	}
	f.Check()
}

// only shows of the server, which others use, one repository, and nobody's holdings.
type only struct {
	*Connector
	p place
}

func (o only) Observe(context.Context, []string, func(connector.Holding) error) error { return nil }

func (o only) Credentials(ctx context.Context, yield func(connector.Credential) error) error {
	return o.Connector.Credentials(ctx, func(c connector.Credential) error {
		if len(c.Objects) == 1 && strings.HasPrefix(c.Objects[0], o.p.String()+":") {
			return yield(c)
		}
		return nil
	})
}
