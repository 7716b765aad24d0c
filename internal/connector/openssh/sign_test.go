package openssh

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/lessor-iam/lessor/internal/connector"
)

// A certificate is signed for what is held, lets in, and dies with a removal; one
// that is signed when it is held again does not.
func TestSignedLetsInUntilRemoved(t *testing.T) {
	t.Parallel()
	w := open(t)
	now := time.Now()
	cfg := w.config()
	cfg.Now = func() time.Time { return now }
	c := connect(t, cfg)
	name := "Ünï, #1 o'brien"
	w.account(t, name)
	p := w.person(t, "brien")
	until := now.Add(time.Hour)
	if _, err := c.Sign(t.Context(), ref(name, "deploy"), p.publicKey(t), until); !errors.Is(err, connector.ErrRefused) {
		t.Errorf("signed for nothing: %v", err)
	}
	apply(t, c, add(name, "deploy"))
	sign := func() {
		t.Helper()
		text, err := c.Sign(t.Context(), ref(name, "deploy"), p.publicKey(t), until)
		if err != nil {
			t.Fatal(err)
		}
		p.holds(t, text)
	}
	sign()
	if !p.lets(t, "deploy") {
		t.Fatal("turned away")
	}
	apply(t, c, remove(name, "deploy"))
	if p.lets(t, "deploy") {
		t.Error("let in after the removal")
	}
	w.revoked(t, p, true)
	// Even where somebody writes the line back, the certificate is dead.
	w.put(t, "deploy", name)
	if p.lets(t, "deploy") {
		t.Error("let in with a revoked certificate")
	}
	now = now.Add(2 * time.Second)
	sign()
	w.revoked(t, p, false)
	if !p.lets(t, "deploy") {
		t.Error("turned away with a new certificate")
	}
}

// What a certificate says, and how long it lasts.
func TestCertificate(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	w.put(t, "deploy", "ann/1")
	p := w.person(t, "ann")
	for _, x := range []struct{ asked, lasts time.Duration }{{time.Hour, time.Hour}, {240 * time.Hour, Longest}} {
		now := time.Now()
		text, err := c.Sign(t.Context(), ref("ann/1", "deploy"), p.publicKey(t), now.Add(x.asked))
		if err != nil {
			t.Fatal(err)
		}
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		cert := key.(*ssh.Certificate)
		if ends := time.Unix(int64(cert.ValidBefore), 0); ends.After(time.Now().Add(x.lasts)) || ends.Before(now.Add(x.lasts-2*time.Second)) {
			t.Errorf("asked for %s it ends at %s", x.asked, ends)
		}
		if len(cert.ValidPrincipals) != 1 || cert.ValidPrincipals[0] != "ann%2F1" || cert.KeyId != "lessor:deploy:ann%2F1" || cert.Serial>>32 == 0 ||
			len(cert.Extensions) != 1 || len(cert.CriticalOptions) != 0 || cert.CertType != ssh.UserCert {
			t.Errorf("the certificate is %+v", cert)
		}
	}
	rsa := filepath.Join(w.Dir, "rsa")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", rsa).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	weak, _ := os.ReadFile(rsa + ".pub")
	p.certified(t, "ann")
	cert, _ := os.ReadFile(p.name + "-cert.pub")
	for _, key := range []string{"", "ssh-ed25519 AAAA", string(weak), string(cert), "ecdsa-sha2-nistp256 x"} {
		if _, err := c.Sign(t.Context(), ref("ann/1", "deploy"), key, time.Now().Add(time.Hour)); !errors.Is(err, connector.ErrRefused) {
			t.Errorf("%.30q: %v, want %q", key, err, connector.ErrRefused)
		}
	}
	if _, err := c.Sign(t.Context(), ref("ann/1", "deploy"), p.publicKey(t), time.Now()); !errors.Is(err, connector.ErrRefused) {
		t.Errorf("ended already: %v", err)
	}
}

// Without a list of revoked keys the removal is done all the same; with one that
// cannot be written the line is gone and the answer leaves it open.
func TestRevokedKeys(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	// What the host's owner has revoked stays.
	p := w.person(t, "mallory")
	p.certified(t, "mallory", "-z", "7")
	if out, err := exec.Command("ssh-keygen", "-k", "-u", "-f", w.path("krl"), p.name+".pub").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	apply(t, c, add("ann", "deploy"), remove("ann", "deploy"))
	if len(w.members(t, "deploy")) > 0 {
		t.Error("ann is still let in")
	}
	out, _ := exec.Command("ssh-keygen", "-Q", "-l", "-f", w.path("krl")).CombinedOutput()
	if s := string(out); !strings.Contains(s, "serial: ") || !strings.Contains(s, "hash: SHA256:") {
		t.Errorf("the list says %s", s)
	}
	w.put(t, "deploy", "ann")
	if err := os.WriteFile(w.path("krl"), []byte("no list"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(t.Context(), []connector.Change{remove("ann", "deploy")})[0].Err; !errors.Is(err, connector.ErrUnanswered) || !strings.Contains(err.Error(), "certificates") {
		t.Errorf("a list that is none: %v", err)
	}
	if err := os.Remove(w.path("krl")); err != nil {
		t.Fatal(err)
	}
	apply(t, c, remove("ann", "deploy"))
	if got := w.members(t, "deploy"); len(got) > 0 {
		t.Errorf("let in: %q", got)
	}
}

func TestSerials(t *testing.T) {
	t.Parallel()
	a, b := ref("ann", "deploy"), ref("deploy", "ann")
	at := time.Unix(2e9, 0)
	switch {
	case serial(a, at)>>32 == serial(b, at)>>32:
		t.Error("two assignments share their serials")
	case serial(a, at) != serial(a, at.Add(time.Millisecond)), serial(a, at) >= serial(a, at.Add(time.Second)), serial(a, time.Unix(0, 0)) > serial(a, at):
		t.Error("serials do not grow with the seconds")
	}
}
