package audit

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
)

// Jira shows no workflow to a token that does not administer the site: only the
// moves open to it from where an issue stands now. So the moves are looked at on
// issues there are, one for each status.

// sample is an issue, and the moves open to the token from where it stands.
type sample struct {
	issue rest.Issue
	moves []rest.Transition
}

const (
	sampleFor  = 90 * 24 * time.Hour // how far back issues are looked for
	sampleMost = 60                  // issues read for it
)

// recent lists the issues of a project changed since then, newest last, at most
// most of them. A search gives the oldest first, so it looks back in growing
// steps rather than page through a year for its last week.
func recent(ctx context.Context, r rest.Site, now, since time.Time, most int, project string) (ids []string, cut bool, err error) {
	for back := 24 * time.Hour; ; back *= 4 {
		from := now.Add(-back)
		if from.Before(since) {
			from = since
		}
		if ids, err = updated(ctx, r, from, project); err != nil {
			return nil, false, err
		}
		if len(ids) > most {
			return ids[len(ids)-most:], true, nil
		}
		if len(ids) == most && from.After(since) {
			return ids, true, nil // there may be more
		}
		if !from.After(since) {
			return ids, false, nil
		}
	}
}

// updated lists every issue of a project changed since then, each once.
func updated(ctx context.Context, r rest.Site, since time.Time, project string) (ids []string, err error) {
	seen := map[string]bool{}
	for page := (rest.Page{}); ; {
		found, next, err := r.Updated(ctx, rest.Query{Since: since, Projects: []string{project}}, page)
		if err != nil {
			return nil, err
		}
		for _, id := range found {
			if !seen[id] {
				seen[id] = true
				ids = append(ids, id)
			}
		}
		if next.Last() {
			return ids, nil
		}
		page = next
	}
}

// samples reads one issue for each type and status.
func samples(ctx context.Context, r rest.Site, now time.Time, project string) ([]sample, error) {
	ids, _, err := recent(ctx, r, now, now.Add(-sampleFor), sampleMost, project)
	if err != nil {
		return nil, err
	}
	var list []sample
	for n := len(ids) - 1; n >= 0; n-- {
		i, err := r.Issue(ctx, ids[n], "project", "issuetype", "status")
		if errors.Is(err, rest.ErrMissing) {
			continue // gone meanwhile
		} else if err != nil {
			return list, err
		}
		if list, err = sampled(ctx, r, list, i); err != nil {
			return list, err
		}
	}
	return list, nil
}

// sampled adds an issue, unless one of its type stands where it does.
func sampled(ctx context.Context, r rest.Site, list []sample, i rest.Issue) ([]sample, error) {
	if slices.ContainsFunc(list, func(s sample) bool { return s.issue.Type.ID == i.Type.ID && s.issue.Status.ID == i.Status.ID }) {
		return list, nil
	}
	moves, err := r.Transitions(ctx, i.ID)
	if err != nil {
		return list, err
	}
	return append(list, sample{i, moves}), nil
}

// sampled looks at what can only be seen on issues: the moves, and by which way they came.
func (x *exam) sampled(ctx context.Context, l *place) {
	if (l.Milestones == config.JiraMilestones{}) && !l.Desk {
		return
	}
	list, err := samples(ctx, x.Rest, x.Now(), l.Key)
	if err != nil {
		x.fails(l.about, "its recent tickets cannot be looked at", err)
		return
	}
	for _, s := range steps(l.Milestones) {
		x.step(l, s, list)
	}
	if l.Desk {
		x.channel(ctx, l, list)
	}
}

// pair is a move that Lessor makes.
type pair struct{ from, to milestone }

// steps are the moves that tickets are brought along; each is one transition.
func steps(m config.JiraMilestones) []pair {
	of := milestones(m)
	waiting, granting, active, removed, refused := of[0], of[1], of[2], of[3], of[4]
	list := []pair{{waiting, granting}, {granting, active}, {active, removed}, {waiting, refused}}
	return slices.DeleteFunc(list, func(p pair) bool { return p.from.id == "" || p.to.id == "" })
}

func (x *exam) step(l *place, p pair, list []sample) {
	seen, open := false, false
	for _, s := range list {
		if s.issue.Status.ID == p.from.id {
			seen = true
			open = open || slices.ContainsFunc(s.moves, func(t rest.Transition) bool { return t.To.ID == p.to.id })
		}
	}
	from, to := l.statuses[p.from.id].Name, l.statuses[p.to.id].Name
	switch {
	case !seen:
		x.say(l.about, Note, "try it with a ticket", "no recent ticket is in %q, so whether Lessor can move one from there to %q cannot be seen", from, to)
	case open:
		x.say(l.about, Fine, "", "Lessor can move a ticket from %q (%s) to %q (%s)", from, p.from.name, to, p.to.name)
	case l.Votes.Approvals && p.from.name == "waiting":
		x.say(l.about, Missing, "add a transition that only Lessor's account may take", "no transition leads from %q to %q but the approval's own: tickets answered in Lessor stay there", from, to)
	default:
		x.say(l.about, Missing, "add a transition that only Lessor's account may take", "no transition leads from %q (%s) to %q (%s): tickets stay there, whatever is decided and seen", from, p.from.name, to, p.to.name)
	}
}

// channelKey is the property in which a desk says by which way a request came.
const channelKey = "request.channel.type"

func (x *exam) channel(ctx context.Context, l *place, list []sample) {
	for _, s := range list {
		if _, err := x.Rest.Request(ctx, s.issue.ID); errors.Is(err, rest.ErrMissing) {
			continue // no request
		} else if err != nil {
			x.fails(l.about, "its requests cannot be read", err)
			return
		}
		switch _, err := x.Rest.Property(ctx, s.issue.ID, channelKey); {
		case errors.Is(err, rest.ErrMissing):
			x.say(l.about, Wrong, "give the token's account Browse Projects; without that property every ticket waits for its reporter's confirmation", "%s does not say by which way it came (%s)", s.issue.Key, channelKey)
		case err != nil:
			x.fails(l.about, "by which way tickets come cannot be read", err)
		default:
			x.say(l.about, Fine, "", "requests say by which way they came (%s)", channelKey)
		}
		return
	}
	x.say(l.about, Note, "", "there is no recent request on which to see whether %s can be read", channelKey)
}
