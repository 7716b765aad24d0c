package config

import (
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// scimKind is the kind of a feed that tells of changes by itself.
const scimKind = "scim"

// FeedToken is who may say what one feed says, known by the digest of a secret that
// this folder never holds.
type FeedToken struct {
	Feed    string
	Name    string
	SHA256  [sha256.Size]byte
	Expires time.Time
}

// feedToken is a [FeedToken] with its place.
type feedToken struct {
	FeedToken
	f fields
}

var feedTokenKeys = []string{"name", "sha256", "expires"}

// ScimColumns are the attributes of SCIM from which a feed may take an account, the
// department or a name of its own. "start", "end" and the like have names of their own there.
var ScimColumns = []string{"userName", "externalId", "displayName", "nickName", "title", "userType", "name.givenName", "name.familyName",
	"employeeNumber", "costCenter", "organization", "division", "department"}

// withExternalID has a name by which rules match what the other side calls somebody.
func withExternalID(columns map[string]string) map[string]string {
	if columns == nil {
		columns = map[string]string{}
	}
	if columns["externalid"] == "" {
		columns["externalid"] = "externalId"
	}
	return columns
}

func (d *files) readFeedTokens(f fields) (list []feedToken) {
	every(f, "tokens", "a token", feedTokenKeys, func(f fields) {
		list = append(list, feedToken{f: f, FeedToken: FeedToken{Feed: "", Name: f.required("name", "a token"), SHA256: f.digest("sha256"), Expires: f.day("expires", true)}})
		if !f.has("expires") {
			f.problem("expires", "a token needs expires: the last day or moment at which it is good")
		}
	})
	return list
}

// checkScim holds that a feed by SCIM can be spoken for, and by whom.
func (d *files) checkScim(x *feed) {
	if x.Key != "" && x.Key != "id" {
		x.f.problem("key", "the key of a feed of kind scim is id, which Lessor gives: leave key out")
	}
	x.Key = "id"
	if x.f.has("settings") {
		x.f.problem("settings", "a feed of kind scim has no settings: it is not read, it tells of changes by itself")
	}
	if len(x.tokens) == 0 {
		x.f.problem("tokens", "feed %q needs tokens, each with name, sha256 and expires: nobody may speak for it", access.Brief(x.ID))
	}
	names := map[string]bool{}
	for n := range x.tokens {
		t := &x.tokens[n]
		if t.Feed = x.ID; names[t.Name] {
			t.f.problem("name", "there is a token %q of this feed already", access.Brief(t.Name))
		}
		names[t.Name] = true
	}
	for name, from := range x.Columns {
		system, is := strings.CutPrefix(name, "account:")
		switch {
		case is:
			refer(d, x.f.at("columns"), "columns", "system", system, d.known.systems)
		case name != "department" && (slices.Contains(feedColumns, name) || name == "key" || name == "externalid" && from != "externalId" || !keyForm.MatchString(name)):
			x.f.problem("columns", "%q is not department, account:SYSTEM or a name of its own of a-z, 0-9 and underscore: what else is what stands in SCIM", access.Brief(name))
		}
		if !slices.Contains(ScimColumns, from) {
			x.f.problem("columns", "%q is taken from %q, which must be one of %s%s", access.Brief(name), access.Brief(from), strings.Join(ScimColumns, ", "), d.instead(from, slices.Values(ScimColumns)))
		}
	}
}

// checkFeedTokens holds that no secret speaks for two.
func (d *files) checkFeedTokens() {
	taken := map[[sha256.Size]byte]bool{}
	for n := range d.tokens {
		taken[d.tokens[n].SHA256] = true
	}
	for n := range d.feeds {
		for _, t := range d.feeds[n].tokens {
			if taken[t.SHA256] && t.SHA256 != [sha256.Size]byte{} {
				t.f.problem("sha256", "this is also the digest of another token: every token is another secret")
			}
			taken[t.SHA256] = true
		}
	}
}

// feedsOf are the feeds without their places, and who may speak for them.
func (d *files) feedsOf() (feeds []access.Feed, tokens []FeedToken) {
	for _, x := range d.feeds {
		feeds = append(feeds, x.Feed)
		for _, t := range x.tokens {
			tokens = append(tokens, t.FeedToken)
		}
	}
	return feeds, tokens
}
