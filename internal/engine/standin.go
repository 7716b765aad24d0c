package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// StandingIn is how long one person may answer for another, and when a stage waits too long.
type StandingIn struct {
	LongestDelegation time.Duration
	// EscalateAfter is how long a stage may wait, by the class of what is asked for;
	// "" for any other class. What has none is never escalated.
	EscalateAfter map[string]time.Duration
}

// after is how long a stage of something of that class may wait; zero: for as long as the request.
func (s StandingIn) after(class string) time.Duration {
	if d, ok := s.EscalateAfter[class]; ok {
		return d
	}
	return s.EscalateAfter[""]
}

// standIns reads who may answer for whom now, once for a deed.
func (d *deed) standIns(ctx context.Context) (access.StandIns, error) {
	if d.inPlace != nil {
		return *d.inPlace, nil
	}
	var in access.StandIns
	var err error
	if in.Delegations, err = d.OpenDelegations(ctx, d.now); err != nil {
		return in, err
	}
	if in.Absences, err = d.OpenAbsences(ctx, d.now); err != nil {
		return in, err
	}
	d.inPlace = &in
	return in, nil
}

// behind lists the people for whom the actor may answer somewhere, each once: of any of
// them the actor's lists show what they could answer themselves.
func (d *deed) behind(ctx context.Context) ([]string, error) {
	in, err := d.standIns(ctx)
	if err != nil {
		return nil, err
	}
	dir := d.world.Directory
	me := dir.PersonOf(d.by.Identity)
	var list []string
	for _, l := range in.Delegations {
		if l.LiveAt(d.now) && dir.PersonOf(l.To) == me {
			list = append(list, dir.PersonOf(l.From))
		}
	}
	for _, a := range in.Absences {
		person, _ := dir.Identity(dir.PersonOf(a.Person))
		if a.AwayAt(d.now) && person.ID != "" && dir.PersonOf(a.By) != me && (dir.PersonOf(person.Deputy) == me || dir.PersonOf(person.Manager) == me) {
			list = append(list, person.ID)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// Cover is who answers for whom, as somebody is shown it.
type Cover struct {
	Delegations []access.Delegation `json:"delegations"` // newest first, those that are over too
	Absences    []access.Absence    `json:"absences"`
	Deputy      string              `json:"deputy,omitempty"`  // whom the directory calls the actor's deputy
	Longest     access.Term         `json:"longest,omitempty"` // how long a delegation may last
}

const mostCover = 200

// Cover returns who answers for whom: what concerns the actor and, for whoever manages
// them, those away; with everybody, to security and auditors, all of it.
func (e *Engine) Cover(ctx context.Context, by access.Actor, everybody bool) (c Cover, err error) {
	err = e.look(ctx, by, func(d *deed) error {
		dir := d.world.Directory
		var whose []string
		if everybody {
			if groups := dir.GroupsOf(by.Identity); !slices.Contains(groups, "security") && !slices.Contains(groups, "auditors") {
				return fmt.Errorf("%w: who answers for whom everywhere is for security and auditors", access.ErrDenied)
			}
		} else if whose = slices.Clone(dir.IdentitiesOf(by.Identity)); len(whose) == 0 {
			whose = []string{by.Identity}
		}
		if c.Delegations, err = d.Delegations(ctx, whose, "", mostCover); err != nil {
			return err
		}
		if !everybody {
			whose = slices.Concat(whose, dir.ReportsOf(by.Identity), dir.DeputisesFor(by.Identity))
		}
		me, _ := dir.Identity(dir.PersonOf(by.Identity))
		c.Deputy, c.Longest = me.Deputy, access.Term(e.StandingIn().LongestDelegation)
		c.Absences, err = d.Absences(ctx, whose, "", mostCover)
		return err
	})
	return c, err
}

// answerable refuses whoever could never answer anything: no active employee.
func (d *deed) answerable(what, id string) error {
	dir := d.world.Directory
	i, ok := dir.Identity(id)
	person, _ := dir.Identity(dir.PersonOf(id))
	switch {
	case !ok:
		return fmt.Errorf("%w: %s %.80q is nobody the directory knows", access.ErrInvalid, what, id)
	case i.Kind != access.Person:
		return fmt.Errorf("%w: %s %s is a %s; only people answer", access.ErrInvalid, what, id, i.Kind)
	case i.External || person.External:
		return fmt.Errorf("%w: %s %s is external, and an external person never approves", access.ErrInvalid, what, id)
	case !d.active(id):
		return fmt.Errorf("%w: %s %s is not active", access.ErrInvalid, what, id)
	}
	return nil
}

// ofSecurity tells whether the actor is in security.
func (d *deed) ofSecurity() bool {
	return slices.Contains(d.world.Directory.GroupsOf(d.by.Identity), "security")
}
