package ldap

import (
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/testserver"
)

// A Kerberos ticket carries the groups of its first logon, through every renewal:
// that is why a receipt names the end of renewing, not that of one ticket.
func TestAB47SambaRenewedTicketKeepsItsGroups(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"kinit", "kdestroy", "ldapsearch"} {
		if _, err := exec.LookPath(tool); err != nil {
			testserver.Missing(t, tool)
		}
	}
	w := newSambaWorld(t, "eve")
	wiki := w.Group(t, "wiki", w.dn["eve"])
	w.Password(t, w.dn["eve"], userSecret)
	eve := w.Values(t, w.dn["eve"], "sAMAccountName")[0] + "@AD.EXAMPLE.ORG"
	if out, err := w.Shell("samba-tool spn add ldap/dc1.ad.example.org 'DC1$'"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir := t.TempDir()
	conf, hosts := filepath.Join(dir, "krb5.conf"), filepath.Join(dir, "hosts")
	for name, text := range map[string]string{
		conf: "[libdefaults]\ndefault_realm = AD.EXAMPLE.ORG\ndns_lookup_kdc = false\ndns_lookup_realm = false\nrdns = false\ndns_canonicalize_hostname = false\n" +
			"[realms]\nAD.EXAMPLE.ORG = {\nkdc = " + w.Address + "\n}\n",
		hosts: w.Address + " dc1.ad.example.org\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(stdin string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "KRB5_CONFIG="+conf, "KRB5CCNAME=FILE:"+filepath.Join(dir, "cc"))
		if args[0] == "ldapsearch" { // the only name is one that this machine does not know
			cmd.Env = append(cmd.Env, "LD_PRELOAD=libnss_wrapper.so", "NSS_WRAPPER_HOSTS="+hosts)
		}
		cmd.Stdin = strings.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	sid := base64.StdEncoding.EncodeToString([]byte(w.Values(t, wiki, sidAttr)[0]))
	carries := func() bool { // what the server takes the session's groups to be
		t.Helper()
		return strings.Contains(run("", "ldapsearch", "-LLL", "-N", "-Y", "GSSAPI", "-H", "ldap://dc1.ad.example.org", "-o", "ldif-wrap=no", "-s", "base", "-b", "", "tokenGroups"),
			"tokenGroups:: "+sid+"\n")
	}
	run(userSecret+"\n", "kinit", "-r", "7d", eve)
	if !carries() {
		t.Fatal("the ticket does not carry the group: the test tests nothing")
	}
	c := connect(t, sambaConfig(w.SambaArea))
	apply(t, c, remove(w.guid["eve"], wiki))
	sees(t, c, w.guid["eve"], wiki, false, false)
	if !carries() {
		t.Error("the same ticket no longer carries the group")
	}
	run("", "kinit", "-R")
	if !carries() {
		t.Error("a renewed ticket no longer carries the group: lingers may be shorter")
	}
	run("", "kdestroy")
	run(userSecret+"\n", "kinit", eve)
	if carries() {
		t.Error("a new logon still carries the group")
	}
}
