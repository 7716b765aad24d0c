package testserver

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// WitnessServer is a real witness (transparency-dev/witness) that knows one log.
type WitnessServer struct {
	URL string
	Key string // its public key for cosignatures
}

// Witness runs one until the test ends, for the log of that origin and key. It is built
// from source, which takes a minute or two, so it may be missing.
func Witness(t testing.TB, name, origin, vkey string) *WitnessServer {
	t.Helper()
	w, start := WitnessOn(t, name, origin, vkey)
	start()
	return w
}

// WitnessOn is one that is started when start is called: before, nobody answers at its URL.
func WitnessOn(t testing.TB, name, origin, vkey string) (w *WitnessServer, start func()) {
	t.Helper()
	bin := fromSource(t, "omniwitness")
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dir, port := t.TempDir(), Port(t)
	write := func(file, text string) string {
		file = filepath.Join(dir, file)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	hash := func(kind byte) uint32 {
		sum := sha256.Sum256(append([]byte(name+"\n"), append([]byte{kind}, public...)...))
		return binary.BigEndian.Uint32(sum[:])
	}
	key := write("witness.key", fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, hash(1), base64.StdEncoding.EncodeToString(append([]byte{1}, private.Seed()...))))
	logs := write("logs.yaml", fmt.Sprintf("Logs:\n  - Origin: %s\n    PublicKey: %s\n    URL: http://127.0.0.1:1/\n", origin, vkey))
	w = &WitnessServer{URL: fmt.Sprintf("http://127.0.0.1:%d", port),
		Key: fmt.Sprintf("%s+%08x+%s", name, hash(4), base64.StdEncoding.EncodeToString(append([]byte{4}, public...)))}
	return w, func() {
		t.Helper()
		Start(t, exec.Command(bin, "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--metrics_listen", "", "--private_key_path", key, "--additional_logs", logs,
			"--db_file", filepath.Join(dir, "witness.db"), "--public_witness_config_poll_interval", "24h", "--logtostderr"))
		Await(t, "the witness", 60*time.Second, func() error {
			res, err := http.Get(w.URL)
			if err == nil {
				_ = res.Body.Close()
			}
			return err
		})
	}
}

// Fsck has tessera's fsck check a published log, below a URL or in a folder, with a
// file of its key, and returns what it says; it must find nothing wrong.
func Fsck(t testing.TB, where, keyFile string) {
	t.Helper()
	bin := fromSource(t, "fsck")
	if !strings.Contains(where, "://") {
		where = "file://" + where
	}
	out, err := exec.CommandContext(t.Context(), bin, "--ui=false", "--storage_url", where, "--public_key", keyFile, "--v=1", "--logtostderr").CombinedOutput()
	if err != nil || strings.Contains(string(out), "fsck failed") || !strings.Contains(string(out), "Successfully fsck'd log") {
		t.Errorf("fsck: %v\n%s", err, out)
	}
}

// fromSource is a program that scripts/build-witness builds.
func fromSource(t testing.TB, program string) string {
	t.Helper()
	bin := filepath.Join(moduleRoot(t), ".tools", "witness", program)
	if _, err := os.Stat(bin); err != nil {
		if os.Getenv("LESSOR_TEST_LONG") != "" {
			t.Fatalf("%s is missing; scripts/build-witness builds it", program)
		}
		t.Skipf("NOT TESTED: %s is missing; scripts/build-witness builds it, in a minute or two", program)
	}
	return bin
}
