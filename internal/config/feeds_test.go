package config

import (
	"strings"
	"testing"
	"testing/fstest"
)

// feedsFolder is a folder with a security group that another lies in, and this feeds.yaml.
func feedsFolder(feeds string) fstest.MapFS {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text), Mode: 0o600} }
	return fstest.MapFS{
		"policy/open.cedar": file("permit (principal, action, resource);\n"),
		"lessor.yaml":       file("log_key_ref: env:LOG_KEY\n"),
		"directory.yaml": file("identities:\n  - {id: ann, kind: person, name: Ann}\n" +
			"groups:\n  - {id: security, members: [ann], groups: [oncall]}\n  - {id: oncall}\n  - {id: staff}\n"),
		"catalog.yaml": file("systems:\n  - {id: dir, connector: manual, owner: ann}\n"),
		"feeds.yaml":   file(feeds),
	}
}

const goodFeed = `feeds:
  - id: hr
    kind: csv
    key: Number
    settings: {people_file: feeds/people.csv}
    columns: {user: Login, "account:dir": Dir, boss: Boss}
    identity: user
    match:
      - {attribute: user, equals: id}
      - {attribute: boss, equals: "account:dir"}
    groups: {staff: Everybody}
    shrink: 20%
    every: 5m
  - {id: idp, kind: yaml, key: id, settings: {people_file: /etc/idp.yaml}, gives: [accounts], match: [{attribute: user, feed: hr, equals: user}]}
`

func TestFeeds(t *testing.T) {
	t.Parallel()
	c, err := LoadFS(feedsFolder(goodFeed), "/etc/lessor")
	if err != nil {
		t.Fatal(err)
	}
	hr := c.Feeds[0]
	if len(c.Feeds) != 2 || hr.Settings["people_file"] != "/etc/lessor/feeds/people.csv" || hr.Shrink != 20 || hr.Every.Minutes() != 5 || len(hr.Match) != 2 ||
		hr.Groups["staff"] != "Everybody" || len(hr.Gives) != 11 || c.Feeds[1].Match[0].Feed != "hr" || c.Feeds[1].Shrink != 10 {
		t.Errorf("%+v", c.Feeds)
	}
}

const goodScim = `feeds:
  - id: idp
    kind: scim
    columns: {number: employeeNumber, "account:dir": userName}
    identity: user
    match: [{attribute: externalid, equals: mail}]
    tokens:
      - {name: entra, sha256: "2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90", expires: 2030-12-31}
`

func TestScimFeeds(t *testing.T) {
	t.Parallel()
	c, err := LoadFS(feedsFolder(goodScim), "/etc/lessor")
	if err != nil {
		t.Fatal(err)
	}
	if f := c.Feeds[0]; f.Key != "id" || f.Columns["externalid"] != "externalId" || len(c.FeedTokens) != 1 || c.FeedTokens[0].Feed != "idp" || c.FeedTokens[0].Name != "entra" {
		t.Errorf("%+v %+v", f, c.FeedTokens)
	}
	for _, bad := range []struct{ from, to, want string }{
		{"kind: scim\n", "kind: scim\n    key: userName\n", "is id, which Lessor gives"},
		{"kind: scim\n", "kind: scim\n    settings: {people_file: x}\n", "has no settings"},
		{"kind: scim\n", "kind: csv\n    key: a\n    settings: {people_file: x}\n", "it has no tokens"},
		{"number: employeeNumber", "number: password", "must be one of userName"},
		{"number: employeeNumber", "user: title", "is not department"},
		{`"account:dir"`, `"account:git"`, "no system"},
		{", expires: 2030-12-31", "", "needs expires"},
		{"sha256: \"2bd8", "sha256: \"zzd8", "never the token itself"},
		{"    tokens:\n", "    tokens: []\n    gives:\n", "gives"},
		{"expires: 2030-12-31}\n", "expires: 2030-12-31}\n      - {name: entra, sha256: \"2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90\", expires: 2030-12-31}\n", "digest of another token"},
	} {
		text := strings.Replace(goodScim, bad.from, bad.to, 1)
		if text == goodScim {
			t.Fatalf("%q is not in the file", bad.from)
		}
		if _, err := LoadFS(feedsFolder(text), "/etc/lessor"); err == nil || !strings.Contains(err.Error(), bad.want) || !strings.Contains(err.Error(), "feeds.yaml:") {
			t.Errorf("%s: %v; want %q", bad.to, err, bad.want)
		}
	}
}

// Each change of the good file is said to be wrong where it is.
func TestBadFeeds(t *testing.T) {
	t.Parallel()
	for _, bad := range []struct{ from, to, want string }{
		{"kind: csv", "kind: xls", "kind must be csv or yaml or ldap or scim"},
		{"key: Number\n", "kee: Number\n", "unknown key"},
		{"key: Number\n    settings", "settings", "a feed needs key"},
		{"people_file: feeds/people.csv", "file: x", "people_file"},
		{"people_file: feeds/people.csv", "people_file: a, password: x", "a secret does not belong"},
		{"identity: user", "identity: name", "nobody is known by name"},
		{"identity: user", "identity: number", "there is no attribute"},
		{"identity: user", "gives: [mail]\n    identity: user", "must give active"},
		{"identity: user", "gives: [mails]", "cannot give"},
		{"attribute: user, equals: id", "attribute: name, equals: id", "nobody is known by name"},
		{"attribute: user, equals: id", "attribute: user, equals: name", "equals must be id, mail"},
		{"feed: hr, equals: user", "feed: hr, equals: name", "nobody is known by name"},
		{"feed: hr, equals: user", "feed: payroll, equals: user", "no feed"},
		{"feed: hr, equals: user", "feed: idp, equals: user", "not matched with itself"},
		{`"account:dir"}`, `"account:git"}`, "no system"},
		{"groups: {staff: Everybody}", "groups: {stuff: Everybody}", "no group"},
		{"groups: {staff: Everybody}", "groups: {security: Everybody}", "no feed fills it"},
		{"groups: {staff: Everybody}", "groups: {oncall: Everybody}", "no feed fills it"},
		{"groups: {staff: Everybody}", "groups: {staff: Everybody}\n    roles: [oncall]", "not among groups"},
		{"shrink: 20%", "shrink: 0%", "share"},
		{"shrink: 20%", "shrink: 200", "share"},
		{"every: 5m", "every: 1s", "every must be between"},
		{"id: idp", "id: hr", "second feed"},
		{"feeds:\n", "people:\n", "unknown key"},
	} {
		text := strings.Replace(goodFeed, bad.from, bad.to, 1)
		if text == goodFeed {
			t.Fatalf("%q is not in the file", bad.from)
		}
		if _, err := LoadFS(feedsFolder(text), "/etc/lessor"); err == nil || !strings.Contains(err.Error(), bad.want) || !strings.Contains(err.Error(), "feeds.yaml:") {
			t.Errorf("%s: %v; want %q", bad.to, err, bad.want)
		}
	}
	// A role that somebody wrote out is filled.
	if _, err := LoadFS(feedsFolder(strings.Replace(goodFeed, "groups: {staff: Everybody}", "groups: {oncall: Everybody}\n    roles: [oncall]", 1)), "/etc/lessor"); err != nil {
		t.Error(err)
	}
}
