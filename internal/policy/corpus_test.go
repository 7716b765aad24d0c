package policy_test

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// The decision corpus: every testdata/*.txtar is a folder of rules (none: the
// shipped defaults) and a file "cases". A case is a block of lines:
//
//	case what it shows
//	ask REQUESTER [for BENEFICIARY] ENTITLEMENT TERM [key=value …]   facts
//	vote VOTER STAGE [strength=… verdict=… term=… at=N delegate=…]  a standing vote
//	delegate FROM TO [SYSTEM|ENTITLEMENT] | away WHO | escalated STAGE   who may answer for whom
//	later KEY=VALUE                                                 the world changes after the request was decided
//	request | approve VOTER STAGE [STRENGTH] | answer VOTER STAGE [STRENGTH] | hold | view WHO | revoke WHO | who STAGE
//	allow RULES… | deny RULES… | RULES…                             expected; who: the people
//	why PART   needs STAGES   max TERM   error PART                 expected, where it matters
func TestCorpus(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no corpus", err)
	}
	cases := 0
	for _, name := range files {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		folder, text := fstest.MapFS{}, ""
		for _, f := range a.Files {
			if f.Name == "cases" {
				text = string(f.Data)
			} else {
				folder[f.Name] = &fstest.MapFile{Data: f.Data}
			}
		}
		set, err := policy.Load(nil)
		if len(folder) > 0 {
			set, err = policy.Load(folder)
		}
		if err != nil {
			t.Fatalf("%s:\n%v", name, err)
		}
		for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
			if block = strings.TrimSpace(block); block == "" {
				continue
			}
			cases++
			title, rest, _ := strings.Cut(block, "\n")
			t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar")+"/"+strings.TrimPrefix(title, "case "), func(t *testing.T) {
				t.Parallel()
				play(t, set, strings.Split(rest, "\n"))
			})
		}
	}
	if cases < 40 {
		t.Errorf("only %d cases", cases)
	}
}

// play runs one case.
func play(t *testing.T, set *policy.Set, lines []string) {
	t.Helper()
	f, world := policy.Facts{Now: noon}, company()
	var got access.Decision
	var who []string
	for _, line := range lines {
		words := strings.Fields(line)
		f.Directory = world.directory()
		switch words[0] {
		case "ask":
			f = askLine(t, f, words[1:])
			f.Item.Decision = set.MayRequest(f)
		case "vote":
			f.Votes = append(f.Votes, voteLine(t, f, words[1:]))
		case "later":
			for _, change := range words[1:] {
				world.change(t, change)
			}
		case "request":
			got = set.MayRequest(f)
		case "approve":
			got = set.MayApprove(f, access.Actor{Identity: words[1], Strength: strings.Join(words[3:], "")}, words[2])
		case "answer":
			got, _ = set.MayAnswer(f, access.Actor{Identity: words[1], Strength: strings.Join(words[3:], "")}, words[2])
		case "delegate":
			l := access.Delegation{ID: "de-" + words[2], From: words[1], To: words[2], Start: noon.Add(-time.Hour), End: noon.Add(time.Hour)}
			if len(words) > 3 {
				l.Entitlement = words[3]
				if !strings.Contains(words[3], ":") {
					l.System, l.Entitlement = words[3], ""
				}
			}
			f.StandIns.Delegations = append(f.StandIns.Delegations, l)
		case "undelegate":
			f.StandIns.Delegations = nil
		case "away":
			f.StandIns.Absences = append(f.StandIns.Absences, access.Absence{ID: "ab-" + words[1], Person: words[1], From: noon.Add(-time.Hour), Until: noon.Add(time.Hour)})
		case "escalated":
			f.Item.Escalated = append(f.Item.Escalated, words[1])
		case "stand-ins":
			who = nil
			for _, o := range set.WhoCanStandIn(f, words[1]) {
				who = append(who, o.Who)
			}
		case "hold":
			got = set.MayHold(f)
		case "view":
			f.Request.Items = []access.Item{f.Item}
			got = set.MayView(f.Directory, f.Now, access.Actor{Identity: words[1]}, f.Request)
		case "revoke":
			got = set.MayRevoke(f.Directory, f.Now, access.Actor{Identity: words[1]}, access.Grant{
				ID: "g1", Identity: f.Request.Beneficiary, Entitlement: f.Item.Entitlement, Owner: f.Request.Beneficiary})
		case "who":
			who = set.WhoCanApprove(f, words[1])
		default:
			expect(t, words, line, got, who)
		}
	}
	if got.Question != "" && (got.Policy != set.Digest() || !got.At.Equal(noon) || got.Facts == "" || got.Why == "") {
		t.Errorf("the record is not whole: %+v", got)
	}
}

func expect(t *testing.T, words []string, line string, got access.Decision, who []string) {
	t.Helper()
	_, rest, _ := strings.Cut(line, " ")
	switch words[0] {
	case "allow", "deny":
		var ids []string
		for _, r := range got.Rules {
			ids = append(ids, r.ID)
		}
		if got.Allow != (words[0] == "allow") || !slices.Equal(ids, words[1:]) {
			t.Errorf("got allow=%v by %v, want %s\nwhy: %s\nerrors: %q", got.Allow, ids, line, got.Why, got.Errors)
		}
	case "why":
		if !strings.Contains(got.Why, rest) {
			t.Errorf("why is %q, want %q in it", got.Why, rest)
		}
	case "error":
		if !strings.Contains(strings.Join(got.Errors, "\n"), rest) {
			t.Errorf("errors are %q, want %q in them", got.Errors, rest)
		}
	case "needs":
		var needs []string
		for _, st := range got.Stages {
			needs = append(needs, fmt.Sprintf("%s:%d", st.Name, st.Count))
		}
		if strings.Join(needs, " ") != strings.TrimPrefix(rest, "needs") {
			t.Errorf("needs %q, want %q", needs, rest)
		}
	case "max":
		if got.MaxTerm.String() != rest {
			t.Errorf("longest term is %s, want %s", got.MaxTerm, rest)
		}
	case "stepup":
		if got.StepUp != rest {
			t.Errorf("step-up is %q, want %q", got.StepUp, rest)
		}
	case "people":
		if !slices.Equal(who, words[1:]) {
			t.Errorf("who can approve: %v, want %v", who, words[1:])
		}
	default:
		t.Fatalf("unknown line %q", line)
	}
}

func askLine(t *testing.T, f policy.Facts, words []string) policy.Facts {
	t.Helper()
	f.Request = access.Request{ID: "r1", Revision: 1, Digest: "sha256:r1", Requester: words[0], Beneficiary: words[0]}
	if words = words[1:]; words[0] == "for" {
		f.Request.Beneficiary, words = words[1], words[2:]
	}
	f.Item = access.Item{Entitlement: words[0]}
	f.Request.Term = term(t, words[1])
	for _, w := range words[2:] {
		k, v, _ := strings.Cut(w, "=")
		list := strings.Split(v, ",")
		switch k {
		case "ticket":
			f.Request.Ticket = v
		case "sponsor":
			f.Sponsored = v == "holds"
		case "held":
			f.Held = list
		case "siblings":
			f.Siblings = list
		case "makers":
			f.Request.Makers = list
		case "authors":
			f.Authors = list
		case "chain":
			f.Request.Extends, f.ChainFor = "g0", term(t, v)
		case "start":
			f.Request.Start = noon.Add(hours(t, v))
		case "fixed":
			f.Request.Start, f.Request.Fixed = noon.Add(hours(t, v)), true
		case "narrowed":
			f.Item.Term = term(t, v)
		default:
			t.Fatalf("unknown fact %q", w)
		}
	}
	return f
}

func voteLine(t *testing.T, f policy.Facts, words []string) access.Approval {
	t.Helper()
	v := access.Approval{ID: fmt.Sprintf("v%d", len(f.Votes)), Request: "r1", Revision: 1, Digest: "sha256:r1", Entitlement: f.Item.Entitlement,
		Voter: words[0], Person: words[0], Stage: words[1], Verdict: access.Approve, At: noon.Add(time.Duration(len(f.Votes)) * time.Minute)}
	for _, w := range words[2:] {
		k, val, _ := strings.Cut(w, "=")
		switch k {
		case "strength":
			v.Strength = val
		case "delegate", "deputy":
			v.Behalf = access.Behalf{Of: val, How: access.StandIn(k), Ref: "de-" + v.Voter}
			if k == "deputy" {
				v.Behalf.Ref = "ab-" + val
			}
		case "verdict":
			v.Verdict = access.Verdict(val)
		case "term":
			v.Term = term(t, val)
		case "digest":
			v.Digest = val
		case "entitlement":
			v.Entitlement = val
		case "withdrawn":
			v.WithdrawnAt = noon
		default:
			t.Fatalf("unknown part of a vote %q", w)
		}
	}
	return v
}

func hours(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// term reads a term without the limits of access.ParseTerm: the corpus asks for impossible ones.
func term(t *testing.T, s string) access.Term {
	t.Helper()
	if v, err := access.ParseTerm(s); err == nil {
		return v
	}
	return access.Term(hours(t, s))
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// firm is a small company that a case may change.
type firm struct {
	ids    map[string]access.Identity
	groups map[string]access.GroupMembers
	ents   map[string]access.Entitlement
}

func (w *firm) directory() *access.Directory {
	return access.NewDirectory(sorted(w.ids), sorted(w.groups), []access.System{{ID: "git"}, {ID: "db"}, {ID: "saas"}}, sorted(w.ents), nil)
}

func sorted[V any](m map[string]V) []V {
	var out []V
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}

// change is "inactive=bob", "owner=git:dev:olga", "leave=security:sam", "dissolve=security", "gone=bob", "manager=ann:eve".
func (w *firm) change(t *testing.T, change string) {
	t.Helper()
	what, value, _ := strings.Cut(change, "=")
	cut := strings.LastIndex(value, ":")
	first, last := value[:max(cut, 0)], value[cut+1:]
	switch what {
	case "inactive":
		i := w.ids[value]
		i.Inactive = true
		w.ids[value] = i
	case "gone":
		delete(w.ids, value)
	case "owner":
		e := w.ents[first]
		e.Owners = []string{last}
		w.ents[first] = e
	case "class":
		e := w.ents[first]
		e.Class = last
		w.ents[first] = e
	case "powers":
		e := w.ents[first]
		e.Powers = []string{last}
		w.ents[first] = e
	case "shorter":
		e := w.ents[first]
		e.MaxTerm = term(t, last)
		w.ents[first] = e
	case "manager":
		i := w.ids[first]
		i.Manager = last
		w.ids[first] = i
	case "deputy":
		i := w.ids[first]
		i.Deputy = last
		w.ids[first] = i
	case "leave":
		g := w.groups[first]
		g.Members = slices.DeleteFunc(slices.Clone(g.Members), func(m string) bool { return m == last })
		w.groups[first] = g
	case "dissolve":
		delete(w.groups, value)
	default:
		t.Fatalf("unknown change %q", change)
	}
}

// company: ann and bert report to mia, mia to dora. ann has a second identity,
// owns a bot and sponsors an agent; carl is external, sponsored by mia.
func company() *firm {
	w := &firm{ids: map[string]access.Identity{}, groups: map[string]access.GroupMembers{}, ents: map[string]access.Entitlement{}}
	for _, i := range []access.Identity{
		{ID: "ann", Kind: access.Person, Manager: "mia", Department: "dev"},
		{ID: "ann-admin", Kind: access.Person, Same: "ann"},
		{ID: "bert", Kind: access.Person, Manager: "mia", Department: "dev", End: noon.Add(6 * time.Hour)},
		{ID: "mia", Kind: access.Person, Manager: "dora"},
		{ID: "mia-admin", Kind: access.Person, Same: "mia"},
		{ID: "dora", Kind: access.Person},
		{ID: "olga", Kind: access.Person, Manager: "dora"}, // owns entitlements
		{ID: "otto", Kind: access.Person, Manager: "dora"}, // so does he
		{ID: "sam", Kind: access.Person, Manager: "dora"},  // security
		{ID: "sue", Kind: access.Person, Manager: "dora"},
		{ID: "aud", Kind: access.Person, Manager: "dora"},
		{ID: "left", Kind: access.Person, Manager: "mia", Inactive: true},
		{ID: "soon", Kind: access.Person, Manager: "mia", Start: noon.Add(time.Hour)},
		{ID: "carl", Kind: access.Person, External: true, Sponsor: "mia"},
		{ID: "lone", Kind: access.Person, External: true, Sponsor: "left"},
		{ID: "carla", Kind: access.Person, External: true, Sponsor: "mia", Manager: "mia"},
		{ID: "bot", Kind: access.Workload, Owner: "ann"},
		{ID: "bounded", Kind: access.Workload, Owner: "ann", Contract: &access.Contract{Systems: []string{"git"}, Entitlements: []string{"git:dev"}}},
		{ID: "gitbot", Kind: access.Workload, Owner: "ann", Contract: &access.Contract{Systems: []string{"git"}}},
		{ID: "blank", Kind: access.Workload, Owner: "ann", Contract: &access.Contract{Purpose: "to be"}},
		{ID: "retired", Kind: access.Workload, Owner: "ann", Contract: &access.Contract{Systems: []string{"git"}, Retires: noon.Add(-time.Hour)}},
		{ID: "retiring", Kind: access.Workload, Owner: "ann", Contract: &access.Contract{Systems: []string{"git"}, Retires: noon.Add(time.Hour)}},
		{ID: "stray", Kind: access.Workload, Owner: "left"},
		{ID: "botbot", Kind: access.Workload, Owner: "bot"},
		{ID: "aide", Kind: access.Agent, Owner: "ann", Sponsor: "ann"},
		{ID: "orphan", Kind: access.Agent, Owner: "ann", Sponsor: "left"},
	} {
		w.ids[i.ID] = i
	}
	for _, g := range []access.GroupMembers{
		{ID: "security", Members: []string{"sam", "sue", "bot", "carl", "left"}},
		{ID: "auditors", Members: []string{"aud"}},
		{ID: "empty"},
		{ID: "ghosts", Members: []string{"left"}},
		{ID: "only-ann", Members: []string{"ann", "ann-admin"}},
		{ID: "loop-a", Groups: []string{"loop-b"}},
		{ID: "loop-b", Groups: []string{"loop-a"}},
		{ID: "ring-a", Groups: []string{"ring-b"}, Members: []string{"sue"}},
		{ID: "ring-b", Groups: []string{"ring-a"}},
	} {
		w.groups[g.ID] = g
	}
	day := access.Term(24 * time.Hour)
	for _, e := range []access.Entitlement{
		{ID: "git:dev", System: "git", Class: "standard", Owners: []string{"olga"}, MaxTerm: 30 * day, Powers: []string{"read", "write"}},
		{ID: "git:admin", System: "git", Class: "standard", Owners: []string{"olga"}, MaxTerm: day, Powers: []string{"admin"}},
		{ID: "git:docs", System: "git", Class: "standard", Owners: []string{"otto"}, MaxTerm: day},
		{ID: "git:hooks", System: "git", Class: "standard", Owners: []string{"olga", "otto"}, MaxTerm: day, Powers: []string{"read", "grant"}},
		{ID: "git:ann", System: "git", Class: "standard", Owners: []string{"ann"}, MaxTerm: day},
		{ID: "git:review", System: "git", Class: "standard", Owners: []string{"otto"}, MaxTerm: day, Conflicts: []string{"db:pay"}},
		{ID: "db:root", System: "db", Class: "privileged", Owners: []string{"olga", "otto"}, MaxTerm: 2 * day, Powers: []string{"admin", "grant"}},
		{ID: "db:mias", System: "db", Class: "privileged", Owners: []string{"mia"}, MaxTerm: day},
		{ID: "db:pay", System: "db", Class: "standard", Owners: []string{"otto"}, MaxTerm: day, MaxTotal: 2 * day},
		{ID: "saas:crm", System: "saas", Class: "third-party", Owners: []string{"olga"}, MaxTerm: 30 * day},
		{ID: "saas:odd", System: "saas", Class: "experimental", Owners: []string{"olga"}, MaxTerm: day},
	} {
		w.ents[e.ID] = e
	}
	return w
}
