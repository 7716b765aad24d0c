package promise

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

var namePromises = []Promise{
	{"hostile names", "names that mean something else to whoever forgets to quote are names like any other",
		"hostile", hostileNames},
	{"names made at random", "names of nothing but quotes, brackets and signs are names like any other",
		"random", randomNames},
	{"names nothing can bear", "what is no name is refused or missing, and is never taken for something that is there",
		"garbage", garbageNames},
}

// hostile are names that mean something else to whoever forgets to quote: to
// LDAP filters and DNs, SCIM filters and paths, SQL, shells, URLs, templates,
// and to the eye.
var hostile = []string{
	`o'brien`, `say "hi"`, `(paren)`, `)(uid=*`, `*)(objectClass=*`, `*`, `a*b`, `&(a=b)`, `!(cn=x)`,
	`back\slash`, `\`, `\2a`, `\5c\28`, `comma, plus+`, `uid=x,ou=people`, `x,dc=example,dc=org`, `+cn=y`,
	`#hash`, `#04024869`, `semi;colon`, `<angle>`, `=equals=`, ` leading`, `trailing `, `two  spaces`,
	"tab\tand\nline", `../up`, `..`, `.`, `a/b`, `a%2Fb`, `%`, `%00`, `_`, `?x=1&y=2`, `#frag/ment`,
	`"] or members[value pr`, `x" or userName pr or userName eq "x`, `x" or displayName sw "`,
	`'; DROP TABLE grants; --`, `" CASCADE; --`, `$(id)`, "`id`", `${HOME}`, `{{.}}`, `null`, `true`, `0`, `-1`,
	`Ünïcödé`, `名前`, `שלום`, "\u202egnissel", "zero\u200bwidth", `😀`, strings.Repeat("long ", 150) + "end",
}

// names are all that this target must bear.
func (k *kit) names() []string {
	limit := k.NameLimit
	if limit == 0 {
		limit = 1000
	}
	var names []string
	for _, n := range slices.Concat(hostile, k.Hostile) {
		if len(n) <= limit && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names
}

// own are the same as names of this promise alone, the sign of which stands before the
// one and after the next: what a name begins or ends with may be what breaks it.
func (k *kit) own() (names []string) {
	limit := cmp.Or(k.NameLimit, 1000)
	for i, n := range k.names() {
		switch {
		case len(n)+len(k.tag) > limit:
		case i%2 == 0:
			names = append(names, k.tag+n)
		default:
			names = append(names, n+k.tag)
		}
	}
	return names
}

func hostileNames(k *kit) {
	names := k.names()
	ann, bystander := k.account("ann"), k.account("bystander")
	guarded := k.object("guarded")
	k.Put(guarded, bystander)

	// 1. While nothing bears them they are names like any other that is missing.
	k.asMissing(names, ann, guarded)
	k.holders(guarded, bystander)

	// 2. Account i may be put into object i, and nothing else happens.
	accounts, objects := make([]string, len(names)), make([]string, len(names))
	var rest []connector.Change
	for i, n := range names {
		accounts[i], objects[i] = k.Account(n), k.Object(n)
		k.Put(objects[i], bystander)
	}
	for i := range names {
		if i%2 == 0 {
			k.ok(add(accounts[i], objects[i]))
		} else {
			rest = append(rest, add(accounts[i], objects[i]))
		}
	}
	k.ok(rest...)
	k.holders(guarded, bystander)
	for i, o := range objects {
		k.holders(o, bystander, accounts[i])
	}

	// 3. Each is seen where it is, and nowhere else.
	k.matrix(accounts, objects)
	got, whole := k.observe(objects...), k.observe()
	for i, o := range objects {
		k.observed(got, o, bystander, accounts[i])
		k.observed(whole, o, bystander, accounts[i])
	}

	// 4. And each can be taken out again.
	rest = nil
	for i := range names {
		if i%2 == 1 {
			k.ok(remove(accounts[i], objects[i]))
		} else {
			rest = append(rest, remove(accounts[i], objects[i]))
		}
	}
	k.ok(rest...)
	for _, o := range append(objects, guarded) {
		k.holders(o, bystander)
	}
}

// asMissing uses names nobody bears: as an account, as an object, as both.
func (k *kit) asMissing(names []string, account, object string) {
	k.Helper()
	var refs []connector.Ref
	var in, out []connector.Change
	for _, n := range names {
		for _, r := range []connector.Ref{{Account: n, Object: object}, {Account: account, Object: n}, {Account: n, Object: n}} {
			refs = append(refs, r)
			in = append(in, connector.Change{Ref: r, Want: true})
			out = append(out, connector.Change{Ref: r})
		}
	}
	for i, r := range k.apply(in...) {
		if !errors.Is(r.Err, connector.ErrNoObject) {
			k.Errorf("%s, where one is missing: %v, want %q", word(in[i]), r.Err, connector.ErrNoObject)
		}
	}
	k.ok(out...)
	for r, s := range k.look(refs...) {
		if s.Direct || s.Effective {
			k.Errorf("look at %s in %s, where one is missing, sees it held", short(r.Account), short(r.Object))
		}
	}
	if got := k.observe(names...); len(got) != 0 {
		k.Errorf("Observe of objects that are missing gave %q", got)
	}
}

// matrix looks at every account in every object.
func (k *kit) matrix(accounts, objects []string) {
	k.Helper()
	var refs []connector.Ref
	held := map[connector.Ref]bool{}
	for i, a := range accounts {
		for j, o := range objects {
			refs = append(refs, connector.Ref{Account: a, Object: o})
			held[refs[len(refs)-1]] = i == j
		}
	}
	for part := range slices.Chunk(refs, 500) { // thousands are too many for one call's patience where each is asked about
		for r, s := range k.look(part...) {
			if s.Direct != held[r] || s.Effective != held[r] {
				k.Errorf("look at %s in %s: direct %t, effective %t, want %t", short(r.Account), short(r.Object), s.Direct, s.Effective, held[r])
			}
		}
	}
}

// randomNames puts accounts with names of nothing but trouble into one object,
// and takes every second one out. The names are the same in every run.
func randomNames(k *kit) {
	const n = 24
	signs := []rune("\"'\\()*,+#;<>=/&|![]{}%$:^~`?@ .-\téש漢")
	random := rand.New(rand.NewPCG(7644, 4514))
	object, bystander := k.object("db"), k.account("bystander")
	k.Put(object, bystander)
	accounts := make([]string, n)
	for i := range accounts {
		var name strings.Builder
		for range 1 + random.IntN(12) {
			name.WriteRune(signs[random.IntN(len(signs))])
		}
		// A number at the end keeps two apart that a target takes for one.
		fmt.Fprintf(&name, "%d", i)
		accounts[i] = k.Account(name.String())
	}
	var in, out []connector.Change
	want := []string{bystander}
	for i, a := range accounts {
		in = append(in, add(a, object))
		if i%2 == 0 {
			out = append(out, remove(a, object))
		} else {
			want = append(want, a)
		}
	}
	k.ok(in...)
	k.holders(object, append(slices.Clone(accounts), bystander)...)
	k.ok(out...)
	k.holders(object, want...)
	k.observed(k.observe(object), object, want...)
}

// What is not even a name is refused or missing; it must not be taken for
// anything that is there, and must never be seen held.
func garbageNames(k *kit) {
	ann, object := k.account("ann"), k.object("db")
	k.Put(object, ann)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, n := range []string{"", "\xff\xfe", "ann\xc3", "\x00", ann + "\x00", strings.Repeat("x", 1<<17)} {
		for _, r := range []connector.Ref{{Account: n, Object: object}, {Account: ann, Object: n}, {Account: n, Object: n}} {
			err := k.applyIn(ctx, connector.Change{Ref: r, Want: true})[0].Err
			if !errors.Is(err, connector.ErrNoObject) && !errors.Is(err, connector.ErrRefused) {
				k.Errorf("add of %q to %q: %v, want %q or %q", short(r.Account), short(r.Object), err, connector.ErrNoObject, connector.ErrRefused)
			}
			k.applyIn(ctx, connector.Change{Ref: r})
			if s := k.lookIn(ctx, r)[r]; s.Err == nil && (s.Direct || s.Effective) {
				k.Errorf("look at %q in %q sees it held", short(r.Account), short(r.Object))
			}
		}
		if n == "" {
			continue
		}
		// An error is as good as nothing.
		_ = k.Connector.Observe(ctx, []string{n}, func(h connector.Holding) error {
			k.Errorf("Observe of %q gave %v", short(n), h)
			return nil
		})
	}
	k.holders(object, ann)
}
