package openssh

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/openssh/host"
)

var _ connector.Credentials = (*Connector)(nil)

// keysOf reads the credentials, by id.
func keysOf(t testing.TB, c *Connector) map[string]connector.Credential {
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

// Authorized keys of whom the host's program may read are listed with what sshd makes
// of their end, and nobody else's.
func TestCredentials(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	eve := w.person(t, "eve")
	key := strings.TrimSpace(eve.publicKey(t))
	said, err := exec.Command("ssh-keygen", "-l", "-f", eve.name+".pub").Output()
	if err != nil {
		t.Fatal(err)
	}
	fingerprint := strings.Fields(string(said))[1]
	if got := keysOf(t, c); len(got) != 0 {
		t.Errorf("there are none, and listed are %+v", got)
	}
	now := time.Now()
	const ends = "20060102150405"
	for i, x := range []struct {
		line string
		ends time.Time // zero: never
		in   bool
	}{
		{line: key + " eve@laptop", in: true},
		{line: `no-pty,expiry-time="` + now.Add(time.Hour).Format(ends) + `" ` + key, ends: now.Add(time.Hour), in: true},
		{line: `expiry-time="` + now.Add(time.Hour).UTC().Format(ends) + `Z" ` + key, ends: now.Add(time.Hour), in: true},
		{line: `expiry-time="20200102" ` + key, ends: time.Date(2020, 1, 2, 0, 0, 0, 0, time.Local)},
		{line: `expiry-time="202001020304Z" ` + key, ends: time.Date(2020, 1, 2, 3, 4, 0, 0, time.UTC)},
		{line: `expiry-time="never" ` + key, ends: time.Unix(1, 0)},
		{line: `expiry-time="20200102" ` + key + "\n" + key + " eve", in: true}, // one of them lets in
	} {
		user := w.object(t, fmt.Sprintf("cred%d", i))
		w.Write(t, "keys/"+user, "# who\n"+x.line+"\n")
		got := keysOf(t, c)["key/"+user+"/"+fingerprint]
		if got.Kind != "authorized key" || got.Account != "" || len(got.Objects) != 1 || got.Objects[0] != user || got.Print != fingerprint ||
			got.EndUnknown || got.Ends.Unix() != x.ends.Unix() {
			t.Errorf("%s: listed as %+v", x.line, got)
		}
		if in := eve.lets(t, user); in != x.in || in != (got.Ends.IsZero() || got.Ends.After(time.Now())) {
			t.Errorf("%s: sshd lets in: %t, listed as %+v", x.line, in, got)
		}
	}
	if got := keysOf(t, c)["key/cred0/"+fingerprint]; got.Name != "eve@laptop" {
		t.Errorf("listed as %+v", got)
	}
	// A CA is another thing than a key; whoever has no principals file is not read.
	w.Write(t, "keys/cred0", "cert-authority "+key+"\n")
	w.AddUser(t, "elsewhere")
	w.Write(t, "keys/elsewhere", key+"\n")
	all := keysOf(t, c)
	if got := all["ca/cred0/"+fingerprint]; got.Kind != "authorized CA" {
		t.Errorf("listed as %+v", got)
	}
	if len(all) != 7 {
		t.Errorf("%d are listed: %+v", len(all), all)
	}
}

// An older program on the host says no fingerprints: then nothing is called whole.
func TestCredentialsNeedFingerprints(t *testing.T) {
	t.Parallel()
	if _, err := authorized("deploy", host.Key{Where: "x:1"}); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "lessor-openssh-host there is older") {
		t.Errorf("%v", err)
	}
}
