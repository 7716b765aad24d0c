package gitea

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// level is how much an account may do at a repository, as Gitea orders it.
type level int

const (
	none level = iota
	read
	write
	admin
	owner
)

var levels = []string{"none", "read", "write", "admin", "owner"}

func (l level) String() string { return levels[l] }

// levelNamed reads one of Gitea's; what it does not know is none.
func levelNamed(s string) level { return level(max(0, slices.Index(levels, s))) }

// object is what can be held, in the one spelling there is, all in lower case:
//
//	ORG/team/NAME
//	OWNER/REPO:read   OWNER/REPO:write   OWNER/REPO:admin
type object struct {
	team  team
	place place // of a repository; empty if it is a team
	level level
}

// team is one by its name.
type team struct{ org, name string }

// place is a repository by its name.
type place struct{ owner, name string }

// What Gitea lets a name be made of; it compares names without regard to case, so
// there is one spelling only if that is the lower case.
var (
	ownerName = regexp.MustCompile(`^[0-9a-z_][0-9a-z_.-]{0,39}$`)
	repoName  = regexp.MustCompile(`^[0-9a-z_.-]{1,100}$`)
	teamName  = regexp.MustCompile(`^[0-9a-z_.-]{1,255}$`)
)

var (
	errAccount = errors.New("an account is a user name in lower case")
	errObject  = errors.New("an object is ORG/team/NAME or OWNER/REPO:read, :write or :admin, in lower case")
)

func parseAccount(s string) (string, error) {
	if !ownerName.MatchString(s) {
		return "", fmt.Errorf("%.80q: %w", s, errAccount)
	}
	return s, nil
}

func parseObject(s string) (object, error) {
	path, by, leveled := strings.Cut(s, ":")
	parts := strings.Split(path, "/")
	switch l := levelNamed(by); {
	case !ownerName.MatchString(parts[0]):
	case !leveled && len(parts) == 3 && parts[1] == "team" && teamName.MatchString(parts[2]):
		return object{team: team{parts[0], parts[2]}}, nil
	case leveled && len(parts) == 2 && l >= read && l <= admin && repoName.MatchString(parts[1]) && parts[1] != "." && parts[1] != "..":
		return object{place: place{parts[0], parts[1]}, level: l}, nil
	}
	return object{}, fmt.Errorf("%.80q: %w", s, errObject)
}

func (o object) isTeam() bool { return o.place == place{} }

func (o object) String() string {
	if o.isTeam() {
		return o.team.String()
	}
	return o.place.String() + ":" + o.level.String()
}

func (t team) String() string { return t.org + "/team/" + t.name }

func (p place) String() string { return p.owner + "/" + p.name }

// path is where the repository is in the API.
func (p place) path() string {
	return "/repos/" + url.PathEscape(p.owner) + "/" + url.PathEscape(p.name)
}

// collaborator is where one of its collaborators is.
func (p place) collaborator(account string) string {
	return p.path() + "/collaborators/" + url.PathEscape(account)
}

func teamPath(id int64) string { return fmt.Sprintf("/teams/%d", id) }

func memberPath(id int64, account string) string {
	return teamPath(id) + "/members/" + url.PathEscape(account)
}

// holding is a Ref that was understood.
type holding struct {
	account string
	object  object
}

// parse reads it. Where wrong says something, nothing can be called that.
func parse(r connector.Ref) (h holding, wrong string) {
	o, err1 := parseObject(r.Object)
	a, err2 := parseAccount(r.Account)
	if err := cmp.Or(err1, err2); err != nil {
		return h, err.Error()
	}
	return holding{a, o}, ""
}
