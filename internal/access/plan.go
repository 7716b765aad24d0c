package access

import (
	"maps"
	"slices"
	"time"
)

// CredentialPlan says how one credential of a workload is kept: where it lets in, who
// reads it where, and how often it is made anew. Its worth stands nowhere here.
type CredentialPlan struct {
	ID        string     `json:"id"`
	System    string     `json:"system"`
	Account   string     `json:"account"`
	Kind      string     `json:"kind"`            // as the system's connector names it
	Store     string     `json:"store"`           // the secret store it is delivered to
	Ref       string     `json:"ref"`             // … and under which reference
	Every     Term       `json:"every"`           // how often it is made anew
	Overlap   Term       `json:"overlap"`         // how long the old and the new may both let in, at most
	Lasts     Term       `json:"lasts,omitempty"` // its own end, where the target lets it have one; zero: none
	Jitter    Term       `json:"jitter,omitempty"`
	Watch     bool       `json:"watch,omitempty"` // the old one goes as soon as the new one was seen used
	Scopes    []string   `json:"scopes,omitempty"`
	Blackouts []Blackout `json:"-"` // when no rotation begins and nothing old is killed
}

// Blackout is a span of the week, by the clocks of a place. One whose end is not after
// its beginning runs into the next day.
type Blackout struct {
	Days     []time.Weekday // on which it begins
	From, To time.Duration  // since midnight
	Zone     *time.Location
}

// holds tells whether the moment is inside, and when it is over.
func (b Blackout) holds(t time.Time) (until time.Time, in bool) {
	local := t.In(b.Zone)
	for back := range 2 { // it began today or yesterday
		y, m, d := local.AddDate(0, 0, -back).Date()
		if !slices.Contains(b.Days, time.Date(y, m, d, 12, 0, 0, 0, b.Zone).Weekday()) {
			continue
		}
		at := func(since time.Duration, days int) time.Time {
			return time.Date(y, m, d+days, int(since/time.Hour), int(since%time.Hour/time.Minute), 0, 0, b.Zone)
		}
		from, to := at(b.From, 0), at(b.To, 0)
		if b.To <= b.From {
			to = at(b.To, 1)
		}
		if !t.Before(from) && t.Before(to) {
			return to.UTC(), true
		}
	}
	return time.Time{}, false
}

// Clear is the first moment from then on that no blackout holds; ok is false where
// there is none within two weeks.
func (p CredentialPlan) Clear(from time.Time) (at time.Time, ok bool) {
	at = from
	for last := from.Add(14 * 24 * time.Hour); at.Before(last); {
		moved := false
		for _, b := range p.Blackouts {
			if until, in := b.holds(at); in {
				at, moved = until, true
			}
		}
		if !moved {
			return at, true
		}
	}
	return at, false
}

// Begin is the first moment from then on at which a rotation may begin: in no
// blackout, and so that its overlap ends in none.
func (p CredentialPlan) Begin(from time.Time) (at time.Time, ok bool) {
	at = from
	for last := from.Add(14 * 24 * time.Hour); at.Before(last); {
		if at, ok = p.Clear(at); !ok {
			return at, false
		}
		end := at.Add(p.Overlap.D())
		clear, ok := p.Clear(end)
		if !ok {
			return at, false
		}
		if clear.Equal(end) {
			return at, true
		}
		at = at.Add(clear.Sub(end))
	}
	return at, false
}

// Next is when the credential is due again, given when it was last made; the jitter
// spreads what was made together, and is the same for one generation whoever asks.
func (p CredentialPlan) Next(made time.Time, generation int64) time.Time {
	if p.Jitter <= 0 {
		return made.Add(p.Every.D())
	}
	h := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(p.ID) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	for range 8 {
		h = (h ^ uint64(generation&0xff)) * 1099511628211
		generation >>= 8
	}
	early := time.Duration(h>>1) % (min(p.Jitter, p.Every/2).D() + 1) // earlier, never later: the interval is the longest allowed
	return made.Add(p.Every.D() - early.Truncate(time.Second))
}

// Due is when the credential is due again, given when it was last made and its own end, if
// it has one. What ends before its interval is over is made anew before that: so that the
// overlap and a tenth of its life are left, an hour at least and a week at most, but never
// in the first half of its life.
func (p CredentialPlan) Due(made, ends time.Time, generation int64) time.Time {
	next, life := p.Next(made, generation), ends.Sub(made)
	if ends.IsZero() || life <= 0 {
		return next
	}
	spare := min(max(life/10, time.Hour), 7*24*time.Hour) + p.Overlap.D()
	if own := ends.Add(-min(spare, life/2)).UTC(); own.Before(next) {
		return own
	}
	return next
}

// WithPlans is the same directory with these plans: another snapshot.
func (d *Directory) WithPlans(plans []CredentialPlan) *Directory {
	with := *d
	with.plans = make(map[string]CredentialPlan, len(plans))
	for _, p := range plans {
		with.plans[p.ID] = p
	}
	return &with
}

// Plan looks one up by id.
func (d *Directory) Plan(id string) (CredentialPlan, bool) { p, ok := d.plans[id]; return p, ok }

// Plans lists their ids in order.
func (d *Directory) Plans() []string { return slices.Sorted(maps.Keys(d.plans)) }
