package policy

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/lessor-iam/lessor/internal/access"
)

// Facts is everything a question about one item of a request reads; nothing else is looked at.
type Facts struct {
	Now       time.Time
	Directory *access.Directory
	Request   access.Request
	Item      access.Item // the entitlement in question
	// Held is what the person behind the beneficiary, under all its identities
	// and with all workloads it owns, holds, has granted or awaits, without this item.
	Held     []string
	Siblings []string // the other entitlements of the same request
	// Reach is what the item's entitlement can become, and Implies what each of
	// Held and Siblings lets its holder have or hand out. A zero Reach is that of
	// an entitlement that is what its label says.
	Reach   access.Reach
	Implies map[string][]string
	Votes   []access.Approval // standing votes on this item of this revision
	// Sponsored: the beneficiary is an agent, and its sponsor holds the entitlement now.
	Sponsored bool
	ChainFor  access.Term     // for extensions: how long the unbroken chain has lasted at the new start
	Authors   []string        // identity ids from @author of the rules that let the request through
	StandIns  access.StandIns // who may answer for whom, as far as anybody said so
	// Birthright is the rule by which it is asked for, where that covers the beneficiary;
	// nil: somebody asks.
	Birthright *access.Birthright
}

// term is what would be granted: as narrowed so far, or as asked.
func (f *Facts) term() access.Term { return cmp.Or(f.Item.Term, f.Request.Term) }

// window is from when until when the item would be held if it were granted now.
func (f *Facts) window() (start, end time.Time) {
	start = f.Now
	if f.Request.Fixed || f.Request.Start.After(f.Now) {
		start = cmp.Or(f.Request.Start, f.Now)
	}
	return start, start.Add(f.term().D())
}

// total is the length of the chain with this term, never overflowing.
func (f *Facts) total() time.Duration {
	chain, term := max(f.ChainFor.D(), 0), f.term().D()
	if term > 0 && chain > math.MaxInt64-term {
		return math.MaxInt64
	}
	return chain + term
}

// unusable says why no question can be put at all.
func (f *Facts) unusable() string {
	switch {
	case f.Directory == nil:
		return "there is no directory to decide by"
	case f.Now.IsZero():
		return "the question names no time"
	}
	return ""
}

// persons maps identities to those whose votes and conflicts are counted, each once, sorted.
func persons(d *access.Directory, ids []string) []string {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		out = append(out, d.PersonOf(id))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// hands are the persons none of whom may decide this.
func (f *Facts) hands(from *snapshot) hands {
	h := from.handsOf(f.Request.Requester)
	ids := h.ids
	for _, id := range append([]string{f.Request.Beneficiary}, f.Request.Makers...) {
		if id != f.Request.Requester {
			ids = slices.Concat(ids, from.handsOf(id).ids)
		}
	}
	if len(ids) != len(h.ids) {
		slices.Sort(ids)
		ids = slices.Compact(ids)
		h = hands{ids, uids(identityType, ids)}
	}
	return h
}

// held is everything the clashes are looked for in, each once, sorted.
func (f *Facts) held() []string {
	held := slices.Concat(f.Held, f.Siblings)
	held = slices.DeleteFunc(held, func(id string) bool { return id == f.Item.Entitlement })
	slices.Sort(held)
	return slices.Compact(held)
}

// resource builds the item as Cedar reads it. authors are persons.
func (f *Facts) resource(s *Set, authors []string) *built {
	makers := persons(f.Directory, f.Request.Makers)
	id := cedar.EntityUID{Type: requestType, ID: types.String(f.Request.ID + "#" + f.Item.Entitlement)}
	start, end := f.window()
	from := s.snapshot(f.Directory)
	reach := f.reach()
	of := from.entitlement(types.String(f.Item.Entitlement)).reaching(s, reach.Class, reach.Said)
	hands := f.hands(from)
	clashes, _ := f.clashes(from)
	var implied []string // the same as with held, below
	if s.readsImplied {
		implied = reach.Implied
	}
	var held []string // a set of them costs as much as half a decision: only where a rule reads it
	if s.readsHeld {
		held = f.held()
	}
	b := &built{class: of.class, of: of, entity: cedar.Entity{
		UID:     id,
		Parents: of.place,
		Attributes: types.NewRecord(types.RecordMap{
			"makers":    uids(identityType, makers),
			"requester": uid(identityType, f.Request.Requester), "beneficiary": uid(identityType, f.Request.Beneficiary),
			"entitlement": of.entity.UID,
			"term":        types.NewDuration(f.term().D()), "total": types.NewDuration(f.total()),
			"start": types.NewDatetime(start), "end": types.NewDatetime(end),
			"extension": types.Boolean(f.Request.Extends != ""), "adoption": types.Boolean(f.Request.Adoption()),
			"hands": hands.set, "authors": uids(identityType, authors),
			"held": uids(entitlementType, held), "clashes": uids(entitlementType, clashes),
			"implies": types.Boolean(len(reach.Implied) > 0), "implied": uids(entitlementType, implied), "selfGrant": types.Boolean(reach.SelfGrant),
			"sponsorHolds": types.Boolean(f.Sponsored), "ticketed": types.Boolean(f.Request.Ticket != ""),
		}),
	}}
	var w writer
	w.texts("request", f.Request.ID, f.Request.Requester, f.Request.Beneficiary, f.Item.Entitlement, f.Request.Extends)
	w.list(makers)
	w.flags(f.Request.Adoption())
	w.numbers(int64(f.term()), int64(f.total()))
	w.time(start)
	w.time(end)
	w.buf = append(w.buf, of.sum[:]...) // its system and class
	for _, list := range [][]string{hands.ids, authors, held, clashes, reach.Implied, reach.Becomes, reach.Gates} {
		w.list(list)
	}
	w.flags(reach.SelfGrant, f.Sponsored, f.Request.Ticket != "")
	b.sum = w.sum()
	b.err = s.fits(b.entity)
	return b
}

// grantResource builds an existing grant as Cedar reads it.
func grantResource(s *Set, d *access.Directory, g access.Grant) *built {
	of := s.snapshot(d).entitlement(types.String(g.Entitlement))
	b := &built{class: of.class, entity: cedar.Entity{
		UID: uid(grantType, g.ID), Parents: of.place,
		Attributes: types.NewRecord(types.RecordMap{
			"identity": uid(identityType, g.Identity), "entitlement": of.entity.UID, "owner": uid(identityType, g.Owner),
		}),
	}}
	var w writer
	w.texts("grant", g.ID, g.Identity, g.Entitlement, g.Owner)
	w.buf = append(w.buf, of.sum[:]...) // its system and class
	b.sum = w.sum()
	b.err = s.fits(b.entity)
	return b
}

// fits holds a resource to the schema, every time: it is built anew for every
// question. Identities and entitlements are held to it when the memo builds them.
func (s *Set) fits(e cedar.Entity) error {
	if err := s.check.entity(e); err != nil {
		return fmt.Errorf("%s does not fit the schema: %w", e.UID, err)
	}
	return nil
}

// asked is one question as Cedar reads it, with a writing of all it says beside the resource.
type asked struct {
	name      string
	principal cedar.EntityUID
	context   types.RecordMap
	stage     string // of an approval
	said      *writer
}

func ask(name, principal string, now time.Time) asked {
	a := asked{name: name, principal: uid(identityType, principal), said: &writer{buf: make([]byte, 0, 256)},
		context: types.RecordMap{"now": types.NewDatetime(now)}}
	a.said.texts(name, principal)
	a.said.time(now)
	return a
}

// with adds one more thing the question says.
func (a asked) with(key string, v types.Value, write func(*writer)) asked {
	a.context[types.String(key)] = v
	a.said.texts(key)
	write(a.said)
	return a
}

// resting adds to the digest what the answer rests on without saying it to Cedar.
func (a asked) resting(write func(*writer)) asked {
	write(a.said)
	return a
}

func (a asked) withText(key, v string) asked {
	return a.with(key, types.String(v), func(w *writer) { w.texts(v) })
}

func (a asked) withFlag(key string, v bool) asked {
	return a.with(key, types.Boolean(v), func(w *writer) { w.flags(v) })
}
