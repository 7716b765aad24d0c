package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// ownVote is the finding that somebody tried to decide in a matter of their own under
// another name than they asked under: a second account, a workload of theirs, an agent
// they answer for, or as whom it is for. That the vote does not count is policy's; that
// somebody tried, people have to know. There is one of a person, however often they try:
// each attempt is an event.
const ownVote = "own_vote"

// ownHands are the guards that refuse somebody's vote for their own hand in it.
var ownHands = []string{"guard.own-request", "guard.own-benefit", "guard.own-workload"}

// ownVoteWithin is how soon somebody should have asked them.
const ownVoteWithin = 3 * 24 * time.Hour

// guised opens the finding where a refused vote was one of the requester's other names.
// Who votes as who they asked as has only not read whose request it is.
func (d *deed) guised(ctx context.Context, r access.Request) error {
	if d.by.Identity == r.Requester {
		return nil
	}
	for i, it := range r.Items {
		if it.Outcome != access.Undecided {
			continue
		}
		votes, err := d.standing(ctx, r, it.Entitlement)
		if err != nil {
			return err
		}
		f, err := d.facts(ctx, r, i, votes)
		if err != nil {
			return err
		}
		for _, s := range it.Decision.Stages {
			dec := d.world.Policy.MayApprove(f, d.by, s.Name)
			if !slices.ContainsFunc(dec.Rules, func(rule access.Rule) bool { return slices.Contains(ownHands, rule.ID) }) {
				continue
			}
			return d.finding(ctx, access.Finding{Kind: ownVote, Subject: d.world.Directory.PersonOf(d.by.Identity), Owner: "security", DueAt: d.now.Add(ownVoteWithin),
				Text: fmt.Sprintf("%s voted on request %s, which %s made for %s: %s It did not count. Ask them what it was for; every attempt is in the log (vote.refused).",
					d.by.Identity, r.ID, r.Requester, r.Beneficiary, dec.Why)})
		}
	}
	return nil
}
