package config

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/yaml"
)

const feedsFile = "feeds.yaml"

// feed is an [access.Feed] with its place.
type feed struct {
	access.Feed
	groups []item // of the files, those it fills
	roles  []item // of these, those that carry a role of Lessor itself
	rules  []fields
	tokens []feedToken
	f      fields
}

func (x *feed) entry() (string, fields) { return x.ID, x.f }

var (
	feedSections = []string{"feeds"}
	feedKeys     = []string{"id", "kind", "settings", "key", "columns", "identity", "match", "gives", "groups", "roles", "shrink", "shrink_month", "ends_soon", "every", "tokens"}
	matchKeys    = []string{"attribute", "feed", "equals"}
	feedKinds    = []string{"csv", "yaml", "ldap", scimKind}

	// feedColumns are what a feed may say of somebody, besides account:SYSTEM and names
	// of its own that rules match by.
	feedColumns = []string{"user", "name", "mail", "department", "manager", "sponsor", "groups", "external", "active", "start", "end"}
)

func (d *files) readFeeds(text []byte) {
	if f, ok := d.sections(feedsFile, text, feedSections); ok {
		each(f, "feeds", "a feed", feedKeys, d.readFeed)
	}
}

func (d *files) readFeed(f fields) {
	x := feed{f: f, roles: f.texts("roles")}
	x.Feed = access.Feed{
		ID: f.required("id", "a feed"), Kind: f.oneOf("kind", "", feedKinds), Settings: d.settings(f),
		Key: f.text("key"), Identity: f.text("identity"), Gives: plainTexts(f.texts("gives")),
		Shrink: f.share("shrink", 10), Every: f.duration("every", 15*time.Minute, 10*time.Second, 24*time.Hour),
	}
	x.Month, x.Soon = f.share("shrink_month", x.InMonth()), f.term("ends_soon", access.Term(7*day)).D()
	if x.Month < x.Shrink {
		f.problem("shrink_month", "shrink_month must be at least shrink: a day is one of the thirty")
	}
	if x.Soon < day || x.Soon > 90*day {
		f.problem("ends_soon", "ends_soon must be between 1d and 90d")
	}
	if f.needs("a feed", "kind"); x.Kind != "ldap" && x.Kind != scimKind { // they have keys of their own
		f.needs("a feed", "key")
	}
	x.tokens = d.readFeedTokens(f)
	if !f.has("gives") {
		x.Gives = access.FeedGives
	}
	x.Columns, _ = f.mapped("columns")
	if x.Kind == scimKind {
		x.Columns = withExternalID(x.Columns)
	}
	x.Groups, x.groups = f.mapped("groups")
	every(f, "match", "a rule", matchKeys, func(f fields) {
		x.rules = append(x.rules, f)
		x.Match = append(x.Match, access.Match{Attribute: f.required("attribute", "a rule"), Feed: f.text("feed"), Equals: f.required("equals", "a rule")})
	})
	d.feeds = append(d.feeds, x)
}

// mapped reads a mapping of names to texts, and the names with their places.
func (f fields) mapped(key string) (out map[string]string, names []item) {
	v, ok := f.value(key)
	if !ok || v.Kind == yaml.Null {
		return nil, nil
	}
	if v.Kind != yaml.Map {
		f.problem(key, "%s must be a mapping of names to texts, not %s", key, v.Kind)
		return nil, nil
	}
	out = make(map[string]string, len(v.Keys))
	for i := range v.Keys {
		e := &v.Keys[i]
		text, ok := f.r.textOf(f.file, e.Key, &e.Value)
		if ok && text == "" {
			f.r.problem(mark{f.file, e.Value.Line, e.Value.Col}, "%s is empty", e.Key)
		}
		if ok {
			out[e.Key] = text
			names = append(names, item{e.Key, mark{f.file, e.Line, e.Col}})
		}
	}
	return out, names
}

// share reads so many of a hundred.
func (f fields) share(key string, absent int) int {
	v, ok := f.value(key)
	if !ok {
		return absent
	}
	n, err := strconv.Atoi(strings.TrimSuffix(v.Text, "%"))
	if err != nil || n < 1 || n > 100 || v.Kind == yaml.Map || v.Kind == yaml.List {
		f.problem(key, "%s must be a share from 1%% to 100%%", key)
		return absent
	}
	return n
}

// checkFeeds holds that every feed is believed only what it can know.
func (d *files) checkFeeds() {
	known := register[feed](d, "id", "feed", d.feeds, plainID)
	guarded := d.guardedGroups()
	for n := range d.feeds {
		x := &d.feeds[n]
		d.checkFeedKind(x)
		for _, g := range x.Gives {
			if !slices.Contains(access.FeedGives, g) {
				x.f.problem("gives", "a feed cannot give %q: it must be of %s%s", access.Brief(g), strings.Join(access.FeedGives, ", "), d.instead(g, slices.Values(access.FeedGives)))
			}
		}
		if x.Identity != "" {
			d.checkFeedAttribute(x, x.f, "identity", x.Identity)
			if !slices.Contains(x.Gives, "active") {
				x.f.problem("identity", "a feed that makes identities must give active: else nobody it has made would ever leave")
			}
		} else if len(x.Match) == 0 {
			x.f.problem("identity", "feed %q needs identity (of what a new identity's id is made) or match, or it says nothing of anybody", access.Brief(x.ID))
		}
		for i, m := range x.Match {
			d.checkMatch(x, x.rules[i], m, known)
		}
		d.checkFills(x, guarded)
	}
}

// checkFeedKind holds that it can be read; what the settings of a directory lack only its
// source knows, as that of a system's only its connector does.
func (d *files) checkFeedKind(x *feed) {
	if x.Kind == scimKind {
		d.checkScim(x)
		return
	}
	if x.f.has("tokens") {
		x.f.problem("tokens", "a feed of kind %s is read, and nobody speaks for it: it has no tokens", x.Kind)
	}
	if x.Kind == "csv" || x.Kind == "yaml" {
		x.checkTable()
	}
	for name := range x.Columns {
		system, is := strings.CutPrefix(name, "account:")
		switch {
		case is:
			refer(d, x.f.at("columns"), "columns", "system", system, d.known.systems)
		case !slices.Contains(feedColumns, name) && !keyForm.MatchString(name):
			x.f.problem("columns", "%q is not %s, account:SYSTEM or a name of its own of a-z, 0-9 and underscore", access.Brief(name), strings.Join(feedColumns, ", "))
		}
	}
}

func (x *feed) checkTable() {
	file := x.Settings["people_file"]
	if file == "" {
		x.f.problem("settings", "feed %q needs settings with people_file: the file it is read from", access.Brief(x.ID))
	}
	for name := range x.Settings {
		if name != "people_file" && name != "delimiter" {
			x.f.problem("settings", "a feed of kind %s has no setting %q", x.Kind, access.Brief(name))
		}
	}
	if sep := x.Settings["delimiter"]; sep != "" && !slices.Contains([]string{",", ";", "|", "\t"}, sep) {
		x.f.problem("settings", `delimiter must be ",", ";", "|" or a tabulator`)
	}
}

// FeedProblem is a problem at the place where that feed is written: only its source knows
// what its settings lack.
func (c *Config) FeedProblem(feed, format string, args ...any) access.Problem {
	at, ok := c.feedsAt[feed]
	if !ok {
		at = mark{file: feedsFile}
	}
	return at.say(format, args)
}

// checkFeedAttribute holds that something can be known by an attribute.
func (d *files) checkFeedAttribute(x *feed, f fields, key, name string) {
	_, column := x.Columns[name]
	system, is := strings.CutPrefix(name, "account:")
	switch {
	case name == "":
	case name == "key", name == "user", name == "mail":
	case is:
		refer(d, f.at(key), key, "system", system, d.known.systems)
	case slices.Contains(feedColumns, name):
		f.problem(key, "nobody is known by %s: two people may share it; use key, user, mail, account:SYSTEM or a column of its own", name)
	case !column:
		f.problem(key, "there is no attribute %q: it must be key, user, mail, account:SYSTEM or a name among columns", access.Brief(name))
	}
}

func (d *files) checkMatch(x *feed, f fields, m access.Match, known map[string]*feed) {
	d.checkFeedAttribute(x, f, "attribute", m.Attribute)
	if m.Feed != "" {
		if m.Feed == x.ID {
			f.problem("feed", "a feed is not matched with itself")
		} else if other, ok := refer(d, f.at("feed"), "feed", "feed", m.Feed, known); ok {
			d.checkFeedAttribute(other, f, "equals", m.Equals)
		}
		return
	}
	system, is := strings.CutPrefix(m.Equals, "account:")
	switch {
	case is:
		refer(d, f.at("equals"), "equals", "system", system, d.known.systems)
	case m.Equals != "" && m.Equals != "id" && m.Equals != "mail":
		f.problem("equals", "equals must be id, mail or account:SYSTEM of the directory, or name a feed")
	}
}

// guardedGroups are those by which somebody has a say in Lessor itself: being in one,
// or in a group within one, is never a feed's to say unless somebody wrote that it is.
func (d *files) guardedGroups() map[string]bool {
	guarded := map[string]bool{"security": true, "auditors": true}
	for n := range d.systems {
		if d.systems[n].Connector != access.RolesConnector {
			continue
		}
		for i := range d.entitlements {
			if d.entitlements[i].System == d.systems[n].ID {
				guarded[d.entitlements[i].Object] = true
			}
		}
	}
	for more := true; more; {
		more = false
		for n := range d.groups {
			for _, inner := range d.groups[n].groups {
				if guarded[d.groups[n].id] && !guarded[inner.text] {
					guarded[inner.text], more = true, true
				}
			}
		}
	}
	return guarded
}

func (d *files) checkFills(x *feed, guarded map[string]bool) {
	for _, g := range x.groups {
		refer(d, g.at, "groups", "group", g.text, d.known.groups)
		if guarded[g.text] && !slices.ContainsFunc(x.roles, func(r item) bool { return r.text == g.text }) {
			d.problem(g.at, "group %q gives a say in Lessor itself: no feed fills it, unless it stands under roles, too", access.Brief(g.text))
		}
	}
	for _, r := range x.roles {
		if _, ok := x.Groups[r.text]; !ok {
			d.problem(r.at, "%q is not among groups", access.Brief(r.text))
		}
	}
}
