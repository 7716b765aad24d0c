package config

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/yaml"
)

// queue is what jira.txtar lays over the company: two sites without a fault.
func queue(t testing.TB) fstest.MapFS {
	a, err := txtar.ParseFile("testdata/jira.txtar")
	if err != nil {
		t.Fatal(err)
	}
	folder := fstest.MapFS{}
	for _, f := range a.Files {
		if strings.Contains(f.Name, ".") {
			folder[f.Name] = &fstest.MapFile{Data: f.Data, Mode: 0o640}
		}
	}
	return folder
}

func TestLoadJira(t *testing.T) {
	t.Parallel()
	folder := company(t)
	for name, f := range queue(t) {
		folder[name] = f
	}
	c, err := LoadFS(folder, "/etc/lessor")
	if err != nil {
		t.Fatal(err)
	}
	hours := func(n int) access.Term { return access.Term(time.Duration(n) * time.Hour) }
	want := []JiraSite{{
		ID: "acme", URL: "https://acme.atlassian.net", Kind: JiraCloud, User: "lessor@acme.example",
		TokenRef: "file:/etc/lessor/jira.token", WebhookSecretRef: "file:/etc/lessor/jira.webhook",
		Poll: 30 * time.Second, Reread: 2 * time.Hour, Audit: 24 * time.Hour, Owner: "olga", Portal: "https://lessor.acme.example/portal",
		Projects: []JiraProject{{
			Key: "ACC", Desk: true,
			RequestTypes: []JiraRequestType{{
				ID:           "25",
				Entitlements: JiraOptions{"customfield_10050", map[string]JiraChoice{"10101": {Entitlement: "dir:dev"}, "10102": {Bundle: "new-dev"}}},
				Beneficiary:  "customfield_10051",
				Term:         JiraTerm{Field: "customfield_10052", Options: map[string]access.Term{"10201": hours(2), "10202": hours(4)}},
				Start:        "customfield_10053", Reason: "description",
			}, {
				ID:           "26",
				Entitlements: JiraOptions{"customfield_10050", map[string]JiraChoice{"10103": {Entitlement: "dir:audit"}}},
				Term:         JiraTerm{Fixed: hours(8)}, Reason: "customfield_10054",
			}},
			Milestones: JiraMilestones{Waiting: "10010", Granting: "10011", Active: "10012", Removed: "10013", Refused: "10014"},
			Votes:      JiraVotes{Approvals: true, Statuses: map[string]access.Verdict{"10020": access.Approve, "10021": access.Deny}},
			WhenMoved:  JiraPutBack, RevokeOnClose: true, Closed: []string{"10013", "10014", "10021"}, SecurityLevel: "10100",
		}},
	}, {
		ID: "old", URL: "http://127.0.0.1:8080/jira", Kind: JiraDataCenter, TokenRef: "env:OLD_JIRA", Poll: time.Minute, Reread: time.Hour, Owner: "dora",
		Projects: []JiraProject{{Key: "OPS_2", WhenMoved: JiraComment, Closed: []string{}, RequestTypes: []JiraRequestType{{
			ID: "3", Entitlements: JiraOptions{"customfield_10050", map[string]JiraChoice{"1": {Entitlement: "db:root"}}},
			Term: JiraTerm{Fixed: hours(4)}, Reason: "summary",
		}}}},
	}}
	if !reflect.DeepEqual(c.Jira, want) {
		t.Errorf("\n%+v, want\n%+v", c.Jira, want)
	}
	for account, who := range map[[2]string]string{
		{"acme", "5b10a2844c20165700ede21g"}: "ivo", {"old", "ida@example.com"}: "ida", {"dir", "iibsen"}: "ida", {"old", "5b10a2844c20165700ede21g"}: "",
	} {
		if got, _ := c.Directory.ByAccount(account[0], account[1]); got != who {
			t.Errorf("%s is %q, want %q", account, got, who)
		}
	}
	soundJira(t, c)
}

// Where a token may be sent, and how that is written down; "" is refused.
func TestAddress(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://acme.atlassian.net":     "https://acme.atlassian.net",
		"HTTPS://ACME.example/":          "https://acme.example",
		"https://acme.example:443":       "https://acme.example",
		"https://acme.example:80/":       "https://acme.example:80",
		"https://acme.example:8443/jira": "https://acme.example:8443/jira",
		"https://acme.example/a/B_c-1.2": "https://acme.example/a/B_c-1.2",
		"https://10.0.0.1/jira/":         "https://10.0.0.1/jira",
		"https://[2001:DB8::1]:8443":     "https://[2001:db8::1]:8443",
		"http://127.0.0.1:8080":          "http://127.0.0.1:8080",
		"http://127.0.0.1:80":            "http://127.0.0.1",
		"http://localhost:2990/jira":     "http://localhost:2990/jira",
		"http://[::1]:1":                 "http://[::1]:1",
		"":                               "",
		"acme.example":                   "",
		"//acme.example":                 "",
		"https:acme.example":             "",
		"https:///jira":                  "",
		"https://":                       "",
		"file:///etc/passwd":             "",
		"gopher://acme.example":          "",
		"http://acme.example":            "",
		"http://10.0.0.1":                "",
		"http://169.254.169.254":         "",
		"http://0.0.0.0":                 "",
		"http://127.1":                   "",
		"http://0x7f.0.0.1":              "",
		"http://localhost.example":       "",
		"http://[::ffff:10.0.0.1]":       "",
		"https://[fe80::1%25lo]":         "",
		"https://u@acme.example":         "",
		"https://u:p@acme.example":       "",
		"https://@acme.example":          "",
		"https://acme.example@evil.net":  "",
		"https://acme.example\\@evil":    "",
		"https://acme.example?x":         "",
		"https://acme.example?":          "",
		"https://acme.example/#":         "",
		"https://acme.example/a?b=c":     "",
		"https://acme.example:":          "",
		"https://acme.example:0":         "",
		"https://acme.example:65536":     "",
		"https://acme.example:0443":      "",
		"https://acme.example:x":         "",
		"https://acme.example/a/../b":    "",
		"https://acme.example/./a":       "",
		"https://acme.example//a":        "",
		"https://acme.example/a//":       "",
		"https://acme.example/a%2fb":     "",
		"https://acme.example/a b":       "",
		"https://acme.example/a;b":       "",
		"https://acme.example/é":         "",
		"https://acmé.example":           "",
		"https://acme_corp.example":      "",
		"https://-acme.example":          "",
		"https://acme.example.":          "",
		" https://acme.example":          "",
	} {
		r := &report{}
		f := fields{r: r, file: "f", n: &yaml.Node{Kind: yaml.Map, Keys: []yaml.Entry{{Key: "url", Value: yaml.Node{Kind: yaml.Text, Text: text}}}}}
		if got := f.address("url"); got != want || (len(r.problems) == 0) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, r.problems)
		}
	}
}

// Every form an id of Jira's may and may not have.
func TestJiraIDs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		form fmt.Stringer
		good string
		bad  string
	}{
		{numberForm, "1 10041 999999999999999999", "|0|01|-1|+1|1.0|1e3|١|1 |1\n|x|1000000000000000000"},
		{fieldForm, "customfield_1 customfield_10050", "|customfield_|customfield_0|customfield_01|customfield_1\n|Customfield_1|cf[1]|customfield_x|summary"},
		{projectForm, "AC ACC A1 A_ ABCDEFGHIJ", "|A|acc|1AC|_AC|A-B|ABCDEFGHIJK|ACC\n|ÄCC|ACC-1"},
		{jiraAccountForm, "5b10a2844c20165700ede21g 557058:f58131cb-b67d-43c7-b30d-6b58d40bd077 qm:a:b_c", "|a b|a@b|a.b|a/b|a\n|é|" + strings.Repeat("a", 129)},
		{mailForm, "a@b lessor@acme.example", "|a|@b|a@|a:b@c|a@b:c|a@b@c|a b@c|a@b\n"},
	} {
		form := c.form.(interface{ MatchString(string) bool })
		for text := range strings.FieldsSeq(c.good) {
			if !form.MatchString(text) {
				t.Errorf("%s refuses %q", c.form, text)
			}
		}
		for text := range strings.SplitSeq(c.bad, "|") {
			if form.MatchString(text) {
				t.Errorf("%s takes %q", c.form, text)
			}
		}
	}
}

// A Jira file that cannot be read is one problem, and no account at what may be
// one of its sites is called unknown.
func TestLoadUnreadableJira(t *testing.T) {
	t.Parallel()
	folder := company(t)
	for name, f := range queue(t) {
		folder[name] = f
	}
	if _, err := LoadFS(broken{folder, jiraFile}, "/x"); err == nil || err.Error() != "jira.yaml: cannot be read: input/output error" {
		t.Error(err)
	}
}

// soundJira says what can be relied on of the sites of anything that was loaded.
func soundJira(t *testing.T, c *Config) {
	t.Helper()
	must := func(ok bool, what string) {
		t.Helper()
		if !ok {
			t.Error(what)
		}
	}
	var ids, urls []string
	for _, s := range c.Jira {
		_, system := c.Directory.System(s.ID)
		owner, _ := c.Directory.Identity(s.Owner)
		u, err := url.Parse(s.URL)
		must(idForm.MatchString(s.ID) && !system && !slices.Contains(ids, s.ID), "id of site "+s.ID)
		must(err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" && !strings.HasSuffix(s.URL, "/") && !slices.Contains(urls, s.URL), "url of site "+s.ID)
		must(u.Scheme == "https" || slices.Contains([]string{"localhost", "::1"}, u.Hostname()) || strings.HasPrefix(u.Hostname(), "127."), "the way to site "+s.ID)
		must((s.Kind == JiraCloud && s.User != "") || (s.Kind == JiraDataCenter && s.User == ""), "kind of site "+s.ID)
		must(s.TokenRef != "" && s.TokenRef != s.WebhookSecretRef, "secrets of site "+s.ID)
		must(owner.Kind == access.Person && !owner.Inactive, "owner of site "+s.ID)
		must(s.Poll >= 5*time.Second && s.Poll <= time.Hour && s.Reread >= 5*time.Minute && s.Reread <= 24*time.Hour && len(s.Projects) > 0, "poll and projects of site "+s.ID)
		ids, urls = append(ids, s.ID), append(urls, s.URL)
		var keys []string
		for _, p := range s.Projects {
			must(!slices.Contains(keys, p.Key), "key "+p.Key)
			keys = append(keys, p.Key)
			soundProject(c.Directory, p, must)
		}
	}
}

func soundProject(d *access.Directory, p JiraProject, must func(bool, string)) {
	must(projectForm.MatchString(p.Key) && len(p.RequestTypes) > 0 && (p.WhenMoved == JiraPutBack || p.WhenMoved == JiraComment), "project "+p.Key)
	must(!p.RevokeOnClose || len(p.Closed) > 0, "closing in "+p.Key)
	must(!p.Votes.Approvals || p.Desk, "approvals in "+p.Key)
	m := p.Milestones
	statuses := []string{m.Waiting, m.Granting, m.Active, m.Removed, m.Refused}
	for status, v := range p.Votes.Statuses {
		must(v == access.Approve || v == access.Deny, "vote in "+p.Key)
		statuses = append(statuses, status)
	}
	unique(statuses, "status in "+p.Key, must)
	var types []string
	for _, t := range p.RequestTypes {
		types = append(types, t.ID)
		must(numberForm.MatchString(t.ID) && t.Reason != "" && t.Entitlements.Field != "" && len(t.Entitlements.Options) > 0, "type "+t.ID)
		unique([]string{t.Entitlements.Field, t.Beneficiary, t.Term.Field, t.Start, t.Reason}, "field of type "+t.ID, must)
		must((t.Term.Fixed > 0 && t.Term.Field == "" && t.Term.Options == nil) || (t.Term.Fixed == 0 && t.Term.Field != "" && len(t.Term.Options) > 0), "term of type "+t.ID)
		for _, term := range t.Term.Options {
			must(term > 0 && term <= access.LongestTerm, "term of type "+t.ID)
		}
		for _, choice := range t.Entitlements.Options {
			_, e := d.Entitlement(choice.Entitlement)
			_, b := d.Bundle(choice.Bundle)
			must(e != b && (choice.Entitlement == "") != (choice.Bundle == ""), "option of type "+t.ID)
		}
	}
	unique(types, "type in "+p.Key, must)
}

// unique holds that nothing but nothing stands twice.
func unique(texts []string, what string, must func(bool, string)) {
	seen := map[string]bool{"": true}
	for _, text := range texts {
		must(text == "" || !seen[text], what+" "+text)
		seen[text] = true
	}
}
