package server_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// wait waits for something that a server does by itself.
func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for end := time.After(time.Minute); !is(); {
		select {
		case <-end:
			t.Fatalf("after a minute: %s", what)
		case <-look.C:
		}
	}
}

// Somebody leaves at one Lessor, which tells two others: one is sent the signal, one
// fetches it. There nobody has left, and she has and is nothing from then on.
func TestOneLessorTellsOthers(t *testing.T) {
	t.Parallel()
	way := "providers:\n  - {id: corp, name: Example Corp, issuer: \"http://127.0.0.1:1\", client_id: lessor}\n"
	open := func(signals string) *gate {
		address := fmt.Sprintf("http://127.0.0.1:%d", testserver.Port(t))
		g := openGate(t, address, way)
		if err := os.WriteFile(filepath.Join(g.dir, "signals.yaml"), []byte(strings.ReplaceAll(signals, "ADDRESS", address)), 0o600); err != nil {
			t.Fatal(err)
		}
		g.write("directory.yaml", "groups:\n", "groups:\n  - {id: security, members: [mia]}\n")
		return g
	}
	reload := func(g *gate) {
		if err := g.server.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	digest := func(token string) string {
		sum := sha256.Sum256([]byte(token))
		return hex.EncodeToString(sum[:])
	}
	secret := func(g *gate, name, text string) {
		if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// 1. The one that tells. Whom, it learns once there is somebody.
	tells := open("")
	hears := `receive:
  - id: first
    issuer: ` + tells.address + `
    jwks_url: ` + tells.address + `/.well-known/signals-jwks.json
    audience: ADDRESS
    subjects: [{format: iss_sub, at: corp}]
    heeds: [account-disabled, account-enabled]
`
	sent := open(hears + "    token_sha256: \"" + digest("push") + "\"\n")
	fetches := open(hears + "    delivery: poll\n    endpoint: " + tells.address + "/signals/poll/two\n    token_ref: file:poll.token\n    every: 5s\n")
	secret(tells, "push.token", "push\n")
	secret(fetches, "poll.token", "poll\n")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	secret(tells, "signals.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})))
	secret(tells, "signals.yaml", fmt.Sprintf(`send:
  issuer: %s
  key_ref: file:signals.key
  receivers:
    - {id: one, audience: "%s", url: "%s/signals/push/first", token_ref: "file:push.token", events: [account-disabled], subjects: [{format: iss_sub, at: corp}]}
    - {id: two, audience: "%s", delivery: poll, token_sha256: "%s", events: [account-disabled], subjects: [{format: iss_sub, at: corp}]}
`, tells.address, sent.address, sent.address, fetches.address, digest("poll")))
	for _, g := range []*gate{tells, sent, fetches} {
		reload(g)
	}
	res, err := http.Get(tells.address + "/.well-known/ssf-configuration")
	if err != nil {
		t.Fatal(err)
	}
	if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Errorf("discovery: %s", res.Status)
	}
	// 2. She leaves.
	if _, err := tells.as("mia").Leave(t.Context(), "ann", "the contract is over"); err != nil {
		t.Fatal(err)
	}
	for name, g := range map[string]*gate{"the one that is sent to": sent, "the one that fetches": fetches} {
		wait(t, name+" has not suspended her", func() bool {
			list, err := g.as("mia").Findings(t.Context(), false, 50)
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(list, func(f access.Finding) bool { return f.Kind == "signal_suspended" && f.Subject == "ann" })
		})
		wait(t, name+" still lets her in", func() bool { // the directory is made anew once it is durable
			_, err := g.as("ann").Findings(t.Context(), false, 50)
			return err != nil
		})
		if l, err := g.as("mia").Leaving(t.Context(), "ann"); err != nil || !l.Left.IsZero() {
			t.Errorf("%s takes her for a leaver: %+v, %v", name, l, err)
		}
		if err := g.as("mia").Rejoin(t.Context(), "ann", "she works for us still"); err != nil {
			t.Error(err)
		}
		wait(t, name+" still keeps her out", func() bool {
			_, err := g.as("ann").Findings(t.Context(), false, 50)
			return err == nil
		})
		if _, err := g.as("mia").DecideHeld(t.Context(), "first", true, "x"); err == nil || !strings.Contains(err.Error(), "held") {
			t.Errorf("%s: nothing is held: %v", name, err)
		}
	}
}
