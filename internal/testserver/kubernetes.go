package testserver

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// KubernetesServer is a real kube-apiserver with RBAC, on an etcd of its own: all of
// a cluster that decides who may do what. Nothing runs in it. One is shared by all
// tests of a process, because starting it takes seconds; whoever uses it keeps to
// names of their own.
type KubernetesServer struct {
	URL string
	Paper
	Shown   []byte // a client certificate, PEM, of the user KubernetesByCertificate
	ShownBy []byte // its key, PEM
	client  *http.Client
	etcd    string
	life    io.Closer // open while the servers are to run
}

// Who is known to every [KubernetesServer]. A user's token is its name and this.
const (
	KubernetesToken         = "-token-7c19"
	KubernetesAdmin         = "root"       // of system:masters
	KubernetesService       = "svc-lessor" // may nothing yet
	KubernetesByCertificate = "svc-shown"
)

// KubernetesUsers are people who may nothing yet, with the groups their authenticator
// puts them in.
var KubernetesUsers = map[string]string{"ann": "", "bob": "", "eve": "", "dora": "devs"}

// KubernetesWatch is the server's --min-request-timeout: a watch that names no time
// ends by itself between once and twice this.
const KubernetesWatch = 3 * time.Second

var kubernetes struct {
	sync.Mutex
	made *KubernetesServer
	err  error
}

// Kubernetes returns the server, started by the first who asks and ended with the
// process. It is built from source, which takes minutes, so it is missing more often
// than other servers, and only LESSOR_TEST_LONG insists on it.
func Kubernetes(t testing.TB) *KubernetesServer {
	t.Helper()
	bin := filepath.Join(moduleRoot(t), ".tools", "kubernetes")
	for _, program := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(bin, program)); err == nil {
			continue
		}
		if os.Getenv("LESSOR_TEST_LONG") != "" {
			t.Fatalf("%s is missing; scripts/build-kubernetes builds it", program)
		}
		t.Skipf("NOT TESTED: %s is missing; scripts/build-kubernetes builds it, in minutes", program)
	}
	kubernetes.Lock()
	defer kubernetes.Unlock()
	if kubernetes.made == nil && kubernetes.err == nil {
		kubernetes.made, kubernetes.err = startKubernetes(t, bin)
	}
	if kubernetes.err != nil {
		t.Fatalf("Kubernetes: %v", kubernetes.err)
	}
	return kubernetes.made
}

// clusterKeeper runs etcd and the API server for as long as its standard input is
// open, which is as long as the test process lives, even if that is killed.
const clusterKeeper = `
"$1/etcd" --data-dir "$2/etcd" --unsafe-no-fsync --log-level error \
	--listen-client-urls "http://127.0.0.1:$3" --advertise-client-urls "http://127.0.0.1:$3" \
	--listen-peer-urls "http://127.0.0.1:$4" --initial-advertise-peer-urls "http://127.0.0.1:$4" \
	--initial-cluster "default=http://127.0.0.1:$4" >"$2/etcd.log" 2>&1 </dev/null &
etcd=$!
"$1/kube-apiserver" --etcd-servers "http://127.0.0.1:$3" --bind-address 127.0.0.1 --advertise-address 127.0.0.1 --secure-port "$5" \
	--tls-cert-file "$2/server.pem" --tls-private-key-file "$2/server.key" --cert-dir "$2" --client-ca-file "$2/shown.pem" --token-auth-file "$2/tokens.csv" \
	--authorization-mode RBAC --endpoint-reconciler-type none --service-cluster-ip-range 10.0.0.0/24 --disable-admission-plugins ServiceAccount \
	--service-account-issuer https://kubernetes.default.svc --service-account-key-file "$2/sa.key" --service-account-signing-key-file "$2/sa.key" \
	--min-request-timeout "$6" --shutdown-delay-duration 0s >"$2/api.log" 2>&1 </dev/null &
api=$!
cat >/dev/null
kill -KILL $api $etcd
wait $api $etcd
rm -rf "$2"`

func startKubernetes(t testing.TB, bin string) (*KubernetesServer, error) {
	dir, err := os.MkdirTemp("", "lessor-kubernetes-*")
	if err != nil {
		return nil, err
	}
	// 1. Certificates and tokens.
	s := &KubernetesServer{}
	if s.Paper, err = certify(dir, net.IPv4(127, 0, 0, 1)); err != nil {
		return nil, err
	}
	if err := s.credentials(dir); err != nil {
		return nil, err
	}
	// 2. Both servers, for as long as this process lives.
	port, etcd := Port(t), strconv.Itoa(Port(t))
	s.URL, s.etcd = "https://127.0.0.1:"+strconv.Itoa(port), "http://127.0.0.1:"+etcd
	keep := exec.Command("/bin/sh", "-c", clusterKeeper, "sh", bin, dir, etcd, strconv.Itoa(Port(t)), strconv.Itoa(port),
		strconv.Itoa(int(KubernetesWatch/time.Second)))
	keep.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.life, err = keep.StdinPipe(); err != nil {
		return nil, err
	}
	if err := keep.Start(); err != nil {
		return nil, err
	}
	// 3. Ready when it says so itself, its own roles included.
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.CA}, ForceAttemptHTTP2: true}}
	for end := time.Now().Add(5 * time.Minute); ; { // of a machine that has much else to do
		code, out, err := s.Ask(KubernetesAdmin, http.MethodGet, "/readyz", nil)
		if err == nil && code == http.StatusOK {
			return s, nil
		}
		if time.Now().After(end) {
			log, _ := os.ReadFile(filepath.Join(dir, "api.log"))
			return nil, fmt.Errorf("is not ready: %d %s %w\n%s", code, out, err, log[max(0, len(log)-4000):])
		}
		<-time.After(50 * time.Millisecond)
	}
}

// credentials writes the tokens, the key that signs service accounts' tokens, and a
// client certificate that is its own authority.
func (s *KubernetesServer) credentials(dir string) error {
	tokens := fmt.Sprintf("%s%s,%s,0,system:masters\n", KubernetesAdmin, KubernetesToken, KubernetesAdmin)
	tokens += fmt.Sprintf("%s%s,%s,1\n", KubernetesService, KubernetesToken, KubernetesService)
	for who, groups := range KubernetesUsers {
		tokens += fmt.Sprintf("%s%s,%s,uid-%s,%q\n", who, KubernetesToken, who, who, groups)
	}
	key, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	signs, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	shown := &x509.Certificate{SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: KubernetesByCertificate},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err1 := x509.CreateCertificate(rand.Reader, shown, shown, &key.PublicKey, key)
	keyDER, err2 := x509.MarshalPKCS8PrivateKey(key)
	signsDER, err3 := x509.MarshalECPrivateKey(signs)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	s.Shown = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	s.ShownBy = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "tokens.csv"), []byte(tokens), 0o600),
		os.WriteFile(filepath.Join(dir, "shown.pem"), s.Shown, 0o600),
		os.WriteFile(filepath.Join(dir, "sa.key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: signsDER}), 0o600))
}

// Forget makes etcd forget what was before that version, as it does every few minutes
// of its own accord. The lists of others, which read on from where they are, stay as
// they are if it is an early one.
func (s *KubernetesServer) Forget(t testing.TB, version int) {
	t.Helper()
	resp, err := http.Post(s.etcd+"/v3/kv/compaction", "application/json", strings.NewReader(fmt.Sprintf(`{"revision":"%d","physical":true}`, version)))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusOK && !strings.Contains(string(answer), "has been compacted") {
		t.Fatalf("compaction: %d %s %v", resp.StatusCode, answer, err)
	}
}

// Ask sends a request as the user. The body is JSON, or YAML as people write it.
func (s *KubernetesServer) Ask(as, method, path string, body []byte) (code int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	resp, err := s.Open(ctx, as, method, path, body)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

// Open is Ask for an answer that is read as it comes, such as a watch's.
func (s *KubernetesServer) Open(ctx context.Context, as, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+as+KubernetesToken)
	req.Header.Set("Content-Type", "application/json")
	if !strings.HasPrefix(strings.TrimSpace(string(body)), "{") {
		req.Header.Set("Content-Type", "application/yaml")
	}
	return s.client.Do(req)
}

// Must sends a request of the administrator's that must be answered with success.
func (s *KubernetesServer) Must(t testing.TB, method, path string, body []byte) []byte {
	t.Helper()
	code, answer, err := s.Ask(KubernetesAdmin, method, path, body)
	if err != nil || code/100 != 2 {
		t.Fatalf("%s %s: %d %s %v", method, path, code, answer, err)
	}
	return answer
}
