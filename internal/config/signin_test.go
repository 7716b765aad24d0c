package config

import (
	"reflect"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func TestLoadSignIn(t *testing.T) {
	t.Parallel()
	folder := company(t)
	folder["sign-in.yaml"] = &fstest.MapFile{Mode: 0o640, Data: []byte(`address: https://LESSOR.example:443
command_line: 8h
providers:
  - id: corp
    name: Example Corp
    issuer: https://login.example/
    client_id: lessor
    client_secret_ref: file:corp.secret
    scopes: [profile]
    strengths:
      - {name: mfa, acr: ["urn:mfa", "urn:hw"], amr: [otp], max_age: 15m}
  - {id: home, name: Home, issuer: "http://127.0.0.1:5556/dex", client_id: lessor, identity: {claim: email, is: mail}}
  - {id: cloud, name: Cloud, issuer: "https://cloud.example", client_id: lessor, identity: {claim: uid, is: account, at: dir}}
`)}
	folder["directory/more.yaml"] = &fstest.MapFile{Mode: 0o640, Data: []byte("identities:\n  - {id: zoe, kind: person, name: Zoe, accounts: {corp: \"CgNhbm4\"}}\n")}
	c, err := LoadFS(folder, "/etc/lessor")
	if err != nil {
		t.Fatal(err)
	}
	want := &SignIn{Address: "https://lessor.example", CommandLine: 8 * time.Hour, Providers: []Provider{
		{ID: "corp", Name: "Example Corp", Issuer: "https://login.example/", ClientID: "lessor", ClientSecretRef: "file:/etc/lessor/corp.secret", Scopes: []string{"profile"},
			Identity:  IdentityRule{Claim: "sub", Is: IsAccount, At: "corp"},
			Strengths: []Strength{{Name: "mfa", ACR: []string{"urn:mfa", "urn:hw"}, AMR: []string{"otp"}, MaxAge: 15 * time.Minute}}},
		{ID: "home", Name: "Home", Issuer: "http://127.0.0.1:5556/dex", ClientID: "lessor", Scopes: []string{}, Identity: IdentityRule{Claim: "email", Is: IsMail}},
		{ID: "cloud", Name: "Cloud", Issuer: "https://cloud.example", ClientID: "lessor", Scopes: []string{}, Identity: IdentityRule{Claim: "uid", Is: IsAccount, At: "dir"}},
	}}
	if !reflect.DeepEqual(c.SignIn, want) {
		t.Errorf("\n%+v, want\n%+v", c.SignIn, want)
	}
	if id, ok := c.SignIn.Providers[0].Identity.Identify(c.Directory, "CgNhbm4", false); id != "zoe" || !ok {
		t.Errorf("the subject of zoe is %q, %v", id, ok)
	}
}

// Whom a provider means is exactly one person, by what the operator chose, or nobody.
func TestIdentify(t *testing.T) {
	t.Parallel()
	dir := access.NewDirectory([]access.Identity{
		{ID: "ann", Kind: access.Person, Name: "Ann", Mail: "Ann@example.org", Accounts: map[string]string{"corp": "s-1", "dir": "aa"}},
		{ID: "bob", Kind: access.Person, Name: "Bob", Mail: "team@example.org", Accounts: map[string]string{"corp": "s-2"}},
		{ID: "cy", Kind: access.Person, Name: "Cy", Mail: "TEAM@example.org"},
		{ID: "bot", Kind: access.Workload, Name: "Bot", Mail: "bot@example.org", Owner: "ann", Accounts: map[string]string{"corp": "s-3"}},
	}, nil, nil, nil, nil)
	account, id, mail := IdentityRule{"sub", IsAccount, "corp"}, IdentityRule{"upn", IsID, ""}, IdentityRule{"email", IsMail, ""}
	for _, c := range []struct {
		what     string
		rule     IdentityRule
		value    string
		verified bool
		want     string
	}{
		{"a subject", account, "s-1", false, "ann"},
		{"a subject in another case", account, "S-1", false, ""},
		{"a name in the place of a subject", account, "Ann", false, ""},
		{"an account at another place", account, "aa", false, ""},
		{"a workload's subject", account, "s-3", false, ""},
		{"no subject", account, "", false, ""},
		{"an account of a system", IdentityRule{"uid", IsAccount, "dir"}, "aa", false, "ann"},
		{"an id", id, "bob", false, "bob"},
		{"a name in the place of an id", id, "Bob", false, ""},
		{"an id of a workload", id, "bot", false, ""},
		{"an address that was verified", mail, "ann@EXAMPLE.org", true, "ann"},
		{"an address that was not", mail, "ann@example.org", false, ""},
		{"an address of two", mail, "team@example.org", true, ""},
		{"an address with another letter that looks alike", mail, "ann@example.o\u027dg", true, ""},
		{"a workload's address", mail, "bot@example.org", true, ""},
	} {
		if got, ok := c.rule.Identify(dir, c.value, c.verified); (got != c.want && ok) || ok != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", c.what, got, ok, c.want)
		}
	}
}
