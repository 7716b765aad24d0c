package config

import (
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // the zones of blackouts are there wherever this runs

	"github.com/lessor-iam/lessor/internal/access"
)

// plan is how one credential is kept, with its place.
type plan struct {
	access.CredentialPlan
	f fields
}

func (p *plan) entry() (string, fields) { return p.ID, p.f }

var (
	planSections = []string{"credentials"}
	planKeys     = []string{"id", "system", "account", "kind", "deliver", "every", "overlap", "lasts", "jitter", "consumers", "scopes", "blackouts"}
	blackoutKeys = []string{"days", "from", "to", "zone"}

	consumerWords = []string{"overlap", "used"}
	weekdays      = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
)

func (d *files) readPlans(text []byte) {
	if f, ok := d.sections(credentialsFile, text, planSections); ok {
		each(f, "credentials", "a credential", planKeys, d.readPlan)
	}
}

func (d *files) readPlan(f fields) {
	p := plan{f: f, CredentialPlan: access.CredentialPlan{
		ID: f.required("id", "a credential"), System: f.required("system", "a credential"), Account: f.required("account", "a credential"),
		Kind: f.required("kind", "a credential"), Every: f.term("every", 0), Overlap: f.term("overlap", 0), Lasts: f.term("lasts", 0),
		Jitter: f.term("jitter", 0), Watch: f.oneOf("consumers", "overlap", consumerWords) == "used", Scopes: plainTexts(f.texts("scopes")),
	}}
	to := f.required("deliver", "a credential")
	store, ref, ok := strings.Cut(to, ":")
	if to != "" && (!ok || store == "" || ref == "") {
		f.problem("deliver", "deliver must be STORE:REFERENCE, a store of stores.yaml and where in it consumers read the credential")
	}
	p.Store, p.Ref = store, ref
	f.needs("a credential", "every")
	every(f, "blackouts", "a blackout", blackoutKeys, func(f fields) {
		if b, ok := readBlackout(f); ok {
			p.Blackouts = append(p.Blackouts, b)
		}
	})
	d.plans = append(d.plans, p)
}

func readBlackout(f fields) (b access.Blackout, ok bool) {
	before := len(f.r.problems)
	for _, day := range f.texts("days") {
		n := slices.Index(weekdays, day.text)
		if n < 0 {
			f.r.problem(day.at, "a day is one of %s%s", strings.Join(weekdays, ", "), f.r.instead(day.text, slices.Values(weekdays)))
			continue
		}
		b.Days = append(b.Days, time.Weekday(n))
	}
	if f.none("days") {
		f.r.problem(f.here(), "a blackout needs days: those of the week on which it begins")
	}
	b.From, b.To = f.clock("from"), f.clock("to")
	zone := "UTC"
	if f.has("zone") {
		zone = f.text("zone")
	}
	var err error
	if b.Zone, err = time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		f.problem("zone", "there is no zone %q: write it like UTC or Europe/Berlin", access.Brief(zone))
	}
	return b, len(f.r.problems) == before
}

// clock reads a time of day, as long after midnight.
func (f fields) clock(key string) time.Duration {
	text := f.required(key, "a blackout")
	if text == "" {
		return 0
	}
	if text == "24:00" {
		return 24 * time.Hour
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		f.problem(key, "%s is no time of day: write it like \"08:30\", in quotes", key)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
}

// shortestEvery is how often a credential may be made anew at most: a rotation must
// have time to be proved.
const shortestEvery = access.Term(5 * time.Minute)

// checkPlans holds each plan against the rest, and against the others.
func (d *files) checkPlans() {
	register[plan](d, "id", "credential", d.plans, plainID)
	at := map[string]mark{}
	for i := range d.plans {
		p := &d.plans[i]
		d.checkPlan(p)
		if p.Store == "" || p.Ref == "" {
			continue
		}
		if first, taken := at[p.Store+":"+p.Ref]; taken {
			p.f.problem("deliver", "another credential is delivered there: that at %s", first)
			continue
		}
		at[p.Store+":"+p.Ref] = p.f.at("deliver")
	}
}

func (d *files) checkPlan(p *plan) {
	f := p.f
	// 1. Whose it is.
	if p.System != "" {
		refer(d, f.at("system"), "system", "system", p.System, d.known.systems)
	}
	if strings.HasPrefix(p.ID, "cr-") {
		f.problem("id", "ids that begin with cr- are those of credentials that were found: choose another")
	}
	whose := d.holderAt(p.System, p.Account)
	if p.Account != "" && whose == nil && !d.partial {
		f.problem("account", "no workload has the account %q at %s: write it under accounts of the one it is, whose owner answers for the credential", access.Brief(p.Account), access.Brief(p.System))
	}
	// 2. When it is made anew.
	switch {
	case f.has("every") && p.Every < shortestEvery:
		f.problem("every", "every must be at least %s", shortestEvery)
	case p.Every > access.LongestTerm:
		f.problem("every", "every must be at most %s", access.LongestTerm)
	}
	if whose != nil && whose.Contract != nil && whose.Contract.RotateEvery > 0 && p.Every > whose.Contract.RotateEvery {
		f.problem("every", "every must be at most %s: the contract of %q says so", whose.Contract.RotateEvery, access.Brief(whose.ID))
	}
	for _, part := range []struct {
		key  string
		span access.Term
	}{{"overlap", p.Overlap}, {"jitter", p.Jitter}} {
		if part.span*2 > p.Every && p.Every > 0 {
			f.problem(part.key, "%s must be at most half of every (%s)", part.key, p.Every)
		}
	}
	if p.Lasts != 0 && p.Lasts < p.Every+p.Overlap {
		f.problem("lasts", "lasts must be at least every and overlap together (%s): else it ends before the next one is in use", p.Every+p.Overlap)
	}
	// 3. When it is not. Monday is as good as any day to begin to search from.
	if _, ok := p.Begin(time.Date(2026, time.January, 5, 0, 0, 0, 0, time.UTC)); !ok {
		f.problem("blackouts", "the blackouts and the overlap leave no moment in two weeks at which a rotation could begin")
	}
}

// holderAt is the workload or agent that has an account at a system.
func (d *files) holderAt(system, account string) *identity {
	for n := range d.identities {
		i := &d.identities[n]
		if (i.Kind == access.Workload || i.Kind == access.Agent) && i.Accounts[system] == account && account != "" {
			return i
		}
	}
	return nil
}

// plansOf are the plans as the directory carries them.
func (d *files) plansOf() []access.CredentialPlan {
	list := make([]access.CredentialPlan, len(d.plans))
	for i := range d.plans {
		list[i] = d.plans[i].CredentialPlan
	}
	return list
}

// plansAt is where each is written.
func (d *files) plansAt() map[string]mark {
	if len(d.plans) == 0 {
		return nil
	}
	at := make(map[string]mark, len(d.plans))
	for _, p := range d.plans {
		at[p.ID] = p.f.here()
	}
	return at
}

// PlanProblem is a problem at the place where that credential's plan is written: only
// its system's connector knows which kinds there are, and only its store what a
// reference looks like.
func (c *Config) PlanProblem(id, format string, args ...any) access.Problem {
	at, ok := c.plans[id]
	if !ok {
		at = mark{file: credentialsFile}
	}
	return at.say(format, args)
}
