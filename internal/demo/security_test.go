package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/go-jose/go-jose/v4"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// provider is one that says what has happened to accounts: it signs, and may be heard once an hour.
type provider struct {
	key  *ecdsa.PrivateKey
	said int
}

const providerToken = "example-provider-token"

// hear is the folder's part of it.
func (p *provider) hear(dir string) (err error) {
	if p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k1", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(providerToken))
	return errors.Join(os.WriteFile(filepath.Join(dir, "provider.keys"), keys, 0o600), os.WriteFile(filepath.Join(dir, "signals.yaml"), []byte(`receive:
  - id: provider
    issuer: https://idp.meridian.example
    audience: https://lessor.meridian.example
    keys_file: provider.keys
    token_sha256: "`+hex.EncodeToString(sum[:])+`"
    subjects: [{format: iss_sub, at: workspace}]
    heeds: [account-disabled, account-enabled]
    hourly: 1
`), 0o600))
}

// disabled has it say that an account is.
func (p *provider) disabled(t *testing.T, base, account string) {
	t.Helper()
	p.said++
	set := testserver.SignBy(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: "k1"}}, map[string]any{
		"iss": "https://idp.meridian.example", "aud": "https://lessor.meridian.example", "iat": time.Now().Unix(), "jti": fmt.Sprint("j", p.said),
		"sub_id": map[string]any{"format": "iss_sub", "iss": "https://idp.meridian.example", "sub": account},
		"events": map[string]any{access.SignalURI(access.SignalDisabled): map[string]any{}},
	}, map[jose.HeaderKey]any{jose.HeaderType: "secevent+jwt"})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/signals/push/provider", strings.NewReader(set))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/secevent+jwt")
	r.Header.Set("Authorization", "Bearer "+providerToken)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _ = res.Body.Close(); res.StatusCode != http.StatusAccepted {
		t.Fatalf("the signal was answered by %s", res.Status)
	}
}

// kept is the folder's part of a directory server in which the deployment robot has a password of ours.
func kept(t *testing.T) func(dir string) error {
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, Access: `access to dn.subtree="ou=people,dc=example,dc=org" attrs=userPassword
  by dn.exact="cn=svc-lessor,ou=svc,dc=example,dc=org" =w
  by anonymous auth
  by * none`})
	s.Person(t, "svc-deploy")
	return func(dir string) error {
		own, err := age.GenerateX25519Identity()
		if err != nil {
			return err
		}
		err = os.Mkdir(filepath.Join(dir, "kept"), 0o700)
		for name, text := range map[string]string{
			"directory.password": testserver.SlapdServiceSecret, "age.key": own.String() + "\n", "consumers.txt": own.Recipient().String() + "\n",
			"stores.yaml":      "stores:\n  - {id: files, kind: age, settings: {folder: kept, identity_ref: \"file:age.key\", recipients_file: consumers.txt}}\n",
			"credentials.yaml": "credentials:\n  - {id: deploy-password, system: directory, account: svc-deploy, kind: password, deliver: \"files:deploy/directory\", every: 30d, jitter: 1d}\n",
		} {
			err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		return errors.Join(err, replaceIn(filepath.Join(dir, "directory.yaml"), "{workspace: svc-deploy}", "{workspace: svc-deploy, directory: svc-deploy}"),
			replaceIn(filepath.Join(dir, "catalog.yaml"), "systems:\n", fmt.Sprintf(`systems:
  - id: directory
    name: Company directory
    connector: ldap
    owner: olga
    settings: {url: %q, ca_file: %q, bind_dn: %q, password_ref: "file:directory.password", people_base: %q, groups_base: %q}
`, s.URL, s.CAFile, testserver.SlapdService, testserver.SlapdPeople, testserver.SlapdGroups)))
	}
}

// What those see who guard it: who has left and what becomes of what they answered for,
// what signals say beyond measure, credentials that lie sealed and those that change,
// and what a program may be.
func security(t *testing.T, w *walk) {
	idp := &provider{}
	c := openCompany(t, idp.hear, kept(t))
	by := &tale{base: c.base, dir: c.dir, target: c.target, server: c.server, people: map[string]*client.Client{}}
	b := openTab(t, c.base, w)
	leaving(t, c, by, b)
	signals(t, c, idp, b)
	seals(t, c, b)
	contracts(b)
	credentials(b)
	retiring(t, by, b)
}

// Nobody may see it whom it is not for: the page is as if it were not there.
func (b *tab) hidden(name, path string) {
	b.t.Helper()
	b.be(name)
	b.goTo(path)
	b.says("h1", "Not found")
}

// Somebody leaves: what it comes to is seen before it is said, access is gone when it was
// seen gone, and what they answered for is taken over, retired or offered to others.
func leaving(t *testing.T, c *company, by *tale, b *tab) {
	wiki := granted(t, by, "otto", "workspace:wiki", 60*60*second, "tess")
	b.hidden("Leo Marchetti", "/leavers?who=otto")
	b.be("Tess Havel")
	b.goTo("/handovers")
	b.says("h2", "Nothing to decide")
	b.seen("handovers-empty")

	// 1. What it would come to changes nothing.
	b.be("Sam Whitfield")
	b.goTo("/handovers?all=yes")
	b.press("Leaving")
	b.says("h1", "Leaving")
	b.fill("#who", "oto")
	b.press("Look")
	b.says(".err", "no such person")
	b.fill("#who", "otto brandt")
	b.press("Look")
	b.says("h2", "left now")
	b.says("main", "Deployment robot")
	b.seen("leaving")
	holds(t, c, "wiki", "otto@meridian.example", true)

	// 2. It is said, for a reason, and his access goes.
	b.press("They have left")
	b.says(".wrong", "Nothing was done")
	b.fill("#reason", "The contract is over")
	b.press("They have left")
	b.says("[role=status]", "Everything of theirs ends now")
	holds(t, c, "wiki", "otto@meridian.example", false)
	b.goTo("/leavers?who=otto")
	b.says("h2", "has left")
	b.seen("leaving-left")
	b.goTo("/grants/" + wiki)
	b.says("main", "leaver")

	// 3. His deputy takes over what he answered for; somebody else does not see it.
	b.be("Tess Havel")
	b.goTo("/handovers")
	b.says("table", "Deployment robot")
	b.seen("handovers")
	b.press("the workload Deployment robot")
	b.says("h1", "The workload Deployment robot")
	b.seen("handover")
	at := b.path("/handovers/")
	b.press("Take it over")
	b.says("[role=status]", "You answer for it from now on")
	b.goTo("/workloads")
	b.says(".reqs", "Deployment robot")
	b.hidden("Leo Marchetti", at)

	// 4. What she does not want is offered to somebody else, who takes it.
	b.be("Tess Havel")
	b.goTo("/handovers")
	b.press("the entitlement Build logs")
	b.press("Decline")
	b.says(".wrong", "Nothing was done")
	b.fill("#note", "Whoever runs the builds should")
	b.press("Decline")
	b.says("[role=status]", "Declined")
	at = b.path("/handovers/")
	b.be("Sam Whitfield")
	b.goTo(at)
	b.fill("#to", "olga")
	b.fill("#note", "She runs them")
	b.press("Offer it")
	b.says("[role=status]", "Offered")
	b.be("Olga Fuentes")
	b.goTo(at)
	b.press("Take it over")
	b.says("[role=status]", "You answer for it from now on")
	b.goTo("/entitlements?id=workspace:builds")
	b.says("main", "Olga Fuentes")
}

// Whoever owned a program leaves, and it is needed no more.
func retiring(t *testing.T, by *tale, b *tab) {
	if _, err := by.as("sam").Leave(t.Context(), "ann", "She works elsewhere"); err != nil {
		t.Fatal(err)
	}
	b.be("Mia Okafor")
	b.goTo("/handovers")
	b.press("the workload Nightly reports")
	b.fill("#note", "Nobody reads them")
	b.press("Retire it")
	b.says("[role=status]", "Retired")
	b.be("Vera Dubois")
	b.goTo("/workload?id=report-bot")
	b.says(".lede", "It is not active any more")
}

// A provider says more in an hour than it may end by itself: the rest waits for somebody.
func signals(t *testing.T, c *company, idp *provider, b *tab) {
	b.hidden("Leo Marchetti", "/signals")
	b.be("Sue Nakamura")
	b.goTo("/signals")
	b.says("h2", "Nothing is held")
	b.seen("signals-empty")

	// 1. The first is done at once; what comes after it is held, and found.
	idp.disabled(t, c.base, "carl@partner.example")
	idp.disabled(t, c.base, "leo@meridian.example")
	b.goTo("/findings")
	b.press("Signal held")
	b.press("To what is held")
	b.says("h2", "provider")
	b.says("main", "Leo Marchetti")
	b.seen("signals")

	// 2. Nothing is decided without a reason; dropped, nothing of it was done.
	b.press("Drop them")
	b.says(".wrong", "Nothing was done")
	b.fill("textarea", "They had an outage, and say so")
	b.press("Drop them")
	b.says("[role=status]", "Dropped")
	b.be("Leo Marchetti")

	// 3. Heeded, it is done: he is nobody from then on.
	idp.disabled(t, c.base, "leo@meridian.example")
	b.be("Sue Nakamura")
	b.goTo("/signals")
	b.fill("textarea", "He works for somebody else")
	b.press("Heed them all")
	b.says("[role=status]", "Heeded")
	b.goTo("/people?id=leo")
	b.says(".lede", "Suspended")
	b.seen("person-suspended")
}

// A credential lies sealed for the day Lessor is down; that it was used is seen, and
// settled by somebody who does not keep it.
func seals(t *testing.T, c *company, b *tab) {
	for _, err := range []error{errOf(c.target.AddUser("glass")), c.target.AddMembers("db-admin", "glass")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.be("Ann Petrova")
	b.goTo("/seals")
	b.says("h2", "No seal that you may know of")

	// 1. Security notes it, and is not who keeps it.
	b.be("Sam Whitfield")
	b.goTo("/seals")
	b.says("h2", "Note a new one")
	b.seen("seals-empty")
	for css, text := range map[string]string{"#n-account": "glass", "#n-opens": "workspace:db-admin", "#n-first": "mia", "#n-second": "sam", "#n-place": "The safe in room 4", "#n-within": "180d"} {
		b.fill(css, text)
	}
	b.script("the workspace", `(document.querySelector("#n-system").value = "workspace", true)`)
	b.press("Note that it is sealed")
	b.says(".wrong", "keep themselves")
	b.fill("#n-second", "nora")
	b.press("Note that it is sealed")
	b.says("[role=status]", "Noted")
	b.says("h2", "glass at ")
	b.seen("seals")

	// 2. It is used: its account holds what it never opened.
	if err := c.target.AddMembers("wiki", "glass"); err != nil {
		t.Fatal(err)
	}
	b.be("Mia Okafor") // keeps it, and settles nothing
	await(b, "the broken seal", "/seals", "as a reading has seen")
	b.script("no way to settle it", `![...document.querySelectorAll("button")].some(e => e.innerText.includes("Settle"))`)
	b.be("Sue Nakamura")
	b.goTo("/findings")
	b.press("Seal used")
	b.press("To the sealed credentials")
	b.seen("seals-broken")
	b.press("Settle its use")
	b.says(".wrong", "Nothing was done")
	b.fill("[name=incident]", "INC-12")
	b.fill("textarea", "Lessor was down from three to four")
	b.press("Settle its use")
	b.says("[role=status]", "Settled")
	b.says("main", "INC-12")
	b.fill("textarea", "It is sealed anew elsewhere")
	b.press("Nothing is sealed there any more")
	b.says("[role=status]", "Retired")
}

// An owner writes down what a program may be, and changes it.
func contracts(b *tab) {
	b.hidden("Olga Fuentes", "/workload/contract?id=report-bot")
	b.be("Ann Petrova")
	b.goTo("/workload?id=report-bot")
	b.press("Change its contract")
	b.says("h1", "Another contract")
	b.seen("contract")
	for css, text := range map[string]string{"#deputy": "mia", "#purpose": "Figures of the night", "#environment": "production", "#rotate_every": "often", "#review_every": "180d", "#retires_when": "the reports are gone", "#reason": "It had none"} {
		b.fill(css, text)
	}
	b.click("[name=system][value=workspace]")
	b.press("Change it")
	b.says(".wrong", "Not changed")
	b.seen("contract-refused")
	b.fill("#rotate_every", "90d")
	b.press("Change it")
	b.says("[role=status]", "It has another contract")
	b.says("main", "Figures of the night")
}

// A credential is made anew by who answers for it, and each old one proved dead.
func credentials(b *tab) {
	b.hidden("Ann Petrova", "/credential?id=deploy-password")
	b.be("Tess Havel")
	b.goTo("/credentials")
	b.says("main", "deploy-password")
	b.seen("credentials")
	b.press("deploy-password")
	await(b, "the first one", "/credential?id=deploy-password", "In force")
	b.seen("credential")
	b.press("It is compromised")
	b.says("h2", "Kill it at once?")
	b.seen("credential-sure")
	b.press("Yes, kill it now")
	b.says(".wrong", "Nothing was done")
	b.fill("#reason", "INC-13: it was in a log")
	b.press("Yes, kill it now")
	b.says("[role=status]", "It is being killed at once")
	await(b, "another one", "/credential?id=deploy-password", "An old one was proved dead")
	b.says("main", "it was in a log")
	b.seen("credential-anew")
}

// await loads a page that does not look again by itself until it says something.
func await(b *tab, what, path, says string) {
	b.t.Helper()
	testserver.Await(b.t, what, tabPatience, func() error {
		if b.goTo(path); !strings.Contains(b.text(), says) {
			return fmt.Errorf("%s says:\n%s", path, b.text())
		}
		return nil
	})
}
