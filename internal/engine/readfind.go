package engine

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/store"
)

// Page is a part of a list, newest first.
type Page struct {
	Before string // ids below this one; empty: from the newest on
	Limit  int
}

// Only narrows a list; what is empty narrows nothing.
type Only struct {
	State       string    // of a request or a grant; of a grant "open" besides: not ended
	System      string    //
	Entitlement string    //
	Identity    string    // of a request: who asked or for whom; of a grant: who holds
	Since       time.Time // asked or granted then or later
	Mine        bool      // requests the actor asked for or benefits from
}

// mostLooked bounds what one page looks at that the reader may not know of or did
// not mean: a page may be shorter than was asked for and still not be the last.
const mostLooked = 500

// turn makes a page: rows in order, those that are kept, until it is full or most
// were looked at (0: however many). next is the id below which the next page goes
// on, empty after the last.
func turn[T any](p Page, most int, id func(T) string, read func(before string, n int) ([]T, error), keep func(T) (bool, error)) (list []T, next string, err error) {
	list = []T{}
	looked := 0
	for at, n := p.Before, p.Limit+1; ; n = max(n, min(2*n, 200)) {
		rows, err := read(at, n)
		if err != nil {
			return nil, "", err
		}
		for _, row := range rows {
			if len(list) == p.Limit || (most > 0 && looked == p.Limit+most) {
				return list, at, nil
			}
			at, looked = id(row), looked+1
			ok, err := keep(row)
			if err != nil {
				return nil, "", err
			}
			if ok {
				list = append(list, row)
			}
		}
		if len(rows) < n {
			return list, "", nil
		}
	}
}

// idFrom is the lowest id that something made at that moment or later has.
func idFrom(prefix string, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(max(0, at.UnixMilli()))<<16)
	return prefix + "-" + lowerHex.EncodeToString(b[:])
}

// ways are what somebody's lists are found by, as one directory and its rules have
// it: never too little. Each thing found is asked about before it is shown.
type ways struct {
	hands        map[string][]string // person -> identities in whose things it has a hand
	answers      map[string][]string // person -> identities whose manager or sponsor it is, or their owner's
	owns         map[string][]string // person -> entitlements
	runs         map[string][]string // person -> systems
	approve      []policy.Lead
	view         []policy.Lead
	entitlements []listed // in order of id
}

// listed is an entitlement with the text that it is searched by.
type listed struct {
	access.Entitlement
	text string
}

// What the keys of requests lead to by themselves: see [store.KeyOfIdentity] and its like.
var (
	keyedApprove = []string{"approve-manager", "approve-manager-of-owner", "approve-owner", "approve-sponsor", "approve-group", "guard.implied-owner", "guard.stand-in"}
	keyedView    = []string{"view-own", "view-approver", "view-owner"}
)

func newWays(dir *access.Directory, set *policy.Set) *ways {
	w := &ways{hands: map[string][]string{}, answers: map[string][]string{}, owns: map[string][]string{}, runs: map[string][]string{}}
	if dir == nil || set == nil {
		return w
	}
	add := func(to map[string][]string, who, what string) { // in order of what, each once
		if p := dir.PersonOf(who); who != "" && (len(to[p]) == 0 || to[p][len(to[p])-1] != what) {
			to[p] = append(to[p], what)
		}
	}
	for _, id := range dir.Identities() {
		for _, p := range dir.Hands(id) {
			w.hands[p] = append(w.hands[p], id)
		}
		i, _ := dir.Identity(id)
		person, _ := dir.Identity(dir.PersonOf(id))
		owner, _ := dir.Identity(dir.PersonOf(i.Owner))
		for _, who := range []string{person.Manager, person.Sponsor, owner.Manager} {
			add(w.answers, who, id)
		}
	}
	for _, id := range dir.Systems() {
		s, _ := dir.System(id)
		add(w.runs, s.Owner, id)
	}
	for _, id := range dir.Entitlements() {
		e, _ := dir.Entitlement(id)
		w.entitlements = append(w.entitlements, listed{e, strings.ToLower(e.ID + " " + e.Name)})
		for _, o := range e.Owners {
			add(w.owns, o, id)
		}
	}
	w.approve, w.view = set.Leads(policy.QuestionApprove, dir, keyedApprove...), set.Leads(policy.QuestionView, dir, keyedView...)
	return w
}

// Where somebody owns many entitlements of a system, or answers for very many
// things, lists are looked through more coarsely.
const (
	mostOwnedKeys = 50
	mostKeys      = 2000
)

// leading lists the keys of everything that the actor might answer or, with view,
// see. whole says that a rule could let it be anything: then there are none.
func (d *deed) leading(ctx context.Context, view bool) (keys []string, whole bool, err error) {
	if len(d.world.Directory.ReportsOf(d.by.Identity)) > 0 {
		keys = append(keys, store.KeyOfEscalated)
	}
	// What those could answer whom the actor stands in for, the actor may.
	behind, err := d.behind(ctx)
	if err != nil {
		return nil, false, err
	}
	for _, id := range append([]string{d.by.Identity}, behind...) {
		some, all := d.leadingOf(id, view && id == d.by.Identity)
		if all {
			return nil, true, nil
		}
		keys = append(keys, some...)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	return keys, len(keys) > mostKeys, nil
}

// leadingOf lists the keys of everything that somebody might answer or, with view, see.
func (d *deed) leadingOf(who string, view bool) (keys []string, whole bool) {
	w, dir := d.world.ways, d.world.Directory
	me, leads := dir.PersonOf(who), w.approve
	if view {
		leads = append(slices.Clone(leads), w.view...)
		for _, id := range append([]string{who}, w.hands[me]...) {
			keys = append(keys, store.KeyOfIdentity(id))
		}
	}
	for _, id := range w.answers[me] {
		keys = append(keys, store.KeyOfReport(id))
	}
	bySystem := map[string][]string{}
	for _, id := range w.owns[me] {
		e, _ := dir.Entitlement(id)
		bySystem[e.System] = append(bySystem[e.System], id)
	}
	for system, owned := range bySystem {
		keys = append(keys, store.KeyOfStage("implied/"+system))
		ofOwned, ofAny := store.KeyOfOwned, store.KeyOfEntitlement
		if len(owned) > mostOwnedKeys {
			owned, ofOwned, ofAny = []string{system}, store.KeyOfOwnedSystem, store.KeyOfSystem
		}
		for _, id := range owned {
			keys = append(keys, ofOwned(id))
			if view {
				keys = append(keys, ofAny(id))
			}
		}
	}
	for _, system := range w.runs[me] {
		keys = append(keys, store.KeyOfStage("implied/"+system))
	}
	for _, g := range dir.GroupsOf(who) {
		keys = append(keys, store.KeyOfStage(g))
	}
	for _, l := range leads {
		switch {
		case !l.Means(who):
		case l.Entitlement != "":
			keys = append(keys, store.KeyOfEntitlement(l.Entitlement))
		case l.System != "":
			keys = append(keys, store.KeyOfSystem(l.System))
		default:
			return nil, true
		}
	}
	return keys, false
}

// narrow makes the search for what the actor could answer or see, by the fewest keys.
func (d *deed) narrow(ctx context.Context, only Only, view bool) (s store.RequestsSought, none bool, err error) {
	s.Since = idFrom("rq", only.Since)
	if only.Mine {
		s.Keys = []string{store.KeyOfIdentity(d.by.Identity)}
		return s, false, nil
	}
	keys, whole, err := d.leading(ctx, view)
	switch {
	case err != nil:
		return s, false, err
	case !whole && len(keys) == 0:
		return s, true, nil
	case !whole:
		s.Keys = keys
	case only.Identity != "":
		s.Keys = []string{store.KeyOfIdentity(only.Identity)}
	case only.Entitlement != "":
		s.Keys = []string{store.KeyOfEntitlement(only.Entitlement)}
	case only.System != "":
		s.Keys = []string{store.KeyOfSystem(only.System)}
	}
	return s, false, nil
}

// fits tells whether a request is one of those that were meant.
func (d *deed) fits(r access.Request, only Only) bool {
	is := func(want string, any ...string) bool { return want == "" || slices.Contains(any, want) }
	if only.Mine && !is(d.by.Identity, r.Requester, r.Beneficiary) {
		return false
	}
	named := func(want string, of func(string) string) bool {
		return want == "" || slices.ContainsFunc(r.Items, func(it access.Item) bool { return of(it.Entitlement) == want })
	}
	return is(only.State, string(r.State)) && is(only.Identity, r.Requester, r.Beneficiary) && !r.At.Before(only.Since) &&
		named(only.Entitlement, func(id string) string { return id }) && named(only.System, d.systemOf)
}

// systemOf is an entitlement's system, of one that is gone from the catalog too.
func (d *deed) systemOf(entitlement string) string {
	e, _ := d.world.Directory.Entitlement(entitlement)
	before, _, _ := strings.Cut(entitlement, ":")
	return cmp.Or(e.System, before)
}

// requestsOf is one page of requests that keep holds of.
func (d *deed) requestsOf(ctx context.Context, s store.RequestsSought, only Only, p Page, most int, keep func(access.Request) (bool, error)) ([]access.Request, string, error) {
	if err := cursor(p.Before, "request", "rq"); err != nil {
		return nil, "", err
	}
	if len(s.Keys) == 0 {
		s.State = access.RequestState(only.State)
	}
	s.Waiting = s.Waiting || only.State == string(access.Pending)
	return turn(p, most, func(r access.Request) string { return r.ID },
		func(before string, n int) ([]access.Request, error) {
			s.Before, s.Limit = before, n
			return d.RequestsSought(ctx, s)
		}, func(r access.Request) (bool, error) {
			if !d.fits(r, only) {
				return false, nil
			}
			return keep(r)
		})
}

// Requests is a page of the requests the actor may know of, and the id below which
// the next one goes on; empty after the last. It may hold fewer than asked for.
func (e *Engine) Requests(ctx context.Context, by access.Actor, only Only, p Page) (list []access.Request, next string, err error) {
	err = e.look(ctx, by, func(d *deed) (err error) {
		list, next, err = d.visibleOf(ctx, only, p, mostLooked)
		return err
	})
	return list, next, err
}

func (d *deed) visibleOf(ctx context.Context, only Only, p Page, most int) ([]access.Request, string, error) {
	s, none, err := d.narrow(ctx, only, true)
	if err != nil || none {
		return []access.Request{}, "", err
	}
	in, err := d.standIns(ctx)
	if err != nil {
		return nil, "", err
	}
	return d.requestsOf(ctx, s, only, p, most, func(r access.Request) (bool, error) {
		return d.world.Policy.MayViewFor(d.world.Directory, d.now, d.by, r, in).Allow, nil
	})
}

// Waits is a page of the pending requests that wait for a vote this actor has
// authority to cast, as [Engine.Requests] gives them and [Engine.Desk] finds them.
func (e *Engine) Waits(ctx context.Context, by access.Actor, only Only, p Page) (list []access.Request, next string, err error) {
	err = e.look(ctx, by, func(d *deed) (err error) {
		list, next, err = d.desk(ctx, only, p, mostLooked)
		return err
	})
	return list, next, err
}

func (d *deed) desk(ctx context.Context, only Only, p Page, most int) ([]access.Request, string, error) {
	s, none, err := d.narrow(ctx, only, false)
	if err != nil || none {
		return []access.Request{}, "", err
	}
	s.Waiting, only.State = true, string(access.Pending)
	return d.requestsOf(ctx, s, only, p, most, func(r access.Request) (bool, error) { return d.awaits(ctx, r) })
}

// grantsOf is one page of grants that the actor may know of and that were meant.
func (d *deed) grantsOf(ctx context.Context, s store.GrantsSought, only Only, p Page, most int) ([]Holding, string, error) {
	if err := cursor(p.Before, "grant", "gr"); err != nil {
		return nil, "", err
	}
	s.Since = idFrom("gr", only.Since)
	s.Open = s.Open || (only.State != "" && only.State != string(access.Ended))
	grants, next, err := turn(p, most, func(g access.Grant) string { return g.ID },
		func(before string, n int) ([]access.Grant, error) {
			s.Before, s.Limit = before, n
			return d.GrantsSought(ctx, s)
		}, func(g access.Grant) (bool, error) {
			if (only.State != "" && only.State != "open" && string(g.State) != only.State) || g.At.Before(only.Since) ||
				(only.Entitlement != "" && g.Entitlement != only.Entitlement) || (only.System != "" && d.systemOf(g.Entitlement) != only.System) {
				return false, nil
			}
			return d.mayKnow(ctx, g) == nil, nil // what the actor may not know of takes nobody's place on the page
		})
	if err != nil {
		return nil, "", err
	}
	list, err := d.holdings(ctx, grants)
	return list, next, err
}

// Held is a page of grants: the actor's own and those of its workloads, or, as far
// as it may know of them, those of only.Identity. Pages are as [Engine.Requests] gives them.
func (e *Engine) Held(ctx context.Context, by access.Actor, only Only, p Page) (list []Holding, next string, err error) {
	err = e.look(ctx, by, func(d *deed) (err error) {
		list, next, err = d.grantsOf(ctx, store.GrantsSought{Identities: d.whose(only.Identity)}, only, p, mostLooked)
		return err
	})
	return list, next, err
}

// whose lists the identities of somebody with what they own; the actor's, if nobody is named.
func (d *deed) whose(identity string) []string {
	identity = cmp.Or(identity, d.by.Identity)
	dir := d.world.Directory
	whose := append(slices.Clone(dir.IdentitiesOf(identity)), dir.OwnedBy(identity)...)
	if len(whose) == 0 {
		whose = []string{identity} // gone from the directory: what is still being removed is there to be seen
	}
	slices.Sort(whose)
	return slices.Compact(whose)
}

// Registered is a page of everybody's grants, of one entitlement or all: see [Engine.Register].
func (e *Engine) Registered(ctx context.Context, by access.Actor, only Only, p Page) (list []Holding, next string, err error) {
	err = e.lookAfar(ctx, by, func(d *deed) (err error) {
		if err := d.mayRegister(only.Entitlement); err != nil {
			return err
		}
		s := store.GrantsSought{Entitlement: only.Entitlement}
		if only.Identity != "" {
			s.Identities = []string{only.Identity}
		}
		list, next, err = d.grantsOf(ctx, s, only, p, mostLooked)
		return err
	})
	return list, next, err
}

// OnlyFindings narrows a list of findings; what is empty narrows nothing.
type OnlyFindings struct {
	Closed  bool // the closed ones too
	Kind    string
	Subject string
	Owner   string
	Since   time.Time // opened then or later
}

// Found is a page of findings: see [Engine.Findings].
func (e *Engine) Found(ctx context.Context, by access.Actor, only OnlyFindings, p Page) (list []access.Finding, next string, err error) {
	err = e.look(ctx, by, func(d *deed) (err error) {
		list, next, err = d.findings(ctx, only, p, mostLooked)
		return err
	})
	return list, next, err
}

// findings is one page of them. What the actor may not know of takes nobody's place.
func (d *deed) findings(ctx context.Context, only OnlyFindings, p Page, most int) ([]access.Finding, string, error) {
	if err := cursor(p.Before, "finding", "fi"); err != nil {
		return nil, "", err
	}
	s := store.FindingsSought{Owner: only.Owner, Open: !only.Closed, Since: idFrom("fi", only.Since)}
	if groups := d.world.Directory.GroupsOf(d.by.Identity); !slices.Contains(groups, "security") && !slices.Contains(groups, "auditors") {
		if s.Owner = d.by.Identity; only.Owner != "" && only.Owner != s.Owner {
			return []access.Finding{}, "", nil
		}
	}
	return turn(p, most, func(f access.Finding) string { return f.ID },
		func(before string, n int) ([]access.Finding, error) {
			s.Before, s.Limit = before, n
			return d.FindingsSought(ctx, s)
		}, func(f access.Finding) (bool, error) {
			if (only.Kind != "" && f.Kind != only.Kind) || (only.Subject != "" && f.Subject != only.Subject) || f.OpenedAt.Before(only.Since) {
				return false, nil
			}
			if !slices.Contains(access.AuditKinds, f.Kind) {
				return true, nil
			}
			return d.maySee(ctx, f)
		})
}

// Offered is a page of what can be asked for, in order of id, of those that have
// every word in their id or name; system and class may be empty. next is the id
// above which the next page goes on.
func (e *Engine) Offered(_ context.Context, by access.Actor, words, system, class, after string, limit int) (list []access.Entitlement, next string, err error) {
	if err := e.MayLook(by); err != nil {
		return nil, "", err
	}
	all := e.World().ways.entitlements
	from, _ := slices.BinarySearchFunc(all, after, func(l listed, id string) int { return strings.Compare(l.ID, id) })
	want := strings.Fields(strings.ToLower(words))
	list = []access.Entitlement{}
	for _, l := range all[from:] {
		if l.ID == after || (system != "" && l.System != system) || (class != "" && l.Class != class) ||
			slices.ContainsFunc(want, func(w string) bool { return !strings.Contains(l.text, w) }) {
			continue
		}
		if len(list) == limit {
			return list, list[limit-1].ID, nil
		}
		list = append(list, l.Entitlement)
	}
	return list, "", nil
}

// cursor refuses what is no id: any text sorts somewhere, and the page it
// begins would look like one.
func cursor(before, what, prefix string) error {
	if before == "" || strings.HasPrefix(before, prefix+"-") {
		return nil
	}
	return fmt.Errorf("%w: before %.80q is not the id of a %s, such as %s-…", access.ErrInvalid, before, what, prefix)
}
