package server_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/testserver"
)

var subject = regexp.MustCompile(`goes by sub = ([A-Za-z0-9_-]+)`)

// dexLogin fills in Dex's form.
func (b *browser) dexLogin(uid string) {
	b.t.Helper()
	m := action.FindStringSubmatch(b.page)
	if m == nil || !strings.Contains(b.page, `name="password"`) {
		b.t.Fatalf("%s is no form of Dex:\n%s", b.at, b.page)
	}
	to := mustURL(b.t, html.UnescapeString(m[1]))
	b.send(http.MethodPost, b.at.ResolveReference(to).String(), url.Values{"login": {uid}, "password": {testserver.DexPassword}})
}

// A person whose account is in OpenLDAP signs in by Dex, at first as nobody we know.
func TestSignInByDex(t *testing.T) {
	t.Parallel()
	address := fmt.Sprintf("http://127.0.0.1:%d", testserver.Port(t))
	dex := testserver.Dex(t, address, "corp")
	dn := dex.Person(t, "s-ann")
	dex.Slapd.Group(t, "auditors", dn)
	g := openGate(t, address, fmt.Sprintf("providers:\n  - id: corp\n    name: Dex\n    issuer: %s\n    client_id: lessor\n    client_secret_ref: file:corp.secret\n    scopes: [profile, email, groups]\n", dex.Issuer))
	in := func() *browser {
		b := g.browser()
		b.goTo("/sign-in/go/corp?next=/access")
		b.dexLogin("s-ann")
		return b
	}
	// 1. Dex's subject says nothing to a reader: the page tells whom to write it to.
	b := in()
	b.is("/sign-in/back/corp", http.StatusForbidden, "You are not known here")
	m := subject.FindStringSubmatch(b.page)
	if m == nil {
		t.Fatalf("it does not say the subject:\n%s", b.page)
	}
	g.edit("directory.yaml", "corp: s-ann,", "corp: \""+m[1]+"\",")
	ann := in()
	ann.is("/access", http.StatusOK, "Ann Archer")
	// 2. Groups are the directory's of Lessor: what the provider says of groups gives nothing.
	ann.goTo("/register")
	ann.is("/register", http.StatusNotFound)
	g.edit("directory.yaml", "members: [olga]", "members: [olga, ann]")
	ann.goTo("/register")
	ann.is("/register", http.StatusOK)
	// 3. The command line, by the same sign-in.
	l := laptop{g, t.TempDir()}
	_, code, end := l.login()
	ann.send(http.MethodPost, "/sign-in/cli", url.Values{"code": {code}, "verdict": {"let"}})
	if n, said := end(); n != 0 {
		t.Errorf("login: %d %s", n, said)
	}
	// 4. Another rule: the uid, which only the directory's administrators set.
	g.write("directory.yaml", "corp: \""+m[1]+"\"", "corp: s-ann")
	g.edit("sign-in.yaml", "    scopes:", "    identity: {claim: preferred_username, is: account}\n    scopes:")
	in().is("/access", http.StatusOK, "Ann Archer")
	g.edit("sign-in.yaml", "claim: preferred_username, is: account", "claim: email, is: mail")
	b = in() // s-ann@example.org is verified, and nobody's here
	b.is("/sign-in/back/corp", http.StatusForbidden, "email = s-ann@example.org")
	g.edit("directory.yaml", "mail: ann@example.org", "mail: s-ann@example.org")
	in().is("/access", http.StatusOK, "Ann Archer")
	// 5. A stronger sign-in is not Dex's to give: it answers with less, and that is seen.
	g.edit("sign-in.yaml", "    scopes:", "    strengths: [{name: mfa, acr: [\"urn:mfa\"]}]\n    scopes:")
	b = in()
	b.goTo("/sign-in/stronger?strength=mfa&next=/access")
	b.dexLogin("s-ann")
	b.is("/sign-in/back/corp", http.StatusForbidden, "Not as strongly as asked")
	b.goTo("/access")
	b.is("/access", http.StatusOK, "Ann Archer")
}
