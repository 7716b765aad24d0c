package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

func keysOf(m map[string]string) func(func(string) bool) { return maps.Keys(m) }

// workloadOf finds a workload that the actor answers for; to anybody else it is not
// there. deputies do, where they may.
func (d *deed) workloadOf(id string, deputies, security bool) (access.Identity, error) {
	if err := d.personal("answers for workloads"); err != nil {
		return access.Identity{}, err
	}
	dir := d.world.Directory
	i, ok := dir.Identity(id)
	me := dir.PersonOf(d.by.Identity)
	is := func(who string) bool { return who != "" && dir.PersonOf(who) == me }
	switch {
	case !ok || i.Kind == access.Person:
	case is(i.Owner), deputies && i.Contract != nil && is(i.Contract.Deputy),
		security && slices.Contains(dir.GroupsOf(d.by.Identity), "security"):
		return i, nil
	case d.seesWorkload(i):
		return i, fmt.Errorf("%w: this is for %s, who owns %s", access.ErrDenied, i.Owner, id)
	}
	return i, fmt.Errorf("%w: workload %.80q", access.ErrNotFound, id)
}

// ReviewWorkload says that a workload's contract is still right, by its owner or deputy.
func (e *Engine) ReviewWorkload(ctx context.Context, by access.Actor, id, note string) error {
	return e.do(ctx, "review workload", by, func(d *deed) error {
		i, err := d.workloadOf(id, true, false)
		if err != nil {
			return err
		}
		if why := unclean(note, mostReason); why != "" {
			return fmt.Errorf("%w: note %s", access.ErrInvalid, why)
		}
		if i.Contract == nil {
			return fmt.Errorf("%w: %s has no contract that could be reviewed; write one", access.ErrInvalid, id)
		}
		if !d.active(id) {
			return fmt.Errorf("%w: %s is no longer active", access.ErrGone, id)
		}
		for _, kind := range []string{access.WorkloadUnreviewed, access.WorkloadThirdParty} {
			if err := d.settleFinding(ctx, kind, id, "reviewed by "+by.Identity); err != nil {
				return err
			}
		}
		return d.rewrite(ctx, i, "reviewed", note, func(r *access.Identity) {
			c := access.Contract{}
			if r.Contract != nil && r.Name != "" {
				c = *r.Contract
			}
			c.Reviewed = d.now // of one that the files have, nothing else stands here
			r.Contract = &c
		})
	})
}

// ChangeContract puts another contract in the place of a workload's, by its owner: what
// it may hold beyond that is found, and ends only by those who answer for it. A
// contract that stands in the files is changed there.
func (e *Engine) ChangeContract(ctx context.Context, by access.Actor, id string, c access.Contract, reason string) error {
	return e.do(ctx, "change contract", by, func(d *deed) error {
		i, err := d.contracts(ctx, id)
		if err != nil {
			return err
		}
		if why := unsaid(reason); why != "" {
			return fmt.Errorf("%w: reason %s", access.ErrInvalid, why)
		}
		c.Reviewed = d.now
		if err := d.checkContract(i, c); err != nil {
			return err
		}
		if err := d.tellWider(ctx, i, c, reason); err != nil {
			return err
		}
		return d.rewrite(ctx, i, "contracted", reason, func(r *access.Identity) { r.Contract = &c })
	})
}

// contracts finds a workload whose contract the actor may change: its owner may, while it
// is active and its contract does not stand in the files.
func (d *deed) contracts(ctx context.Context, id string) (access.Identity, error) {
	i, err := d.workloadOf(id, false, false)
	if err != nil {
		return i, err
	}
	if !d.active(id) {
		return i, fmt.Errorf("%w: %s is no longer active", access.ErrGone, id)
	}
	stored, err := d.RegisteredIdentity(ctx, id)
	if err != nil && !errors.Is(err, access.ErrNotFound) {
		return i, err
	}
	if i.Contract != nil && (err != nil || stored.Contract == nil || access.Digest(*stored.Contract) != access.Digest(*i.Contract)) {
		return i, fmt.Errorf("%w: the contract of %s stands in the files: change it there", access.ErrConflict, id)
	}
	return i, nil
}

// tellWider tells the deputy, security, and the owners of what may be held from now on,
// in which way a contract is wider than the one before: it gives nothing, but who
// approves next should know that the bound was moved, and found is no more what was.
func (d *deed) tellWider(ctx context.Context, i access.Identity, c access.Contract, reason string) error {
	if i.Contract == nil { // until now only policy bounded it
		return nil
	}
	was, dir := *i.Contract, d.world.Directory
	var how, more []string
	to := []string{"security"}
	for _, name := range dir.Entitlements() {
		if ent, _ := dir.Entitlement(name); c.Allows(ent) && !was.Allows(ent) {
			more, to = append(more, name), append(to, ent.Owners...)
		}
	}
	if n := len(more); n > 0 {
		how = append(how, fmt.Sprintf("it may hold %d more: %s", n, strings.Join(more[:min(n, mostNamed)], ", ")))
	}
	if was.Environment != c.Environment {
		how = append(how, fmt.Sprintf("it is of %s and was of %s", c.Environment, cmp.Or(was.Environment, "none")))
	}
	if was.ThirdParty != "" && c.ThirdParty == "" {
		how = append(how, "it is nobody else's program any more, and was "+quoted(was.ThirdParty)+"'s")
	}
	if was.RotateEvery > 0 && c.RotateEvery > was.RotateEvery || was.ReviewEvery > 0 && c.ReviewEvery > was.ReviewEvery {
		how = append(how, "its credentials, or its reviews, may be older")
	}
	if !was.Retires.IsZero() && (c.Retires.IsZero() || c.Retires.After(was.Retires)) {
		how = append(how, "it goes later than "+was.Retires.Format(time.DateOnly))
	}
	if len(how) == 0 {
		return nil
	}
	for _, deputy := range []string{was.Deputy, c.Deputy} {
		if deputy != "" {
			to = append(to, deputy)
		}
	}
	slices.Sort(to)
	return d.notice(ctx, Notice{To: slices.Compact(to), Subject: "workload " + i.ID + ": a wider contract",
		Text: fmt.Sprintf("%s changed the contract of %s: %s. Why: %s", d.by.Identity, i.ID, strings.Join(how, "; "), reason)})
}

// RetireWorkload ends a workload, by its owner, deputy or security: everything it was
// granted ends, what it asks for is taken back, what plans keep for it is retired, and
// it is nobody any more. What else still lets bearers in as it is found by the readings that are asked for with it.
func (e *Engine) RetireWorkload(ctx context.Context, by access.Actor, id, reason string) (ended int, err error) {
	err = e.do(ctx, "retire workload", by, func(d *deed) error {
		ended = 0
		// 1. Who says so, and why.
		i, err := d.workloadOf(id, true, true)
		if err != nil {
			return err
		}
		if why := unsaid(reason); why != "" {
			return fmt.Errorf("%w: reason %s", access.ErrInvalid, why)
		}
		if i.Inactive {
			return fmt.Errorf("%w: %s is retired already", access.ErrGone, id)
		}
		// 2. It is nobody any more.
		note := "retired by " + by.Identity + ": " + reason
		if err := d.rewrite(ctx, i, "retired", reason, func(r *access.Identity) { r.Inactive = true }); err != nil {
			return err
		}
		// 3. What it holds and awaits.
		grants, err := d.GrantsOf(ctx, []string{id}, true, "", 1<<30)
		if err != nil {
			return err
		}
		for _, g := range grants {
			if err := d.finish(ctx, g, access.EndLeaver, note); err != nil {
				return err
			}
			ended++
		}
		if err := d.dropRequests(ctx, id, note); err != nil {
			return err
		}
		// 4. What plans keep for it is killed and proved dead, and made no more.
		if _, err := d.retireKept(ctx, i, id+" is retired: "+reason); err != nil {
			return err
		}
		// 5. What was found of it is over, and what is left of it is looked for.
		for _, kind := range slices.Sorted(maps.Keys(access.WorkloadKinds)) {
			if err := d.settleFinding(ctx, kind, id, note); err != nil {
				return err
			}
		}
		for _, system := range slices.Sorted(keysOf(i.Accounts)) {
			if err := d.Enqueue(ctx, InventoryJob{system, d.now}, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}}); err != nil {
				return err
			}
		}
		return nil
	})
	return ended, err
}

// dropRequests takes back what stands pending for an identity that is no more.
func (d *deed) dropRequests(ctx context.Context, id, note string) error {
	pending, err := d.PendingFor(ctx, []string{id})
	if err != nil {
		return err
	}
	for _, r := range pending {
		if err := d.callOff(ctx, r, note); err != nil {
			return err
		}
	}
	return nil
}

// callOff drops what is undecided of a pending request.
func (d *deed) callOff(ctx context.Context, r access.Request, note string) error {
	was := r
	r.Items = dropUndecided(r.Items, note)
	to := access.Cancelled
	if some, _ := outcome(r); some == access.Approved {
		to = access.Approved
	}
	_, err := d.move(ctx, was, r, to, note)
	return err
}

// rewrite changes what the roster says of a workload. Of one that the files have, only
// that stands there: it is nothing without them.
func (d *deed) rewrite(ctx context.Context, i access.Identity, how, note string, change func(*access.Identity)) error {
	r, err := d.RegisteredIdentity(ctx, i.ID)
	if errors.Is(err, access.ErrNotFound) {
		r, err = store.Registered{Identity: access.Identity{ID: i.ID, Kind: i.Kind}, Source: workloadSource}, nil
	}
	if err != nil {
		return err
	}
	change(&r.Identity)
	return d.register(ctx, r, how, note)
}
