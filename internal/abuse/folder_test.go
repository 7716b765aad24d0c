package abuse

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/setup"
)

// A group that rules name is deleted: the folder is not taken in, the old one stays.
func TestAB31_DeletedGroupIsRefusedAtReload(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run()
	s.edit("directory.yaml", "  - {id: security, members: [sam]}\n", "")
	err := s.as("adam").Reload(t.Context())
	if status(err) != http.StatusBadRequest || !strings.Contains(err.Error(), "security") {
		t.Errorf("reload: %v", err)
	}
	if r, err := s.as("ann").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:portal"}})); err != nil || r.State != access.Pending {
		t.Errorf("by the files in force: %s, %v", r.State, err)
	}
	s.halt()
	if err := s.start(); err == nil || !strings.Contains(err.Error(), "security") {
		t.Errorf("start: %v", err)
	}
}

// Nothing in the files delegates, and no command votes in somebody's name.
func TestAB33_NoFileDelegates(t *testing.T) {
	t.Parallel()
	for _, key := range []string{"delegate: bob", "delegates: [bob]", "substitute: bob", "acts_for: [mia]", "approves_for: [mia]"} {
		s := newSite(t)
		s.edit("directory.yaml", "{id: mia, kind: person, name: Mia,", "{id: mia, kind: person, name: Mia, "+key+",")
		if said := s.problemsOf(); !strings.Contains(said, strings.Split(key, ":")[0]) {
			t.Errorf("%s: %q", key, said)
		}
	}
	s := newSite(t)
	for _, args := range [][]string{{"delegate", "mia", "bob"}, {"approve", "rq-x", "--for", "mia"}, {"approve", "rq-x", "--delegate", "bob"}, {"approve", "rq-x", "--on-behalf-of", "mia"}, {"request", "work:wiki", "--emergency"}, {"approve", "--all"}, {"approve", "rq-x", "rq-y"}, {"request", "work:wiki", "--break-glass"}} {
		if code, _, errs := s.lessor("mia", args...); code != 2 {
			t.Errorf("lessor %v: exit code %d, want 2: %s", args, code, errs)
		}
	}
}

// A token that could both change the rules and vote by them is refused.
func TestAB35_AdministratorAndApproverInOneToken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run()
	// 1. It is not made.
	if _, err := setup.AddToken(s.dir, setup.Token{Name: "made", Identity: "mia", Scopes: []string{engine.ScopeAdmin, engine.ScopeApprove}, Expires: time.Now().Add(time.Hour)}); !errors.Is(err, access.ErrInvalid) {
		t.Errorf("make it: %v", err)
	}
	if code, _, errs := s.lessor("", "token", "new", "made", "--identity", "mia", "--scopes", "approve,admin"); code != 2 {
		t.Errorf("lessor token new: exit code %d: %s", code, errs)
	}
	if said := s.problemsOf(); said != "" {
		t.Errorf("the folder is wrong by what was refused: %s", said)
	}
	// 2. Written by hand it is not taken in.
	s.token("both", "mia", engine.ScopeAdmin)
	s.edit("lessor.yaml", `name: "both", identity: "mia", scopes: [admin]`, `name: "both", identity: "mia", scopes: [admin, approve]`)
	for range 2 {
		err := s.as("adam").Reload(t.Context())
		if status(err) != http.StatusBadRequest || !strings.Contains(err.Error(), "admin") || !strings.Contains(err.Error(), "approve") {
			t.Errorf("reload: %v", err)
		}
	}
	if _, err := s.as("both").Requests(t.Context(), "", false, client.Page{}); status(err) != http.StatusUnauthorized {
		t.Errorf("the token opens: %v", err)
	}
	s.halt()
	if err := s.start(); err == nil || !strings.Contains(err.Error(), "admin") {
		t.Errorf("start: %v", err)
	}
}

// A reload says in the log that it was, by whom, and what is in force since; it
// takes effect for tokens at once.
func TestAB35_ReloadIsTold(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run()
	bob := s.as("bob")
	if _, err := bob.Requests(t.Context(), "", false, client.Page{}); err != nil {
		t.Fatal(err)
	}
	s.edit("directory.yaml", "{id: bob, kind: person,", "{id: bob, kind: person, inactive: true,")
	if err := s.as("adam").Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := bob.Requests(t.Context(), "", false, client.Page{}); status(err) != http.StatusUnauthorized {
		t.Errorf("bob has left, and his token opens: %v", err)
	}
	for _, want := range []string{`"msg":"reload","by":"adam","token":"adam"`, `"msg":"reloaded","policy":"sha256:`} {
		if !strings.Contains(s.log.all(), want) {
			t.Errorf("the log has no %s:\n%s", want, s.log.all())
		}
	}
	s.log.eachIsOne(t)
	// In the evidence too: by whom, and what is otherwise; for those who are to know.
	list, err := s.as("sam").Files(t.Context(), "", 10)
	if err != nil || len(list) != 2 || list[0].By != "adam" || list[0].Before != list[1].Digest || !slices.Equal(list[0].Changed, []string{"directory.yaml"}) || list[1].By != access.Clock.Identity {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := s.as("ann").Files(t.Context(), "", 10); status(err) != http.StatusForbidden {
		t.Errorf("ann reads which files were in force: %v", err)
	}
	if code, out, errs := s.lessor("adam", "list", "files"); code != 0 || !strings.Contains(out, list[0].Digest) {
		t.Errorf("lessor list files: %d, %s%s", code, out, errs)
	}
}

// confirming is the digest that a refusal wants confirmed.
var confirming = regexp.MustCompile(`lessor reload --confirm (sha256:[0-9a-f]{64}) --as NAME`)

// waits has adam have the files read, and returns the digest of what waits for somebody else then.
func (s *site) waits() string {
	s.t.Helper()
	err := s.as("adam").Reload(s.t.Context())
	m := confirming.FindStringSubmatch(fmt.Sprint(err))
	if status(err) != http.StatusConflict || m == nil {
		s.t.Fatalf("it does not wait for a second person: %v", err)
	}
	return m[1]
}

// Where the files say so one administrator changes nothing alone: neither while it runs,
// nor by a restart, nor by turning that off; and whoever gains by a change is no second.
func TestAB35_OneAdministratorAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.token("bot", "bot", engine.ScopeAdmin)
	s.edit("directory.yaml", "groups:", "  - {id: bot, kind: workload, name: Bot, owner: olga}\n  - {id: adam.2, kind: person, name: Adam, same: adam}\ngroups:")
	s.token("adam.2", "adam.2", engine.ScopeAdmin)
	s.edit("lessor.yaml", "provision_within:", "second_person: files\nprovision_within:")
	s.run()
	lobby := func(who string) error {
		r, err := s.as(who).Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:lobby"}, Reason: fmt.Sprint("again ", time.Now().UnixNano())}))
		if err == nil && r.State != access.Approved {
			err = fmt.Errorf("it is %s", r.State)
		}
		return err
	}
	// 1. Files that nobody has confirmed grant nothing, until two people have.
	if err := lobby("ann"); err == nil || !strings.Contains(err.Error(), "nothing is granted now (files: ") {
		t.Errorf("by files that nobody has confirmed: %v", err)
	}
	first := s.waits()
	for who, want := range map[string]int{"adam": http.StatusConflict, "adam.2": http.StatusConflict, "bot": http.StatusForbidden, "ann": http.StatusForbidden} {
		if err := s.as(who).ConfirmFiles(t.Context(), first); status(err) != want {
			t.Errorf("%s is a second person: %v", who, err)
		}
	}
	if code, _, errs := s.lessor("sam", "reload", "--confirm", first); code != 0 {
		t.Fatalf("sam confirms: %d %s", code, errs)
	}
	if err := lobby("ann"); err != nil {
		t.Errorf("by files that two have confirmed: %v", err)
	}
	// 2. A change waits, and is not in force; who gains by it is said, and is no second person.
	s.edit("catalog.yaml", `name: Portal, object: portal, owners: [olga]`, `name: Portal, object: portal, owners: [olga, sam]`)
	portal := s.waits()
	if err := s.as("adam").Reload(t.Context()); !strings.Contains(fmt.Sprint(err), "sam gains by it (answers for work:portal") {
		t.Errorf("it does not say who gains: %v", err)
	}
	if err := s.as("sam").ConfirmFiles(t.Context(), portal); status(err) != http.StatusForbidden || !strings.Contains(err.Error(), "sam gains") {
		t.Errorf("sam confirms what sam gains by: %v", err)
	}
	s.edit("catalog.yaml", "owners: [olga, sam]", "owners: [olga]")
	const all = `resource in Class::"standard");`
	const sams = `resource in Class::"standard") unless { principal == Identity::"sam" };
@id("sams") @needs("none") permit (principal == Identity::"sam", action == Action::"request", resource in Class::"standard");`
	s.edit("policy/rules.cedar", all, sams)
	rule := s.waits()
	if r, err := s.as("sam").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:wiki"}})); err != nil || r.State == access.Approved {
		t.Errorf("by a rule that waits: %s, %v", r.State, err)
	}
	if err := s.as("sam").ConfirmFiles(t.Context(), rule); status(err) != http.StatusForbidden || !strings.Contains(err.Error(), "asks with less for work:wiki") {
		t.Errorf("sam confirms the rule for sam: %v", err)
	}
	s.edit("policy/rules.cedar", sams, all)
	// 3. Nor is it turned off, by a reload or by a restart; what ends, ends.
	g := s.granted("bob", engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "until the restart"})
	s.soon("bob is seen there", func() bool { return s.holds("bob", "lobby") })
	s.edit("lessor.yaml", "second_person: files\n", "")
	s.waits()
	s.halt()
	s.run()
	if err := lobby("ann"); err == nil || !strings.Contains(err.Error(), "nothing is granted now (files: ") {
		t.Errorf("by files that turn it off: %v", err)
	}
	if err := s.as("sam").Revoke(t.Context(), g.ID, "it goes"); err != nil {
		t.Error(err)
	}
	s.soon("bob is seen gone", func() bool { return !s.holds("bob", "lobby") })
	// 4. Those that were confirmed, put back, need nobody.
	s.halt()
	s.edit("lessor.yaml", "provision_within:", "second_person: files\nprovision_within:")
	s.run()
	if err := lobby("ann"); err != nil {
		t.Errorf("by the files that two have confirmed: %v", err)
	}
	// 5. And the evidence has it, each with who said so.
	list, err := s.as("sam").Files(t.Context(), "", 20)
	if err != nil || len(list) < 5 || list[0].Digest != first || list[0].Said() != "adam and sam said so" {
		t.Errorf("%+v, %v", list, err)
	}
}

// Who is not named by the files that were confirmed last has no word in what replaces
// them, whatever the files on disk say of them at a restart.
func TestAB35_PeopleMadeUpAtARestart(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.edit("lessor.yaml", "provision_within:", "second_person: files\nprovision_within:")
	s.run()
	if err := s.as("sam").ConfirmFiles(t.Context(), s.waits()); err != nil {
		t.Fatal(err)
	}
	s.halt()
	s.edit("directory.yaml", "members: [sam]", "members: [sam, eve, evan]")
	s.edit("directory.yaml", "groups:", "  - {id: eve, kind: person, name: Eve}\n  - {id: evan, kind: person, name: Evan}\ngroups:")
	s.token("eve", "eve", engine.ScopeAdmin)
	s.token("evan", "evan", engine.ScopeAdmin)
	s.run()
	digest := ""
	for _, who := range []string{"eve", "evan", "eve"} {
		err := s.as(who).Reload(t.Context())
		if status(err) != http.StatusForbidden || !strings.Contains(err.Error(), "one of adam, sam has") {
			t.Errorf("%s has a word: %v", who, err)
		}
	}
	digest = s.waits()
	for _, who := range []string{"eve", "evan"} {
		if err := s.as(who).ConfirmFiles(t.Context(), digest); status(err) != http.StatusForbidden {
			t.Errorf("%s is a second person: %v", who, err)
		}
	}
	if r, err := s.as("ann").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:lobby"}})); err == nil {
		t.Errorf("it is granted: %s", r.State)
	}
	if err := s.as("sam").ConfirmFiles(t.Context(), digest); err != nil {
		t.Errorf("those who may: %v", err)
	}
}

// Rules are loosened on disk right before the own request, and while one waits.
func TestAB36_RulesLoosenedOnDisk(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run()
	r, err := s.as("ann").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:portal"}}))
	if err != nil || r.State != access.Pending {
		t.Fatalf("%s, %v", r.State, err)
	}
	s.edit("policy/rules.cedar", `@id("ask-third-party") @needs("owner, security")`, `@id("ask-third-party") @author("ann") @needs("none")`)
	if err := s.as("adam").Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err = s.as("olga").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err != nil || r.State != access.Pending {
		t.Errorf("the waiting one by the looser rules: %s, %v", r.State, err)
	}
	if r, err := s.as("ann").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:portal"}, Reason: "again"})); err != nil || r.State != access.Denied {
		t.Errorf("her own by the rule she wrote: %s, %v", r.State, err)
	}
	if r, err := s.as("bob").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:portal"}})); err != nil || r.State != access.Approved {
		t.Errorf("another's by that rule: %s, %v", r.State, err)
	}
	s.soon("bob is seen there", func() bool { return s.holds("bob", "portal") })
	if s.holds("ann", "portal") {
		t.Error("ann is there")
	}
}

const wikiLine = `  - {id: "work:wiki", name: Wiki, object: wiki, owners: [olga], class: standard, max_term: 30d}
`

// What grants are of is deleted from the files while they are live.
func TestAB48_DeletedWhileGrantsAreLive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, file, old, new string
		names                string // what the refusal names
	}{
		{"the entitlement", "catalog.yaml", wikiLine, "", "work:wiki"},
		{"the identity", "directory.yaml", "  - {id: ann, kind: person, name: Ann, manager: mia, accounts: {work: ann, play: ann}}\n", "", "ann"},
		{"the system", "catalog.yaml", `  - {id: play, name: Playground,`, `  - {id: gone, name: Playground,`, "play"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.run()
			g := s.granted("ann", engine.Ask{Entitlements: []string{"work:wiki"}}, "mia")
			games := s.granted("ann", engine.Ask{Entitlements: []string{"play:games"}})
			s.soon("ann is seen there", func() bool { return s.state("ann", g.ID) == access.Held && s.state("ann", games.ID) == access.Held })

			// 1. Not while it runs: refused, named, and everything as before.
			s.edit(c.file, c.old, c.new)
			if c.name == "the identity" { // her token is hers no longer
				s.edit("lessor.yaml", `identity: "ann"`, `identity: "bob"`)
			}
			if c.name == "the system" {
				s.edit("catalog.yaml", "play:games", "gone:games")
				s.edit("directory.yaml", "play: ann", "gone: ann")
				s.edit("directory.yaml", "play: bob", "gone: bob")
			}
			err := s.as("adam").Reload(t.Context())
			if status(err) != http.StatusConflict || !strings.Contains(err.Error(), c.names) {
				t.Fatalf("reload: %v", err)
			}
			if c.name != "the system" && !strings.Contains(err.Error(), g.ID) {
				t.Errorf("the refusal does not name grant %s: %v", g.ID, err)
			}
			if !s.holds("ann", "wiki") || !s.holds("ann", "games") || s.state("olga", g.ID) != access.Held {
				t.Error("access is gone after a refused reload")
			}

			// 2. Not silently over a restart either.
			s.halt()
			err = s.start()
			if c.name == "the system" {
				if err == nil || !strings.Contains(err.Error(), "play: assignments not seen absent there: 1") {
					t.Fatalf("it starts with access held at a system it does not know: %v", err)
				}
				if !s.holds("ann", "games") {
					t.Error("access is gone without anybody who saw it")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			s.soon("security learns of it", func() bool {
				list, err := s.as("sam").Findings(t.Context(), false, 50)
				return err == nil && slices.ContainsFunc(list, func(f access.Finding) bool {
					return f.Kind == "definition_gone" && strings.HasSuffix(f.Subject, " "+c.names)
				})
			})
			if !s.holds("ann", "wiki") || !s.holds("ann", "games") {
				t.Error("access is gone by a restart")
			}
			// 3. And whoever means it takes it away.
			if err := s.as("sam").Revoke(t.Context(), g.ID, "it is to go"); err != nil {
				t.Fatal(err)
			}
			s.soon("ann is seen gone", func() bool { return !s.holds("ann", "wiki") && s.state("sam", g.ID) == access.Absent })
		})
	}
}

// Addresses that lead a server elsewhere, or send its secrets in the clear, are
// refused before anything is sent.
func TestAB59_AddressesThatLeadElsewhere(t *testing.T) {
	t.Parallel()
	scim := []string{
		"http://169.254.169.254/latest/meta-data", "http://[::ffff:169.254.169.254]/", "http://[fd00:ec2::254]/", "http://metadata.google.internal/", "http://0x7f.1/", "http://2130706433/", "http://0177.0.0.1/", "http://127.1/",
		"http://10.0.0.1/v2", "http://0.0.0.0/v2", "http://[::]/v2", "http://127.0.0.1.evil.example/v2", "http://localhost.evil.example/v2", "http://localhost@evil.example/v2", "http://evil.example#@127.0.0.1/", "http://evil.example/?x=127.0.0.1",
		"https://user:secret@idp.example/v2", "https://user@idp.example/v2", "gopher://127.0.0.1:70/_x", "file:///etc/passwd", "unix:///run/lessor.sock", "unix:/run/docker.sock", "ftp://idp.example/", "ldap://idp.example/", "javascript:alert(1)", "//idp.example/v2",
		"idp.example/v2", "http:/127.0.0.1/v2", "http:///v2", "https://", "https://:443/v2", " https://idp.example/v2", "https://idp.example/v2?token=x", "https://idp.example/v2#x", "http://127.0.0.1\\@evil.example/", "https://idp .example/v2", "https://idp.example\n.evil.example/", "HTTP://169.254.169.254/",
	}
	for _, u := range scim {
		s := newSite(t)
		setURL(s, u)
		if said := s.problemsOf(); !strings.Contains(said, "catalog.yaml") || strings.Contains(said, "secret@") {
			t.Errorf("scim %q: %q", u, said)
		}
		if err := s.start(); err == nil {
			s.halt()
			t.Errorf("scim %q: the server starts", u)
		}
	}
	for _, u := range []string{"ldap://169.254.169.254", "ldap://ldap.example", "ldaps://user:secret@ldap.example", "ldapi://%2frun%2fslapd", "cldap://ldap.example", "gopher://127.0.0.1:389", "http://127.0.0.1:389", "ldaps://ldap.example/dc=example", "ldaps://ldap.example?x", "ldaps://", "ldap://0x7f.1", "unix:/run/slapd", "ldap.example"} {
		s := newSite(t)
		for range 2 {
			s.edit("catalog.yaml", "connector: scim", "connector: ldap")
			s.edit("catalog.yaml", `token_ref: "file:target.token"`, `plain: true, bind_dn: "cn=x", password_ref: "file:target.token", people_base: "dc=x", groups_base: "dc=x"`)
		}
		setURL(s, u)
		if said := s.problemsOf(); !strings.Contains(said, "catalog.yaml") || !strings.Contains(strings.ToLower(said), "url") {
			t.Errorf("ldap %q: %q", u, said)
		}
	}
	for _, u := range []string{"127.0.0.1:0", "[::1]:0", "localhost:0"} { // what may be listened on
		s := newSite(t)
		s.edit("lessor.yaml", "listen: 127.0.0.1:0", fmt.Sprintf("listen: %q", u))
		if said := s.problemsOf(); said != "" {
			t.Errorf("listen %s: %s", u, said)
		}
	}
	for _, u := range []string{"0.0.0.0:7317", ":7317", "[::]:7317", "169.254.169.254:80", "127.1:80", "0x7f.1:80", "localhost.evil.example:1", "unix:/run/x"} {
		s := newSite(t)
		s.edit("lessor.yaml", "listen: 127.0.0.1:0", fmt.Sprintf("listen: %q", u))
		if said := s.problemsOf(); !strings.Contains(said, "listen") {
			t.Errorf("listen %s: %q", u, said)
		}
	}
}

// setURL writes another address for both systems.
func setURL(s *site, u string) {
	s.t.Helper()
	name := filepath.Join(s.dir, "catalog.yaml")
	raw, err := os.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	text := string(raw)
	at := strings.Index(text, `url: "`) + len(`url: "`)
	old := text[at : at+strings.Index(text[at:], `"`)]
	text = strings.ReplaceAll(text, `"`+old+`"`, fmt.Sprintf("%q", u))
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// A target that answers with a redirect leads nowhere, and its token with it.
func TestAB59_RedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, code := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			var asked, leaked atomic.Int64
			inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Add(1) }))
			t.Cleanup(inner.Close)
			outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				http.Redirect(w, r, inner.URL+r.URL.Path, code)
			}))
			t.Cleanup(outer.Close)
			s := newSite(t)
			setURL(s, outer.URL+"/v2")
			s.run()
			g := s.granted("ann", engine.Ask{Entitlements: []string{"work:lobby"}})
			s.soon("the target was asked a few times", func() bool { return asked.Load() > 5 })
			if leaked.Load() != 0 {
				t.Errorf("%d requests followed the redirect", leaked.Load())
			}
			if st := s.state("ann", g.ID); st != access.Adding {
				t.Errorf("the assignment is %s on the word of a redirect", st)
			}
		})
	}
}

// Nor does our own client follow one, whoever answers in our server's place.
func TestAB59_ClientFollowsNoRedirect(t *testing.T) {
	t.Parallel()
	var leaked atomic.Int64
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Add(1) }))
	t.Cleanup(inner.Close)
	outer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inner.URL, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(outer.Close)
	if _, err := client.New(outer.URL, "t").Requests(t.Context(), "", false, client.Page{}); err == nil || leaked.Load() != 0 {
		t.Errorf("%v, %d requests followed", err, leaked.Load())
	}
}

// No verb takes an address: nothing a caller sends is ever fetched.
func TestAB59_NoVerbTakesAnAddress(t *testing.T) {
	t.Parallel()
	contract, err := api.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{`"url"`, `"uri"`, "callback", "webhook", "avatar", "jwks", `"href"`, "redirect"} {
		for _, line := range strings.Split(strings.ToLower(string(contract)), ",") {
			if strings.Contains(line, word) && !strings.Contains(line, `"format":"uri"`) && !strings.Contains(line, "problem") {
				t.Errorf("the contract speaks of %s: %.200s", word, line)
			}
		}
	}
}
