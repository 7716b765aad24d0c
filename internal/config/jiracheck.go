package config

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
)

var mailForm = regexp.MustCompile(`^[^\s:@]{1,64}@[^\s:@]{1,190}$`)

func (d *files) checkSites() {
	d.checkSiteIDs()
	urls, hooks, used := map[string]*site{}, map[string]*site{}, d.placesUsed()
	for n := range d.sites {
		s := &d.sites[n]
		// 1. By itself.
		d.checkSite(s)
		if d.known.sites[s.ID] == s && !used[s.ID] && !d.partial {
			d.warn(s.f.at("id"), "nobody has an account at site %q: write accounts: {%s: ACCOUNT} for whoever asks or votes there", access.Brief(s.ID), access.Brief(s.ID))
		}

		// 2. Beside the others.
		if first, taken := urls[s.URL]; taken && s.URL != "" {
			s.f.problem("url", "url is also that of the site at %s: every ticket would be read as two", first.f.at("url"))
		}
		if first, taken := hooks[s.WebhookSecretRef]; taken && s.WebhookSecretRef != "" {
			s.f.problem("webhook_secret_ref", "this is also the secret of the site at %s: what one of them signs would pass as the other's", first.f.at("webhook_secret_ref"))
		}
		urls[s.URL], hooks[s.WebhookSecretRef] = s, s
	}
}

// checkSiteIDs holds that no site is taken for a system: identities have their
// accounts at either under its id.
func (d *files) checkSiteIDs() {
	l, systems := newLooks(), map[string]*system{}
	for n := range d.systems {
		if s := &d.systems[n]; s.ID != "" {
			systems[l.of(s.ID)] = s
		}
	}
	for n := range d.sites {
		s := &d.sites[n]
		other, alike := systems[l.of(s.ID)]
		switch {
		case s.ID == "" || !alike:
		case other.ID == s.ID:
			s.f.problem("id", "there is a system %q at %s: a site needs an id of its own", access.Brief(s.ID), other.f.at("id"))
		default:
			s.f.problem("id", "site %+q can be taken for system %+q at %s: choose another", access.Brief(s.ID), access.Brief(other.ID), other.f.at("id"))
		}
	}
	if s, ok := d.known.systems["bundle"]; ok && len(d.sites) > 0 {
		s.f.problem("id", "no system can be called %q beside Jira: there, bundle:NAME is a bundle", s.ID)
	}
}

// placesUsed is every system and site at which somebody has an account.
func (d *files) placesUsed() map[string]bool {
	used := map[string]bool{}
	for n := range d.identities {
		for place := range d.identities[n].Accounts {
			used[place] = true
		}
	}
	return used
}

func (d *files) checkSite(s *site) {
	f := s.f
	switch {
	case s.Kind == JiraCloud && !f.has("user"):
		f.problem("user", "a site of Jira Cloud needs user: the mail address of the account whose API token it is")
	case s.Kind == JiraCloud && !mailForm.MatchString(s.User):
		f.problem("user", "user must be the mail address of the account whose API token it is")
	case s.Kind == JiraDataCenter && f.has("user"):
		f.problem("user", "a site of Jira Data Center has no user: its token says whose it is")
	}
	if s.WebhookSecretRef != "" && s.WebhookSecretRef == s.TokenRef {
		f.problem("webhook_secret_ref", "webhook_secret_ref is also token_ref: a webhook's secret is one of its own")
	}
	if s.Owner != "" {
		if owner, ok := d.person(f.at("owner"), "owner", s.Owner); ok && d.inactive(owner) {
			d.absent(f.at("owner"), owner, "owner %q is inactive: a site needs an owner who is there", access.Brief(s.Owner))
		}
	}
	keys := map[string]*project{}
	for n := range s.projects {
		p := &s.projects[n]
		if first, twice := keys[p.Key]; twice && p.Key != "" {
			p.f.problem("key", "there is a second project %q: the first is at %s", access.Brief(p.Key), first.f.at("key"))
		}
		keys[p.Key] = p
		d.checkProject(p)
	}
	d.checkUses(s)
	d.checkMeanings(s)
}

func (d *files) checkProject(p *project) {
	ids := map[string]*requestType{}
	for n := range p.types {
		t := &p.types[n]
		if first, twice := ids[t.ID]; twice && t.ID != "" {
			t.f.problem("id", "there is a second request type %q: the first is at %s", t.ID, first.f.at("id"))
		}
		ids[t.ID] = t
		d.checkRequestType(t)
	}
	d.checkStatuses(p)
	d.checkClosing(p)
	if p.WhenMoved == JiraPutBack && p.Milestones == (JiraMilestones{}) {
		d.warn(p.f.at("when_moved"), "when_moved is put-back and there are no milestones: there is nothing to put a ticket back to")
	}
}

// checkRequestType follows what the options ask for, and warns of terms that are
// refused whoever asks: the form offers them all the same.
func (d *files) checkRequestType(t *requestType) {
	longest := make([]access.Term, len(t.choices)) // that may be asked for; zero: unknown
	for n, o := range t.choices {
		choice := t.Entitlements.Options[o.id]
		if choice.Bundle != "" || o.text == bundlePrefix {
			b, ok := refer(d, o.at, "options", "bundle", choice.Bundle, d.known.bundles)
			if ok {
				longest[n] = d.shortest(b.Entitlements)
			}
			continue
		}
		_, isBundle := d.known.bundles[o.text]
		_, isEntitlement := d.known.entitlements[o.text]
		if isBundle && !isEntitlement {
			d.problem(o.at, "options: there is no entitlement %[1]q: a bundle is written \"%[2]s%[1]s\"", o.text, bundlePrefix)
			continue
		}
		if e, ok := refer(d, o.at, "options", "entitlement", o.text, d.known.entitlements); ok {
			longest[n] = e.MaxTerm
		}
	}
	for _, term := range t.terms {
		first, count := -1, 0
		for n := range t.choices {
			if longest[n] != 0 && term.term > longest[n] {
				count++
				if first < 0 {
					first = n
				}
			}
		}
		if count == 0 {
			continue
		}
		more := ""
		if count > 1 {
			more = fmt.Sprintf(" (and %d more)", count-1)
		}
		d.warn(term.at, "a term of %s is never granted with %q, whose longest is %s%s", term.term, access.Brief(t.choices[first].text), longest[first], more)
	}
}

// shortest is the longest term for which all of these may be had, zero if unknown.
func (d *files) shortest(entitlements []string) (least access.Term) {
	for _, id := range entitlements {
		if e, ok := d.known.entitlements[id]; ok && e.MaxTerm != 0 {
			least = access.Shorter(least, e.MaxTerm)
		}
	}
	return least
}

// checkUses holds that a field says one thing, all over the site.
func (d *files) checkUses(s *site) {
	seen := map[string]use{}
	for _, p := range s.projects {
		for _, t := range p.types {
			for _, u := range t.uses {
				first, taken := seen[u.id]
				switch {
				case !taken:
					seen[u.id] = u
				case first.purpose != u.purpose:
					d.problem(u.at, "field %s says the %s here and the %s at %s: a field says one thing", u.id, u.purpose, first.purpose, first.at)
				}
			}
		}
	}
}

// checkMeanings warns of an option that means two things: whoever chooses it, and
// whoever approves, sees one name.
func (d *files) checkMeanings(s *site) {
	type key struct{ field, id string }
	type meaning struct {
		text string
		at   mark
	}
	seen := map[key]meaning{}
	note := func(field, id, text string, at mark) {
		k := key{field, id}
		first, taken := seen[k]
		switch {
		case field == "" || id == "":
		case !taken:
			seen[k] = meaning{text, at}
		case first.text != text:
			d.warn(at, "option %s of %s means %q here and %q at %s: people see the same name", id, field, access.Brief(text), access.Brief(first.text), first.at)
		}
	}
	for _, p := range s.projects {
		for _, t := range p.types {
			for _, o := range t.choices {
				note(t.Entitlements.Field, o.id, o.text, o.at)
			}
			for _, o := range t.terms {
				note(t.Term.Field, o.id, o.term.String(), o.at)
			}
		}
	}
}

// checkStatuses holds that a status says one thing. Lessor moves tickets to the
// milestones itself: one that is a vote would be its own vote.
func (d *files) checkStatuses(p *project) {
	seen := map[string]use{}
	for _, u := range p.statuses {
		first, taken := seen[u.id]
		switch {
		case !taken:
			seen[u.id] = u
		case u.vote:
			d.problem(u.at, "status %s is a vote here and the milestone %s at %s: Lessor itself moves tickets there, and its own move would be a vote", u.id, first.purpose, first.at)
		default:
			d.problem(u.at, "status %s is the milestone %s here and %s at %s: each milestone is a status of its own", u.id, u.purpose, first.purpose, first.at)
		}
	}
}

// checkClosing holds that nothing on the way to access, or while it lasts, counts
// as closing the ticket: the grant would end by Lessor's own move.
func (d *files) checkClosing(p *project) {
	if !p.RevokeOnClose {
		return
	}
	if p.f.none("closed") {
		p.f.problem("revoke_on_close", "revoke_on_close needs closed: the ids of the statuses that mean closed")
	}
	m := p.Milestones
	for _, c := range p.closed {
		switch {
		case slices.Contains([]string{m.Waiting, m.Granting, m.Active}, c.text):
			d.problem(c.at, "status %s is a milestone before the end of access: with revoke_on_close, Lessor's own move there would end it", c.text)
		case p.Votes.Statuses[c.text] == access.Approve:
			d.problem(c.at, "status %s is a vote to approve: with revoke_on_close, the same move would end what it approves", c.text)
		}
	}
}
