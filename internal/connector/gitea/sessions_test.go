package gitea

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/store"
	"github.com/lessor-iam/lessor/internal/testserver"

	"golang.org/x/crypto/ssh"
)

// named is a connector as a catalog and a directory use it: they have short names
// for what Gitea spells out.
type named struct {
	connector.Connector
	to, from map[string]string
}

func (n named) ref(r connector.Ref, by map[string]string) connector.Ref {
	return connector.Ref{Account: by[r.Account], Object: by[r.Object]}
}

func (n named) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	changes = slices.Clone(changes)
	for i := range changes {
		changes[i].Ref = n.ref(changes[i].Ref, n.to)
	}
	results := n.Connector.Apply(ctx, changes)
	for i := range results {
		results[i].Ref = n.ref(results[i].Ref, n.from)
	}
	return results
}

func (n named) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	refs = slices.Clone(refs)
	for i := range refs {
		refs[i] = n.ref(refs[i], n.to)
	}
	seen := n.Connector.Look(ctx, refs)
	for i := range seen {
		seen[i].Ref = n.ref(seen[i].Ref, n.from)
	}
	return seen
}

// lane is a company whose eve can be granted dir:wiki, which is that role here.
func lane(t *testing.T, c connector.Connector, account, object string) (*enginetest.Fixture, func()) {
	t.Helper()
	f := enginetest.Open(t, store.SQLite)
	n := named{c, map[string]string{"eve": account, "wiki": object}, map[string]string{account: "eve", object: "wiki"}}
	l := reconcile.New(reconcile.Config{Door: f.Engine, System: "dir", Connector: n, Holder: "here", Pace: enginetest.Pace, Backstop: time.Minute, Now: f.Now})
	return f, func() {
		t.Helper()
		for n := 1; n > 0; {
			var err error
			if n, err = l.Once(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// granted gives eve dir:wiki for an hour, and sees her have it.
func granted(t *testing.T, f *enginetest.Fixture, work func()) access.Grant {
	t.Helper()
	g := f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: access.Term(time.Hour)}, "mia")
	work()
	if job := f.Job(g.Assignment); job.State != access.Held {
		t.Fatalf("the assignment is %s (%s), want held", job.State, job.Work.Trouble)
	}
	return g
}

// session is somebody's who has signed in on the pages.
type session struct{ client *http.Client }

func (w world) signIn(t testing.TB, name string) session {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := session{&http.Client{Transport: w.Client.Transport, Jar: jar, CheckRedirect: w.Client.CheckRedirect}}
	if code := s.get(t, w.URL+"/user/login"); code != http.StatusOK { // gives the cookie against forgery
		t.Fatalf("the page to sign in: %d", code)
	}
	resp, err := s.client.PostForm(w.URL+"/user/login", url.Values{"user_name": {name}, "password": {testserver.GiteaPassword}})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign in: %s", resp.Status)
	}
	return s
}

func (s session) get(t testing.TB, url string) int {
	t.Helper()
	resp, err := s.client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode
}

// ask asks for the repository with a token: by the API, and as git does to clone and to push.
func (w world) ask(t testing.TB, token string, p place) (codes [3]int) {
	t.Helper()
	for i, path := range []string{"/api/v1" + p.path(), "/" + p.String() + ".git/info/refs?service=git-upload-pack", "/" + p.String() + ".git/info/refs?service=git-receive-pack"} {
		req, err := http.NewRequest(http.MethodGet, w.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("eve", token)
		resp, err := w.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		codes[i] = resp.StatusCode
	}
	return codes
}

// A session on the pages, a token, and git over HTTP: what was open before the removal
// is refused at its next request. So nothing lingers, but for the token of Git LFS.
func TestAB47OpenSessionsEndWithTheRemoval(t *testing.T) {
	t.Parallel()
	w := open(t)
	org := w.org(t, "ab47")
	for kind, object := range map[string]string{"team": org + "/team/team", "collaborator": org + "/collaborator:write"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := w.repo(t, org, kind)
			if kind == "team" {
				w.give(t, w.team(t, org, kind, dict{code: "write"}), p)
			}
			account := w.person(t, "eve-ab47-"+kind)
			cfg := w.config()
			cfg.NoLFS = true
			f, work := lane(t, connect(t, cfg), account, object)
			token, page := w.key(t, account, "write:repository"), w.signIn(t, account)

			// 1. Before, there is nothing; then there is all of it.
			if got := w.ask(t, token, p); got != [3]int{404, 404, 404} {
				t.Errorf("before: %v", got)
			}
			g := granted(t, f, work)
			if got, code := w.ask(t, token, p), page.get(t, w.URL+"/"+p.String()); got != [3]int{200, 200, 200} || code != 200 {
				t.Fatalf("granted: %v, the page %d", got, code)
			}

			// 2. The hour is over, and the same token and the same session are refused.
			f.Clock.Pass(2 * time.Hour)
			work()
			if job := f.Job(g.Assignment); job.State != access.Absent {
				t.Fatalf("the assignment is %s (%s), want absent", job.State, job.Work.Trouble)
			}
			if got, code := w.ask(t, token, p), page.get(t, w.URL+"/"+p.String()); got != [3]int{404, 404, 404} || code != 404 {
				t.Errorf("afterwards: %v, the page %d", got, code)
			}
			receipts := f.Receipts(g.Assignment)
			if last := receipts[len(receipts)-1]; last.Held() || last.Sessions != 0 || !last.Until.IsZero() {
				t.Errorf("the receipt says %+v", last)
			}
			f.Check()
		})
	}
}

// lfs asks, as sshd does for a key, for a token of Git LFS, and gives what to ask with it.
func (w world) lfs(t testing.TB, key int64, p place, verb string) (href, bearer string, out []byte) {
	t.Helper()
	out, _ = w.Run([]string{"SSH_ORIGINAL_COMMAND=git-lfs-authenticate " + p.String() + ".git " + verb}, "serv", fmt.Sprintf("key-%d", key))
	var gave struct {
		Header struct{ Authorization string }
		Href   string
	}
	if i := bytes.IndexByte(out, '{'); i >= 0 {
		_ = json.Unmarshal(out[i:], &gave)
	}
	return gave.Href, gave.Header.Authorization, out
}

// The token that Gitea gives a Git LFS client over SSH is not asked again whether its
// account may: it outlives the removal, and the receipt says until when at the longest.
func TestAB47TokenOfLFSOutlivesTheRemoval(t *testing.T) {
	t.Parallel()
	w := open(t)
	org := w.org(t, "ab47-lfs")
	p := w.repo(t, org, "big")
	account := w.person(t, "eve-ab47-lfs")
	cfg := w.config()
	cfg.Lingers = 3 * time.Hour
	f, work := lane(t, connect(t, cfg), account, org+"/big:write")
	var key struct{ ID int64 }
	decode(t, w.Must(t, http.MethodPost, "/admin/users/"+account+"/keys", dict{"title": "laptop", "key": publicKey(t)}), &key)
	g := granted(t, f, work)

	// 1. A token for downloads and uploads.
	href, bearer, out := w.lfs(t, key.ID, p, "upload")
	if bearer == "" {
		t.Fatalf("no token: %s", out)
	}
	batch := func() int {
		body := `{"operation":"upload","objects":[{"oid":"` + strings.Repeat("ab", 32) + `","size":5}]}`
		req, err := http.NewRequest(http.MethodPost, href+"/objects/batch", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", bearer)
		req.Header.Set("Accept", "application/vnd.git-lfs+json")
		req.Header.Set("Content-Type", "application/vnd.git-lfs+json")
		resp, err := w.Client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if got := batch(); got != http.StatusOK {
		t.Fatalf("with the token: %d", got)
	}

	// 2. The hour is over. No new token is given; the old one goes on.
	f.Clock.Pass(2 * time.Hour)
	at := f.Now()
	work()
	if job := f.Job(g.Assignment); job.State != access.Absent {
		t.Fatalf("the assignment is %s (%s), want absent", job.State, job.Work.Trouble)
	}
	if _, again, out := w.lfs(t, key.ID, p, "upload"); again != "" {
		t.Errorf("a new token afterwards: %s", out)
	}
	if got := batch(); got != http.StatusOK {
		t.Errorf("the old token afterwards: %d: this server asks again, and nothing lingers", got)
	}
	receipts := f.Receipts(g.Assignment)
	last := receipts[len(receipts)-1]
	if last.Held() || last.Sessions != 1 || last.Until.Sub(at).Round(time.Minute) != cfg.Lingers {
		t.Errorf("the receipt says %+v, want a session until %s after %s", last, cfg.Lingers, at)
	}
	f.Check()
}

func publicKey(t testing.TB) string {
	t.Helper()
	public, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// As long as another way gives the same, the lane does not call the access gone; and it
// finds what is given again afterwards.
func TestAB56SecondPathIsNotGone(t *testing.T) {
	t.Parallel()
	w := open(t)
	org := w.org(t, "ab56")
	p := w.repo(t, org, "wiki")
	leased, other := w.team(t, org, "leased", dict{code: "write"}), w.team(t, org, "other", dict{code: "write", "repo.wiki": "read"})
	w.give(t, leased, p)
	w.give(t, other, p)
	account := w.person(t, "eve-ab56")
	f, work := lane(t, connect(t, w.config()), account, leased)
	g := granted(t, f, work)
	for _, way := range []struct {
		says     string
		give     func()
		takeAway func()
	}{
		{"is in ab56/team/other", func() { w.join(t, account, other) }, func() { w.leave(t, account, other) }},
		{"is a collaborator of ab56/wiki with write", func() { w.invite(t, account, p, write) }, func() { w.uninvite(t, account, p) }},
	} {
		way.give()
		f.Clock.Pass(48 * time.Hour) // by then the lane has looked again, whatever it held for so
		work()
		if job := f.Job(g.Assignment); job.State != access.Removing {
			t.Fatalf("where eve %s the assignment is %s, want removing", way.says, job.State)
		}
		receipts := f.Receipts(g.Assignment)
		last := receipts[len(receipts)-1]
		if last.Direct || !last.Effective || !slices.ContainsFunc(last.Residual, func(r string) bool { return strings.Contains(r, way.says) }) {
			t.Errorf("the receipt says %+v, want %q", last, way.says)
		}
		way.takeAway()
		f.Clock.Pass(time.Hour)
		work()
		if job := f.Job(g.Assignment); job.State != access.Absent {
			t.Fatalf("the assignment is %s (%s), want absent", job.State, job.Work.Trouble)
		}
	}
	f.Check()
}

// A server that says done and did nothing: the lane goes by what is seen.
func TestAB54LieIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := open(t)
	org := w.org(t, "ab54")
	object := w.team(t, org, "wiki", dict{code: "read"})
	account := w.person(t, "eve-ab54")
	c, l := onLine(t, w)
	f, work := lane(t, c, account, object)
	g := granted(t, f, work)
	mend := l.Break(t, "lie")
	f.Clock.Pass(2 * time.Hour)
	work()
	if job := f.Job(g.Assignment); job.State != access.Removing {
		t.Fatalf("the server lied and the assignment is %s, want removing", job.State)
	}
	mend()
	f.Clock.Pass(time.Hour)
	work()
	if job := f.Job(g.Assignment); job.State != access.Absent {
		t.Fatalf("the assignment is %s (%s), want absent", job.State, job.Work.Trouble)
	}
	f.Check()
}
