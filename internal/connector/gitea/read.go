package gitea

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// list reads a whole list, page by page, until one is empty: servers give fewer than
// they are asked for, and of a team's members Gitea does not say reliably how many
// there are. What is taken out of a list while it is read moves the rest forward, past
// us: where the list got shorter it is read again.
func list[T any](ctx context.Context, c *Connector, path string) ([]T, error) {
	for range 4 {
		items, whole, err := listOnce[T](ctx, c, path)
		if err != nil || whole {
			return items, err
		}
	}
	return nil, fmt.Errorf("%w: %s got shorter each time it was read", connector.ErrRefused, path)
}

func listOnce[T any](ctx context.Context, c *Connector, path string) (items []T, whole bool, err error) {
	most := 0
	for n := 1; n <= maxPages; n++ {
		q := url.Values{"limit": {strconv.Itoa(c.page)}, "page": {strconv.Itoa(n)}}
		var some rows[T]
		header, err := c.call(ctx, http.MethodGet, path+"?"+q.Encode(), nil, &some)
		if err != nil {
			return nil, false, err
		}
		if total, err := strconv.Atoi(header.Get("X-Total-Count")); err == nil {
			if total < most {
				return nil, false, nil
			}
			most = total
		}
		if len(some) == 0 {
			return items, true, nil
		}
		items = append(items, some...)
	}
	return nil, false, fmt.Errorf("%w: %s goes on for more than %d pages", connector.ErrRefused, path, maxPages)
}

// rows are a page of a list: the things themselves or, where they were searched for,
// what Gitea has put them into. Anything else is an error, not an empty list.
type rows[T any] []T

func (r *rows[T]) UnmarshalJSON(raw []byte) error {
	var bare *[]T
	if err := json.Unmarshal(raw, &bare); err == nil && bare != nil {
		*r = *bare
		return nil
	}
	var found struct {
		OK   bool `json:"ok"`
		Data *[]T `json:"data"`
	}
	if err := json.Unmarshal(raw, &found); err != nil || !found.OK || found.Data == nil {
		return errors.New("not a list")
	}
	*r = *found.Data
	return nil
}

// get reads one thing.
func get[T any](ctx context.Context, c *Connector, path string) (thing T, err error) {
	_, err = c.call(ctx, http.MethodGet, path, nil, &thing)
	return thing, err
}

// there asks after something; false without an error is Gitea's "not found", which is
// also what it says to whoever may not see it.
func there[T any](ctx context.Context, c *Connector, path string) (thing T, is bool, err error) {
	thing, err = get[T](ctx, c, path)
	if _, not := says(err, http.StatusNotFound); not {
		return thing, false, nil
	}
	return thing, err == nil, err
}

// teams reads the teams of an organization by name in lower case; nil if there is no
// such organization. Gitea says so of what is not there; of what it would only not show it
// says "forbidden".
func (c *Connector) teams(ctx context.Context, org string) (map[string]teamRead, error) {
	all, err := list[teamRead](ctx, c, "/orgs/"+url.PathEscape(org)+"/teams")
	if message, not := says(err, http.StatusNotFound); not && message == "GetOrgByName" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	known := make(map[string]teamRead, len(all))
	for _, t := range all {
		known[strings.ToLower(t.Name)] = t
	}
	return known, nil
}

// seat is one account's in one team.
type seat struct {
	team    int64
	account string
}

// member asks whether the account is in the team. "Not found" means that it is not
// only if the team itself is shown, then and still.
func (c *Connector) member(ctx context.Context, s seat) (bool, error) {
	who, in, err := there[user](ctx, c, memberPath(s.team, s.account))
	switch {
	case err != nil:
		return false, err
	case in && who.name() != s.account:
		return false, fmt.Errorf("%w: asked for %s among the members of a team, Gitea answered %q", connector.ErrRefused, s.account, who.Login)
	case in:
		return true, nil
	}
	return false, c.shown(ctx, s.team)
}

// shown is nil if the team is.
func (c *Connector) shown(ctx context.Context, id int64) error {
	t, err := get[teamRead](ctx, c, teamPath(id))
	if err == nil && t.ID == id {
		return nil
	}
	return fmt.Errorf("%w: who is in team %d is not known, for it is not shown to Lessor's account: %v", connector.ErrRefused, id, err)
}

// at is a repository with the teams that have it; of a user's there are none.
type at struct {
	repository
	teams []teamRead
}

// repo reads a repository; nil if there is none of that name. Who is not its
// administrator is not told what others may do there, so we must be.
func (c *Connector) repo(ctx context.Context, p place) (*at, error) {
	r, is, err := there[repository](ctx, c, p.path())
	switch {
	case err != nil:
		return nil, err
	case !is:
		return nil, c.absent(ctx, p)
	case r.place() != p:
		return nil, fmt.Errorf("%w: asked for %s, Gitea answered with %s", connector.ErrRefused, p, r.place())
	}
	if !r.Permissions.Admin {
		return nil, fmt.Errorf("%w: Lessor's account is no administrator of %s, so it is not shown who may do what there", connector.ErrRefused, p)
	}
	a := &at{repository: r}
	teams, err := get[rows[teamRead]](ctx, c, p.path()+"/teams")
	if _, users := says(err, http.StatusMethodNotAllowed); users {
		return a, nil
	}
	a.teams = teams
	return a, err
}

// absent says nil if the repository is certainly not there: (1) of an organization's,
// its owners' team knows, and only owners may ask it; (2) of a user's, the list of all
// he has, if we are that user or an administrator of the whole server.
func (c *Connector) absent(ctx context.Context, p place) error {
	unknown := func(why error) error {
		return fmt.Errorf("%w: %s is not there, or not shown to Lessor's account, which is neither an owner of %q nor an administrator of the server: %v",
			connector.ErrRefused, p, p.owner, why)
	}
	known, err := c.teams(ctx, p.owner)
	if err != nil {
		return unknown(err)
	}
	if known != nil {
		for _, t := range known {
			if !t.rules() {
				continue
			}
			_, has, err := there[repository](ctx, c, fmt.Sprintf("%s/repos/%s/%s", teamPath(t.ID), url.PathEscape(p.owner), url.PathEscape(p.name)))
			if err == nil && !has {
				err = c.shown(ctx, t.ID) // it was not the team that was not found
			}
			switch {
			case err != nil:
				return unknown(err)
			case has:
				return unknown(errors.New("the owners' team has it"))
			}
			return nil
		}
		return unknown(errors.New("the organization shows no owners' team"))
	}
	us, err := get[user](ctx, c, "/user")
	if err != nil {
		return unknown(err)
	}
	if us.name() != p.owner && !us.IsAdmin {
		return unknown(errors.New("only its owner is shown all a user has"))
	}
	path := "/users/" + url.PathEscape(p.owner)
	if _, has, err := there[user](ctx, c, path); err != nil || !has {
		return err // no such user, no such repository; or one of another name
	}
	all, err := list[repository](ctx, c, path+"/repos")
	if err != nil {
		return unknown(err)
	}
	for _, r := range all {
		if r.place() == p {
			return unknown(errors.New("its owner has it"))
		}
	}
	return nil
}

// spot is one account's at one repository.
type spot struct {
	place   place
	account string
}

// standing is what Gitea says of an account at a repository.
type standing struct {
	level        level // by whatever way, but that of teams which have single units
	collaborator bool
}

// standing asks (1) what the account may do there, and (2), unless that is nothing,
// whether it is a collaborator. That it is none is believed once the repository has
// shown itself again.
func (c *Connector) standing(ctx context.Context, s spot) (standing, error) {
	ask := func() (level, error) {
		p, err := get[permitted](ctx, c, s.place.collaborator(s.account)+"/permission")
		if err == nil && !slices.Contains(levels, p.Permission) {
			err = fmt.Errorf("%w: what %s may do at %s: %q is not an answer of Gitea", connector.ErrRefused, s.account, s.place, p.Permission)
		}
		return levelNamed(p.Permission), err
	}
	l, err := ask()
	if noAccount(err) {
		return standing{}, c.renamed(ctx, s.account)
	}
	if err != nil || l == none {
		return standing{}, err
	}
	_, err = c.call(ctx, http.MethodGet, s.place.collaborator(s.account), nil, nil)
	if _, not := says(err, http.StatusNotFound); not {
		l, err = ask()
		return standing{level: l}, err
	}
	return standing{l, err == nil}, err
}

// renamed says nil of an account that is not there, and an error of one that is there
// under another name: it has what it had.
func (c *Connector) renamed(ctx context.Context, account string) error {
	_, _, err := there[user](ctx, c, "/users/"+url.PathEscape(account))
	return err
}
