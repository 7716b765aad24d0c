package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// asked is a question of the corpus' company, decided by the set.
func asked(t *testing.T, set *policy.Set, line string, change ...string) policy.Facts {
	t.Helper()
	world := company()
	f := askLine(t, policy.Facts{Now: noon, Directory: world.directory()}, strings.Fields(line))
	f.Item.Decision = set.MayRequest(f)
	for _, c := range change {
		world.change(t, c)
	}
	f.Directory = world.directory()
	return f
}

// AB-31: a request that waits for nobody is not requestable. The stages that
// cannot all be filled by different people are named.
func TestAB31Unfillable(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, nil)
	for _, tc := range []struct {
		name, ask, stages, change string
		votes                     []string
		want                      string
	}{
		{"somebody for each", "ann db:root 1h", "manager, owner", "", nil, ""},
		{"nothing is needed", "ann db:root 1h", "none", "", nil, ""},
		{"an empty group", "ann saas:crm 1h", "empty", "", nil, "empty:1"},
		{"a group that is no more", "ann saas:crm 1h", "owner, security", "dissolve=security", nil, "security:1"},
		{"a group of the inactive", "ann saas:crm 1h", "ghosts", "", nil, "ghosts:1"},
		{"a group of only the requester", "ann saas:crm 1h", "only-ann", "", nil, "only-ann:1"},
		{"a group that never was", "ann saas:crm 1h", "nowhere", "", nil, "nowhere:1"},
		{"no manager", "dora git:dev 1h", "manager", "", nil, "manager:1"},
		{"the manager left", "ann git:dev 1h", "manager", "inactive=mia", nil, "manager:1"},
		{"the owner asks", "olga git:dev 1h", "owner", "", nil, "owner:1"},
		{"more than there are", "ann saas:crm 1h", "security:3", "", nil, "security:3"},
		{"as many as there are", "ann saas:crm 1h", "security:2", "", nil, ""},
		{"manager and owner are one person", "ann db:mias 1h", "manager, owner", "", nil, "owner:1"},
		{"the one who can do both leaves room", "ann db:root 1h", "owner, security:2", "owner=db:root:sam", nil, "security:2"},
		{"one must move over", "ann db:root 1h", "owner, security", "owner=db:root:sam", nil, ""},
		{"a vote that stands fills", "ann git:dev 1h", "manager", "", []string{"mia manager"}, ""},
		{"a vote that stands takes its person", "ann db:mias 1h", "manager, owner", "", []string{"mia manager"}, "owner:1"},
		{"a vote that no longer stands fills nothing", "ann git:dev 1h", "manager", "inactive=mia", []string{"mia manager"}, "manager:1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			stages, err := policy.ParseStages(tc.stages)
			if err != nil {
				t.Fatal(err)
			}
			f := asked(t, set, tc.ask, slices.DeleteFunc([]string{tc.change}, func(s string) bool { return s == "" })...)
			for _, v := range tc.votes {
				f.Votes = append(f.Votes, voteLine(t, f, strings.Fields(v)))
			}
			var got []string
			for _, st := range set.Unfillable(f, stages) {
				got = append(got, fmt.Sprintf("%s:%d", st.Name, st.Count))
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			slices.Reverse(stages) // then somebody already seated must move over
			if back := set.Unfillable(f, stages); (len(back) == 0) != (tc.want == "") {
				t.Errorf("the other way round %v cannot be filled, and %q this way", back, got)
			}
		})
	}
	if got := set.Unfillable(policy.Facts{}, []access.Stage{{Name: "owner", Count: 1}}); len(got) != 1 {
		t.Errorf("without facts %v are unfillable, and all are", got)
	}
}

// AB-32: two rules that may let the same request through and do not ask for the
// same are reported before anybody asks; testdata/strictest.txtar shows that the
// strictest wins.
func TestAB32ConflictsAreReported(t *testing.T) {
	t.Parallel()
	rule := func(id, notes, rest string) string {
		return `@id("` + id + `") ` + notes + ` permit (principal, action == Action::"request", resource` + rest + ";\n"
	}
	none, manager := `@needs("none")`, `@needs("manager")`
	for _, tc := range []struct {
		name, rules, want string // in the one report; "" if there is none
	}{
		{"one says none", rule("a", none, ")") + rule("b", manager, ` in Class::"standard")`),
			`rules a (x.cedar:1) and b (x.cedar:2) may both let a request through and differ in @needs: a says none, b says "manager"; the strictest wins`},
		{"other stages", rule("a", manager, ")") + rule("b", `@needs("owner:2")`, ")"), `@needs: "manager" and "owner:2"`},
		{"other terms", rule("a", none+` @max_term("8h")`, ")") + rule("b", none, ")"), `@max_term: 8h and none`},
		{"other sign-ins", rule("a", manager+` @step_up("mfa")`, ")") + rule("b", manager+` @step_up("key")`, ")"), `@step_up: "mfa" and "key"`},
		{"the same", rule("a", `@needs("owner, manager")`, ")") + rule("b", `@needs("manager,owner")`, ")"), ""},
		{"other classes", rule("a", none, ` in Class::"standard")`) + rule("b", manager, ` in Class::"privileged")`), ""},
		{"a class and a system", rule("a", none, ` in Class::"standard")`) + rule("b", manager, ` in System::"git")`), "differ in @needs"},
		{"a condition and its opposite", rule("a", none, `) when { resource.beneficiary.external }`) + rule("b", manager, `) unless { resource.beneficiary.external }`), ""},
		{"two values of one thing", rule("a", none, `) when { resource.beneficiary.kind == "person" && resource.extension }`) +
			rule("b", manager, `) when { resource.beneficiary.kind == "agent" }`), ""},
		{"conditions that may both hold", rule("a", none, `) when { resource.beneficiary.external }`) + rule("b", manager, `) when { resource.extension }`), "differ in @needs"},
		{"either or", rule("a", none, `) when { resource.beneficiary.external || resource.extension }`) + rule("b", manager, `) when { !resource.beneficiary.external }`), "differ in @needs"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := mustLoad(t, rules(tc.rules)).Conflicts()
			if tc.want == "" && len(got) > 0 || tc.want != "" && (len(got) != 1 || !strings.Contains(got[0], tc.want)) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
	if got := mustLoad(t, nil).Conflicts(); len(got) > 0 {
		t.Errorf("the shipped rules conflict: %q", got)
	}
}

// AB-36: rules that change under a pending request can make it harder, never
// easier: it keeps what it was asked under, and gets what was added.
func TestAB36PendingRequestsKeepTheStricter(t *testing.T) {
	t.Parallel()
	ask := func(notes string) *policy.Set {
		return mustLoad(t, rules(notes+` permit (principal, action == Action::"request", resource);`))
	}
	for _, tc := range []struct {
		name, before, after string
		votes               []string
		want                string // "" if it may be held; else in Why
	}{
		{"loosened", `@id("a") @needs("manager, owner")`, `@id("a") @needs("none")`, []string{"mia manager"}, "the stage owner has 0 of 1"},
		{"loosened, all voted", `@id("a") @needs("manager, owner")`, `@id("a") @needs("none")`, []string{"mia manager", "olga owner"}, ""},
		{"tightened", `@id("a") @needs("manager")`, `@id("a") @needs("manager, owner")`, []string{"mia manager"}, "the stage owner has 0 of 1"},
		{"a longer term", `@id("a") @needs("manager") @max_term("1h")`, `@id("a") @needs("manager") @max_term("8h")`, []string{"mia manager"}, ""},
		{"a shorter term", `@id("a") @needs("manager")`, `@id("a") @needs("manager") @max_term("30m")`, []string{"mia manager"}, "longer than the 30m"},
		{"a sign-in more", `@id("a") @needs("manager")`, `@id("a") @needs("manager") @step_up("mfa")`, []string{"mia manager"}, "needs a stronger sign-in"},
		{"a sign-in less", `@id("a") @needs("manager") @step_up("mfa")`, `@id("a") @needs("manager")`, []string{"mia manager"}, "needs a stronger sign-in"},
		{"another sign-in", `@id("a") @needs("manager") @step_up("mfa")`, `@id("a") @needs("manager") @step_up("sms")`, []string{"mia manager strength=sms"},
			`it was asked under rules that want the sign-in "mfa", and they want "sms" now; it has to be asked anew`},
		{"an author", `@id("a") @needs("owner")`, `@id("a") @needs("owner") @author("olga")`, []string{"olga owner"}, "The author of the rule"},
		{"an author who was one", `@id("a") @needs("owner") @author("olga")`, `@id("a") @needs("owner")`, []string{"olga owner"}, "The author of the rule"},
		{"an author who only obliges", `@id("a") @needs("owner")`, `@id("o") @needs("owner") @author("olga") permit (principal, action == Action::"oblige", resource); @id("a") @needs("owner")`, []string{"olga owner"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			before, after := ask(tc.before), ask(tc.after)
			f := asked(t, before, "ann git:dev 1h")
			for _, r := range f.Item.Decision.Rules {
				if r.Author != "" {
					f.Authors = append(f.Authors, r.Author)
				}
			}
			for _, v := range tc.votes {
				f.Votes = append(f.Votes, voteLine(t, f, strings.Fields(v)))
			}
			d := after.MayHold(f)
			if d.Allow != (tc.want == "") || !strings.Contains(d.Why, tc.want) {
				t.Errorf("allow=%v: %s; want %q", d.Allow, d.Why, tc.want)
			}
		})
	}
	torn := asked(t, ask(`@id("a") @needs("manager") @step_up("mfa")`), "ann git:dev 1h")
	now := ask(`@id("a") @needs("manager") @step_up("sms")`)
	if who := now.WhoCanApprove(torn, "manager"); len(who) > 0 {
		t.Errorf("%v are said to be able to approve what nobody can", who)
	}
	if d := now.MayApprove(torn, access.Actor{Identity: "mia", Strength: "mfa"}, "manager"); d.Allow {
		t.Error("a vote counts under a sign-in that is no longer wanted")
	}
}

// AB-52: what one may not hold together is looked for in everything held,
// awaited and asked for, whichever side wrote the conflict, and again when granted.
func TestAB52ConflictOfDuties(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, nil)
	for _, tc := range []struct {
		name, ask string
		allow     bool
	}{
		{"alone", "ann git:review 1h", true},
		{"beside others", "ann git:review 1h held=git:dev,db:root siblings=git:docs", true},
		{"held", "ann git:review 1h held=db:pay", false},
		{"held, written on the other side", "ann db:pay 1h held=git:review", false},
		{"asked for together", "ann git:review 1h siblings=db:pay", false},
		{"asked for together, the other one", "ann db:pay 1h siblings=git:review", false},
	} {
		f := asked(t, set, tc.ask)
		f.Votes = []access.Approval{voteLine(t, f, []string{"mia", "manager"})}
		if f.Item.Decision.Allow != tc.allow || set.MayHold(f).Allow != tc.allow {
			t.Errorf("%s: request %v, hold %v, want %v", tc.name, f.Item.Decision.Allow, set.MayHold(f).Allow, tc.allow)
		}
	}
	f := asked(t, set, "ann git:review 1h")
	f.Votes = []access.Approval{voteLine(t, f, []string{"mia", "manager"})}
	f.Held = []string{"db:pay"} // granted since
	if d := set.MayHold(f); d.Allow || d.Rules[0].ID != "guard.conflict-of-duties" {
		t.Errorf("a conflict that came between the vote and the grant: %+v", d)
	}
}

// Silence denies (law 8): what cannot be put as a question is a denial with its reason.
func TestNoFactsNoAnswer(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, rules(`@id("all") @needs("none") permit (principal, action, resource);`))
	good := asked(t, set, "ann git:docs 1h")
	good.Request.Items = []access.Item{good.Item}
	if !set.MayRequest(good).Allow || !set.MayHold(good).Allow {
		t.Fatal("the good question is refused")
	}
	for name, spoil := range map[string]func(*policy.Facts){
		"no directory":       func(f *policy.Facts) { f.Directory = nil },
		"no time":            func(f *policy.Facts) { f.Now = time.Time{} },
		"nothing known":      func(f *policy.Facts) { f.Directory = access.NewDirectory(nil, nil, nil, nil, nil) },
		"no requester":       func(f *policy.Facts) { f.Request.Requester = "" },
		"no beneficiary":     func(f *policy.Facts) { f.Request.Beneficiary = "" },
		"no entitlement":     func(f *policy.Facts) { f.Item.Entitlement = "" },
		"no term":            func(f *policy.Facts) { f.Request.Term, f.Item.Term = 0, 0 },
		"a term of ages":     func(f *policy.Facts) { f.Request.Term = access.Term(1<<63 - 1) },
		"a start in no year": func(f *policy.Facts) { f.Request.Start = time.Unix(1<<60, 0) },
	} {
		f := good
		spoil(&f)
		for _, d := range []access.Decision{set.MayRequest(f), set.MayHold(f)} {
			if d.Allow || d.Why == "" || d.Facts == "" || d.Policy != set.Digest() {
				t.Errorf("%s: %+v", name, d)
			}
		}
	}
	for name, d := range map[string]access.Decision{
		"approve":         set.MayApprove(policy.Facts{Now: noon}, access.Actor{Identity: "mia"}, "manager"),
		"view":            set.MayView(nil, noon, access.Actor{Identity: "mia"}, good.Request),
		"view of nothing": set.MayView(good.Directory, noon, access.Actor{Identity: "mia"}, access.Request{}),
		"revoke":          set.MayRevoke(nil, noon, access.Actor{Identity: "mia"}, access.Grant{}),
		"revoke by none":  set.MayRevoke(good.Directory, noon, access.Actor{}, access.Grant{}),
	} {
		if d.Allow || d.Why == "" {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if who := set.WhoCanApprove(policy.Facts{}, "manager"); who != nil {
		t.Errorf("without facts %v can approve", who)
	}
}

// Cedar leaves out a rule that errs, so a forbid that errs would let through what
// it forbids. Here it denies, whichever question it is of.
func TestAForbidThatErrsDenies(t *testing.T) {
	t.Parallel()
	const errs = `context.now.toTime().toMilliseconds() * 9223372036854775807 > 0`
	permits := `@id("all") @needs("manager") permit (principal, action, resource); `
	for _, question := range []string{"request", "oblige", "approve", "hold", "view", "revoke"} {
		rule := `@id("errs") forbid (principal, action == Action::"` + question + `", resource) when { ` + errs + ` };`
		if question == "oblige" {
			rule = `@id("errs") @needs("owner") permit (principal, action == Action::"oblige", resource) when { ` + errs + ` };`
		}
		answers := func(set *policy.Set) map[string]access.Decision {
			f := asked(t, mustLoad(t, rules(permits)), "ann git:docs 1h")
			f.Votes = []access.Approval{voteLine(t, f, []string{"mia", "manager"})}
			f.Request.Items = []access.Item{f.Item}
			by := access.Actor{Identity: "dora"}
			return map[string]access.Decision{"request": set.MayRequest(f), "approve": set.MayApprove(f, by, "manager"), "hold": set.MayHold(f),
				"view": set.MayView(f.Directory, noon, by, f.Request), "revoke": set.MayRevoke(f.Directory, noon, by, access.Grant{ID: "g", Identity: "ann", Entitlement: "git:docs"})}
		}
		denied := map[string][]string{"request": {"request", "hold"}, "oblige": {"request", "hold"}, "approve": {"approve", "hold"}}[question]
		if denied == nil {
			denied = []string{question}
		}
		whole := answers(mustLoad(t, rules(permits)))
		for name, d := range answers(mustLoad(t, rules(permits+rule))) {
			want := !slices.Contains(denied, name)
			if !whole[name].Allow || d.Allow != want {
				t.Errorf("a rule of %s that errs: %s is %v (%s), and %v without it; want %v", question, name, d.Allow, d.Why, whole[name].Allow, want)
			}
		}
	}
}

// Facts that do not fit the schema the rules were checked against could make a
// rule err or be false for the wrong reason: they are a denial.
func TestFactsThatDoNotFitAreDenied(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ was, is, says string }{
		{"department: String", "department: Long", `Identity::"ann" does not fit the schema`},
		{"class: String", "class: Bool", `Entitlement::"git:docs" does not fit the schema`},
		{"extension: Bool", "extension: Long", `Request::"r1#git:docs" does not fit the schema`},
		{"owner: Identity,\n};", "owner: Identity,\n  more: Long,\n};", `Grant::"g" does not fit the schema`},
		{"resource: Request, context: { now: datetime } };", "resource: Grant, context: { now: datetime } };", ""},
	} {
		set := policy.WithSchema(mustLoad(t, nil), tc.was, tc.is)
		f := asked(t, set, "ann git:docs 1h")
		f.Votes = []access.Approval{voteLine(t, f, []string{"mia", "manager"})}
		f.Request.Items = []access.Item{f.Item}
		by := access.Actor{Identity: "mia"}
		var errs []string
		for _, d := range []access.Decision{f.Item.Decision, set.MayHold(f), set.MayRevoke(f.Directory, noon, by, access.Grant{ID: "g", Identity: "ann", Entitlement: "git:docs"})} {
			if len(d.Errors) > 0 && d.Allow {
				t.Errorf("%s: allowed with errors %q", tc.is, d.Errors)
			}
			errs = append(errs, d.Errors...)
		}
		if len(errs) == 0 || !strings.Contains(strings.Join(errs, "\n"), tc.says) {
			t.Errorf("%s: errors are %q, want %q", tc.is, errs, tc.says)
		}
		if who := set.WhoCanApprove(f, "manager"); len(who) > 0 && strings.Contains(tc.says, "Request") {
			t.Errorf("%s: %v can approve", tc.is, who)
		}
	}
}

// What rules name and nobody has is said before anybody is asked.
func TestCheckDirectory(t *testing.T) {
	t.Parallel()
	set := mustLoad(t, rules(`@id("a") @needs("security, securty") @author("olga")
permit (principal in Group::"developers", action == Action::"request", resource in System::"git");
@id("b") @author("nobody")
forbid (principal, action == Action::"request", resource in Entitlement::"git:devv")
when { resource.held.contains(Entitlement::"db:gone") || principal in [Group::"security", Group::"guests"] || principal == Identity::"eve" };
@id("c") forbid (principal, action == Action::"view", resource in Class::"any");`))
	var got []string
	for _, p := range set.CheckDirectory(company().directory()) {
		got = append(got, p.String())
	}
	want := []string{
		`x.cedar:1:1: rule a needs "securty", and there is no such group`,
		`x.cedar:1:1: rule a names Group::"developers", and there is no such thing`,
		`x.cedar:3:1: rule b is by "nobody", and there is no such identity`,
		`x.cedar:3:1: rule b names Entitlement::"git:devv", and there is no such thing`,
		`x.cedar:3:1: rule b names Entitlement::"db:gone", and there is no such thing`,
		`x.cedar:3:1: rule b names Group::"guests", and there is no such thing`,
		`x.cedar:3:1: rule b names Identity::"eve", and there is no such thing`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got := mustLoad(t, nil).CheckDirectory(company().directory()); len(got) > 0 {
		t.Errorf("the shipped rules name what nobody has: %v", got)
	}
}
