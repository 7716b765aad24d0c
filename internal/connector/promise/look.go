package promise

import (
	"fmt"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

var lookPromises = []Promise{
	{"look", "a look sees what is there and not what is not",
		"look", lookPlain},
	{"a look is never cached", "a look reads anew, whoever changed the target",
		"fresh", lookFresh},
	{"a look at what is missing", "a missing account or object is seen absent; that is no error",
		"lm", lookMissing},
	{"a look at many", "a look at many holdings answers each for itself",
		"many", lookMany},
	{"a look through nested objects", "what is held through an inner object is seen, and the way is named",
		"nest", lookNested},
	{"a look through nested objects in a ring", "objects that hold each other in a ring neither hang a look nor grant anything",
		"ring", lookRing},
}

func lookPlain(k *kit) {
	if b := k.Connector.Capabilities().Batch; b < 1 {
		k.Errorf("Capabilities().Batch is %d, want at least 1", b)
	}
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	k.Put(object, ann)
	k.sees(ann, object, true)
	k.sees(bob, object, false)
	k.ok(add(bob, object), remove(ann, object))
	k.sees(ann, object, false)
	k.sees(bob, object, true)
}

// Between the looks it is others who change the target.
func lookFresh(k *kit) {
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	k.sees(ann, object, false)
	k.Put(object, ann)
	k.sees(ann, object, true)
	k.sees(bob, object, false)
	k.Put(object, bob)
	k.sees(bob, object, true)
	k.DropObject(object)
	k.sees(ann, object, false)
	k.sees(bob, object, false)
}

func lookMissing(k *kit) {
	goneAccount, goneObject := k.gone()
	ann, object := k.account("ann"), k.object("db")
	k.Put(object, ann)
	k.sees(ann, goneObject, false)
	k.sees(goneAccount, object, false)
	k.sees(goneAccount, goneObject, false)
	k.sees(ann, object, true)
}

func lookMany(k *kit) {
	const objects, accounts = 7, 30
	var staff, all []string
	for i := range accounts {
		staff = append(staff, k.account(fmt.Sprintf("p%02d", i)))
	}
	for i := range objects {
		all = append(all, k.object(fmt.Sprintf("o%d", i)))
	}
	held := map[connector.Ref]bool{}
	var refs []connector.Ref
	for o, object := range all {
		var holders []string
		for a, account := range staff {
			r := connector.Ref{Account: account, Object: object}
			refs = append(refs, r)
			if (a+o)%3 == 0 {
				held[r] = true
				holders = append(holders, account)
			}
		}
		k.Put(object, holders...)
	}
	for r, s := range k.look(refs...) {
		if s.Direct != held[r] || s.Effective != held[r] {
			k.Errorf("look at %v: direct %t, effective %t, want %t", r, s.Direct, s.Effective, held[r])
		}
	}
}

// nested says what a look must see where inner objects are at work.
func (k *kit) nested(account, object string, direct, effective bool, through string) {
	k.Helper()
	r := connector.Ref{Account: account, Object: object}
	s := k.look(r)[r]
	if s.Direct != direct || s.Effective != effective {
		k.Errorf("look at %v: direct %t, effective %t, want %t, %t (%s)", r, s.Direct, s.Effective, direct, effective, s.Path)
	}
	named := false
	for _, way := range s.Residual {
		named = named || strings.Contains(strings.ToLower(way), through)
	}
	if through != "" && !named {
		k.Errorf("look at %v: residual ways %q, want one that names %q", r, s.Residual, through)
	}
	if through == "" && len(s.Residual) > 0 {
		k.Errorf("look at %v: residual ways %q, want none", r, s.Residual)
	}
}

func lookNested(k *kit) {
	if k.Nest == nil {
		k.Skip("this target has no nesting")
	}
	if !k.Connector.Capabilities().Effective {
		k.Fatal("the target nests, so Look needs a second path")
	}
	ann, bob := k.account("ann"), k.account("bob")
	outer, middle, inner := k.object("outer"), k.object("middle"), k.object("inner")
	k.Put(inner, bob)
	k.Put(outer, ann)
	k.nested(bob, outer, false, false, "")
	k.Nest(middle, inner)
	k.Nest(outer, middle)
	k.nested(bob, inner, true, true, "")
	k.nested(bob, middle, false, true, "inner-nest")
	k.nested(bob, outer, false, true, "inner-nest")
	k.nested(ann, outer, true, true, "")
	k.nested(ann, middle, false, false, "")
	// Removed directly, it is still there by the other way, and says so.
	k.ok(add(bob, outer))
	k.nested(bob, outer, true, true, "inner-nest")
	k.ok(remove(bob, outer))
	k.nested(bob, outer, false, true, "inner-nest")
	k.ok(remove(bob, inner))
	k.nested(bob, outer, false, false, "")
}

func lookRing(k *kit) {
	if k.Nest == nil || !k.Rings {
		k.Skip("this target has no nesting in a ring")
	}
	ann, bob := k.account("ann"), k.account("bob")
	one, two, three := k.object("one"), k.object("two"), k.object("three")
	k.Put(two, bob)
	k.Nest(one, two)
	k.Nest(two, three)
	k.Nest(three, one)
	k.nested(bob, one, false, true, "two-ring")
	k.nested(bob, three, false, true, "two-ring")
	k.nested(ann, one, false, false, "") // the ring alone grants nothing
}
