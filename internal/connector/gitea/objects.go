package gitea

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// teamTold is a team with what it says of itself.
type teamTold struct {
	teamRead
	Description string `json:"description"`
	MakesRepos  bool   `json:"can_create_org_repo"`
}

// repositoryTold is a repository with what it says of itself.
type repositoryTold struct {
	repository
	Description string `json:"description"`
}

// lets are the catalog's words for a level. Whoever administers a repository adds
// collaborators and deploy keys.
var lets = map[level][]string{
	none:  nil,
	read:  {"read"},
	write: {"read", "write"},
	admin: {"admin", "grant", "read", "write"},
	owner: {"admin", "grant", "read", "write"},
}

// Objects yields of each team its description and what its permission or, where it has
// single units, the highest of them is worth; of a collaborator's place the
// repository's description and what its level is worth.
func (c *Connector) Objects(ctx context.Context, objects []string, yield func(connector.Object) error) error {
	var asked []object
	for _, name := range objects {
		if o, err := parseObject(name); err == nil && !slices.Contains(asked, o) {
			asked = append(asked, o)
		}
	}
	teams, repos := map[string]map[string]teamTold{}, map[place]*repositoryTold{}
	for _, o := range asked {
		told, err := connector.Object{Name: o.String()}, error(nil)
		if o.isTeam() {
			if _, known := teams[o.team.org]; !known {
				if teams[o.team.org], err = c.teamsTold(ctx, o.team.org); err != nil {
					return err
				}
			}
			t, is := teams[o.team.org][o.team.name]
			if !is {
				continue
			}
			told.Description = t.Description
			told.Powers, told.Why = t.worth()
		} else {
			if _, known := repos[o.place]; !known {
				if repos[o.place], err = c.repositoryTold(ctx, o.place); err != nil {
					return err
				}
			}
			r := repos[o.place]
			if r == nil {
				continue
			}
			told.Description, told.Powers, told.Why = r.Description, lets[o.level], "collaborator with "+o.level.String()
		}
		if err := yield(told); err != nil {
			return err
		}
	}
	return nil
}

// teamsTold reads an organization's teams by name in lower case; none if there is no
// such organization.
func (c *Connector) teamsTold(ctx context.Context, org string) (map[string]teamTold, error) {
	known, err := c.teams(ctx, org)
	if err != nil || known == nil {
		return nil, err
	}
	all, err := list[teamTold](ctx, c, "/orgs/"+url.PathEscape(org)+"/teams")
	if err != nil {
		return nil, err
	}
	told := make(map[string]teamTold, len(all))
	for _, t := range all {
		told[strings.ToLower(t.Name)] = t
	}
	return told, nil
}

// repositoryTold reads one; nil if it is certainly not there.
func (c *Connector) repositoryTold(ctx context.Context, p place) (*repositoryTold, error) {
	r, is, err := there[repositoryTold](ctx, c, p.path())
	switch {
	case err != nil:
		return nil, err
	case !is:
		return nil, c.absent(ctx, p)
	case r.place() != p:
		return nil, fmt.Errorf("%w: asked for %s, Gitea answered with %s", connector.ErrRefused, p, r.place())
	}
	return &r, nil
}

// worth is what the team's members can do, by what it shows. Whoever makes a
// repository administers it.
func (t teamTold) worth() (powers []string, why string) {
	p := t.teamRead.powers()
	highest := p.whole
	for _, l := range p.units {
		highest = max(highest, min(l, write))
	}
	powers = lets[highest]
	switch {
	case p.whole > none:
		why = "permission " + p.word()
	case highest > none:
		why = p.word()
	}
	if t.MakesRepos && highest < admin {
		powers = lets[write]
		why = strings.TrimPrefix(why+", may create repositories", ", ")
	}
	return powers, why
}
