package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/powers"
)

// NewWorld makes a snapshot to decide by: what everything in the catalog can become
// is found once. classes is their order, lowest first; nil: [powers.Classes].
// Classes without a place in it are returned: they are taken for ones just below
// the highest.
func NewWorld(dir *access.Directory, set *policy.Set, classes []string) (w World, unplaced []string, err error) {
	graph, unplaced, err := powers.OfCatalog(dir, nil, classes)
	if err != nil {
		return w, nil, fmt.Errorf("what the catalog's entitlements can become: %w", err)
	}
	order := classes
	if len(order) == 0 {
		order = powers.Classes
	}
	last := len(order) - 1
	return World{Directory: dir, Policy: set, powers: graph, order: slices.Concat(order[:last], unplaced, order[last:]), said: &sayings{}, ways: newWays(dir, set)}, unplaced, nil
}

// reach is what an entitlement can become now: by the catalog, by what the targets
// themselves say, and by what those hold as whom its holder can act. A decision goes by it and not by the label. Of
// what the catalog does not have, nothing is said: policy refuses that by itself.
func (d *deed) reach(ctx context.Context, entitlement string) (access.Reach, error) {
	if d.world.powers == nil {
		return access.Reach{}, fmt.Errorf("%w: what %s can become was never found out", access.ErrInvalid, entitlement)
	}
	k, err := d.heard(ctx)
	if err != nil {
		return access.Reach{}, err
	}
	graph := k.graph
	r, err := graph.Reach(entitlement)
	if errors.Is(err, access.ErrNotFound) {
		return access.Reach{}, nil
	}
	if err != nil {
		return r, err
	}
	r.Said = k.unsaid[entitlement].Powers
	for n := 0; n < len(r.Becomes); n++ { // grows as what they hold leads to others
		who := r.Becomes[n]
		grants, err := d.GrantsOf(ctx, []string{who}, true, "", 1<<30)
		if err != nil {
			return r, err
		}
		for _, g := range grants {
			if !d.now.Before(g.End) || slices.Contains(r.Implied, g.Entitlement) {
				continue
			}
			more, err := graph.Reach(g.Entitlement)
			if errors.Is(err, access.ErrNotFound) {
				continue
			}
			if err != nil {
				return r, err
			}
			r = d.join(r, entitlement, who, g.Entitlement, more)
		}
	}
	slices.Sort(r.Implied)
	r.Implied = slices.DeleteFunc(slices.Compact(r.Implied), func(id string) bool { return id == entitlement })
	slices.Sort(r.Becomes)
	return r, nil
}

// join adds what an identity's grant leads to. The order in which identities were
// found is kept: reach is still walking it.
func (d *deed) join(r access.Reach, entitlement, who, held string, more access.Reach) access.Reach {
	r.Implied = append(append(r.Implied, held), more.Implied...)
	r.SelfGrant = r.SelfGrant || slices.Contains(more.Implied, entitlement)
	for _, id := range more.Becomes {
		if !slices.Contains(r.Becomes, id) {
			r.Becomes = append(r.Becomes, id)
		}
	}
	for _, g := range more.Gates {
		if !slices.Contains(r.Gates, g) {
			r.Gates = append(r.Gates, g)
		}
	}
	if higher := d.world.powers.Higher(r.Class, more.Class); higher != r.Class {
		r.Class = higher
		e, _ := d.world.Directory.Entitlement(entitlement)
		h, _ := d.world.Directory.Entitlement(held)
		i, _ := d.world.Directory.Identity(who)
		r.Path = fmt.Sprintf("%s lets its holder act as %s, who holds %s", e.Name, i.Name, h.Name)
		if more.Path != "" {
			r.Path += "; " + more.Path
		}
	}
	return r
}

// implies is what each of these lets its holder have or hand out, as far as it is anything.
func (d *deed) implies(ctx context.Context, ids []string) (map[string][]string, error) {
	var out map[string][]string
	for _, id := range ids {
		r, err := d.reach(ctx, id)
		if err != nil {
			return nil, err
		}
		if len(r.Implied) > 0 {
			if out == nil {
				out = map[string][]string{}
			}
			out[id] = r.Implied
		}
	}
	return out, nil
}

// labelUnderstates is the finding that an entitlement can become something of a
// higher class than the catalog gives it, or that its target says powers of it that
// the catalog does not.
const labelUnderstates = "label_understates"

// Appraise opens a finding for every entitlement of the catalog that reaches a
// class above its declared one or has powers that only its target tells of, and
// closes those of what has been mended. What grants of other identities add is seen
// when it is asked for.
func (e *Engine) Appraise(ctx context.Context) (gaps int, err error) {
	err = e.do(ctx, "appraise", access.Clock, func(d *deed) (err error) {
		gaps, err = d.appraise(ctx)
		return err
	})
	return gaps, err
}

func (d *deed) appraise(ctx context.Context) (gaps int, err error) {
	k, err := d.heard(ctx)
	if err != nil {
		return 0, err
	}
	open, err := d.OpenFindings(ctx, labelUnderstates)
	if err != nil {
		return 0, err
	}
	was := make(map[string]string, len(open))
	for _, f := range open {
		was[f.Subject] = f.Text
	}
	for _, s := range k.graph.All() {
		ent, _ := d.world.Directory.Entitlement(s.ID)
		text := k.tooLittle(ent)
		if s.Gap {
			r, err := k.graph.Reach(s.ID)
			if err != nil {
				return gaps, err
			}
			text = strings.TrimSpace(fmt.Sprintf("%s is declared %s and reaches %s: %s. Requests are decided by what it reaches; give it that class, or take the power away. %s",
				s.ID, s.Declared, s.Reached, r.Path, text))
		}
		if text == "" {
			continue
		}
		gaps++
		before, found := was[s.ID]
		delete(was, s.ID)
		if found && before == text {
			continue
		}
		f := access.Finding{Kind: labelUnderstates, Subject: s.ID, Owner: ent.Owners[0], DueAt: d.now.Add(14 * 24 * time.Hour), Text: text}
		if err := d.renew(ctx, f, "what it can become has changed"); err != nil {
			return gaps, err
		}
	}
	for _, subject := range slices.Sorted(maps.Keys(was)) {
		if err := d.settleFinding(ctx, labelUnderstates, subject, "the catalog says what it can become"); err != nil {
			return gaps, err
		}
	}
	return gaps, nil
}
