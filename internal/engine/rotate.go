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
	"github.com/lessor-iam/lessor/internal/store"
)

// Deed is what somebody has done to a credential, and why.
type Deed struct {
	Credential string `json:"credential,omitempty"` // the id of its plan, or as the inventory knows it
	Reason     string `json:"reason"`               // of one that is compromised: what has happened
}

// Rotate has a planned credential made anew now, or as soon as no blackout holds it.
func (e *Engine) Rotate(ctx context.Context, by access.Actor, w Deed) (r access.Rotation, err error) {
	err = e.do(ctx, "rotate", by, func(d *deed) error {
		k, err := d.toKeep(ctx, w, policy.QuestionRotate)
		if err != nil {
			return err
		}
		p, planned := d.planOf(k.ID)
		switch {
		case !planned:
			return fmt.Errorf("%w: %s is in no plan: nobody knows where its consumers read it; write it in credentials.yaml", access.ErrInvalid, k.ID)
		case k.newest.State == access.RotationDead:
			return fmt.Errorf("%w: %s is retired; write it in credentials.yaml under another id", access.ErrGone, k.ID)
		case k.newest.ID != "" && !k.newest.State.Over():
			return fmt.Errorf("%w: %s is being made anew already (rotation %s is %s)", access.ErrConflict, k.ID, k.newest.ID, k.newest.State)
		}
		live, err := d.liveOf(ctx, k.newest)
		if err != nil {
			return err
		}
		r, err = d.beginRotation(ctx, p, k.newest, live, access.CauseAsked, w.Reason)
		return err
	})
	return r, err
}

// Retire ends a credential for good: it is killed and proved dead, and no new one
// follows. What a rotation under way has made ends with it.
func (e *Engine) Retire(ctx context.Context, by access.Actor, w Deed) (r access.Rotation, err error) {
	err = e.do(ctx, "retire", by, func(d *deed) error {
		k, err := d.toKeep(ctx, w, policy.QuestionRetire)
		if err != nil {
			return err
		}
		if k.newest.Cause == access.CauseRetired && k.newest.ID != "" {
			return fmt.Errorf("%w: %s is retired already (rotation %s is %s)", access.ErrGone, k.ID, k.newest.ID, k.newest.State)
		}
		r, err = d.endCredential(ctx, k, access.CauseRetired, w.Reason)
		return err
	})
	return r, err
}

// Compromised has a credential killed at once, whatever holds its rotation back: no
// overlap and no blackout. If it is planned, a new one follows. The text says what has
// happened; its owner, the system's and security are told in the same moment.
func (e *Engine) Compromised(ctx context.Context, by access.Actor, w Deed) (r access.Rotation, err error) {
	err = e.do(ctx, "compromised", by, func(d *deed) error {
		k, err := d.toKeep(ctx, w, policy.QuestionCompromised)
		if err != nil {
			return err
		}
		r, err = d.compromise(ctx, k, by.Identity, w.Reason)
		return err
	})
	return r, err
}

// compromise kills one credential at once, by whoever's word.
func (d *deed) compromise(ctx context.Context, k kept, by, reason string) (r access.Rotation, err error) {
	if n := k.newest; n.Cause == access.CauseCompromised && n.ID != "" && n.Killed.IsZero() && !n.State.Over() {
		return r, fmt.Errorf("%w: %s is being killed already (rotation %s is %s)", access.ErrConflict, k.ID, n.ID, n.State)
	}
	// 1. Whoever answers is told, whether or not the rest comes through.
	owner := d.answersFor(k.System, k.Account)
	sys, _ := d.world.Directory.System(k.System)
	text := fmt.Sprintf("%s says that the %s of %s at %s is compromised: %s. It is killed at once.", by, k.Kind, quoted(k.Account), k.System, reason)
	if err := d.renew(ctx, access.Finding{Kind: credentialCompromised, Subject: k.ID, Owner: owner, DueAt: d.now.Add(time.Hour), Text: text}, "more has become known"); err != nil {
		return r, err
	}
	to := slices.Compact(slices.Sorted(slices.Values([]string{owner, sys.Owner, "security"})))
	if err := d.notice(ctx, Notice{To: slices.DeleteFunc(to, func(s string) bool { return s == "" }), Subject: "compromised: " + k.ID, Text: text}); err != nil {
		return r, err
	}
	// 2. It is killed, before anything new is made.
	return d.endCredential(ctx, k, access.CauseCompromised, reason)
}

// kept is one credential that somebody wants something done to.
type kept struct {
	policy.Held
	Account string
	found   access.Credential // of one in no plan
	newest  store.Rotating
}

// toKeep reads a credential that the actor may have that done to. To whom none of it
// is told, it is not there.
func (d *deed) toKeep(ctx context.Context, w Deed, question string) (kept, error) {
	if err := d.scope(ScopeRevoke); err != nil {
		return kept{}, err
	}
	k, err := d.keptOf(ctx, w.Credential)
	if err != nil {
		return k, err
	}
	if dec := d.world.Policy.MayKeep(k.Held, d.by, question); !dec.Allow {
		if d.mayKnowCredential(k.System, k.Holder) {
			return k, fmt.Errorf("%w: %s", access.ErrDenied, dec.Why)
		}
		return k, fmt.Errorf("%w: credential %.80q", access.ErrNotFound, w.Credential)
	}
	if why := unsaid(w.Reason); why != "" {
		return k, fmt.Errorf("%w: reason %s", access.ErrInvalid, why)
	}
	return k, nil
}

// keptOf reads what there is of a credential, by the id of its plan or as the inventory
// knows it. What was made under a plan is the plan's, by whichever of the two it is
// named; a plan that is gone from the files is still known by what it made.
func (d *deed) keptOf(ctx context.Context, id string) (k kept, err error) {
	none := fmt.Errorf("%w: credential %.80q", access.ErrNotFound, id)
	dir := d.world.Directory
	if isFound(id) {
		if k.found, err = d.Credential(ctx, id); errors.Is(err, access.ErrNotFound) {
			return k, none
		} else if err != nil {
			return k, err
		}
		newest, err := d.newestRotations(ctx)
		if err != nil {
			return k, err
		}
		if plan := manages(slices.Collect(maps.Values(newest))).plan(k.found); plan != "" {
			return d.keptOf(ctx, plan)
		}
		c := k.found
		k.Held, k.Account, k.newest = policy.Held{ID: id, Kind: issuedKind(c.Kind), System: c.System, Holder: d.holderOf(c)}, c.Account, newest[id]
	} else {
		list, err := d.RotationsOf(ctx, id, 1)
		if err != nil {
			return k, err
		}
		p, planned := dir.Plan(id)
		switch {
		case planned:
			k.Held, k.Account = policy.Held{ID: id, Kind: p.Kind, System: p.System, Planned: true}, p.Account
		case len(list) > 0:
			k.Held, k.Account = policy.Held{ID: id, Kind: list[0].Kind, System: list[0].System}, list[0].Account
		default:
			return k, none
		}
		if len(list) > 0 {
			k.newest = list[0]
		}
		k.Holder, _ = dir.ByAccount(k.System, k.Account)
	}
	k.Now, k.Directory = d.now, dir
	return k, nil
}

// isFound tells whether an id is of one that was found, and not of a plan.
func isFound(id string) bool { return strings.HasPrefix(id, "cr-") }

// managed finds the plan under which a credential was made: by what its system alone
// names it; or, while a rotation may have made one that nobody knows yet, by the mark
// that it has there. Anybody may call theirs by somebody else's mark, and by one of
// their own that is over: that is not taken for ours.
type managed map[[4]string]store.Rotating

func (d *deed) managed(ctx context.Context) (managed, error) {
	list, err := d.NewestRotations(ctx)
	return manages(list), err
}

func manages(newest []store.Rotating) managed {
	m := managed{}
	for _, r := range newest {
		if isFound(r.Credential) || r.State == access.RotationDead {
			continue
		}
		put := func(account, what string) {
			key := [4]string{r.System, r.Kind, account, what}
			if was, twice := m[key]; !twice || was.Issued.Before(r.Issued) { // a password that two plans have set is the later one's
				m[key] = r
			}
		}
		for _, o := range append(r.Alive(), r.Old()) {
			if o.Native != "" {
				put("", o.Native)
			}
			if !r.State.Over() && o.Mark != "" {
				put(r.Account, o.Mark)
				put(r.Account, "lessor-"+o.Mark)
			}
		}
	}
	return m
}

// plan is under which it was made; empty: under none.
func (m managed) plan(c access.Credential) string {
	kind := issuedKind(c.Kind)
	if r, ok := m[[4]string{c.System, kind, "", c.Native}]; ok {
		return r.Credential
	}
	if c.Name == "" || c.Account == "" {
		return ""
	}
	return m[[4]string{c.System, kind, c.Account, c.Name}].Credential
}

// issuedKind is the kind as which a connector makes and kills what it lists: how a
// password is kept changes nothing of that.
func issuedKind(kind string) string { return strings.TrimPrefix(kind, "md5 ") }

// mayKnowCredential tells whether the actor is shown a credential: whoever answers for
// it or for its system, security and auditors.
func (d *deed) mayKnowCredential(system, holder string) bool {
	dir := d.world.Directory
	me, groups := dir.PersonOf(d.by.Identity), dir.GroupsOf(d.by.Identity)
	sys, _ := dir.System(system)
	if me == "" {
		return false
	}
	return slices.Contains(groups, "security") || slices.Contains(groups, "auditors") || (sys.Owner != "" && dir.PersonOf(sys.Owner) == me) ||
		(holder != "" && (slices.Contains(dir.Hands(holder), me) || d.deputyOf(holder) == me))
}

// deputyOf is the person who answers for a workload while its owner does not.
func (d *deed) deputyOf(holder string) string {
	if id, ok := d.world.Directory.Identity(holder); ok && id.Contract != nil && id.Contract.Deputy != "" {
		return d.world.Directory.PersonOf(id.Contract.Deputy)
	}
	return ""
}

// planOf is the plan of that id. The contract of its workload says the longest interval.
func (d *deed) planOf(id string) (access.CredentialPlan, bool) {
	p, ok := d.world.Directory.Plan(id)
	holder, _ := d.world.Directory.ByAccount(p.System, p.Account)
	if who, known := d.world.Directory.Identity(holder); ok && known && who.Contract != nil {
		p.Every = access.Shorter(p.Every, who.Contract.RotateEvery)
	}
	return p, ok
}

// seenSince tells whether a reading saw one that was only found after it was proved dead:
// somebody has brought it back, as one does with a password.
func seenSince(c access.Credential, r access.Rotation) bool {
	var dead time.Time
	for _, o := range r.Olds {
		dead = later(dead, o.Dead)
	}
	return c.ID != "" && c.Gone.IsZero() && c.Seen.After(dead)
}

// endCredential begins a rotation that kills first. It takes over whatever another one
// has made, or may have: whoever works on that one settles nothing any more, and what
// it has sent may still land. What is being retired is made no more, whatever else
// becomes known of it.
func (d *deed) endCredential(ctx context.Context, k kept, cause access.RotationCause, reason string) (access.Rotation, error) {
	if k.newest.State == access.RotationDead && !seenSince(k.found, k.newest.Rotation) {
		return access.Rotation{}, fmt.Errorf("%w: %s is dead already (rotation %s proved it)", access.ErrGone, k.ID, k.newest.ID)
	}
	// 1. As its plan says, or as what was made under it.
	p, planned := d.planOf(k.ID)
	open := k.newest.ID != "" && !k.newest.State.Over()
	if was := k.newest.Rotation; was.ID != "" {
		p.System, p.Account, p.Kind = was.System, was.Account, was.Kind
		if !planned {
			p.Store, p.Ref = was.Store, was.Ref
		}
	} else if !planned {
		p = access.CredentialPlan{System: k.System, Account: k.Account, Kind: k.Kind}
	}
	r := access.Rotation{ID: d.e.ids.next("ro", d.now), Credential: k.ID, System: p.System, Account: p.Account, Kind: p.Kind, Store: p.Store, Ref: p.Ref,
		Cause: cause, By: d.by.Identity, Reason: reason, State: access.RotationDue, Generation: k.newest.Generation + 1,
		Renew: planned && cause == access.CauseCompromised && (!open || k.newest.Renew), Lasts: p.Lasts, Scopes: p.Scopes, At: d.now}
	work := access.Work{Due: d.now, Since: d.now}
	// 2. What there is to kill.
	live, err := d.liveOf(ctx, k.newest)
	if err != nil {
		return r, err
	}
	switch n := k.newest; {
	case open:
		if r.Olds, err = d.dropRotation(ctx, n, r.ID); err != nil {
			return r, err
		}
		work.SuspectUntil = n.Work.SuspectUntil
		if n.Work.Holder != "" {
			work.SuspectUntil = later(work.SuspectUntil, n.Work.LeaseUntil.Add(d.e.Pace.Call))
		}
	case live.ID != "":
		r.Olds = []access.OldCredential{live.Old()}
	case k.found.ID != "":
		r.Olds = []access.OldCredential{{Native: k.found.Native}}
	}
	return r, d.addRotation(ctx, store.Rotating{Rotation: r, Work: work})
}

func (d *deed) dropRotation(ctx context.Context, was store.Rotating, to string) ([]access.OldCredential, error) {
	next, olds, ev, err := was.Drop(d.now, d.by, to)
	if err != nil {
		return nil, err
	}
	r := store.Rotating{Rotation: next, Work: access.Work{Fence: was.Work.Fence, SuspectUntil: was.Work.SuspectUntil}}
	return olds, errors.Join(d.SaveRotation(ctx, was, r), d.tell(ctx, ev))
}
