package config

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/yaml"
)

// jiraAccountForm is what Jira Cloud knows an account by.
var jiraAccountForm = regexp.MustCompile(`^[0-9A-Za-z:_-]{1,128}$`)

// checkAccounts holds that an account is one person's: a grant of the one would
// be the other's too, and so would a vote.
func (d *files) checkAccounts() {
	type account struct{ place, name string }
	type holder struct {
		*identity
		at mark
	}
	exact, folded, l := map[account]holder{}, map[account]holder{}, newLooks()
	places, what := d.places()
	for n := range d.identities {
		i := &d.identities[n]
		v, ok := i.f.value("accounts")
		if !ok || v.Kind != yaml.Map {
			continue
		}
		for k := range v.Keys {
			e := &v.Keys[k]
			at := mark{i.f.file, e.Value.Line, e.Value.Col}
			where, ok := refer(d, mark{i.f.file, e.Line, e.Col}, "accounts", what, e.Key, places)
			if !ok {
				where = what
			}
			name := i.Accounts[e.Key]
			if name == "" {
				continue // reported where it was read
			}
			d.checkAccount(at, e.Key, name)
			me, same := account{e.Key, name}, account{e.Key, l.same(name)}
			first, taken := exact[me]
			near, close := folded[same]
			switch {
			case taken && d.personOf(first.ID) != d.personOf(i.ID):
				d.problem(at, "account %q of %s %s is also that of %q at %s: two people cannot be one account", access.Brief(name), where, access.Brief(e.Key), access.Brief(first.ID), first.at)
			case !taken && close && d.personOf(near.ID) != d.personOf(i.ID):
				d.warn(at, "account %q of %s %s is that of %q at %s but for letter case", access.Brief(name), where, access.Brief(e.Key), access.Brief(near.ID), near.at)
			}
			if !taken {
				exact[me] = holder{i, at}
			}
			if !close {
				folded[same] = holder{i, at}
			}
		}
	}
}

// places says of each id under which an account may stand what it is of, and
// what to call one that is of neither.
func (d *files) places() (places map[string]string, what string) {
	places, what = make(map[string]string, len(d.known.systems)+len(d.known.sites)), "system"
	for id := range d.known.sites {
		places[id], what = "site", "system or site"
	}
	for _, id := range d.providerIDs() {
		places[id], what = "provider", what+" or provider"
	}
	for id := range d.known.systems {
		places[id] = "system"
	}
	return places, what
}

// checkAccount holds that an account can be one at all. What is written for a
// site is compared with what Jira answers, which never is a name or an address.
func (d *files) checkAccount(at mark, place, name string) {
	s, jira := d.known.sites[place]
	switch {
	case strings.TrimSpace(name) != name:
		d.problem(at, "an account begins or ends with a space")
	case !jira:
	case strings.EqualFold(name, "unknown"):
		d.problem(at, "an account %q is nobody's: Jira says so of everybody it cannot tell", name)
	case s.Kind == JiraCloud && !jiraAccountForm.MatchString(name):
		d.problem(at, "an account of site %s must be an accountId, such as 5b10a2844c20165700ede21g: never a name or a mail address", access.Brief(place))
	case strings.ContainsFunc(name, unicode.IsSpace):
		d.problem(at, "an account of site %s must be the key that Jira knows the user by, without a space", access.Brief(place))
	}
}
