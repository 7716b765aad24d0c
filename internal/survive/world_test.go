package survive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/setup"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// Everybody there is: those who ask, who all have mia for a manager, and one person
// for everything else.
const (
	boss     = "mia"
	security = "sara"
	owner    = "olga"
	asking   = 8 // people; one more stands still in every storm, see [life.holds]
	objects  = 4 // at each target: the first two are anybody's, the others need the manager
)

func asker(n int) string { return fmt.Sprintf("p%d", n) }

// targets are the real systems, which outlive every life.
type targets struct {
	t        testing.TB // as long as which they live
	slapd    *testserver.SlapdServer
	pg       *testserver.PGTarget
	toSlapd  *wire
	toPG     *wire
	password string // file of slapd's service account
	pgpass   string
	next     string // the target that will be killed
	down     down
}

func newTargets(t testing.TB) *targets {
	t.Helper()
	for _, tool := range []string{"ldapsearch", "psql"} {
		if _, err := exec.LookPath(tool); err != nil {
			testserver.Missing(t, tool)
		}
	}
	w := &targets{t: t, slapd: testserver.Slapd(t, testserver.SlapdOptions{NoSync: true}), pg: testserver.PostgresTarget(t, "15")}
	var roles []string
	for n := range asking + 1 {
		w.slapd.Person(t, asker(n))
		roles = append(roles, "drop role if exists sv_"+asker(n), "create role sv_"+asker(n)+" login") // the server is shared by all tests
	}
	for n := range objects {
		w.slapd.Group(t, fmt.Sprintf("g%d", n))
		roles = append(roles, fmt.Sprintf("drop role if exists sv_r%d; create role sv_r%d", n, n))
	}
	w.pg.Exec(t, strings.Join(roles, "; "))
	u, err := url.Parse(w.slapd.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.toSlapd, w.toPG = newWire(t, u.Host), newWire(t, w.pg.Address)
	dir := t.TempDir()
	w.password, w.pgpass = filepath.Join(dir, "slapd"), filepath.Join(dir, "pg")
	if err := errors.Join(os.WriteFile(w.password, []byte(testserver.SlapdServiceSecret), 0o600), os.WriteFile(w.pgpass, []byte(testserver.PGTargetSecret), 0o600)); err != nil {
		t.Fatal(err)
	}
	return w
}

// held reads everything that is held at a system, with the system's own tool.
func (w *targets) held(ctx context.Context, system string) (list []connector.Ref, err error) {
	if system == "pg" {
		out, err := tool(ctx, []string{"PGPASSWORD=" + testserver.PGTargetSecret}, "psql", w.pg.URL("postgres", testserver.PGTargetSecret, "postgres"), "-AtF", " ", "-c",
			"select m.rolname, r.rolname from pg_auth_members a join pg_roles m on m.oid = a.member join pg_roles r on r.oid = a.roleid where r.rolname like 'sv\\_%'")
		for line := range strings.Lines(out) {
			account, object, _ := strings.Cut(strings.TrimSpace(line), " ")
			list = append(list, connector.Ref{Account: account, Object: object})
		}
		return list, err
	}
	out, err := tool(ctx, nil, "ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no", "-H", w.slapd.PlainURL, "-D", testserver.SlapdAdmin, "-w", testserver.SlapdAdminSecret,
		"-b", testserver.SlapdGroups, "(objectClass=groupOfNames)", "member")
	group := ""
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if dn, ok := strings.CutPrefix(line, "dn: "); ok {
			group = dn
		}
		if member, ok := strings.CutPrefix(line, "member: uid="); ok {
			account, _, _ := strings.Cut(member, ",")
			list = append(list, connector.Ref{Account: account, Object: group})
		}
	}
	return list, err
}

// empty says what is held anywhere.
func (w *targets) empty(ctx context.Context) (problems []error) {
	for _, s := range systems {
		held, err := w.held(ctx, s)
		if err != nil {
			problems = append(problems, err)
		}
		if len(held) > 0 {
			problems = append(problems, fmt.Errorf("%s still holds %v", s, held))
		}
	}
	return problems
}

func tool(ctx context.Context, env []string, name string, args ...string) (string, error) {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Stderr, cmd.Dir = append(os.Environ(), env...), &said, os.TempDir()
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w: %s", name, err, said.String())
	}
	return string(out), err
}

// folder writes a configuration for the targets as the wires lead to them; database
// is its line of lessor.yaml.
func (w *targets) folder(t testing.TB, dir, database, jira string) (tokens map[string]string) {
	t.Helper()
	var people, catalog strings.Builder
	for n := range asking + 1 {
		fmt.Fprintf(&people, "  - {id: %s, kind: person, name: %s, manager: %s, accounts: {ldap: %s, pg: sv_%s, queue: %q}}\n", asker(n), asker(n), boss, asker(n), asker(n), account(asker(n)))
	}
	fmt.Fprintf(&people, "  - {id: %s, kind: person, name: Mia, accounts: {queue: %q}}\n  - {id: %s, kind: person, name: Sara}\n  - {id: %s, kind: person, name: Olga}\n", boss, account(boss), security, owner)
	for n := range objects {
		class := "open"
		if n >= 2 {
			class = "standard"
		}
		fmt.Fprintf(&catalog, "  - {id: \"ldap:g%d\", name: g%d, object: \"cn=g%d,%s\", owners: [%s], class: %s, max_term: 1d, powers: [read]}\n", n, n, n, testserver.SlapdGroups, owner, class)
		fmt.Fprintf(&catalog, "  - {id: \"pg:r%d\", name: r%d, object: sv_r%d, owners: [%s], class: %s, max_term: 1d, powers: [read]}\n", n, n, n, owner, class)
	}
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"lessor.yaml": fmt.Sprintf(`listen: 127.0.0.1:0
%s
provision_within: 30s
inventory: 5s
backstop: 500ms
classes: [open, standard, third-party, privileged]
pace: {lease: %s, call: %s, retry: 50ms, slowest_off: 500ms, recheck: 20s, confirm: 300ms}
tokens:
`, database, lease, longestCall),
		"directory.yaml": "identities:\n" + people.String() + "groups:\n  - {id: security, members: [" + security + "]}\n",
		"catalog.yaml": fmt.Sprintf(`systems:
  - {id: ldap, connector: ldap, owner: %s, settings: {url: "ldaps://%s", ca_file: %q, bind_dn: %q, password_ref: "file:%s", people_base: %q, groups_base: %q}}
  - {id: pg, connector: postgres, owner: %s, settings: {url: "postgres://%s/postgres", ca_file: %q, user: postgres, password_ref: "file:%s"}}
entitlements:
%s`, owner, w.toSlapd.addr, w.slapd.CAFile, testserver.SlapdService, w.password, testserver.SlapdPeople, testserver.SlapdGroups,
			owner, w.toPG.addr, w.pg.CAFile, w.pgpass, catalog.String()),
		"jira.yaml":      jira,
		"policy/x.cedar": "@id(\"open\") @needs(\"none\") permit (principal, action == Action::\"request\", resource in Class::\"open\");\n@id(\"standard\") @needs(\"manager\") permit (principal, action == Action::\"request\", resource in Class::\"standard\");\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	if err := setup.Folder(dir, files, "log.example.org/survive"); err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]string{"queue.token": "token-lessor", "queue.webhook": hookSecret} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tokens = map[string]string{}
	for _, who := range append(everybody(), boss, security) {
		file, err := setup.AddToken(dir, setup.Token{Name: who, Identity: who, Scopes: []string{"request", "approve", "view", "revoke"}, Strength: "mfa", Expires: time.Now().Add(24 * time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tokens[who] = strings.TrimSpace(string(text))
	}
	return tokens
}

func everybody() (list []string) {
	for n := range asking + 1 {
		list = append(list, asker(n))
	}
	return list
}

// hookSecret signs webhooks.
const hookSecret = "hook-5511"

// account is somebody's at the queue.
func account(who string) string { return "5b10a2844c20165700ede2" + fmt.Sprintf("%x", who) }

// queue is the stand-in for Jira, whose post goes to whichever server it is told.
type queue struct {
	*jirasim.Sim
	config string // jira.yaml
	to     atomic.Pointer[string]
}

func newQueue(t testing.TB) *queue {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	q := &queue{}
	site := jirasim.Example()
	site.Organizations, site.Projects[0].Desk.Organizations = nil, nil
	for _, who := range append(everybody(), boss) {
		site.Users = append(site.Users, jirasim.User{AccountID: account(who), Name: who, Login: who, Email: who + "@survive.example", Token: "token-" + who, Groups: []string{"jira-users"}})
	}
	for i := range site.Statuses {
		site.Statuses[i].ID = fmt.Sprintf("1000%d", i+1)
	}
	var options strings.Builder
	for i := range site.Fields {
		switch f := &site.Fields[i]; f.Name {
		case "Entitlements":
			f.ID, f.Options = "customfield_10950", nil
			for n := range objects {
				for _, ent := range []string{fmt.Sprintf("ldap:g%d", n), fmt.Sprintf("pg:r%d", n)} {
					id := fmt.Sprintf("201%02d", len(f.Options))
					f.Options = append(f.Options, jirasim.Option{ID: id, Value: ent})
					fmt.Fprintf(&options, "                %q: %q\n", id, ent)
				}
			}
		case "Term":
			f.ID, f.Options = "customfield_10990", []jirasim.Option{{ID: "20201", Value: "2s"}}
		}
	}
	site.Projects[0].Desk.RequestTypes[0].ID = "101"
	send := &http.Client{Timeout: time.Second}
	if q.Sim, err = jirasim.New(jirasim.Config{URL: "http://" + l.Addr().String(), Site: site, Now: time.Now, Send: func(r *http.Request) (*http.Response, error) {
		to := q.to.Load()
		if to == nil {
			return nil, errors.New("no server runs")
		}
		u, err := url.Parse(*to + r.URL.Path)
		if err != nil {
			return nil, err
		}
		r.URL, r.Host = u, u.Host
		return send.Do(r)
	}}); err != nil {
		t.Fatal(err)
	}
	h := &http.Server{Handler: q.Sim, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = h.Serve(l) }()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(func() { stop(); _ = h.Close() })
	if err := q.AddWebhook(jirasim.Webhook{Name: "Lessor", URL: "http://lessor.example/hooks/jira/queue", Secret: hookSecret}); err != nil {
		t.Fatal(err)
	}
	go func() { _ = q.Run(ctx) }()
	q.config = fmt.Sprintf(`sites:
  - id: queue
    url: http://%s
    kind: cloud
    user: lessor@example.com
    token_ref: file:queue.token
    webhook_secret_ref: file:queue.webhook
    poll: 5s
    owner: %s
    projects:
      - key: ACC
        service_desk: true
        request_types:
          - id: "101"
            entitlements:
              field: customfield_10950
              options:
%s            term: {field: customfield_10990, options: {"20201": 2s}}
            reason: summary
        milestones: {waiting: "10001", granting: "10002", active: "10003", removed: "10004", refused: "10005"}
        when_moved: put-back
`, l.Addr(), owner, options.String())
	return q
}

// raise opens a ticket.
func (q *queue) raise(who, entitlement, reason string) (key string, err error) {
	i, err := q.As(account(who)).Raise("ACC", "Get access", map[string]any{"summary": reason, "Entitlements": []any{map[string]any{"id": q.OptionID("customfield_10950", entitlement)}},
		"Term": map[string]any{"id": "20201"}})
	return i.ID, err
}

// systems are those whose targets can be read.
var systems = []string{"ldap", "pg"}

// entitlements are all there are: those that are anybody's first.
func entitlements() (list []string) {
	for n := range objects {
		list = append(list, fmt.Sprintf("ldap:g%d", n), fmt.Sprintf("pg:r%d", n))
	}
	return slices.Clip(list)
}
