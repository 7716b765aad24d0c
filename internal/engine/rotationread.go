package engine

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/store"
)

// CredentialKept is one credential as its owner sees it: what is planned beside what
// was seen. What it is worth stands nowhere.
type CredentialKept struct {
	ID         string              `json:"id"` // of its plan, or as the inventory knows it
	Planned    bool                `json:"planned"`
	System     string              `json:"system"`
	Account    string              `json:"account,omitempty"`
	Kind       string              `json:"kind"`
	Name       string              `json:"name,omitempty"`   // what somebody called it
	Holder     string              `json:"holder,omitempty"` // the identity whose account it lets in
	Owner      string              `json:"owner"`            // who answers for it
	Deliver    string              `json:"deliver,omitempty"`
	State      string              `json:"state"` // "found", "planned" (never made), "live", "retired", or what of a rotation is under way
	Rotation   string              `json:"rotation,omitempty"`
	Generation int64               `json:"generation,omitempty"`
	Issued     time.Time           `json:"issued,omitzero"`
	Used       time.Time           `json:"used,omitzero"` // as the target tells it
	Ends       time.Time           `json:"ends,omitzero"`
	Due        time.Time           `json:"due,omitzero"` // to be made anew
	Overdue    bool                `json:"overdue,omitempty"`
	Trouble    string              `json:"trouble,omitempty"`   // what stands in the way of the rotation under way
	May        []string            `json:"may,omitempty"`       // of rotate, retire, compromised: what the reader may have done
	Rotations  []access.Rotation   `json:"rotations,omitempty"` // the newest first; where one is shown
	Seen       []access.Credential `json:"seen,omitempty"`      // what readings have seen of it; where one is shown
}

// mostKept bounds what a list shows; a list narrowed to a system shows more of that.
const mostKept = 1000

// CredentialsKept lists the credentials the actor answers for, or all for security and
// auditors: those in plans first, then those that were only found, each by system.
func (e *Engine) CredentialsKept(ctx context.Context, by access.Actor, system string) (list []CredentialKept, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		list = []CredentialKept{}
		r, err := d.keeping(ctx, system)
		if err != nil {
			return err
		}
		managed := map[string]bool{}
		for _, id := range r.ids {
			c, ok, err := r.planned(ctx, id)
			if err != nil {
				return err
			}
			for _, s := range r.of[id] {
				managed[s.ID] = true
			}
			if ok && (system == "" || c.System == system) {
				list = append(list, c)
			}
		}
		for _, sys := range d.world.Directory.Systems() {
			if system != "" && sys != system {
				continue
			}
			for _, s := range r.seen[sys] {
				if holder := d.holderOf(s); !managed[s.ID] && d.mayKnowCredential(s.System, holder) && len(list) < mostKept {
					list = append(list, r.found(s, holder))
				}
			}
		}
		return nil
	})
	return list, err
}

// CredentialKept shows one, with its rotations and what readings have seen of it.
func (e *Engine) CredentialKept(ctx context.Context, by access.Actor, id string) (c CredentialKept, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		k, err := d.keptOf(ctx, id)
		if err != nil {
			return err
		}
		if !d.mayKnowCredential(k.System, k.Holder) {
			return fmt.Errorf("%w: credential %.80q", access.ErrNotFound, id)
		}
		r, err := d.keeping(ctx, k.System)
		if err != nil {
			return err
		}
		if isFound(k.ID) {
			c = r.found(k.found, k.Holder)
			c.Seen = []access.Credential{k.found}
		} else if c, _, err = r.planned(ctx, k.ID); err != nil {
			return err
		} else {
			c.Seen = r.of[k.ID]
		}
		rows, err := d.RotationsOf(ctx, k.ID, 50)
		for _, row := range rows {
			c.Rotations = append(c.Rotations, row.Rotation)
		}
		for _, q := range []string{policy.QuestionRotate, policy.QuestionRetire, policy.QuestionCompromised} {
			if d.scope(ScopeRevoke) == nil && d.world.Policy.MayKeep(k.Held, by, q).Allow && c.State != "retired" && (q != policy.QuestionRotate || k.Planned) {
				c.May = append(c.May, q)
			}
		}
		return err
	})
	return c, err
}

// keeping is everything that a list of credentials is made of.
type keeping struct {
	*deed
	newest  map[string]store.Rotating
	ids     []string                       // plans, and what was made under plans that are gone
	seen    map[string][]access.Credential // by system
	of      map[string][]access.Credential // by plan
	overdue map[string]bool
}

// keeping reads them; of one system, where that is named.
func (d *deed) keeping(ctx context.Context, system string) (*keeping, error) {
	r, err := d.keepingNone(ctx)
	if err != nil {
		return nil, err
	}
	for id := range r.newest {
		if _, ok := d.world.Directory.Plan(id); !ok && !isFound(id) {
			r.ids = append(r.ids, id)
		}
	}
	r.ids = append(r.ids, d.world.Directory.Plans()...)
	slices.Sort(r.ids)
	for _, sys := range d.world.Directory.Systems() {
		if system != "" && sys != system {
			continue
		}
		if r.seen[sys], err = d.Credentials(ctx, sys); err != nil {
			return nil, err
		}
		r.sort(r.seen[sys])
	}
	return r, nil
}

// keepingNone has read rotations, and nothing of what readings have seen.
func (d *deed) keepingNone(ctx context.Context) (*keeping, error) {
	r := &keeping{deed: d, seen: map[string][]access.Credential{}, of: map[string][]access.Credential{}}
	var err error
	if r.newest, err = d.newestRotations(ctx); err != nil {
		return nil, err
	}
	r.overdue, err = d.openOf(ctx, rotationOverdue)
	return r, err
}

// sort puts what was seen to the plans it was made under.
func (r *keeping) sort(seen []access.Credential) {
	ours := manages(slices.Collect(maps.Values(r.newest)))
	for _, c := range seen {
		if id := ours.plan(c); id != "" {
			r.of[id] = append(r.of[id], c)
		}
	}
}

// keptBy lists the credentials that plans are of, or were, of one workload.
func (d *deed) keptBy(ctx context.Context, i access.Identity, seen []access.Credential) ([]CredentialKept, error) {
	r, err := d.keepingNone(ctx)
	if err != nil {
		return nil, err
	}
	r.sort(seen)
	list := []CredentialKept{}
	for _, id := range d.plansOf(i, r.newest) {
		c, ok, err := r.planned(ctx, id)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, c)
		}
	}
	return list, nil
}

// plansOf are the ids under which credentials of a workload's accounts are made, or
// were: a plan that is gone from the files is still known by what it made.
func (d *deed) plansOf(i access.Identity, newest map[string]store.Rotating) (ids []string) {
	of := func(system, account string) bool { return account != "" && i.Accounts[system] == account }
	for _, id := range d.world.Directory.Plans() {
		if p, _ := d.world.Directory.Plan(id); newest[id].ID == "" && of(p.System, p.Account) {
			ids = append(ids, id)
		}
	}
	for id, n := range newest {
		if !isFound(id) && of(n.System, n.Account) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// planned is one of a plan, if the actor is shown it.
func (r *keeping) planned(ctx context.Context, id string) (c CredentialKept, ok bool, err error) {
	p, planned := r.planOf(id)
	n := r.newest[id]
	if n.ID != "" {
		p.System, p.Account, p.Kind = n.System, n.Account, n.Kind
	}
	holder, _ := r.world.Directory.ByAccount(p.System, p.Account)
	if !r.mayKnowCredential(p.System, holder) {
		return c, false, nil
	}
	live, err := r.liveOf(ctx, n)
	if err != nil {
		return c, false, err
	}
	c = CredentialKept{ID: id, Planned: planned, System: p.System, Account: p.Account, Kind: p.Kind, Holder: holder, Owner: r.answersFor(p.System, p.Account),
		Deliver: cmp.Or(p.Store, live.Store) + ":" + cmp.Or(p.Ref, live.Ref), State: "planned", Rotation: n.ID, Generation: live.Generation,
		Issued: live.Issued, Ends: live.Ends, Overdue: r.overdue[id]}
	switch {
	case n.State == access.RotationDead:
		c.State = "retired"
	case n.ID != "" && !n.State.Over():
		c.State, c.Trouble = string(n.State), n.Work.Trouble
		if !r.operatesCredential(p.System) && c.Trouble != "" {
			c.Trouble = hiddenTrouble
		}
	case live.ID != "":
		c.State = "live"
	}
	if planned && live.ID != "" {
		c.Due = p.Due(live.Issued, live.Ends, live.Generation)
	}
	for _, s := range r.of[id] {
		c.Used = later(c.Used, s.Used)
	}
	return c, true, nil
}

// operatesCredential tells whether the actor runs the system: failures may say more of
// it than whoever only uses it should know.
func (d *deed) operatesCredential(system string) bool {
	return d.operates(access.Assignment{System: system})
}

// found is one that only readings know.
func (r *keeping) found(s access.Credential, holder string) CredentialKept {
	c := CredentialKept{ID: s.ID, System: s.System, Account: s.Account, Kind: s.Kind, Name: s.Name, Holder: holder, Owner: r.answersFor(s.System, s.Account),
		State: "found", Issued: s.Issued, Used: s.Used, Ends: s.Ends}
	if n := r.newest[s.ID]; n.ID != "" {
		c.State, c.Rotation = string(n.State), n.ID
		if n.State == access.RotationDead {
			c.State = "retired"
		}
	}
	return c
}
