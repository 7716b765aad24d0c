package report

import (
	"context"

	"github.com/lessor-iam/lessor/internal/access"
)

// Glass is how often access was taken without approval, and how the reviews of it went.
type Glass struct {
	Uses        int // in the window
	InTime      int // … of them reviewed by their date
	Late        int // … reviewed after it
	Unjustified int // … of those reviewed
	Open        int // not reviewed, whenever it was taken
	Overdue     int // … of them past their date
}

// mostUses is how many uses of break-glass one look reads: they are few, or something is wrong.
const mostUses = 5000

func (c *counting) glass(ctx context.Context) error {
	list, err := c.tx.Emergencies(ctx, "", mostUses)
	if err != nil {
		return err
	}
	c.cut(len(list), mostUses, "uses of break-glass, the newest 5 000")
	g := &c.Glass
	for _, e := range list {
		if e.ReviewedAt.IsZero() {
			g.Open++
			if !c.To.Before(e.ReviewBy) {
				g.Overdue++
			}
		}
		if e.At.Before(c.From) {
			continue
		}
		g.Uses++
		switch {
		case e.ReviewedAt.IsZero():
		case e.ReviewedAt.After(e.ReviewBy):
			g.Late++
		default:
			g.InTime++
		}
		if e.Verdict == access.Unjustified {
			g.Unjustified++
		}
	}
	return nil
}
