package gitea

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Look reads the membership or the collaborator itself, and then what the account can
// do all the same: what Gitea says of it at the repository, and what each team that
// has the repository and the account gives. For a team it asks that of each of the
// team's repositories, until there is one where the account may less.
func (c *Connector) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	at := c.now() // before the first read: nothing seen is older than this
	seen := make([]connector.Seen, len(refs))
	v := &view{c: c, crowd: map[team]int{}}
	for _, r := range refs {
		if h, wrong := parse(r); wrong == "" {
			v.crowd[h.object.team]++
		}
	}
	c.each(len(refs), func(i int) {
		s, err := v.see(ctx, refs[i])
		if err != nil {
			s = connector.Seen{Err: err}
		}
		s.Ref, s.At = refs[i], at
		slices.Sort(s.Residual)
		seen[i] = s
	})
	return seen
}

// view is what one call has read: each thing once.
type view struct {
	c         *Connector
	orgs      memo[string, map[string]teamRead]
	repos     memo[place, *at]
	teamRepos memo[int64, []repository]
	seats     memo[seat, bool]
	spots     memo[spot, standing]
	crowd     map[team]int // how many accounts are asked about
	crowds    memo[int64, map[string]bool]
	names     memo[string, struct{}]
}

func (v *view) teams(ctx context.Context, org string) (map[string]teamRead, error) {
	return v.orgs.of(org, func() (map[string]teamRead, error) { return v.c.teams(ctx, org) })
}

func (v *view) repo(ctx context.Context, p place) (*at, error) {
	return v.repos.of(p, func() (*at, error) { return v.c.repo(ctx, p) })
}

func (v *view) member(ctx context.Context, s seat) (bool, error) {
	return v.seats.of(s, func() (bool, error) { return v.c.member(ctx, s) })
}

// in asks whether the account is in the team that is looked at: by itself, or, where
// many are asked about, by the list of all.
func (v *view) in(ctx context.Context, id int64, h holding) (bool, string, error) {
	if v.crowd[h.object.team] <= few {
		is, err := v.member(ctx, seat{id, h.account})
		return is, "GET " + memberPath(id, h.account), err
	}
	path := teamPath(id) + "/members"
	all, err := v.crowds.of(id, func() (map[string]bool, error) {
		list, err := list[user](ctx, v.c, path)
		in := make(map[string]bool, len(list))
		for _, u := range list {
			in[u.name()] = true
		}
		return in, err
	})
	if err == nil && !all[h.account] { // who was renamed is in it under another name
		_, err = v.names.of(h.account, func() (struct{}, error) { return struct{}{}, v.c.renamed(ctx, h.account) })
	}
	return all[h.account], "GET " + path, err
}

func (v *view) standing(ctx context.Context, s spot) (standing, error) {
	return v.spots.of(s, func() (standing, error) { return v.c.standing(ctx, s) })
}

func (v *view) see(ctx context.Context, r connector.Ref) (connector.Seen, error) {
	h, wrong := parse(r)
	switch {
	case wrong != "":
		return connector.Seen{Path: "nothing can be called that: " + wrong}, nil
	case h.object.isTeam():
		return v.seeTeam(ctx, h)
	}
	return v.seePlace(ctx, h)
}

// seePlace looks at a collaborator.
func (v *view) seePlace(ctx context.Context, h holding) (s connector.Seen, err error) {
	p := h.object.place
	a, err := v.repo(ctx, p)
	if err != nil {
		return s, err
	}
	if a == nil {
		s.Path = "GET " + p.path() + "; there is none"
		return s, nil
	}
	w, err := v.ways(ctx, a, h.account, h.object.level)
	if err != nil {
		return s, err
	}
	s.Path = "GET " + p.collaborator(h.account) + " and /permission; the repository's teams and who is in them"
	s.Direct = w.direct
	s.Effective = w.direct || w.has.cover(h.object.level.powers())
	s.Residual = w.named
	if h.object.level == admin && !s.Direct {
		keys, err := v.c.keys(ctx, p)
		if err != nil {
			return s, err
		}
		s.Residual = append(s.Residual, keys...)
	}
	return s, nil
}

// ways is by what an account may do something at a repository.
type ways struct {
	direct bool     // a collaborator with just that level
	has    powers   // all ways together
	named  []string // the others
}

// ways finds them. Gitea's own word on an account leaves out what teams give for
// single units; the teams alone leave out collaborators, owners, administrators of the
// server and what is public.
func (v *view) ways(ctx context.Context, a *at, account string, l level) (w ways, err error) {
	p := a.place()
	st, err := v.standing(ctx, spot{p, account})
	if err != nil {
		return w, err
	}
	w.has = powers{whole: st.level}
	hidden := st.level == owner // then the collaborator's own level does not show
	explained := false
	name := func(most level, format string, args ...any) {
		w.named = append(w.named, fmt.Sprintf(format, args...))
		explained = explained || most >= st.level
	}
	// 1. Teams.
	for _, t := range a.teams {
		in, err := v.member(ctx, seat{t.ID, account})
		if err != nil {
			return w, err
		}
		if !in {
			continue
		}
		gives := t.powers()
		w.has = w.has.with(gives)
		hidden = hidden || levelNamed(t.Permission) >= st.level
		title := team{p.owner, strings.ToLower(t.Name)}.String()
		switch {
		case gives.cover(l.powers()):
			most := levelNamed(t.Permission)
			if most >= admin {
				most = owner // as which Gitea counts them
			}
			name(most, "is in %s, which gives %s", title, gives.word())
		case gives.somewhere(l):
			name(none, "partly: is in %s, which gives %s", title, gives.word())
		}
	}
	// 2. What the account is there itself.
	w.direct = st.collaborator && (st.level == l || hidden && st.level > l)
	if p.owner == account {
		name(owner, "owns %s", p)
	}
	if st.collaborator && !w.direct && st.level >= l {
		name(st.level, "is a collaborator of %s with %s", p, st.level)
	}
	if !a.Private && l == read && st.level >= read {
		name(read, "%s is public: whoever may see %s reads it", p, p.owner)
	}
	// 3. What is left is what only Gitea knows.
	if st.level >= l && !explained && (!w.direct || st.level > l) {
		name(st.level, "has %s at %s, as Gitea says: an administrator of the server, or by settings of its own", st.level, p)
	}
	return w, nil
}

// seeTeam looks at a member.
func (v *view) seeTeam(ctx context.Context, h holding) (s connector.Seen, err error) {
	o := h.object.team
	s.Path = "GET /orgs/" + o.org + "/teams; "
	known, err := v.teams(ctx, o.org)
	if err != nil {
		return s, err
	}
	t, is := known[o.name]
	if !is {
		s.Path += "there is no " + o.String()
		return s, nil
	}
	// 1. The team itself.
	var path string
	if s.Direct, path, err = v.in(ctx, t.ID, h); err != nil {
		return s, err
	}
	s.Path += path
	s.Effective = s.Direct
	// 2. Owners may do all that any team may.
	for name, other := range known {
		if !other.rules() || other.ID == t.ID {
			continue
		}
		in, err := v.member(ctx, seat{other.ID, h.account})
		if err != nil {
			return s, err
		}
		if in {
			s.Effective = true
			s.Residual = append(s.Residual, "is in "+team{o.org, name}.String()+", whose members own the organization")
		}
	}
	if s.Effective {
		return s, nil
	}
	// 3. The same at each of its repositories, by whatever way.
	var asked string
	s.Effective, s.Residual, asked, err = v.everywhere(ctx, t, h.account)
	s.Path += asked
	return s, err
}

// everywhere says whether, and by what ways, the account may do at each of the team's
// repositories all that the team lets its members do. One where it may less settles it.
func (v *view) everywhere(ctx context.Context, t teamRead, account string) (can bool, named []string, asked string, err error) {
	repos, err := v.teamRepos.of(t.ID, func() ([]repository, error) { return list[repository](ctx, v.c, teamPath(t.ID)+"/repos") })
	if err != nil || len(repos) == 0 {
		return false, nil, "; it has no repository", err
	}
	need := t.powers()
	if need.whole == none && len(need.units) == 0 {
		return false, nil, "; it lets nobody do anything", nil
	}
	for i, r := range repos[:min(len(repos), maxAsked)] {
		a, err := v.repo(ctx, r.place())
		if err != nil {
			return false, nil, asked, err
		}
		if a == nil {
			continue // deleted meanwhile
		}
		w, err := v.ways(ctx, a, account, need.least())
		if err != nil {
			return false, nil, asked, err
		}
		if !w.has.cover(need) {
			return false, nil, fmt.Sprintf("; at %s, %d of its %d repositories, the account may less", r.place(), i+1, len(repos)), nil
		}
		can = true
		if w.direct {
			w.named = append(w.named, fmt.Sprintf("is a collaborator of %s with %s", r.place(), need.least()))
		}
		for _, way := range w.named {
			if way = "can do the same all the same: " + way; !slices.Contains(named, way) {
				named = append(named, way)
			}
		}
	}
	return can, named, fmt.Sprintf("; the account may the same at all of its %d repositories asked for", min(len(repos), maxAsked)), nil
}
