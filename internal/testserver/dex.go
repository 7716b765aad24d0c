package testserver

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// DexServer is a real Dex before an OpenLDAP of its own: who is there signs in
// with the uid and the password of [DexServer.Person], and has the groups they are in there.
type DexServer struct {
	Issuer string
	Slapd  *SlapdServer
}

// DexPassword is everybody's at a [DexServer].
const DexPassword = "a password of a test"

const dexConfig = `
issuer: %[1]s
storage: {type: memory}
web: {http: "127.0.0.1:%[2]d"}
telemetry: {http: "127.0.0.1:%[3]d"}
oauth2: {skipApprovalScreen: true}
logger: {level: error}
staticClients:
  - {id: lessor, name: Lessor, secret: a-client-secret-of-a-test-4471, redirectURIs: ["%[4]s/sign-in/back/%[5]s"]}
connectors:
  - type: ldap
    id: ldap
    name: LDAP
    config:
      host: "%[6]s"
      rootCA: "%[7]s"
      bindDN: "%[8]s"
      bindPW: "%[9]s"
      userSearch: {baseDN: "%[10]s", filter: "(objectClass=inetOrgPerson)", username: uid, idAttr: entryUUID, emailAttr: mail, nameAttr: cn, preferredUsernameAttr: uid}
      groupSearch: {baseDN: "%[11]s", filter: "(objectClass=groupOfNames)", userMatchers: [{userAttr: DN, groupAttr: member}], nameAttr: cn}
`

// Dex runs one until the test ends, for one client at that address of ours. It is
// built from source, which takes minutes, so it is missing more often than other
// servers, and only LESSOR_TEST_LONG insists on it.
func Dex(t testing.TB, address, provider string) *DexServer {
	t.Helper()
	bin := filepath.Join(moduleRoot(t), ".tools", "dex", "dex")
	if _, err := os.Stat(bin); err != nil {
		if os.Getenv("LESSOR_TEST_LONG") != "" {
			t.Fatal("dex is missing; scripts/build-dex builds it")
		}
		t.Skip("NOT TESTED: dex is missing; scripts/build-dex builds it, in minutes")
	}
	d := &DexServer{Slapd: Slapd(t, SlapdOptions{NoSync: true})}
	port, telemetry := Port(t), Port(t)
	d.Issuer = fmt.Sprintf("http://127.0.0.1:%d/dex", port)
	dir := t.TempDir()
	conf := fmt.Sprintf(dexConfig, d.Issuer, port, telemetry, address, provider, strings.TrimPrefix(d.Slapd.URL, "ldaps://"), d.Slapd.CAFile, SlapdAdmin, SlapdAdminSecret, SlapdPeople, SlapdGroups)
	file := filepath.Join(dir, "dex.yaml")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	Start(t, exec.Command(bin, "serve", file))
	Await(t, "dex", 60*time.Second, func() error {
		res, err := http.Get(d.Issuer + "/.well-known/openid-configuration")
		if err == nil {
			_ = res.Body.Close()
		}
		return err
	})
	return d
}

// Person adds somebody who can sign in, and returns the entry's DN.
func (d *DexServer) Person(t testing.TB, uid string) string {
	t.Helper()
	dn := d.Slapd.PersonDN(uid)
	d.Slapd.Add(t, dn, map[string][]string{"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {uid}, "sn": {uid}, "mail": {uid + "@example.org"}, "userPassword": {DexPassword}})
	return dn
}
