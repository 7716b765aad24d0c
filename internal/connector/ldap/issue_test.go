package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// What the page says lets Lessor set passwords.
const (
	passwordAccess = `access to dn.subtree="ou=people,dc=example,dc=org" attrs=userPassword
  by dn.exact="cn=svc-lessor,ou=svc,dc=example,dc=org" =w
  by anonymous auth
  by * none`
	passwordACI   = `(targetattr="userPassword")(version 3.0; acl "lessor: passwords"; allow (write) userdn="ldap:///cn=svc-lessor,ou=svc,dc=example,dc=org";)`
	passwordReset = `samba-tool dsacl set --objectdn=OU=people,DC=ad,DC=example,DC=org \
  --sddl="(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;bf967aba-0de6-11d0-a285-00aa003049e2;$SID)"`
)

func TestDocumentedPasswordRights(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/connectors/ldap.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"```\n" + passwordAccess + "\n```", "aci: " + passwordACI + "\n", "```sh\n" + passwordReset + "\n```"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page does not say:\n%s", want)
		}
	}
}

// mayResetPasswords gives the service account the documented right in one area.
func mayResetPasswords(t testing.TB, a *testserver.SambaArea) {
	t.Helper()
	script := "set -e\nSID=$(samba-tool user show svc-lessor --attributes=objectSid | sed -n 's/^objectSid: //p')\n" +
		strings.Replace(passwordReset, "OU=people,DC=ad,DC=example,DC=org", a.People, 1)
	if out, err := a.Shell(script); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// binds tells whether a server lets that password in.
func binds(t testing.TB, url string, ca *x509.CertPool, dn string, worth []byte) bool {
	t.Helper()
	conn, err := goldap.DialURL(url, goldap.DialWithTLSConfig(&tls.Config{RootCAs: ca}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Bind(dn, string(worth))
	if err != nil && !goldap.IsErrorWithCode(err, goldap.LDAPResultInvalidCredentials) {
		t.Errorf("bind as %s: %v", dn, err)
	}
	return err == nil
}

func order(account, worth string) connector.Order {
	return connector.Order{Account: account, Kind: "password", Mark: "m-1", Worth: connector.Worth(worth)}
}

func issue(t testing.TB, c *Connector, account, worth string) connector.Issued {
	t.Helper()
	made, err := c.Issue(t.Context(), order(account, worth))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func tries(t testing.TB, c *Connector, one connector.Credential, worth string, want bool) {
	t.Helper()
	if in, err := c.Try(t.Context(), one, connector.Worth(worth)); in != want || err != nil {
		t.Errorf("Try of %.12s… as %s: %t, %v, want %t", worth, one.Account, in, err, want)
	}
}

const first, second = "Aa7-first-first", "Aa7-second-second"

// Without the right nothing is set; the connector's own is never; whoever comes under
// an old name keeps what is theirs; what is kept is a hash.
func TestPasswords(t *testing.T) {
	t.Parallel()
	uuids := `access to dn.subtree="ou=people,dc=example,dc=org" attrs=entryUUID by dn.exact="cn=svc-lessor,ou=svc,dc=example,dc=org" read`
	s, without := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, Access: uuids + "\n" + passwordAccess}), testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	without.Person(t, "ann")
	if _, err := connect(t, config(without)).Issue(t.Context(), order("ann", first)); !errors.Is(err, connector.ErrRefused) {
		t.Errorf("without the right: %v", err)
	}
	dn, c := s.Person(t, "ann"), connect(t, config(s))
	own := config(s)
	own.BindDN, own.Password = dn, func() string { return first }
	if err := connect(t, own).ours(&goldap.Entry{DN: strings.ToUpper(dn)}); !errors.Is(err, connector.ErrRefused) {
		t.Errorf("its own: %v", err)
	}
	made := issue(t, c, "ann", first)
	tries(t, c, made.Credential, first, true)
	if kept := s.Values(t, dn, passwordAttr); len(kept) != 1 || strings.Contains(kept[0], first) || !strings.HasPrefix(kept[0], "{") {
		t.Errorf("kept is %q", kept)
	}
	for _, id := range []string{"", "password", "session/1"} {
		if err := c.Kill(t.Context(), connector.Credential{ID: id, Account: "ann"}); !errors.Is(err, connector.ErrRefused) {
			t.Errorf("Kill of %q: %v", id, err)
		}
	}
	s.DeletePerson(t, dn)
	tries(t, c, made.Credential, first, false)
	s.Person(t, "ann")
	anew := issue(t, c, "ann", second)
	if err := c.Kill(t.Context(), made.Credential); err != nil || anew.ID == made.ID {
		t.Errorf("%q after %q: %v", anew.ID, made.ID, err)
	}
	tries(t, c, anew.Credential, second, true)
	// An entry that must have a password has one that nobody knows.
	s.Add(t, "cn=bot,"+testserver.SlapdPeople, map[string][]string{"objectClass": {"organizationalRole", "simpleSecurityObject", "uidObject"}, "cn": {"bot"}, "uid": {"bot"}, "userPassword": {"x"}})
	bot := issue(t, c, "bot", first)
	tries(t, c, bot.Credential, first, true)
	if err := c.Kill(t.Context(), bot.Credential); err != nil {
		t.Error(err)
	}
	tries(t, c, bot.Credential, first, false)
}

// A locked account is no proof that its password is dead.
func TestTryOfALockedAccount(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, Access: passwordAccess, Global: "moduleload ppolicy",
		Main: "overlay ppolicy\nppolicy_default cn=strict," + testserver.SlapdBase + "\nppolicy_use_lockout"})
	s.Add(t, "cn=strict,"+testserver.SlapdBase, map[string][]string{"objectClass": {"organizationalRole", "pwdPolicy"}, "cn": {"strict"},
		"pwdAttribute": {"userPassword"}, "pwdLockout": {"TRUE"}, "pwdMaxFailure": {"2"}})
	s.Person(t, "ann")
	c := connect(t, config(s))
	made := issue(t, c, "ann", first)
	tries(t, c, made.Credential, first, true)
	tries(t, c, made.Credential, second, false)
	tries(t, c, made.Credential, second, false)
	if in, err := c.Try(t.Context(), made.Credential, connector.Worth(first)); in || err == nil || !strings.Contains(err.Error(), "policy") {
		t.Errorf("of a locked account: %t, %v, want an error", in, err)
	}
}

// Samba takes the password before for another hour: it is said, and tried, and never
// assumed. What was killed it takes no more.
func TestSambaOldPassword(t *testing.T) {
	t.Parallel()
	a := testserver.Samba(t).Area(t)
	mayResetPasswords(t, a)
	c := connect(t, sambaConfig(a))
	ann, bob := DNPrefix+a.Login(t, "ann"), DNPrefix+a.Login(t, "bob")
	for _, account := range []string{ann, bob} {
		issue(t, c, account, first)
	}
	made := issue(t, c, ann, second)
	if kind := c.Issues()[0]; kind.Lingers != oldPassword {
		t.Errorf("%+v", kind)
	}
	tries(t, c, made.Credential, first, true) // it lingers
	tries(t, c, made.Credential, second, true)
	if err := c.Kill(t.Context(), made.Credential); err != nil {
		t.Fatal(err)
	}
	tries(t, c, made.Credential, first, false)
	tries(t, c, made.Credential, second, false)
	third := issue(t, c, ann, "Aa7-third-third")
	tries(t, c, third.Credential, second, false)
	tries(t, c, third.Credential, "Aa7-third-third", true)
	// Who may not log on at all proves nothing by it.
	a.Replace(t, strings.TrimPrefix(bob, DNPrefix), "userAccountControl", "514")
	if in, err := c.Try(t.Context(), connector.Credential{Account: bob}, connector.Worth(first)); in || err == nil || !strings.Contains(err.Error(), "disabled") {
		t.Errorf("of a disabled account: %t, %v, want an error", in, err)
	}
}
