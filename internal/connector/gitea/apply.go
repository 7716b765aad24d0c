package gitea

import (
	"context"
	"fmt"
	"net/http"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

// Apply (1) gathers the changes by holding, asked twice the last word counts, (2)
// removes, and (3) adds. Removals come first: if the time runs out, access is late
// rather than too long. Changes for one account at one repository go one after the
// other, because Gitea keeps one level for it and each must see what the last one left;
// so do those for an organization's owners, because Gitea counts wrong what happens at
// once and by that count keeps the last owner from going.
func (c *Connector) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	results := make([]connector.Result, len(changes))
	asked := map[connector.Ref][]int{}
	want := map[connector.Ref]bool{}
	var order []connector.Ref
	for i, ch := range changes {
		results[i].Ref = ch.Ref
		if asked[ch.Ref] == nil {
			order = append(order, ch.Ref)
		}
		asked[ch.Ref] = append(asked[ch.Ref], i)
		want[ch.Ref] = ch.Want
	}
	for _, adding := range []bool{false, true} {
		v := &view{c: c} // what was read before the removals may not be so after them
		groups := together(order, func(r connector.Ref) bool { return want[r] == adding })
		c.each(len(groups), func(i int) {
			for _, r := range groups[i] {
				err := v.change(ctx, r, adding)
				for _, at := range asked[r] {
					results[at].Err = err
				}
			}
		})
	}
	return results
}

// together groups the refs that are of this turn by what must not be done at once.
func together(order []connector.Ref, turn func(connector.Ref) bool) (groups [][]connector.Ref) {
	at := map[spot]int{}
	for _, r := range order {
		if !turn(r) {
			continue
		}
		h, wrong := parse(r)
		if wrong != "" || h.object.isTeam() && h.object.team.name != "owners" {
			groups = append(groups, []connector.Ref{r})
			continue
		}
		key := spot{h.object.place, h.account}
		if h.object.isTeam() {
			key = spot{account: h.object.team.org + "/owners"} // which no account is called
		}
		if i, ok := at[key]; ok {
			groups[i] = append(groups[i], r)
			continue
		}
		at[key] = len(groups)
		groups = append(groups, []connector.Ref{r})
	}
	return groups
}

// change does one.
func (v *view) change(ctx context.Context, r connector.Ref, add bool) error {
	h, wrong := parse(r)
	switch {
	case wrong != "" && add:
		return fmt.Errorf("%w: %s", connector.ErrNoObject, wrong)
	case wrong != "": // nothing can be held by, or at, what cannot be
		return nil
	case h.object.isTeam():
		return v.changeMember(ctx, h, add)
	case add:
		return v.addCollaborator(ctx, h)
	}
	return v.removeCollaborator(ctx, h)
}

func (v *view) changeMember(ctx context.Context, h holding, add bool) error {
	known, err := v.teams(ctx, h.object.team.org)
	if err != nil {
		return call.Unsent(err)
	}
	t, is := known[h.object.team.name]
	switch {
	case !is && add:
		return fmt.Errorf("%w: there is no %s", connector.ErrNoObject, h.object)
	case !is:
		return nil
	case !add:
		if _, err = v.c.call(ctx, http.MethodDelete, memberPath(t.ID, h.account), nil, nil); noAccount(err) {
			return nil
		}
		return err
	}
	if err := v.person(ctx, h.account); err != nil {
		return err
	}
	if _, err = v.c.call(ctx, http.MethodPut, memberPath(t.ID, h.account), nil, nil); noAccount(err) {
		return fmt.Errorf("%w: %w", connector.ErrNoObject, err)
	}
	return err
}

// person refuses organizations, which Gitea takes for accounts where one is added.
func (v *view) person(ctx context.Context, account string) error {
	known, err := v.teams(ctx, account)
	_, notOurs := says(err, http.StatusForbidden)
	switch {
	case known != nil || notOurs:
		return fmt.Errorf("%w: %s is an organization, not an account", connector.ErrRefused, account)
	case err != nil:
		return call.Unsent(err)
	}
	return nil
}

// addCollaborator adds one who is none. One who has another level keeps it: Gitea has
// room for one, so that what was there would be lost now, and the rest at the end.
func (v *view) addCollaborator(ctx context.Context, h holding) error {
	p := h.object.place
	a, w, st, err := v.stands(ctx, h)
	switch {
	case err != nil:
		return call.Unsent(err)
	case a == nil:
		return fmt.Errorf("%w: there is no %s", connector.ErrNoObject, p)
	case w.direct:
		return nil
	case st.collaborator:
		return fmt.Errorf("%w: %s is a collaborator of %s with %s already, and Gitea keeps one level: take that away first, or lease a team",
			connector.ErrRefused, h.account, p, st.level)
	}
	if err := v.person(ctx, h.account); err != nil {
		return err
	}
	body := map[string]string{"permission": h.object.level.String()}
	if _, err = v.c.call(ctx, http.MethodPut, p.collaborator(h.account), body, nil); noAccount(err) {
		return fmt.Errorf("%w: %w", connector.ErrNoObject, err)
	}
	return err
}

// removeCollaborator removes one who has that level, and nobody who has another.
func (v *view) removeCollaborator(ctx context.Context, h holding) error {
	p := h.object.place
	a, w, _, err := v.stands(ctx, h)
	if err != nil {
		return call.Unsent(err)
	}
	if a == nil || !w.direct {
		return nil
	}
	if _, err = v.c.call(ctx, http.MethodDelete, p.collaborator(h.account), nil, nil); noAccount(err) {
		return nil
	}
	return err
}

// stands reads, anew for each change, how the account stands at the repository.
func (v *view) stands(ctx context.Context, h holding) (a *at, w ways, st standing, err error) {
	if a, err = v.repo(ctx, h.object.place); err != nil || a == nil {
		return a, w, st, err
	}
	now := &view{c: v.c}
	if w, err = now.ways(ctx, a, h.account, h.object.level); err != nil {
		return a, w, st, err
	}
	st, err = now.standing(ctx, spot{h.object.place, h.account})
	return a, w, st, err
}
