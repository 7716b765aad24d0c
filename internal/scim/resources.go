package scim

import (
	"crypto/rand"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// membersAtOnce is how many members of a group are read at once, and mostTaken how many
// one word takes out of one that is deleted.
const (
	membersAtOnce = 1000
	mostTaken     = 5000
)

// stored is what there is under a key.
func (c *call) stored(k kind, key string) (access.Record, error) {
	r, err := c.Engine.FeedRecord(c.r.Context(), c.by, c.feed.ID, key)
	if err == nil && (!r.Gone.IsZero() || r.Group != (k.name == groups.name)) {
		err = access.ErrNotFound
	}
	return r, err
}

func (c *call) get(k kind, key string) (answer, error) {
	r, err := c.stored(k, key)
	if err != nil {
		return answer{}, err
	}
	if seen := c.r.Header.Get("If-None-Match"); seen != "" && named(seen, version(r)) {
		return answer{status: http.StatusNotModified, version: version(r)}, nil
	}
	return c.answered(http.StatusOK, k, r)
}

// answered answers with a resource.
func (c *call) answered(status int, k kind, r access.Record) (answer, error) {
	show, err := c.selected(k)
	if err != nil {
		return answer{}, err
	}
	res, err := c.shown(k, r)
	if err != nil {
		return answer{}, err
	}
	if k.name == groups.name && show.has("members") {
		if _, err := c.enrol(res, r.Key); err != nil {
			return answer{}, err
		}
	}
	return answer{status: status, body: show.of(res), version: version(r)}, nil
}

// enrol adds to a group who is in it.
func (c *call) enrol(res resource, key string) (n int, err error) {
	list := []any{}
	for after := ""; ; {
		page, err := c.Engine.FeedMembers(c.r.Context(), c.by, c.feed.ID, key, after, membersAtOnce)
		if err != nil {
			return 0, err
		}
		for _, r := range page {
			one := resource{"value": r.Key, "$ref": c.place(users, r.Key)}
			if r.Name != "" {
				one["display"] = r.Name
			}
			list, after = append(list, one), r.Key
		}
		if len(page) < membersAtOnce {
			break
		}
	}
	if len(list) > 0 {
		res["members"] = list
	}
	return len(list), nil
}

func (c *call) create(k kind, _ string) (answer, error) {
	// 1. What is said of it, under a key that nothing has or had.
	res, members, err := c.sent(k)
	if err != nil {
		return answer{}, err
	}
	key := strings.ToLower(rand.Text())
	r, err := k.record(c.feed, key, res)
	if err != nil {
		return answer{}, err
	}
	// 2. One word.
	change := engine.FeedChange{Record: r, Join: keysOf(members.join)}
	if r, err = c.Engine.FeedSaid(c.r.Context(), c.by, c.feed.ID, change); err != nil {
		return answer{}, err
	}
	a, err := c.answered(http.StatusCreated, k, r)
	a.at = c.place(k, key)
	return a, err
}

// sent reads a whole resource, and who is to be in it where it is a group.
func (c *call) sent(k kind) (resource, *roll, error) {
	in := map[string]any{}
	if err := c.body(&in); err != nil {
		return nil, nil, err
	}
	members := newRoll()
	if k.name == groups.name {
		keys, err := membersIn(lookup(in, "members"))
		if err != nil {
			return nil, nil, err
		}
		members.only(keys)
	}
	res, err := k.clean(in)
	delete(res, "members")
	return res, members, err
}

func (c *call) put(k kind, key string) (answer, error) {
	res, members, err := c.sent(k)
	if err != nil {
		return answer{}, err
	}
	r, err := c.change(k, key, func(access.Record) (resource, *roll, error) { return res, members, nil })
	if err != nil {
		return answer{}, err
	}
	return c.answered(http.StatusOK, k, r)
}

func (c *call) patch(k kind, key string) (answer, error) {
	var in struct {
		Operations []operation
	}
	if err := c.body(&in); err != nil {
		return answer{}, err
	}
	r, err := c.change(k, key, func(was access.Record) (resource, *roll, error) {
		res, err := k.resource(was)
		if err != nil {
			return nil, nil, err
		}
		members := newRoll()
		res, err = k.patch(res, in.Operations, members)
		return res, members, err
	})
	if err != nil {
		return answer{}, err
	}
	if k.name == groups.name {
		return answer{status: http.StatusNoContent, version: version(r)}, nil // who is in it may be long
	}
	return c.answered(http.StatusOK, k, r)
}

// tries is how often a word is said again that somebody else's came before.
const tries = 8

// change has what is stored under a key be what next makes of it, in one word. If it
// was changed meanwhile it is made again, unless who asks presumed a version.
func (c *call) change(k kind, key string, next func(was access.Record) (resource, *roll, error)) (r access.Record, err error) {
	for range tries {
		// 1. What it is, and is it still what who asks has seen?
		was, err := c.stored(k, key)
		if err != nil {
			return r, err
		}
		if err := c.presumed(was); err != nil {
			return r, err
		}
		// 2. What it is to be.
		res, members, err := next(was)
		if err != nil {
			return r, err
		}
		change := engine.FeedChange{Was: was.Version}
		if change.Record, err = k.record(c.feed, key, res); err != nil {
			return r, err
		}
		if change.Join, change.Leave, err = c.difference(key, members); err != nil {
			return r, err
		}
		// 3. One word.
		r, err = c.Engine.FeedSaid(c.r.Context(), c.by, c.feed.ID, change)
		if err == nil || !errors.Is(err, access.ErrConflict) || errors.Is(err, access.ErrTaken) {
			return r, err
		}
	}
	return r, fault(http.StatusConflict, "", "it is being changed by others all the time: try again")
}

// presumed refuses where who asks has seen another version.
func (c *call) presumed(r access.Record) error {
	if seen := c.r.Header.Get("If-Match"); seen != "" && !named(seen, version(r)) {
		return fault(http.StatusPreconditionFailed, "", "it is at version %s", version(r))
	}
	return nil
}

// difference is who joins a group and who leaves it.
func (c *call) difference(key string, m *roll) (join, leave []string, err error) {
	if !m.whole {
		return keysOf(m.join), keysOf(m.leave), nil
	}
	stay := map[string]bool{}
	for after := ""; ; {
		page, err := c.Engine.FeedMembers(c.r.Context(), c.by, c.feed.ID, key, after, membersAtOnce)
		if err != nil {
			return nil, nil, err
		}
		for _, r := range page {
			if stay[r.Key] = true; !m.join[r.Key] {
				leave = append(leave, r.Key)
			}
			after = r.Key
		}
		if len(page) < membersAtOnce {
			break
		}
	}
	for _, key := range keysOf(m.join) {
		if !stay[key] {
			join = append(join, key)
		}
	}
	return join, leave, nil
}

func keysOf(set map[string]bool) (keys []string) {
	for key := range set {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// remove deletes. A large group is emptied first, in parts; if we stop between them it
// is asked for again.
func (c *call) remove(k kind, key string) (answer, error) {
	for range tries {
		was, err := c.stored(k, key)
		if err != nil {
			return answer{}, err
		}
		if err := c.presumed(was); err != nil {
			return answer{}, err
		}
		change := engine.FeedChange{Record: was, Was: was.Version, Gone: true}
		if k.name == groups.name {
			page, err := c.Engine.FeedMembers(c.r.Context(), c.by, c.feed.ID, key, "", mostTaken)
			if err != nil {
				return answer{}, err
			}
			for len(page) == mostTaken {
				change.Gone, change.Leave = false, nil
				for _, r := range page {
					change.Leave = append(change.Leave, r.Key)
				}
				if change.Record, err = c.Engine.FeedSaid(c.r.Context(), c.by, c.feed.ID, change); err != nil {
					return answer{}, err
				}
				if page, err = c.Engine.FeedMembers(c.r.Context(), c.by, c.feed.ID, key, "", mostTaken); err != nil {
					return answer{}, err
				}
				change = engine.FeedChange{Record: change.Record, Was: change.Record.Version, Gone: true}
			}
		}
		_, err = c.Engine.FeedSaid(c.r.Context(), c.by, c.feed.ID, change)
		switch {
		case err == nil:
			return answer{status: http.StatusNoContent}, nil
		case !errors.Is(err, access.ErrConflict):
			return answer{}, err
		}
	}
	return answer{}, fault(http.StatusConflict, "", "it is being changed by others all the time: try again")
}
