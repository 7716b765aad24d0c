package report

import (
	"fmt"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
)

// Claims is what a verified bundle and its story prove, and what they do not,
// in plain words for whoever must rely on them.
type Claims struct {
	Proved []string `json:"proved"`
	Not    []string `json:"not_proved"`
}

// Claim says what follows from a bundle that was opened and a story that was
// told of it without an error. It claims nothing of any other.
func Claim(v evidence.Verified, s Story) Claims {
	c := Claims{Proved: []string{
		fmt.Sprintf("The log %q, at %d events, holds these %d records, byte for byte, in this order; whoever has its key signed that.", v.Checkpoint.Origin, v.Checkpoint.Size, len(v.Records)),
		fmt.Sprintf("The log says that %s was granted to %s under a request whose content is the one that was voted on.", s.Grant.Entitlement, s.Grant.Identity),
	}}
	if n := len(s.Grant.Votes); n > 0 {
		approvals := "approvals, each"
		if n == 1 {
			approvals = "approval,"
		}
		c.proved("It says that the grant stands on %d %s by another person who is neither requester nor beneficiary, cast before it, with the rule that gave the say.", n, approvals)
	} else {
		c.proved("It says that the rules asked for nobody's approval: %s", s.Grant.Hold.Why)
	}
	c.ending(s)
	c.Not = append(c.Not,
		"That these are all the records: one that is left out of the file leaves no gap. Only the log itself (verify it whole) shows that there is no other.",
		"That the log was never rewritten: compare its head with one that was kept elsewhere, or with a witness's.",
		"That the directory was right about who was whose manager, owner or second identity; the log has the digest of what was read, not the directory.",
		"That nobody else used the account, or that the target did not lie to the look: a look is the target's own answer, read back.",
		"The moments: they are Lessor's clock, signed by the same key.")
	return c
}

func (c *Claims) proved(format string, a ...any) {
	c.Proved = append(c.Proved, fmt.Sprintf(format, a...))
}

func (c *Claims) not(format string, a ...any) { c.Not = append(c.Not, fmt.Sprintf(format, a...)) }

// ending claims no more of the end than was seen.
func (c *Claims) ending(s Story) {
	if !s.SeenHeld.IsZero() {
		c.proved("A look at the target saw the access held, last %s.", stamp(s.SeenHeld))
	} else {
		c.not("That the access was ever there: no look in this file saw it.")
	}
	switch {
	case s.Grant.State != access.Ended:
		c.not("That the access has ended: the grant stands, until %s at the latest.", stamp(s.Grant.End))
	case s.Other != "":
		c.proved("The grant ended %s (%s).", stamp(s.Grant.EndedAt), s.Grant.Ended)
		c.not("That the access is gone: grant %s is a reason for it too, and it stays.", s.Other)
	case s.Complete && !s.SeenGone.IsZero():
		c.proved("The grant ended %s (%s), and a look at the target saw the access gone %s.", stamp(s.Grant.EndedAt), s.Grant.Ended, stamp(s.SeenGone))
		c.not("That the access did not come back after that look.")
	case s.Complete:
		c.proved("The grant ended %s (%s) before any look saw the access.", stamp(s.Grant.EndedAt), s.Grant.Ended)
	default:
		c.proved("The grant ended %s (%s).", stamp(s.Grant.EndedAt), s.Grant.Ended)
		c.not("That the access is gone: no look in this file saw it gone after the grant ended.")
	}
}
