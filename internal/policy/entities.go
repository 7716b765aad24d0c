package policy

import (
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
	err    error // it does not fit the schema
}

// memo keeps what was built from the latest directory: a snapshot never changes,
// so what was built from it once is right for ever. Only whether an identity is
// active depends on the time, and that is part of its key. It holds at most
// mostKept of each and then starts anew.
type memo struct{ latest atomic.Pointer[snapshot] }

type snapshot struct {
	directory *access.Directory
	conflicts map[string][]string // entitlement -> what conflicts with it, written on either side, sorted
	entities  sync.Map            // memoKey -> *built
	hands     sync.Map            // identity id -> []string
	count     atomic.Int64
}

type memoKey struct {
	uid    cedar.EntityUID
	active bool
}

const mostKept = 16384

func (m *memo) of(d *access.Directory) *snapshot {
	s := m.latest.Load()
	switch {
	case s == nil || s.directory != d:
		s = &snapshot{directory: d, conflicts: conflictsOf(d)}
	case s.count.Load() >= mostKept:
		s = &snapshot{directory: d, conflicts: s.conflicts}
	default:
		return s
	}
	m.latest.Store(s)
	return s
}

// conflictsOf makes conflicts symmetric: a duty conflicts whichever side wrote it down.
func conflictsOf(d *access.Directory) map[string][]string {
	out := map[string][]string{}
	for _, id := range d.Entitlements() {
		e, _ := d.Entitlement(id)
		for _, other := range e.Conflicts {
			out[id] = append(out[id], other)
			out[other] = append(out[other], id)
		}
	}
	for id := range out {
		slices.Sort(out[id])
		out[id] = slices.Compact(out[id])
	}
	return out
}

// handsOf is Directory.Hands, remembered.
func (s *snapshot) handsOf(id string) []string {
	if h, ok := s.hands.Load(id); ok {
		return h.([]string)
	}
	h := s.directory.Hands(id)
	s.hands.Store(id, h)
	s.count.Add(1)
	return h
}

// facts is what one decision can read: the directory at one moment and the
// resource in question. It implements types.EntityGetter, remembers what was
// read, and finds everything else missing at the cost of comparing a type.
type facts struct {
	check    checker
	from     *snapshot
	now      time.Time
	resource *built
	read     []*built
	roomy    [12]*built // backs read; few decisions read more
}

func (s *Set) factsOf(d *access.Directory, now time.Time, resource *built) *facts {
	f := &facts{check: s.check, from: s.memo.of(d), now: now, resource: resource}
	f.read = f.roomy[:0]
	return f
}

// Get implements types.EntityGetter. Groups, classes and systems have nothing to
// get: memberships are the parents of the member, closed.
func (f *facts) Get(u cedar.EntityUID) (cedar.Entity, bool) {
	switch u.Type {
	case requestType, grantType:
		if u == f.resource.entity.UID {
			return f.resource.entity, true
		}
	case identityType, entitlementType:
		for _, b := range f.read {
			if b.entity.UID == u {
				return b.entity, true
			}
		}
		b := f.build(u)
		f.read = append(f.read, b)
		return b.entity, true
	}
	return cedar.Entity{}, false
}

func (f *facts) build(u cedar.EntityUID) *built {
	key := memoKey{uid: u}
	if u.Type == identityType {
		key.active = activeAt(f.from.directory, string(u.ID), f.now)
	}
	if b, ok := f.from.entities.Load(key); ok {
		return b.(*built)
	}
	var b *built
	if u.Type == identityType {
		b = buildIdentity(f.from.directory, string(u.ID), key.active)
	} else {
		b = buildEntitlement(f.from.directory, string(u.ID))
	}
	if err := f.check.entity(b.entity); err != nil {
		b.err = fmt.Errorf("%s does not fit the schema: %w", u, err)
	}
	f.from.entities.Store(key, b)
	f.from.count.Add(1)
	return b
}

// activeAt: an identity is active while it is and the person behind it is.
func activeAt(d *access.Directory, id string, now time.Time) bool {
	i, ok := d.Identity(id)
	if !ok || !i.ActiveAt(now) {
		return false
	}
	if i.Same == "" {
		return true
	}
	p, ok := d.Identity(d.PersonOf(id))
	return ok && p.Same == "" && p.ActiveAt(now)
}

func buildIdentity(d *access.Directory, id string, active bool) *built {
	i, ok := d.Identity(id)
	if !ok {
		i = access.Identity{ID: id, Kind: "unknown"}
	}
	person := d.PersonOf(id)
	external := i.External
	if p, ok := d.Identity(person); ok {
		external = external || p.External
	}
	groups := d.GroupsOf(id)
	parents := make([]cedar.EntityUID, len(groups))
	for n, g := range groups {
		parents[n] = uid(groupType, g)
	}
	attributes := types.RecordMap{
		"kind": types.String(i.Kind), "active": types.Boolean(active), "external": types.Boolean(external),
		"department": types.String(i.Department), "person": uid(identityType, person),
	}
	var w writer
	w.texts("identity", id, string(i.Kind), i.Department, person)
	w.flags(active, external)
	for _, to := range []struct{ name, id string }{{"manager", i.Manager}, {"owner", i.Owner}, {"sponsor", i.Sponsor}} {
		w.texts(to.id)
		if to.id != "" {
			attributes[types.String(to.name)] = uid(identityType, to.id)
		}
	}
	w.time(i.End)
	if !i.End.IsZero() {
		attributes["end"] = types.NewDatetime(i.End)
	}
	w.list(groups)
	return &built{sum: w.sum(), entity: cedar.Entity{UID: uid(identityType, id),
		Parents: types.NewEntityUIDSet(parents...), Attributes: types.NewRecord(attributes)}}
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
		"known": types.Boolean(known), "class": types.String(e.Class),
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
	return &built{sum: w.sum(), entity: cedar.Entity{UID: uid(entitlementType, id),
		Parents: placeOf(e), Attributes: types.NewRecord(attributes)}}
}

// placeOf is where rules find an entitlement: its system and its class.
func placeOf(e access.Entitlement, also ...cedar.EntityUID) cedar.EntityUIDSet {
	return types.NewEntityUIDSet(append(also, uid(systemType, e.System), uid(classType, e.Class))...)
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
	return f.resource.err == nil && !slices.ContainsFunc(f.read, func(b *built) bool { return b.err != nil })
}

// errors lists what was read and does not fit the schema.
func (f *facts) errors() []string {
	if f.fit() {
		return nil
	}
	var out []string
	for _, b := range append([]*built{f.resource}, f.read...) {
		if b.err != nil {
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
