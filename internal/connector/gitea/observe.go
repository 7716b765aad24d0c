package gitea

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Observe yields the members of teams and the collaborators of repositories: of those
// asked for; or of every team of the organizations Lessor's account is in, and of every
// repository it administers. Where an account is a collaborator, and an owner besides,
// Gitea does not show the collaborator's level: then the highest is yielded.
func (c *Connector) Observe(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
	var only []object
	for _, name := range objects {
		if o, err := parseObject(name); err == nil {
			only = append(only, o)
		}
	}
	v := &view{c: c}
	if len(objects) == 0 {
		var err error
		if only, err = v.everything(ctx); err != nil {
			return err
		}
	}
	levels := map[place][]level{} // those asked for
	for _, o := range only {
		if !o.isTeam() {
			levels[o.place] = append(levels[o.place], o.level)
		}
	}
	done := map[object]bool{} // a thing that moved while a list was read is in it twice
	var once []object
	for _, o := range only {
		if o.level = none; !done[o] { // a repository's levels are read together
			done[o] = true
			once = append(once, o)
		}
	}
	for some := range slices.Chunk(once, parallel) {
		held, errs := make([][]connector.Holding, len(some)), make([]error, len(some))
		c.each(len(some), func(i int) {
			if some[i].isTeam() {
				held[i], errs[i] = v.members(ctx, some[i].team)
				return
			}
			held[i], errs[i] = v.collaborators(ctx, some[i].place, levels[some[i].place])
		})
		for i := range some {
			if errs[i] != nil {
				return errs[i]
			}
			for _, h := range held[i] {
				if err := yield(h); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// everything is all that can be held here.
func (v *view) everything(ctx context.Context) (all []object, err error) {
	us, err := get[user](ctx, v.c, "/user")
	if err != nil {
		return nil, err
	}
	from := "/user/orgs"
	if us.IsAdmin {
		from = "/orgs"
	}
	orgs, err := list[organization](ctx, v.c, from)
	if err != nil {
		return nil, err
	}
	for _, o := range orgs {
		known, err := v.teams(ctx, strings.ToLower(o.Name))
		if err != nil {
			return nil, err
		}
		for name := range known {
			all = append(all, object{team: team{strings.ToLower(o.Name), name}})
		}
	}
	if from = "/user/repos"; us.IsAdmin {
		from = "/repos/search"
	}
	repos, err := list[repository](ctx, v.c, from)
	if err != nil {
		return nil, err
	}
	for _, r := range repos {
		if r.Permissions.Admin {
			all = append(all, object{place: r.place(), level: read}, object{place: r.place(), level: write}, object{place: r.place(), level: admin})
		}
	}
	return all, nil
}

// members of a team; none if it goes away while it is read.
func (v *view) members(ctx context.Context, o team) (held []connector.Holding, err error) {
	known, err := v.teams(ctx, o.org)
	if err != nil {
		return nil, err
	}
	t, is := known[o.name]
	if !is {
		return nil, nil
	}
	who, err := list[user](ctx, v.c, teamPath(t.ID)+"/members")
	if _, not := says(err, http.StatusNotFound); not {
		if again, err := v.c.teams(ctx, o.org); err == nil && again[o.name].ID != t.ID {
			return nil, nil
		}
	}
	for _, u := range who {
		held = append(held, connector.Holding{Ref: connector.Ref{Account: u.name(), Object: o.String()}})
	}
	return held, err
}

// collaborators of a repository; none if it goes away while it is read.
func (v *view) collaborators(ctx context.Context, p place, asked []level) (held []connector.Holding, err error) {
	a, err := v.repo(ctx, p)
	if err != nil || a == nil {
		return nil, err
	}
	held, err = v.leveled(ctx, p, asked)
	if _, not := says(err, http.StatusNotFound); not {
		if a, err := v.c.repo(ctx, p); err == nil && a == nil {
			return nil, nil
		}
	}
	return held, err
}

func (v *view) leveled(ctx context.Context, p place, asked []level) (held []connector.Holding, err error) {
	who, err := list[user](ctx, v.c, p.path()+"/collaborators")
	if err != nil {
		return nil, err
	}
	stand := make([]found, len(who))
	v.c.each(len(who), func(i int) { stand[i].is, stand[i].err = v.standing(ctx, spot{p, who[i].name()}) })
	for i, u := range who {
		st := stand[i]
		if st.err != nil {
			return nil, st.err
		}
		o := object{place: p, level: min(st.is.level, admin)}
		if st.is.collaborator && slices.Contains(asked, o.level) {
			held = append(held, connector.Holding{Ref: connector.Ref{Account: u.name(), Object: o.String()}})
		}
	}
	return held, nil
}

// found is how an account stands, or why that is not known.
type found struct {
	is  standing
	err error
}
