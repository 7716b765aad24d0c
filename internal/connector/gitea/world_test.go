package gitea

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// The page the reader gets: what it tells him to run is what the tests run with.
const pageRead = "../../../docs/connectors/gitea.md"

// svc is what the page calls Lessor's account.
const svc = "svc-lessor"

// world is the server, with the documented account on it.
type world struct {
	*testserver.GiteaServer
	token string // the account's
	db    *sql.DB
}

var prepared struct {
	sync.Once
	world
}

// open gives the server; the account is made once in a process, by the page's own commands.
func open(t testing.TB) world {
	t.Helper()
	server := testserver.Gitea(t)
	prepared.Do(func() {
		prepared.GiteaServer = server
		for _, command := range commands(t) {
			out, err := server.Run(nil, strings.Fields(command)[1:]...)
			if err != nil {
				t.Fatalf("%s: %v\n%s", command, err, out)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			prepared.token = lines[len(lines)-1] // the last command's is the token
		}
		var err error
		if prepared.db, err = sql.Open("sqlite", "file:"+server.Database()+"?mode=ro&_pragma=busy_timeout(60000)"); err != nil {
			t.Fatal(err)
		}
	})
	if len(prepared.token) != 40 {
		t.Fatalf("the page's commands gave no token but %q", prepared.token)
	}
	return prepared.world
}

// commands are what the page says is to be run on the server.
func commands(t testing.TB) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(pageRead)
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(text), "```sh\ngitea admin")
	block, _, whole := strings.Cut(block, "\n```")
	if !ok || !whole {
		t.Fatal("the page has no commands")
	}
	for line := range strings.SplitSeq(strings.ReplaceAll("gitea admin"+block, "\\\n", ""), "\n") {
		lines = append(lines, line)
	}
	return lines
}

// config is for a connector as the documented account.
func (w world) config() Config {
	return Config{URL: w.URL, CA: w.CA, Token: func() string { return w.token }}
}

func connect(t testing.TB, cfg Config) *Connector {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.page = 7 // so that there are pages
	t.Cleanup(func() { _ = c.Close() })
	return c
}

type dict = map[string]any

// org makes a private organization that Lessor's account owns, and its administrator.
func (w world) org(t testing.TB, name string) string {
	t.Helper()
	w.Must(t, http.MethodPost, "/orgs", dict{"username": name, "visibility": "private"})
	w.join(t, svc, strings.ToLower(name)+"/team/owners")
	return name
}

// person makes an account.
func (w world) person(t testing.TB, name string) string {
	t.Helper()
	w.Must(t, http.MethodPost, "/admin/users", dict{"username": name, "email": name + "@example.org",
		"password": testserver.GiteaPassword, "must_change_password": false})
	return strings.ToLower(name)
}

// key gives an account a token of its own.
func (w world) key(t testing.TB, name string, scopes ...string) string {
	t.Helper()
	code, out, err := w.Ask(name+":"+testserver.GiteaPassword, http.MethodPost, "/users/"+name+"/tokens", dict{"name": digest(fmt.Sprint(scopes)), "scopes": scopes})
	if err != nil || code != http.StatusCreated {
		t.Fatalf("a token for %s: %d %s %v", name, code, out, err)
	}
	var made struct {
		Token string `json:"sha1"`
	}
	decode(t, out, &made)
	return made.Token
}

// team makes one with these powers, in an organization.
func (w world) team(t testing.TB, org, name string, units dict) string {
	t.Helper()
	w.Must(t, http.MethodPost, "/orgs/"+org+"/teams", dict{"name": name, "permission": "read", "units_map": units})
	return org + "/team/" + name
}

// adminTeam makes one that administers its repositories.
func (w world) adminTeam(t testing.TB, org, name string) string {
	t.Helper()
	w.Must(t, http.MethodPost, "/orgs/"+org+"/teams", dict{"name": name, "permission": "admin"})
	return org + "/team/" + name
}

// give gives a team a repository.
func (w world) give(t testing.TB, team string, p place) {
	t.Helper()
	w.Must(t, http.MethodPut, fmt.Sprintf("%s/repos/%s", teamPath(w.teamID(t, team)), p), nil)
}

// repo makes a private repository in an organization.
func (w world) repo(t testing.TB, org, name string) place {
	t.Helper()
	w.Must(t, http.MethodPost, "/orgs/"+org+"/repos", dict{"name": name, "private": true, "auto_init": true})
	return place{org, name}
}

// teamID finds a team as its administrators would.
func (w world) teamID(t testing.TB, object string) int64 {
	t.Helper()
	o := must(t, object)
	var id int64
	err := w.db.QueryRowContext(t.Context(), "select t.id from team t join user o on o.id = t.org_id where o.lower_name = ? and t.lower_name = ?", o.team.org, o.team.name).Scan(&id)
	if err != nil {
		t.Fatalf("team %s: %v", object, err)
	}
	return id
}

// join and leave are a team's own doing, by its administrators.
func (w world) join(t testing.TB, account, team string) {
	t.Helper()
	w.Must(t, http.MethodPut, memberPath(w.teamID(t, team), account), nil)
}

func (w world) leave(t testing.TB, account, team string) {
	t.Helper()
	w.Must(t, http.MethodDelete, memberPath(w.teamID(t, team), account), nil)
}

// invite and uninvite are a repository's.
func (w world) invite(t testing.TB, account string, p place, l level) {
	t.Helper()
	w.Must(t, http.MethodPut, p.collaborator(account), dict{"permission": l.String()})
}

func (w world) uninvite(t testing.TB, account string, p place) {
	t.Helper()
	w.Must(t, http.MethodDelete, p.collaborator(account), nil)
}

// members lists who holds an object, as the server's own database has it.
func (w world) members(t testing.TB, name string) (accounts []string) {
	t.Helper()
	o := must(t, name)
	q, args := `select u.lower_name from team_user tu join team t on t.id = tu.team_id join user o on o.id = t.org_id join user u on u.id = tu.uid
		where o.lower_name = ? and t.lower_name = ? order by 1`, []any{o.team.org, o.team.name}
	if !o.isTeam() {
		q, args = `select u.lower_name from collaboration c join repository r on r.id = c.repo_id join user o on o.id = r.owner_id join user u on u.id = c.user_id
			where o.lower_name = ? and r.lower_name = ? and c.mode = ? order by 1`, []any{o.place.owner, o.place.name, int(o.level)}
	}
	rows, err := w.db.QueryContext(t.Context(), q, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var account string
		if err := rows.Scan(&account); err != nil {
			t.Fatal(err)
		}
		accounts = append(accounts, account)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return accounts
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:10])
}

func must(t testing.TB, name string) object {
	t.Helper()
	o, err := parseObject(name)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func decode(t testing.TB, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
}

func add(account, object string) connector.Change {
	return connector.Change{Ref: connector.Ref{Account: account, Object: object}, Want: true}
}

func remove(account, object string) connector.Change {
	return connector.Change{Ref: connector.Ref{Account: account, Object: object}}
}

// look looks at one holding, which must succeed.
func look(t testing.TB, c *Connector, account, object string) connector.Seen {
	t.Helper()
	s := c.Look(t.Context(), []connector.Ref{{Account: account, Object: object}})[0]
	if s.Err != nil {
		t.Fatalf("look at %s in %s: %v", account, object, s.Err)
	}
	return s
}

// sees looks and says what must be seen, and what one of the residual ways must say.
func sees(t testing.TB, c *Connector, account, object string, direct, effective bool, says ...string) {
	t.Helper()
	s := look(t, c, account, object)
	if s.Direct != direct || s.Effective != effective {
		t.Errorf("look at %s in %s: direct %t, effective %t, want %t, %t (%s) %q", account, object, s.Direct, s.Effective, direct, effective, s.Path, s.Residual)
	}
	for _, what := range says {
		if !slices.ContainsFunc(s.Residual, func(way string) bool { return strings.Contains(way, what) }) {
			t.Errorf("look at %s in %s: residual ways %q, want one that says %q", account, object, s.Residual, what)
		}
	}
	if len(says) == 0 && len(s.Residual) > 0 {
		t.Errorf("look at %s in %s: residual ways %q, want none", account, object, s.Residual)
	}
}

// unknown looks and must learn nothing, and be told why.
func unknown(t testing.TB, c *Connector, account, object, says string) {
	t.Helper()
	s := c.Look(t.Context(), []connector.Ref{{Account: account, Object: object}})[0]
	if s.Err == nil || !strings.Contains(s.Err.Error(), says) {
		t.Errorf("look at %s in %s: %v (%+v), want an error that says %q", account, object, s.Err, s, says)
	}
}

// apply applies changes that must succeed.
func apply(t testing.TB, c *Connector, changes ...connector.Change) {
	t.Helper()
	for _, r := range c.Apply(t.Context(), changes) {
		if r.Err != nil {
			t.Errorf("%v: %v", r.Ref, r.Err)
		}
	}
}

// fails applies one change that must be answered with that error, which says so.
func fails(t testing.TB, c *Connector, ch connector.Change, want error, says string) {
	t.Helper()
	if err := c.Apply(t.Context(), []connector.Change{ch})[0].Err; !errors.Is(err, want) || !strings.Contains(err.Error(), says) {
		t.Errorf("%v: %v, want %q that says %q", ch.Ref, err, want, says)
	}
}

func observe(t testing.TB, c *Connector, objects ...string) (refs []connector.Ref) {
	t.Helper()
	if err := c.Observe(t.Context(), objects, func(h connector.Holding) error { refs = append(refs, h.Ref); return nil }); err != nil {
		t.Fatalf("Observe: %v", err)
	}
	slices.SortFunc(refs, func(a, b connector.Ref) int { return strings.Compare(a.Object+a.Account, b.Object+b.Account) })
	return refs
}
