package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/store"
)

// FindingCase is a finding as whoever is to settle it should see it: what may be
// done about it, by the same questions as the deeds themselves ask.
type FindingCase struct {
	Finding  access.Finding `json:"finding"`
	Entitled string         `json:"entitlement,omitempty"` // which entitlement it is about, where it is about one
	Accounts []FoundAccount `json:"accounts,omitempty"`    // of access nobody granted: whose, as last read
	More     int            `json:"more,omitempty"`        // accounts that are not listed
	Accept   bool           `json:"accept"`                // the actor may let it be
	Why      string         `json:"why,omitempty"`         // why the actor may not, where somebody may
}

// FoundAccount is one account that holds what nobody granted.
type FoundAccount struct {
	Account string `json:"account"`
	Holder  string `json:"holder,omitempty"`  // whose it is; empty where nobody is known
	Request string `json:"request,omitempty"` // it is asked for already, by this one
	Adopt   bool   `json:"adopt"`
	Remove  bool   `json:"remove"`
	Why     string `json:"why,omitempty"` // why not, where neither
}

// Finding returns a finding to whoever may know of it, with what they may do about it.
func (e *Engine) Finding(ctx context.Context, by access.Actor, id string) (c FindingCase, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		c = FindingCase{}
		f, err := d.Tx.Finding(ctx, id)
		if err == nil && !d.mayKnowFinding(f) {
			err = access.ErrNotFound
		}
		if err == nil {
			var known []access.Finding
			if known, err = d.visibleFindings(ctx, []access.Finding{f}, 1); err == nil && len(known) == 0 {
				err = access.ErrNotFound
			}
		}
		if errors.Is(err, access.ErrNotFound) {
			err = fmt.Errorf("%w: finding %.80q", access.ErrNotFound, id)
		}
		if err != nil {
			return err
		}
		c.Finding = f
		switch {
		case !f.ClosedAt.IsZero():
			return nil
		case f.Kind == strayAccess:
			return d.strayCase(ctx, &c)
		case slices.Contains(acceptable, f.Kind):
			return d.acceptCase(ctx, &c)
		}
		return nil
	})
	return c, err
}

// acceptCase asks whether the actor may let it be.
func (d *deed) acceptCase(ctx context.Context, c *FindingCase) error {
	if !slices.Contains(d.by.Scopes, ScopeRevoke) {
		c.Why = "this sign-in is not good for it"
		return nil
	}
	ent, holder, err := d.about(ctx, c.Finding)
	if err != nil {
		return err
	}
	c.Entitled = ent.ID
	dec, err := d.maySettle(ctx, c.Finding.ID, ent, holder, policy.Accept)
	if errors.Is(err, access.ErrDenied) {
		c.Why, err = dec.Why, nil
	} else if err == nil {
		c.Accept = true
	}
	return err
}

// strayCase lists who holds it, and what the actor may do about each.
func (d *deed) strayCase(ctx context.Context, c *FindingCase) error {
	ent, ok := d.world.Directory.Entitlement(c.Finding.Subject)
	if !ok {
		c.Why = "it is no longer in the catalog"
		return nil
	}
	c.Entitled = ent.ID
	names, err := d.strayNow(ctx, ent, nil)
	if errors.Is(err, access.ErrNotFound) {
		return nil // the reading that found it is gone
	} else if err != nil {
		return err
	}
	adoptions, err := d.Adoptions(ctx, ent.System)
	if err != nil {
		return err
	}
	c.More = max(0, len(names)-mostNamed)
	for _, name := range names[:min(len(names), mostNamed)] {
		a := FoundAccount{Account: name}
		a.Holder, _ = d.world.Directory.ByAccount(ent.System, name)
		for how, may := range map[policy.Remedy]*bool{policy.Adopt: &a.Adopt, policy.Remove: &a.Remove} {
			dec, err := d.maySettle(ctx, c.Finding.ID, ent, a.Holder, how)
			if err != nil && !errors.Is(err, access.ErrDenied) {
				return err
			}
			if *may = err == nil; err != nil {
				a.Why = dec.Why
			}
		}
		a.Adopt = a.Adopt && a.Holder != "" && d.scope(ScopeRequest) == nil
		a.Remove = a.Remove && d.scope(ScopeRevoke) == nil
		if err := d.asked(ctx, ent, adoptions, &a); err != nil {
			return err
		}
		c.Accounts = append(c.Accounts, a)
	}
	return nil
}

// asked notes the request by which it is asked for already.
func (d *deed) asked(ctx context.Context, ent access.Entitlement, adoptions []store.Adoption, a *FoundAccount) error {
	for _, ad := range adoptions {
		if ad.Account != a.Account || ad.Object != ent.Object {
			continue
		}
		r, err := d.Request(ctx, ad.Request)
		if err != nil {
			return err
		}
		if r.Open() {
			a.Request, a.Adopt = r.ID, false
		}
	}
	return nil
}
