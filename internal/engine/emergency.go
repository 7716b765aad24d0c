package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// EmergencyReview is what somebody makes of a use of break-glass.
type EmergencyReview struct {
	Emergency string                  `json:"emergency,omitempty"` // its id, or its grant's; a door that has it in the path may leave it out
	Verdict   access.EmergencyVerdict `json:"verdict"`
	Text      string                  `json:"text"`
}

// ReviewEmergency settles a use of break-glass: by whoever policy lets settle what is
// found about that entitlement, and never by whoever used it, in whatever guise.
// If it was not justified, the access ends now, if it has not.
func (e *Engine) ReviewEmergency(ctx context.Context, by access.Actor, v EmergencyReview) (m access.Emergency, err error) {
	err = e.do(ctx, "review emergency", by, func(d *deed) error {
		if err := d.scope(ScopeRevoke); err != nil {
			return err
		}
		// 1. What is reviewed, and by whom.
		m, err = d.Emergency(ctx, v.Emergency)
		if err == nil && !d.mayKnowEmergency(m) {
			err = access.ErrNotFound
		}
		if errors.Is(err, access.ErrNotFound) {
			err = fmt.Errorf("%w: use of break-glass %.80q", access.ErrNotFound, v.Emergency)
		}
		if err != nil {
			return err
		}
		if why := unsaid(v.Text); why != "" {
			return fmt.Errorf("%w: text %s", access.ErrInvalid, why)
		}
		if v.Verdict != access.Justified && v.Verdict != access.Unjustified {
			return fmt.Errorf("%w: verdict %.40q is neither %s nor %s", access.ErrInvalid, v.Verdict, access.Justified, access.Unjustified)
		}
		if !m.ReviewedAt.IsZero() {
			return fmt.Errorf("%w: %s was reviewed at %s by %s: %s", access.ErrGone, m.ID, m.ReviewedAt.Format(time.RFC3339), m.ReviewedBy, m.Verdict)
		}
		f, err := d.OpenFinding(ctx, access.BreakGlassReview, m.Grant)
		if err != nil {
			return err
		}
		ent, _ := d.world.Directory.Entitlement(m.Entitlement)
		if _, err := d.maySettle(ctx, f.ID, ent, m.Identity, policy.Accept); err != nil {
			return err
		}
		// 2. The verdict, and what follows from it.
		m.ReviewedAt, m.ReviewedBy, m.Verdict, m.Text = d.now, d.world.Directory.PersonOf(by.Identity), v.Verdict, v.Text
		if err := d.Tx.ReviewEmergency(ctx, m); err != nil {
			return err
		}
		if err := d.tellEmergency(ctx, m, "reviewed", string(v.Verdict)+": "+v.Text); err != nil {
			return err
		}
		if err := d.settleFinding(ctx, f.Kind, f.Subject, fmt.Sprintf("reviewed by %s: %s: %s", m.ReviewedBy, v.Verdict, v.Text)); err != nil {
			return err
		}
		g, err := d.Tx.Grant(ctx, m.Grant)
		if err != nil || v.Verdict == access.Justified || g.State == access.Ended {
			return err
		}
		return d.finish(ctx, g, access.EndRevoked, "the use of break-glass was not justified: "+v.Text)
	})
	return m, err
}
