package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/store"
)

// Remedy is how somebody settles a finding.
type Remedy struct {
	Finding  string   `json:"finding,omitempty"`
	Accounts []string `json:"accounts,omitempty"` // of access nobody granted: whose
	All      bool     `json:"all,omitempty"`      // … everybody's
	Reason   string   `json:"reason"`
}

// mostSettled is how many accounts one word of a person settles.
const mostSettled = 500

// Adopt asks for access that was found on behalf of those who hold it: whoever
// adopts is the requester, and it is decided as any other request.
func (e *Engine) Adopt(ctx context.Context, by access.Actor, m Remedy) (list []access.Request, err error) {
	err = e.do(ctx, "adopt", by, func(d *deed) error {
		list = []access.Request{}
		ent, accounts, err := d.strayOf(ctx, m, ScopeRequest)
		if err != nil {
			return err
		}
		for _, a := range accounts {
			holder, ok := d.world.Directory.ByAccount(ent.System, a)
			if !ok {
				return fmt.Errorf("%w: account %.80q at %s is nobody's we know: write in the directory whose it is, or remove what it holds", access.ErrInvalid, a, ent.System)
			}
			if _, err := d.maySettle(ctx, m.Finding, ent, holder, policy.Adopt); err != nil {
				return err
			}
			if err := d.notAsked(ctx, ent, a); err != nil {
				return err
			}
			r, why, err := d.adoption(ctx, ent, Held{a, ent.Object}, by.Identity, holder, m.Reason)
			if err != nil {
				return err
			}
			if why != "" {
				return fmt.Errorf("%w: %s cannot be adopted for %s: %s", access.ErrDenied, ent.ID, holder, why)
			}
			list = append(list, r)
		}
		return nil
	})
	return list, err
}

// notAsked refuses to ask for what is being asked for.
func (d *deed) notAsked(ctx context.Context, ent access.Entitlement, account string) error {
	adoptions, err := d.Adoptions(ctx, ent.System)
	if err != nil {
		return err
	}
	for _, a := range adoptions {
		if a.Account != account || a.Object != ent.Object {
			continue
		}
		if r, err := d.Request(ctx, a.Request); err != nil || r.Open() {
			return errors.Join(err, fmt.Errorf("%w: it is asked for already, as request %s", access.ErrConflict, a.Request))
		}
	}
	return nil
}

// Remove has access taken away that was found and that nobody granted. What a
// grant is a reason for is not touched: that is revoked.
func (e *Engine) Remove(ctx context.Context, by access.Actor, m Remedy) (removing int, err error) {
	err = e.do(ctx, "remove", by, func(d *deed) error {
		removing = 0
		ent, accounts, err := d.strayOf(ctx, m, ScopeRevoke)
		if err != nil {
			return err
		}
		for _, a := range accounts {
			holder, _ := d.world.Directory.ByAccount(ent.System, a)
			basis, err := d.maySettle(ctx, m.Finding, ent, holder, policy.Remove)
			if err != nil {
				return err
			}
			if err := d.removeStray(ctx, ent, Held{a, ent.Object}, holder, "nobody granted it; removed by "+by.Identity+": "+m.Reason, access.Digests{Policy: basis.Policy, Facts: basis.Facts}); err != nil {
				return err
			}
			removing++
		}
		return nil
	})
	return removing, err
}

// acceptable are the kinds of findings that stand until somebody lets them be.
var acceptable = []string{leftBehind, madeAnew, manyMadeAnew, credentialOrphan, credentialUnderGrant, noApprover, access.IdentityRecycled, moverReview, logForked, logForged, ownVote,
	signalSuspended, signalCompromised, signalNoted, signalUnknown, signalStream, signalRefused}

// Accept closes a finding that only people can settle, for a reason.
func (e *Engine) Accept(ctx context.Context, by access.Actor, m Remedy) error {
	return e.do(ctx, "accept", by, func(d *deed) error {
		f, err := d.toSettle(ctx, m, ScopeRevoke)
		if err != nil {
			return err
		}
		if !slices.Contains(acceptable, f.Kind) {
			return fmt.Errorf("%w: a finding %s closes when what it is about is settled; only %s are let be", access.ErrInvalid, f.Kind, strings.Join(acceptable, " and "))
		}
		ent, holder, err := d.about(ctx, f)
		if err != nil {
			return err
		}
		if _, err := d.maySettle(ctx, f.ID, ent, holder, policy.Accept); err != nil {
			return err
		}
		if f.Kind == manyMadeAnew {
			if err := d.ForgetAccounts(ctx, f.Subject); err != nil {
				return err
			}
		}
		if aboutCredential(f) {
			if err := d.letBe(ctx, f); err != nil {
				return err
			}
		}
		return d.settleFinding(ctx, f.Kind, f.Subject, "let be by "+by.Identity+": "+m.Reason)
	})
}

// about finds which entitlement and whose account a finding is about.
func (d *deed) about(ctx context.Context, f access.Finding) (ent access.Entitlement, holder string, err error) {
	if f.Kind == leftBehind || f.Kind == moverReview {
		g, err := d.Grant(ctx, f.Subject)
		if err != nil {
			return ent, "", err
		}
		ent, _ = d.world.Directory.Entitlement(g.Entitlement)
		return ent, g.Identity, nil
	}
	if f.Kind == logForked || f.Kind == logForged {
		return access.Entitlement{}, "", nil
	}
	if f.Kind == ownVote {
		return access.Entitlement{}, f.Subject, nil
	}
	if f.Kind == noApprover {
		ent, _ = d.world.Directory.Entitlement(f.Subject)
		return ent, "", nil
	}
	if f.Kind == access.IdentityRecycled {
		feed, key, _ := strings.Cut(f.Subject, " ")
		r, err := d.Record(ctx, feed, key)
		return access.Entitlement{System: feed}, r.Identity, err
	}
	if aboutCredential(f) {
		c, err := d.Credential(ctx, f.Subject)
		return access.Entitlement{System: c.System}, d.holderOf(c), err
	}
	system, account, _ := strings.Cut(f.Subject, " ")
	holder, _ = d.world.Directory.ByAccount(system, account)
	return access.Entitlement{System: system}, holder, nil
}

// toSettle reads a finding that the actor may know of and that is open.
func (d *deed) toSettle(ctx context.Context, m Remedy, scope string) (access.Finding, error) {
	if err := d.scope(scope); err != nil {
		return access.Finding{}, err
	}
	f, err := d.Finding(ctx, m.Finding)
	if err == nil && !d.mayKnowFinding(f) {
		err = access.ErrNotFound
	}
	if errors.Is(err, access.ErrNotFound) {
		err = fmt.Errorf("%w: finding %.80q", access.ErrNotFound, m.Finding)
	}
	if err != nil {
		return f, err
	}
	if why := unsaid(m.Reason); why != "" {
		return f, fmt.Errorf("%w: reason %s", access.ErrInvalid, why)
	}
	if !f.ClosedAt.IsZero() {
		return f, fmt.Errorf("%w: finding %s was closed at %s: %s", access.ErrGone, f.ID, f.ClosedAt.Format(time.RFC3339), f.Resolution)
	}
	return f, nil
}

// mayKnowFinding tells whether the actor is shown the finding: see [Engine.Findings].
func (d *deed) mayKnowFinding(f access.Finding) bool {
	groups := d.world.Directory.GroupsOf(d.by.Identity)
	return f.Owner == d.by.Identity || slices.Contains(groups, "security") || slices.Contains(groups, "auditors")
}

// strayOf reads which access a finding is about, and whose.
func (d *deed) strayOf(ctx context.Context, m Remedy, scope string) (ent access.Entitlement, accounts []string, err error) {
	f, err := d.toSettle(ctx, m, scope)
	if err != nil {
		return ent, nil, err
	}
	if f.Kind != strayAccess {
		return ent, nil, fmt.Errorf("%w: a finding %s is not about access nobody granted; only %s is adopted or removed", access.ErrInvalid, f.Kind, strayAccess)
	}
	if m.All == (len(m.Accounts) > 0) {
		return ent, nil, fmt.Errorf("%w: name the accounts it is about, or say all", access.ErrInvalid)
	}
	ent, ok := d.world.Directory.Entitlement(f.Subject)
	if !ok {
		return ent, nil, fmt.Errorf("%w: %s is no longer in the catalog", access.ErrGone, f.Subject)
	}
	if accounts, err = d.strayNow(ctx, ent, m.Accounts); err != nil {
		return ent, nil, err
	}
	if len(accounts) > mostSettled {
		return ent, nil, fmt.Errorf("%w: %d accounts at once; at most %d: name some", access.ErrInvalid, len(accounts), mostSettled)
	}
	return ent, accounts, nil
}

// maySettle asks policy whether the actor may settle the finding so for this holder.
func (d *deed) maySettle(ctx context.Context, finding string, ent access.Entitlement, holder string, how policy.Remedy) (access.Decision, error) {
	f, err := d.Finding(ctx, finding)
	if err != nil {
		return access.Decision{}, err
	}
	dec := d.world.Policy.MaySettle(d.found(f, ent, holder), d.by, how)
	if !dec.Allow {
		return dec, fmt.Errorf("%w: %s", access.ErrDenied, dec.Why)
	}
	return dec, nil
}

func adoptionOf(ent access.Entitlement, h Held, r access.Request) store.Adoption {
	return store.Adoption{System: ent.System, Account: h.Account, Object: h.Object, Request: r.ID}
}
