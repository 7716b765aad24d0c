package gitea

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// What a look calls effective is what the account can do, by its own token: nothing
// more and nothing less, by whatever way it can.
func TestEffectiveIsWhatTheAccountCanDo(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	org := w.org(t, "effective")
	for name, ways := range map[string][]string{
		"nothing":       nil,
		"read":          {"collaborator read"},
		"write":         {"collaborator write"},
		"admin":         {"collaborator admin"},
		"team-read":     {"team repo.code=read"},
		"team-write":    {"team repo.code=write"},
		"team-issues":   {"team repo.issues=write"},
		"team-both":     {"team repo.issues=write", "team repo.code=read"},
		"team-admin":    {"team admin"},
		"owners":        {"owners"},
		"server-admin":  {"server"},
		"public":        {"public"},
		"public-write":  {"public", "team repo.code=write"},
		"read-and-team": {"collaborator read", "team repo.code=write"},
		"write-and-own": {"collaborator write", "owners"},
		"admin-issues":  {"collaborator admin", "team repo.issues=read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// 1. The account and its ways.
			p, account := w.repo(t, org, name), w.person(t, "effective-"+name)
			w.join(t, account, w.team(t, org, name+"-none", dict{code: "read"})) // in the organization, and nothing else
			for i, way := range ways {
				kind, what, _ := strings.Cut(way, " ")
				switch kind {
				case "collaborator":
					w.invite(t, account, p, levelNamed(what))
				case "team":
					object := org + "/team/" + name + string(rune('a'+i))
					if what == "admin" {
						w.adminTeam(t, org, must(t, object).team.name)
					} else {
						unit, by, _ := strings.Cut(what, "=")
						w.team(t, org, must(t, object).team.name, dict{unit: by})
					}
					w.give(t, object, p)
					w.join(t, account, object)
				case "owners":
					w.join(t, account, org+"/team/owners")
				case "server":
					w.Must(t, http.MethodPatch, "/admin/users/"+account, dict{"login_name": account, "source_id": 0, "admin": true})
				case "public":
					w.Must(t, http.MethodPatch, p.path(), dict{"private": false})
				}
			}
			// 2. What it can do, as it sees itself.
			var own struct {
				Permissions struct{ Pull, Push, Admin bool }
			}
			code, out, err := w.Ask(w.key(t, account, "read:repository"), http.MethodGet, p.path(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if code == http.StatusOK {
				decode(t, out, &own)
			} else if code != http.StatusNotFound {
				t.Fatalf("as itself: %d %s", code, out)
			}
			// 3. What is seen.
			for l, can := range map[level]bool{read: own.Permissions.Pull, write: own.Permissions.Push, admin: own.Permissions.Admin} {
				object := object{place: p, level: l}.String()
				s := look(t, c, account, object)
				if s.Effective != can {
					t.Errorf("%s: effective %t, and it can: %t (%s) %q", object, s.Effective, can, s.Path, s.Residual)
				}
				if s.Effective && !s.Direct && len(s.Residual) == 0 {
					t.Errorf("%s is effective and no way is named", object)
				}
				if direct := slices.Contains(w.members(t, object), account); direct && !s.Direct {
					t.Errorf("%s: not seen directly", object)
				}
			}
		})
	}
}

// Each other way is named, and not called gone; and is gone once it is taken away.
func TestSecondPath(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	org := w.org(t, "second")
	for name, x := range map[string]struct {
		give, take func(t *testing.T, account string, p place)
		says       string
	}{
		"team": {
			func(t *testing.T, account string, p place) {
				w.give(t, w.team(t, org, "t-"+p.name, dict{code: "write"}), p)
				w.join(t, account, org+"/team/t-"+p.name)
			},
			func(t *testing.T, account string, p place) { w.leave(t, account, org+"/team/t-"+p.name) },
			"is in second/team/t-team, which gives write of repo.code"},
		"owners": {
			func(t *testing.T, account string, _ place) { w.join(t, account, org+"/team/owners") },
			func(t *testing.T, account string, _ place) { w.leave(t, account, org+"/team/owners") },
			"is in second/team/owners"},
		"another-level": {
			func(t *testing.T, account string, p place) { w.invite(t, account, p, admin) },
			func(t *testing.T, account string, p place) { w.uninvite(t, account, p) },
			"is a collaborator of second/another-level with admin"},
		"server": {
			func(t *testing.T, account string, _ place) {
				w.Must(t, http.MethodPatch, "/admin/users/"+account, dict{"login_name": account, "source_id": 0, "admin": true})
			},
			func(t *testing.T, account string, _ place) {
				w.Must(t, http.MethodPatch, "/admin/users/"+account, dict{"login_name": account, "source_id": 0, "admin": false})
			},
			"an administrator of the server"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, account := w.repo(t, org, name), w.person(t, "second-"+name)
			repo := object{place: p, level: write}.String()
			leased := w.team(t, org, "leased-"+name, dict{code: "write"})
			w.give(t, leased, p)
			for _, o := range []string{repo, leased} {
				sees(t, c, account, o, false, false)
				apply(t, c, add(account, o))
				if look(t, c, account, o).Direct != true {
					t.Errorf("%s was added and is not seen", o)
				}
				apply(t, c, remove(account, o))
				x.give(t, account, p)
				sees(t, c, account, o, false, true, x.says)
				x.take(t, account, p)
				sees(t, c, account, o, false, false)
				if name == "team" { // made anew by the next turn
					w.Must(t, http.MethodDelete, teamPath(w.teamID(t, org+"/team/t-"+p.name)), nil)
				}
			}
		})
	}
}

// A team of many units is given back only by what has them all, together if need be.
func TestTeamOfUnits(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	org := w.org(t, "units")
	ann := w.person(t, "units-ann")
	leased := w.team(t, org, "leased", dict{code: "admin", "repo.wiki": "read"})
	others := []string{w.team(t, org, "coders", dict{code: "admin"}), w.team(t, org, "readers", dict{"repo.wiki": "read"})}
	sees(t, c, ann, leased, false, false) // it has no repository
	for _, name := range []string{"one", "two"} {
		p := w.repo(t, org, name)
		w.give(t, leased, p)
		w.give(t, others[0], p)
		if name == "one" {
			w.give(t, others[1], p)
		}
	}
	w.join(t, ann, others[0])
	w.join(t, ann, others[1])
	sees(t, c, ann, leased, false, false) // at the second it may less
	w.give(t, others[1], place{org, "two"})
	sees(t, c, ann, leased, false, true, "is in units/team/coders", "partly: is in units/team/readers, which gives read of repo.wiki")
	w.leave(t, ann, others[1])
	sees(t, c, ann, leased, false, false)
}

// A repository of a user's: its owner keeps what he has, and Lessor's account needs to
// administer it.
func TestRepositoryOfAUser(t *testing.T) { // alone: meanwhile nothing can be read whole
	w := open(t)
	c := connect(t, w.config())
	owner, ann := w.person(t, "users-owner"), w.person(t, "users-ann")
	w.Must(t, http.MethodPost, "/admin/users/"+owner+"/repos", dict{"name": "mine", "private": true})
	p := place{owner, "mine"}
	unknown(t, c, ann, "users-owner/mine:read", "not there, or not shown")
	fails(t, c, add(ann, "users-owner/mine:read"), connector.ErrRefused, "not there, or not shown")
	w.invite(t, svc, p, write)
	unknown(t, c, ann, "users-owner/mine:read", "is no administrator of users-owner/mine")
	w.invite(t, svc, p, admin)
	sees(t, c, ann, "users-owner/mine:read", false, false)
	apply(t, c, add(ann, "users-owner/mine:read"))
	sees(t, c, ann, "users-owner/mine:read", true, true)
	sees(t, c, owner, "users-owner/mine:admin", false, true, "owns users-owner/mine")
	if got := observe(t, c, "users-owner/mine:read", "users-owner/mine:admin"); !slices.Equal(got, []connector.Ref{{Account: svc, Object: "users-owner/mine:admin"}, {Account: ann, Object: "users-owner/mine:read"}}) {
		t.Errorf("observed: %v", got)
	}
	apply(t, c, remove(ann, "users-owner/mine:read"))
	sees(t, c, ann, "users-owner/mine:read", false, false)
	w.Must(t, http.MethodDelete, p.path(), nil)
	unknown(t, c, ann, "users-owner/mine:read", "only its owner is shown all a user has")

	// An administrator of the server is shown that it is gone.
	cfg := w.config()
	cfg.Token = func() string { return w.Token }
	sees(t, connect(t, cfg), ann, "users-owner/mine:read", false, false)
}

// "Not found" is also what Gitea says to whoever may not see: it proves no removal.
func TestNotShownIsNotGone(t *testing.T) { // alone: meanwhile nothing can be read whole
	w := open(t)
	c := connect(t, w.config())
	org := w.org(t, "hidden")
	p, ann := w.repo(t, org, "shop"), w.person(t, "hidden-ann")
	team := w.team(t, org, "devs", dict{code: "write"})
	w.give(t, team, p)
	apply(t, c, add(ann, team), add(ann, "hidden/shop:write"))
	sees(t, c, ann, "hidden/gone:write", false, false)
	sees(t, c, ann, "hidden/team/gone", false, false)
	check := func(why string) {
		t.Helper()
		for _, o := range []string{team, "hidden/shop:write", "hidden/gone:write"} {
			unknown(t, c, ann, o, "")
			if err := c.Apply(t.Context(), []connector.Change{remove(ann, o)})[0].Err; err == nil {
				t.Errorf("%s: the removal of %s gave no error", why, o)
			}
			if err := c.Observe(t.Context(), []string{o}, func(connector.Holding) error { return nil }); err == nil {
				t.Errorf("%s: Observe of %s gave no error", why, o)
			}
		}
	}
	w.leave(t, svc, org+"/team/owners")
	check("no longer in the organization")
	w.join(t, svc, w.team(t, org, "others", dict{code: "read"}))
	check("in another team only")
	w.join(t, svc, org+"/team/owners")
	sees(t, c, ann, team, true, true)
}

// What was renamed has what it had, under its new name.
func TestRenamed(t *testing.T) { // alone: meanwhile nothing can be read whole
	w := open(t)
	c := connect(t, w.config())
	org := w.org(t, "renamed")
	p, ann := w.repo(t, org, "shop"), w.person(t, "renamed-ann")
	team := w.team(t, org, "devs", dict{code: "write"})
	w.give(t, team, p)
	apply(t, c, add(ann, team), add(ann, "renamed/shop:read"))
	check := func(account string, objects ...string) {
		t.Helper()
		for _, o := range objects {
			unknown(t, c, account, o, "it may have another name now")
			if err := c.Apply(t.Context(), []connector.Change{remove(account, o)})[0].Err; err == nil {
				t.Errorf("the removal of %s from %s gave no error", account, o)
			}
		}
	}
	w.Must(t, http.MethodPost, "/admin/users/"+ann+"/rename", dict{"new_username": "renamed-anna"})
	check(ann, team, "renamed/shop:read")
	// Among many in the team, and where the team is the owners' own.
	w.join(t, "renamed-anna", "renamed/team/owners")
	for _, o := range []string{team, "renamed/team/owners"} {
		var refs []connector.Ref
		for i := range few + 2 {
			refs = append(refs, connector.Ref{Account: "renamed-nobody-" + string(rune('a'+i)), Object: o})
		}
		refs = append(refs, connector.Ref{Account: ann, Object: o}, connector.Ref{Account: "renamed-anna", Object: o})
		for _, s := range c.Look(t.Context(), refs) {
			if (s.Err != nil) != (s.Account == ann) || s.Direct != (s.Account == "renamed-anna") {
				t.Errorf("%v: direct %t, %v", s.Ref, s.Direct, s.Err)
			}
		}
	}
	w.leave(t, "renamed-anna", "renamed/team/owners")
	w.Must(t, http.MethodPatch, p.path(), dict{"name": "store"})
	check("renamed-anna", "renamed/shop:read")
	sees(t, c, "renamed-anna", "renamed/store:read", true, true, "is in renamed/team/devs")
	w.Must(t, http.MethodPost, "/orgs/"+org+"/rename", dict{"new_name": "renamed-too"})
	check("renamed-anna", team, "renamed/store:read")
	sees(t, c, "renamed-anna", "renamed-too/team/devs", true, true)
}

// Gitea keeps one level for a collaborator: whoever has one does not lose it to a lease
// of another, neither at its beginning nor at its end.
func TestOneLevelForACollaborator(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	org := w.org(t, "levels")
	p, ann := w.repo(t, org, "shop"), w.person(t, "levels-ann")
	w.invite(t, ann, p, read)
	fails(t, c, add(ann, "levels/shop:write"), connector.ErrRefused, "is a collaborator of levels/shop with read already")
	sees(t, c, ann, "levels/shop:write", false, false)
	apply(t, c, remove(ann, "levels/shop:write"), remove(ann, "levels/shop:admin"), add(ann, "levels/shop:read"))
	sees(t, c, ann, "levels/shop:read", true, true)
	if got := w.members(t, "levels/shop:read"); !slices.Equal(got, []string{ann}) {
		t.Errorf("read is held by %q", got)
	}
	// Taken away in the same call it makes room; of two at once the first is given.
	apply(t, c, add(ann, "levels/shop:write"), remove(ann, "levels/shop:read"))
	sees(t, c, ann, "levels/shop:write", true, true)
	sees(t, c, ann, "levels/shop:read", false, true, "is a collaborator of levels/shop with write")
	apply(t, c, remove(ann, "levels/shop:write"))
	results := c.Apply(t.Context(), []connector.Change{add(ann, "levels/shop:admin"), add(ann, "levels/shop:read")})
	if results[0].Err != nil || results[1].Err == nil {
		t.Errorf("two levels at once: %v, %v", results[0].Err, results[1].Err)
	}
	sees(t, c, ann, "levels/shop:admin", true, true)
	apply(t, c, remove(ann, "levels/shop:admin"))
	for _, l := range []string{"read", "write", "admin"} {
		sees(t, c, ann, "levels/shop:"+l, false, false)
	}
}

// Gitea compares names without regard to case, and takes an organization for an account.
func TestWhoIsAnAccount(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	org, other := w.org(t, "Accounts"), w.org(t, "accounts-other")
	w.repo(t, org, "Shop")
	w.person(t, "Accounts-Ann")
	w.team(t, org, "Devs", dict{code: "read"})
	for _, o := range []string{"accounts/team/devs", "accounts/shop:read"} {
		fails(t, c, add("Accounts-Ann", o), connector.ErrNoObject, "in lower case")
		fails(t, c, add("accounts-nobody", o), connector.ErrNoObject, "")
		fails(t, c, add(other, o), connector.ErrRefused, "is an organization, not an account")
		apply(t, c, add("accounts-ann", o), remove("accounts-nobody", o))
		sees(t, c, "accounts-ann", o, true, true)
		if got := observe(t, c, o); !slices.Equal(got, []connector.Ref{{Account: "accounts-ann", Object: o}}) {
			t.Errorf("observed: %v", got)
		}
		apply(t, c, remove("accounts-ann", o))
		sees(t, c, "accounts-ann", o, false, false)
	}
	for _, o := range []string{"Accounts/team/devs", "accounts/team/Devs", "accounts/Shop:read", "accounts/shop:Read", "accounts/shop:owner", "accounts/shop"} {
		fails(t, c, add("accounts-ann", o), connector.ErrNoObject, "an object is")
	}
}

// Whoever was an administrator may have left a key, and Gitea does not tell who did.
func TestDeployKeysAreNamed(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	org := w.org(t, "keys")
	p, ann := w.repo(t, org, "shop"), w.person(t, "keys-ann")
	apply(t, c, add(ann, "keys/shop:admin"))
	token := w.key(t, ann, "write:repository")
	if code, out, err := w.Ask(token, http.MethodPost, p.path()+"/keys", dict{"title": "mine", "key": publicKey(t), "read_only": false}); err != nil || code != http.StatusCreated {
		t.Fatalf("a deploy key: %d %s %v", code, out, err)
	}
	sees(t, c, ann, "keys/shop:admin", true, true)
	apply(t, c, remove(ann, "keys/shop:admin"))
	sees(t, c, ann, "keys/shop:admin", false, false, `possibly the deploy key "mine" of keys/shop, which reads and writes`)
}

// An organization's last owner stays: Gitea says so by an error within, after which
// nothing is known but what a look sees.
func TestLastOwner(t *testing.T) {
	t.Parallel()
	w := open(t)
	c := connect(t, w.config())
	org := w.org(t, "last")
	owners := org + "/team/owners"
	ann := w.person(t, "last-ann")
	apply(t, c, add(ann, owners))
	sees(t, c, ann, owners, true, true)
	apply(t, c, remove(ann, owners), remove(testserver.GiteaAdmin, owners))
	sees(t, c, ann, owners, false, false)
	fails(t, c, remove(svc, owners), connector.ErrUnanswered, "500")
	sees(t, c, svc, owners, true, true)
}
