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

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// A system that answers no look is sick, and all replicas know it from the database.
//
//	well --a batch of which no look was answered--> sick --a look that is answered--> well
//
// While it is sick time goes on: grants end, and what is to be removed is written down, and
// told once it is late. But nothing is tried of it, however much there is, beyond a few every
// [access.ProbeEvery], or more rarely where nothing is to be removed; with the first look that
// is answered all of it is due.
//
// What is refused by a system that answers is another matter: it has back-off of its own.

const (
	// mostProbed is how many are tried at once while a system is sick, each of another
	// object: it is well though one object of it, or two, are such that no look at them is answered.
	mostProbed = 3
	// mostWeighed is among how many those are chosen.
	mostWeighed = 500
	// longestRest is how long something waits for a system to answer, at most. Nothing needs
	// it; if the row of the sick system were lost, the work would still be found.
	longestRest = time.Hour
)

// sickness says that a system answers no look; nil: it is not known to.
func (d *deed) sickness(ctx context.Context, system string) (*access.Sick, error) {
	k, err := d.Sick(ctx, system)
	if errors.Is(err, access.ErrNotFound) {
		return nil, nil
	}
	return &k, err
}

// rest has what was claimed wait for its system to answer, and for its own moments. It
// tells whether it is late now, which nobody has been told before.
func (d *deed) rest(c *claimed, trouble string) (late bool) {
	w := c.job.Work
	until := d.now.Add(max(d.e.Pace.SlowestOff, d.e.Pace.Recheck))
	if !w.Since.IsZero() {
		if until = w.Since.Add(patience(0)); w.Told > 0 || !d.now.Before(until) {
			late, until = w.Told == 0, d.now.Add(longestRest)
			w.Told = max(w.Told, 1)
		}
	}
	w = w.Rest(until, trouble)
	if next, more := d.nextOf(c.job.ID, c.grants); more {
		w = w.At(next)
	}
	c.job.Work = w
	d.wake(c.job.System, w.Due)
	return late
}

// probe claims, once it is time, a few by which it is known whether a system that is sick
// answers again: what was tried least. If nothing is under way there it is some of those
// that were to be looked at anyway. hurry says that something is to be removed since now.
func (d *deed) probe(ctx context.Context, holder string, was access.Sick, due []store.Job, hurry bool) ([]Task, error) {
	hurry = hurry && was.ProbeAt.Sub(d.now) > access.ProbeEvery
	if d.now.Before(was.ProbeAt) && !hurry {
		return nil, nil // and nobody is woken: who comes for nothing would come again at once
	}
	// 1. Which, and how long the next ones wait: not long if it is for a removal.
	ids, removing, err := d.probes(ctx, was.System, due)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	wait := access.ProbeEvery
	if !removing {
		wait = max(wait, min(d.now.Sub(was.Since)/4, d.e.Pace.SlowestOff))
	}
	jobs, err := d.Assignments(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i := range jobs {
		jobs[i].Work = jobs[i].Work.At(d.now)
	}
	// 2. Nobody else tries before.
	k := was
	k.ProbeAt = d.now.Add(wait)
	if d.now.Sub(k.Since) >= patience(k.Told+1) {
		k.Told++
		if err := d.tellSick(ctx, k); err != nil {
			return nil, err
		}
	}
	if err := d.SaveSick(ctx, was, k); err != nil {
		return nil, err
	}
	d.wake(k.System, k.ProbeAt)
	// 3. As if the system were well.
	tasks, _, err := d.claimAll(ctx, holder, jobs, nil)
	return tasks, err
}

// probes chooses, of what is under way, or else of what was to be looked at and could not
// be, or is due, a few of different objects, and tells whether any of it is to be removed.
func (d *deed) probes(ctx context.Context, system string, due []store.Job) (ids []string, removing bool, err error) {
	var objects []string
	choose := func(id, object string) {
		if len(ids) < mostProbed && !slices.Contains(objects, object) {
			ids, objects = append(ids, id), append(objects, object)
		}
	}
	for _, states := range [][]access.AssignmentState{{access.Removing, access.Adding}, {access.Absent, access.Held}} {
		for _, state := range states {
			list, err := d.LeastTried(ctx, system, state, mostWeighed)
			if err != nil {
				return nil, false, err
			}
			removing = removing || (state == access.Removing && len(list) > 0)
			for _, u := range list {
				choose(u.ID, u.Object)
			}
		}
		if len(ids) > 0 {
			return ids, removing, nil
		}
	}
	for _, j := range due {
		choose(j.ID, j.Object)
	}
	return ids, false, nil
}

// tellLate opens a finding for each that is late while its system is sick, and tells of
// all that one transaction finds late at once: there may be thousands.
func (d *deed) tellLate(ctx context.Context, k access.Sick, late []store.Job) error {
	ids := make([]string, len(late))
	for i, j := range late {
		ids[i] = j.ID
	}
	told := map[[2]string][]string{} // kind and owner -> texts
	for _, kind := range []string{"late_removal", "late_provisioning"} {
		open, err := d.OpenAbout(ctx, []string{kind}, ids)
		if err != nil {
			return err
		}
		for _, j := range late {
			is, text := lateness(j)
			if is != kind || len(open[j.ID]) > 0 {
				continue
			}
			owner := d.ownerOf(j.Entitlement)
			d.e.Log.WarnContext(ctx, kind, "assignment", j.ID, "system", j.System, "told", 1, "text", text)
			if err := d.openFinding(ctx, access.Finding{Kind: kind, Subject: j.ID, Owner: owner, DueAt: d.now.Add(time.Hour), Text: text}); err != nil {
				return err
			}
			told[[2]string{kind, owner}] = append(told[[2]string{kind, owner}], j.ID+": "+text)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(told), func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }) {
		texts := told[key]
		n := Notice{To: []string{key[1]}, Subject: fmt.Sprintf("%s: %d at %s", key[0], len(texts), k.System),
			Text: fmt.Sprintf("%s has answered no look since %s.\n%s", k.System, k.Since.Format(time.RFC3339), strings.Join(texts, "\n"))}
		if len(texts) == 1 {
			id, text, _ := strings.Cut(texts[0], ": ")
			n.Subject, n.Text = key[0]+": "+id, text
		}
		if err := d.notice(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// tellSick tells the owners of what waits at a system that is sick, and security, how much
// it is, the louder the longer it lasts (law 5). Of each by itself they were told once.
func (d *deed) tellSick(ctx context.Context, k access.Sick) error {
	stuck, err := d.StuckAt(ctx, k.System)
	if err != nil || len(stuck) == 0 {
		return err
	}
	count, oldest, to := map[access.AssignmentState]int{}, map[access.AssignmentState]time.Time{}, map[string]bool{}
	for _, s := range stuck {
		count[s.State] += s.Count
		if was := oldest[s.State]; was.IsZero() || s.Oldest.Before(was) {
			oldest[s.State] = s.Oldest
		}
		to[d.ownerOf(s.Entitlement)] = true
	}
	delete(to, "security")
	kind, text := "late_provisioning", ""
	for _, of := range []struct {
		state access.AssignmentState
		kind  string
		what  string
	}{{access.Adding, "late_provisioning", "to be added"}, {access.Removing, "late_removal", "to be removed"}} {
		if n := count[of.state]; n > 0 {
			kind = of.kind
			text += fmt.Sprintf(" %d there are %s, the first since %s.", n, of.what, oldest[of.state].Format(time.RFC3339))
		}
	}
	text = fmt.Sprintf("%s has answered no look since %s; last: %s.%s", k.System, k.Since.Format(time.RFC3339), k.Trouble, text)
	d.e.Log.WarnContext(ctx, kind, "system", k.System, "told", k.Told, "text", text)
	return d.notice(ctx, Notice{To: append(slices.Sorted(maps.Keys(to)), "security"), Subject: kind + ": " + k.System, Text: text, Loud: k.Told})
}

// feel takes what a batch says of its system before any of it is settled: if no look was
// answered it is sick, or still is. Of one object that is refused nothing follows.
func (d *settling) feel(ctx context.Context, mine []store.Job, of map[string]Outcome) error {
	if len(mine) == 0 {
		return nil
	}
	var err error
	if d.sick, err = d.sickness(ctx, mine[0].System); err != nil || !d.mute {
		return err
	}
	k := access.Sick{System: mine[0].System, Since: d.now, ProbeAt: d.now.Add(access.ProbeEvery)}
	if d.sick != nil { // a try may take longer than the pause between two: it is spared for that long after each
		k.Since, k.Told, k.Trouble, k.ProbeAt = d.sick.Since, d.sick.Told, d.sick.Trouble, later(d.sick.ProbeAt, k.ProbeAt)
	}
	away, objects := false, map[string]bool{}
	for _, j := range mine {
		o := of[j.ID]
		away = away || o.Away
		objects[j.Object] = true
		k.Trouble = cmp.Or(o.Trouble, k.Trouble)
		if again := d.now.Add(min(o.Wait, d.e.Pace.SlowestOff)); o.Wait > 0 && again.After(k.ProbeAt) {
			k.ProbeAt = again
		}
	}
	switch {
	case d.sick != nil && (k.Trouble != d.sick.Trouble || !k.ProbeAt.Equal(d.sick.ProbeAt)):
		err = d.SaveSick(ctx, *d.sick, k)
	case d.sick == nil && !away && len(objects) < 2:
		return nil
	case d.sick == nil:
		d.e.Log.WarnContext(ctx, "sick", "system", k.System, "trouble", k.Trouble)
		err = d.AddSick(ctx, k)
	}
	d.sick = &k
	return err
}

// recovered ends the sickness of a system that has answered a look, and has all tried
// at once that waited for it.
func (d *settling) recovered(ctx context.Context, looked time.Time) error {
	if d.sick == nil || looked.IsZero() || looked.Before(d.sick.Since) {
		return nil // a look from before it was known to be sick says nothing
	}
	d.e.Log.InfoContext(ctx, "well again", "system", d.sick.System, "sick since", d.sick.Since)
	d.again = d.sick.System
	err := d.EndSick(ctx, *d.sick)
	d.sick = nil
	return err
}
