package abuse

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// A stage nobody can fill: refused at once, the owner told, nothing granted.
func TestAB31_NobodyLeftToApprove(t *testing.T) {
	t.Parallel()
	members := func(ids ...string) func(*enginetest.Company) {
		return func(c *enginetest.Company) { c.Groups["security"] = access.GroupMembers{ID: "security", Members: ids} }
	}
	for _, c := range []struct {
		name, by string
		do       func(*enginetest.Company)
	}{
		{"the group is empty", "eve", members()},
		{"all of them have left", "eve", members("zoe")},
		{"all of them are unknown", "eve", members("nobody", "noone")},
		{"only the requester", "eve", members("eve", "eve.2", "robot", "pilot")},
		{"only external people and machines", "bob", members("xena", "robot", "pilot")},
		{"only who fills the other stage", "eve", members("otto")},
		{"the owner is the requester", "otto", func(*enginetest.Company) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(t *testing.T, d *door) {
				d.Change(c.do)
				r := d.ask(c.by, engine.Ask{Entitlements: []string{"git:deploy"}})
				if r.State != access.Denied || r.Items[0].Outcome != access.ItemDenied || r.Items[0].Why == "" {
					t.Fatalf("%s: %+v", r.State, r.Items[0])
				}
				found := slices.IndexFunc(d.Findings(true), func(f access.Finding) bool { return f.Kind == "no_approver" && f.Owner == "otto" })
				told := slices.IndexFunc(d.Notices(), func(n engine.Notice) bool { return slices.Contains(n.To, "otto") })
				if found < 0 || told < 0 {
					t.Errorf("the owner is not told: findings %v, notices %v", d.Findings(true), d.Notices())
				}
				d.Advance(time.Hour)
				d.CheckQuiet()
			})
		})
	}
}

// A group that is gone is an error in the rules: it denies, and no folder with
// such rules is ever taken in (TestAB31_DeletedGroupIsRefusedAtReload).
func TestAB31_GroupIsGone(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		r := d.approve("otto", d.ask("eve", engine.Ask{Entitlements: []string{"git:deploy"}, Reason: "asked before"}))
		d.Change(func(c *enginetest.Company) { delete(c.Groups, "security") })
		d.uncounted("sara", r)
		if r = d.ask("eve", engine.Ask{Entitlements: []string{"git:deploy"}}); r.State != access.Denied || r.Items[0].Why == "" {
			t.Fatalf("%s: %+v", r.State, r.Items[0])
		}
		t.Log(r.Items[0].Why)
		d.Advance(time.Hour)
		d.CheckQuiet()
	})
}

// Of two rules that match the strictest wins, in whichever order they stand.
func TestAB32_TheLaxerOfTwoRules(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"aaa.cedar", "zzz.cedar"} {
		t.Run(file, func(t *testing.T) {
			each(t, func(t *testing.T, d *door) {
				d.Change(func(c *enginetest.Company) {
					c.Rules[file] = `@id("lax") @needs("none") @max_term("24h") permit (principal, action == Action::"request", resource in Class::"standard");
						@id("laxer") @needs("none") permit (principal, action == Action::"request", resource);`
				})
				r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
				if r.State != access.Pending || len(r.Items[0].Decision.Stages) != 1 || r.Items[0].Decision.Stages[0].Name != "manager" {
					t.Fatalf("%s, stages %v: the laxer rule won", r.State, r.Items[0].Decision.Stages)
				}
				told := strings.Join(d.WorldAt(d.Now()).Policy.Conflicts(), "\n")
				for _, id := range []string{"lax", "laxer", "ask-standard"} {
					if !strings.Contains(told, "rules "+id) && !strings.Contains(told, "and "+id) {
						t.Errorf("the conflict with %s is not reported:\n%s", id, told)
					}
				}
			})
		})
	}
}

// In whose place somebody votes is found out, never said: no field or header names anybody.
func TestAB33_NoBallotNamesAnother(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
	for _, field := range []string{"delegate", "delegate_to", "on_behalf_of", "as", "voter", "person", "actor", "impersonate", "substitute", "approver"} {
		d.unstored(field, func() {
			ballot := fmt.Sprintf(`{"request":%q,"digest":%q,"verdict":"approve",%q:"mia"}`, r.ID, r.Digest, field)
			if a := d.send("POST", "/api/v1/requests/"+r.ID+"/votes", "bob", ballot); a.status < 400 || a.status >= 500 || a.status == http.StatusForbidden {
				t.Errorf("a ballot with %q: %d, want it refused as an unknown field: %s", field, a.status, a.body)
			}
			ask := fmt.Sprintf(`{"entitlements":["dir:wiki"],"reason":"x","term":"1h",%q:"mia"}`, field)
			if a := d.send("POST", "/api/v1/requests", "bob", ask); a.status < 400 || a.status >= 500 {
				t.Errorf("an ask with %q: %d %s", field, a.status, a.body)
			}
		})
	}
	for _, header := range []string{"X-Forwarded-User", "X-Remote-User", "X-On-Behalf-Of", "X-Delegate", "Sudo", "Impersonate-User"} {
		d.unstored(header, func() {
			a := d.send("POST", "/api/v1/requests/"+r.ID+"/votes", "bob", fmt.Sprintf(`{"request":%q,"digest":%q,"verdict":"approve"}`, r.ID, r.Digest), header, "mia")
			if a.status != http.StatusNotFound {
				t.Errorf("with the header %s: %d, want the 404 that bob gets: %s", header, a.status, a.body)
			}
			if a := d.send("GET", "/api/v1/requests", "", "", header, "mia"); a.status != http.StatusUnauthorized {
				t.Errorf("with nothing but the header %s: %d", header, a.status)
			}
		})
	}
}

// Tokens of administrators open one verb and no other.
func TestAB35_AdministratorIsNobodyElse(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		d.key("admin", "mia", engine.ScopeAdmin)
		r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
		g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:lobby"}, Reason: "to sit there"})
		adm, ctx := d.as("admin"), t.Context()
		ballot := engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}
		d.unstored("an administrator", func() {
			for verb, do := range map[string]func() error{
				"submit": func() error {
					_, err := adm.Submit(ctx, filled(engine.Ask{Entitlements: []string{"dir:wiki"}}))
					return err
				},
				"preview": func() error {
					_, err := adm.Preview(ctx, filled(engine.Ask{Entitlements: []string{"dir:wiki"}}))
					return err
				},
				"vote":     func() error { _, err := adm.Vote(ctx, ballot); return err },
				"edit":     func() error { _, err := adm.Edit(ctx, r.ID, r.Digest, filled(engine.Ask{})); return err },
				"cancel":   func() error { return adm.Cancel(ctx, r.ID, "") },
				"comment":  func() error { return adm.Comment(ctx, r.ID, "x") },
				"withdraw": func() error { return adm.Withdraw(ctx, r.ID, "vo-x") },
				"show":     func() error { _, err := adm.Request(ctx, r.ID); return err },
				"explain":  func() error { _, err := adm.Explain(ctx, r.ID, "", "", "", ""); return err },
				"list":     func() error { _, err := adm.Requests(ctx, "", false, client.Page{}); return err },
				"desk":     func() error { _, err := adm.Desk(ctx, client.Page{}); return err },
				"grant":    func() error { _, err := adm.Grant(ctx, g.ID); return err },
				"grants":   func() error { _, err := adm.Grants(ctx, "eve", false, client.Page{}); return err },
				"evidence": func() error { _, err := adm.Evidence(ctx, g.ID); return err },
				"return":   func() error { return adm.Return(ctx, g.ID, "") },
				"revoke":   func() error { return adm.Revoke(ctx, g.ID, "because") },
				"findings": func() error { _, err := adm.Findings(ctx, false, 0); return err },
				"status":   func() error { _, err := adm.Status(ctx); return err },
				"catalog":  func() error { _, err := adm.Entitlements(ctx); return err },
			} {
				wantStatus(t, verb, do(), http.StatusForbidden)
			}
		})
		// 2. And nobody else opens that one.
		for _, who := range []string{"mia", "sara", "anna", "ada", "eve"} {
			wantStatus(t, who+" reloads", d.as(who).Reload(ctx), http.StatusForbidden)
		}
		if d.reloads != 0 {
			t.Fatal("somebody reloaded")
		}
		wantStatus(t, "the administrator reloads", adm.Reload(ctx), http.StatusOK)
		if d.reloads != 1 || !strings.Contains(d.log.all(), `"msg":"reload","by":"mia","token":"admin"`) {
			t.Errorf("%d reloads; the log does not say whose:\n%s", d.reloads, d.log.all())
		}
	})
}

// Whoever edits the rules gains nothing by it for what they ask themselves.
func TestAB36_RuleThatServesItsAuthor(t *testing.T) {
	t.Parallel()
	t.Run("a rule without approval, for its author", func(t *testing.T) {
		each(t, func(t *testing.T, d *door) {
			d.Change(func(c *enginetest.Company) {
				delete(c.Rules, "request.cedar")
				c.Rules["mine.cedar"] = `@id("mine") @author("eve") @needs("none") permit (principal, action == Action::"request", resource in Class::"standard");`
			})
			for who, want := range map[string]access.RequestState{"eve": access.Denied, "eve.2": access.Denied, "robot": access.Denied, "pilot": access.Denied, "bob": access.Approved} {
				if r := d.ask(who, engine.Ask{Entitlements: []string{"dir:wiki"}}); r.State != want {
					t.Errorf("%s by the rule that eve wrote: %s, want %s", who, r.State, want)
				}
			}
		})
	})
	t.Run("the author's own vote", func(t *testing.T) {
		each(t, func(t *testing.T, d *door) {
			d.Change(func(c *enginetest.Company) {
				c.Rules["request.cedar"] = strings.Replace(c.Rules["request.cedar"], `@id("ask-privileged")`, `@id("ask-privileged") @author("otto")`, 1)
				root := c.Entitlements["dir:root"]
				root.Owners = []string{"otto", "owen"}
				c.Entitlements["dir:root"] = root
			})
			r := d.approve("mia", d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}}))
			d.uncounted("otto", r)
			if r = d.approve("owen", r); r.State != access.Approved {
				t.Errorf("%s with the vote of the other owner", r.State)
			}
		})
	})
	t.Run("loosened while the own request waits", func(t *testing.T) {
		each(t, func(t *testing.T, d *door) {
			r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}})
			d.Change(func(c *enginetest.Company) {
				c.Rules["request.cedar"] = `@id("all") @needs("manager") permit (principal, action == Action::"request", resource);`
				c.Rules["oblige.cedar"] = `@id("oblige-nothing") @needs("none") permit (principal, action == Action::"oblige", resource);`
			})
			if r = d.approve("mia", r); r.State != access.Pending {
				t.Fatalf("%s by the looser rules: it was asked under stricter ones", r.State)
			}
			if r = d.approve("otto", r); r.State != access.Approved {
				t.Errorf("%s with every vote it was asked with", r.State)
			}
		})
	})
	t.Run("the author joins later", func(t *testing.T) {
		each(t, func(t *testing.T, d *door) {
			r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
			d.Change(func(c *enginetest.Company) {
				c.Rules["request.cedar"] = strings.Replace(c.Rules["request.cedar"], `@id("ask-standard")`, `@id("ask-standard") @author("mia")`, 1)
			})
			d.uncounted("mia", r)
		})
	})
}

// Break-glass is a path of its own: no request that calls itself urgent is even read.
func TestAB37_EmergencyIsNoShortCut(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	for _, extra := range []string{`"emergency":true`, `"break_glass":true`, `"breakglass":true`, `"urgent":true`, `"priority":"p0"`, `"skip_approval":true`, `"auto_approve":true`, `"force":true`,
		`"state":"approved"`, `"items":[{"entitlement":"dir:wiki","outcome":"granted"}]`, `"requester":"ada"`, `"id":"rq-1"`, `"digest":"sha256:00"`, `"Term":"2h"`, `"REASON":"again"`} {
		d.unstored(extra, func() {
			a := d.send("POST", "/api/v1/requests", "eve", `{"entitlements":["dir:root"],"reason":"the house is on fire","term":"1h",`+extra+`}`)
			if a.status < 400 || a.status >= 500 {
				t.Errorf("%s: %d %s", extra, a.status, a.body)
			}
		})
	}
	d.unstored("a query", func() {
		if a := d.send("POST", "/api/v1/requests?emergency=true", "eve", `{"entitlements":["dir:root"],"reason":"fire","term":"1h"}`); a.status < 400 || a.status >= 500 {
			t.Errorf("?emergency=true: %d %s", a.status, a.body)
		}
	})
	// The words themselves decide nothing, however often.
	for range 20 {
		if r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:root"}, Reason: "EMERGENCY! break-glass approved by the CISO", Ticket: "jira:SEV-1"}); r.State != access.Pending {
			t.Fatalf("%s by its words", r.State)
		}
	}
}
