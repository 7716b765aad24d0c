package policy

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/lessor-iam/lessor/internal/access"
)

const (
	identityType    cedar.EntityType = "Identity"
	groupType       cedar.EntityType = "Group"
	entitlementType cedar.EntityType = "Entitlement"
	systemType      cedar.EntityType = "System"
	classType       cedar.EntityType = "Class"
	requestType     cedar.EntityType = "Request"
	grantType       cedar.EntityType = "Grant"
	findingType     cedar.EntityType = "Finding"
	credentialType  cedar.EntityType = "Credential"
)

func uid(t cedar.EntityType, id string) cedar.EntityUID {
	return cedar.EntityUID{Type: t, ID: types.String(id)}
}

func uids(t cedar.EntityType, ids []string) types.Set {
	if len(ids) == 0 {
		return types.Set{} // most sets are, and making one is not free
	}
	values := make([]types.Value, len(ids))
	for i, id := range ids {
		values[i] = uid(t, id)
	}
	return types.NewSet(values...)
}

// built is one entity as Cedar reads it, checked against the schema, with a
// digest of everything in it.
type built struct {
	entity cedar.Entity
	sum    [sha256.Size]byte
	err    error              // it does not fit the schema
	place  cedar.EntityUIDSet // of an entitlement: where rules find requests for it
	class  string             // of an entitlement, and of what is for it
	of     *built             // of a request: its entitlement, as far as it reaches
}

// memo keeps what was built from the latest directory: a snapshot never changes,
// so what was built from it once is right for ever. Only whether an identity is
// active depends on the time, and each is built both ways. It holds at most
// mostKept of all and then starts anew.
type memo struct{ latest atomic.Pointer[snapshot] }

type snapshot struct {
	directory    *access.Directory
	check        checker
	duties       *duties
	identities   sync.Map // id -> *either
	entitlements sync.Map // id -> *built
	hands        sync.Map // identity id -> hands
	count        atomic.Int64
}

// either is an identity built both ways, and when it is which.
type either struct {
	self, person     access.Identity
	known            bool
	active, inactive *built
}

// at: an identity is active while it is and the person behind it is.
func (e *either) at(now time.Time) *built {
	if e.known && e.self.ActiveAt(now) && e.person.ActiveAt(now) {
		return e.active
	}
	return e.inactive
}

const mostKept = 16384

func (s *Set) snapshot(d *access.Directory) *snapshot {
	from := s.memo.latest.Load()
	switch {
	case from == nil || from.directory != d:
		from = &snapshot{directory: d, check: s.check, duties: dutiesOf(d)}
	case from.count.Load() >= mostKept:
		from = &snapshot{directory: d, check: s.check, duties: from.duties}
	default:
		return from
	}
	s.memo.latest.Store(from)
	return from
}

// hands are persons, as a list and as Cedar reads them.
type hands struct {
	ids []string
	set types.Set
}

// handsOf is Directory.Hands, remembered.
func (s *snapshot) handsOf(id string) hands {
	if h, ok := s.hands.Load(id); ok {
		return h.(hands)
	}
	ids := s.directory.Hands(id)
	h := hands{ids, uids(identityType, ids)}
	s.hands.Store(id, h)
	s.count.Add(1)
	return h
}

// facts is what one decision can read: the directory at one moment and the
// resource in question. It implements types.EntityGetter, remembers what was
// read, and finds everything else missing at the cost of comparing a type.
type facts struct {
	from     *snapshot
	now      time.Time
	resource *built
	read     []*built
	roomy    [12]*built // backs read; few decisions read more
}

func (s *Set) factsOf(d *access.Directory, now time.Time, resource *built) *facts {
	f := &facts{from: s.snapshot(d), now: now, resource: resource}
	f.read = f.roomy[:0]
	return f
}

// Get implements types.EntityGetter. Groups, classes and systems have nothing to
// get: memberships are the parents of the member, closed.
func (f *facts) Get(u cedar.EntityUID) (cedar.Entity, bool) {
	switch u.Type {
	case requestType, grantType, findingType, credentialType:
		if u == f.resource.entity.UID {
			return f.resource.entity, true
		}
	case identityType, entitlementType:
		if of := f.resource.of; of != nil && of.entity.UID == u {
			return of.entity, true // its sum is in the resource's
		}
		for _, b := range f.read {
			if b.entity.UID == u {
				return b.entity, true
			}
		}
		var b *built
		if u.Type == identityType {
			b = f.from.identity(u.ID).at(f.now)
		} else {
			b = f.from.entitlement(u.ID)
		}
		f.read = append(f.read, b)
		return b.entity, true
	}
	return cedar.Entity{}, false
}

func (s *snapshot) identity(id types.String) *either {
	if e, ok := s.identities.Load(id); ok {
		return e.(*either)
	}
	e := buildIdentity(s.directory, string(id))
	s.checked(e.active)
	s.checked(e.inactive)
	s.identities.Store(id, e)
	s.count.Add(1)
	return e
}

func (s *snapshot) entitlement(id types.String) *built {
	if b, ok := s.entitlements.Load(id); ok {
		return b.(*built)
	}
	b := buildEntitlement(s.directory, string(id))
	s.checked(b)
	s.entitlements.Store(id, b)
	s.count.Add(1)
	return b
}

func (s *snapshot) checked(b *built) {
	if err := s.check.entity(b.entity); err != nil {
		b.err = fmt.Errorf("%s does not fit the schema: %w", b.entity.UID, err)
	}
}

func buildIdentity(d *access.Directory, id string) *either {
	var e either
	e.self, e.known = d.Identity(id)
	if !e.known {
		e.self = access.Identity{ID: id, Kind: "unknown"}
	}
	e.person = e.self
	if e.self.Same != "" {
		var ok bool
		e.person, ok = d.Identity(d.PersonOf(id))
		e.known = e.known && ok && e.person.Same == ""
	}
	groups := d.GroupsOf(id)
	parents := make([]cedar.EntityUID, len(groups))
	for n, g := range groups {
		parents[n] = uid(groupType, g)
	}
	in := types.NewEntityUIDSet(parents...)
	e.active, e.inactive = e.build(d.PersonOf(id), groups, in, true), e.build(d.PersonOf(id), groups, in, false)
	return &e
}

func (e *either) build(person string, groups []string, in cedar.EntityUIDSet, active bool) *built {
	i, external := e.self, e.self.External || e.person.External
	attributes := types.RecordMap{
		"kind": types.String(i.Kind), "active": types.Boolean(active), "external": types.Boolean(external),
		"department": types.String(i.Department), "person": uid(identityType, person),
	}
	var w writer
	w.texts("identity", i.ID, string(i.Kind), i.Department, person)
	w.flags(active, external)
	for _, to := range []struct{ name, id string }{{"manager", i.Manager}, {"owner", i.Owner}, {"sponsor", i.Sponsor}} {
		w.texts(to.id)
		if to.id != "" {
			attributes[types.String(to.name)] = uid(identityType, to.id)
		}
	}
	w.time(i.Until())
	if end := i.Until(); !end.IsZero() {
		attributes["end"] = types.NewDatetime(end)
	}
	if i.Contract != nil {
		attributes["contract"] = contract(*i.Contract, &w)
	}
	w.list(groups)
	return &built{sum: w.sum(), entity: cedar.Entity{UID: uid(identityType, i.ID), Parents: in, Attributes: types.NewRecord(attributes)}}
}

// contract is one as rules read it.
func contract(c access.Contract, w *writer) types.Record {
	w.texts("contract", c.Environment, c.ThirdParty)
	w.list(c.Systems)
	w.list(c.Entitlements)
	return types.NewRecord(types.RecordMap{
		"environment": types.String(c.Environment), "thirdParty": types.Boolean(c.ThirdParty != ""),
		"systems": uids(systemType, c.Systems), "entitlements": uids(entitlementType, c.Entitlements),
	})
}

func buildEntitlement(d *access.Directory, id string) *built {
	e, known := d.Entitlement(id)
	owners := make([]string, 0, len(e.Owners))
	for _, o := range e.Owners {
		owners = append(owners, d.PersonOf(o))
	}
	slices.Sort(owners)
	powers := slices.Sorted(slices.Values(e.Powers))
	values := make([]types.Value, len(powers))
	for i, p := range powers {
		values[i] = types.String(p)
	}
	attributes := types.RecordMap{
		"known": types.Boolean(known), "class": types.String(e.Class), "declared": types.String(e.Class),
		"owners": uids(identityType, owners), "powers": types.NewSet(values...),
	}
	if e.MaxTerm != 0 {
		attributes["maxTerm"] = types.NewDuration(e.MaxTerm.D())
	}
	if e.MaxTotal != 0 {
		attributes["maxTotal"] = types.NewDuration(e.MaxTotal.D())
	}
	var w writer
	w.texts("entitlement", id, e.System, e.Class)
	w.flags(known)
	w.list(owners)
	w.list(powers)
	w.numbers(int64(e.MaxTerm), int64(e.MaxTotal))
	self, system, class := uid(entitlementType, id), uid(systemType, e.System), uid(classType, e.Class)
	return &built{sum: w.sum(), class: e.Class, place: types.NewEntityUIDSet(self, system, class), entity: cedar.Entity{UID: self,
		Parents: types.NewEntityUIDSet(system, class), Attributes: types.NewRecord(attributes)}}
}

// reaching is the entitlement as rules read it where it can become something of
// a higher class: it is of that class, whatever its label says. It has besides the
// powers that only its system says it has.
func (b *built) reaching(s *Set, class string, said []string) *built {
	class = cmp.Or(class, b.class)
	if class == b.class && len(said) == 0 {
		return b
	}
	attributes := b.entity.Attributes.Map()
	attributes["class"] = types.String(class)
	if powers, ok := attributes["powers"].(types.Set); ok && len(said) > 0 {
		both := powers.Slice()
		for _, p := range said {
			both = append(both, types.String(p))
		}
		attributes["powers"] = types.NewSet(both...)
	}
	var places []cedar.EntityUID
	for p := range b.place.All() {
		if p.Type != classType {
			places = append(places, p)
		}
	}
	places = append(places, uid(classType, class))
	parents := slices.DeleteFunc(slices.Clone(places), func(p cedar.EntityUID) bool { return p.Type == entitlementType })
	var w writer
	w.buf = append(w.buf, b.sum[:]...)
	w.texts("reaches", class)
	if len(said) > 0 {
		w.texts("said")
		w.list(said)
	}
	r := &built{sum: w.sum(), class: class, place: types.NewEntityUIDSet(places...), entity: cedar.Entity{UID: b.entity.UID,
		Parents: types.NewEntityUIDSet(parents...), Attributes: types.NewRecord(attributes)}}
	if err := s.check.entity(r.entity); err != nil {
		r.err = fmt.Errorf("%s does not fit the schema: %w", r.entity.UID, err)
	}
	return r
}

// digest is of everything read: the question, the resource, and each entity that
// a rule looked at, in order of id. It is a SHA-256 over SHA-256s of canonical
// binary writings (lengths before texts), because canonical JSON of the same
// facts costs several times the decision.
func (f *facts) digest(question *writer) string {
	slices.SortFunc(f.read, func(a, b *built) int {
		if a.entity.UID.Type != b.entity.UID.Type {
			return strings.Compare(string(a.entity.UID.Type), string(b.entity.UID.Type))
		}
		return strings.Compare(string(a.entity.UID.ID), string(b.entity.UID.ID))
	})
	w := writer{buf: append([]byte(nil), question.buf...)}
	w.buf = append(w.buf, f.resource.sum[:]...)
	for _, b := range f.read {
		w.buf = append(w.buf, b.sum[:]...)
	}
	return w.hex()
}

// fit tells whether everything read fits the schema.
func (f *facts) fit() bool {
	return f.resource.err == nil && (f.resource.of == nil || f.resource.of.err == nil) && !slices.ContainsFunc(f.read, func(b *built) bool { return b.err != nil })
}

// errors lists what was read and does not fit the schema.
func (f *facts) errors() []string {
	if f.fit() {
		return nil
	}
	var out []string
	for _, b := range append([]*built{f.resource, f.resource.of}, f.read...) {
		if b != nil && b.err != nil {
			out = append(out, b.err.Error())
		}
	}
	return out
}

// writer writes facts so that different facts never write the same bytes.
type writer struct{ buf []byte }

func (w *writer) texts(ss ...string) {
	for _, s := range ss {
		w.buf = binary.AppendUvarint(w.buf, uint64(len(s)))
		w.buf = append(w.buf, s...)
	}
}

func (w *writer) list(ss []string) {
	w.buf = binary.AppendUvarint(w.buf, uint64(len(ss)))
	w.texts(ss...)
}

func (w *writer) numbers(ns ...int64) {
	for _, n := range ns {
		w.buf = binary.AppendVarint(w.buf, n)
	}
}

func (w *writer) flags(bs ...bool) {
	for _, b := range bs {
		n := byte(0)
		if b {
			n = 1
		}
		w.buf = append(w.buf, n)
	}
}

func (w *writer) time(t time.Time) {
	if t.IsZero() {
		w.flags(false)
		return
	}
	w.flags(true)
	w.numbers(t.Unix(), int64(t.Nanosecond()))
}

func (w *writer) sum() [sha256.Size]byte { return sha256.Sum256(w.buf) }

func (w *writer) hex() string {
	sum := w.sum()
	return "sha256:" + hex.EncodeToString(sum[:])
}
