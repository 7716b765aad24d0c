package engine

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
)

// SealUse is what somebody makes of a use of a sealed credential.
type SealUse struct {
	Seal     string `json:"seal,omitempty"` // a door that has it in the path may leave it out
	Incident string `json:"incident"`       // in which it was used
	Text     string `json:"text"`
}

// SettleSeal settles the finding that a sealed credential was used, by naming the
// incident it was used in: by whoever policy lets settle what is found about what it
// opens, and never by a custodian, in whatever guise. The seal stays as broken as it is.
func (e *Engine) SettleSeal(ctx context.Context, by access.Actor, u SealUse) (s access.Seal, err error) {
	err = e.do(ctx, "settle seal", by, func(d *deed) error {
		if err := d.scope(ScopeRevoke); err != nil {
			return err
		}
		// 1. Which use, and by whom.
		if s, err = d.sealFor(ctx, u.Seal); err != nil {
			return err
		}
		f, err := d.OpenFinding(ctx, access.SealUsed, s.ID)
		if errors.Is(err, access.ErrNotFound) {
			return fmt.Errorf("%w: no use of seal %s waits to be settled", access.ErrGone, s.ID)
		}
		if err != nil {
			return err
		}
		me := d.world.Directory.PersonOf(by.Identity)
		for _, c := range s.Custodians {
			if d.world.Directory.PersonOf(c) == me {
				return fmt.Errorf("%w: a custodian of seal %s does not settle its use", access.ErrDenied, s.ID)
			}
		}
		ent := access.Entitlement{System: s.System}
		for _, id := range s.Opens {
			if ent, _ = d.world.Directory.Entitlement(id); ent.ID != "" {
				break
			}
		}
		if _, err := d.maySettle(ctx, f.ID, ent, "", policy.Accept); err != nil {
			return err
		}
		// 2. In which incident.
		var pattern *regexp.Regexp
		if glass := e.Glass(); glass != nil {
			pattern = glass.Incident
		}
		switch why := unnamed(u.Incident, mostName); {
		case why != "":
			return fmt.Errorf("%w: incident %s; it says in which one the sealed credential was used", access.ErrInvalid, why)
		case pattern != nil && !pattern.MatchString(u.Incident):
			return fmt.Errorf("%w: incident %.80q is not like %s", access.ErrInvalid, u.Incident, pattern)
		}
		if why := unsaid(u.Text); why != "" {
			return fmt.Errorf("%w: text %s", access.ErrInvalid, why)
		}
		// 3. What is kept of it.
		s.SettledAt, s.SettledBy, s.Incident, s.Text = d.now, me, u.Incident, u.Text
		if err := d.keepSeal(ctx, s, "settled", u.Incident+": "+u.Text); err != nil {
			return err
		}
		return d.settleFinding(ctx, f.Kind, f.Subject, fmt.Sprintf("used in %s, says %s: %s", u.Incident, me, u.Text))
	})
	return s, err
}

// keepSeal stores what is new of one that does not move, and tells of it.
func (d *deed) keepSeal(ctx context.Context, s access.Seal, how, note string) error {
	if err := d.SaveSeal(ctx, s, s.State); err != nil {
		return err
	}
	ev := d.event("seal." + how)
	ev.From, ev.To, ev.Note, ev.After = string(s.State), string(s.State), note, s
	return d.tell(ctx, ev)
}
