package promise

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

var issuePromises = []Promise{
	{"a credential is issued", "what is issued lets its bearer in as its account; no other worth does, and what it is worth stands in nothing that can be printed",
		"ci", issued},
	{"a mark finds what it made", "what an order made is found by its mark and by no other; the same mark makes no second one; where there is only one, a new one ends it",
		"cm", foundByMark},
	{"a credential is killed", "one that was killed lets nobody in, once it has lingered, and killing it again is no error; no other is touched",
		"ck", killed},
	{"issuing is cut off", "an order or a killing that goes unanswered says so, and leaves nothing that cannot be found or tried",
		"cc", issuingCutOff},
	{"credentials while the target is down", "where nothing can be asked that is an error: never a no, and never none",
		"cd", credentialsDown},
	{"hostile names have no credentials", "a name that means something else to whoever forgets to quote leads to no credential of anybody's",
		"ch", hostileCredentials},
}

// issuer is the connector as one that issues, and a target that can try what was issued.
func (k *kit) issuer() connector.Issuer {
	k.Helper()
	i, can := connector.As[connector.Issuer](k.Connector)
	if !can {
		k.Skip("this connector issues no credentials")
	}
	if k.Enter == nil {
		k.Fatal("the connector issues credentials, and its target cannot show that they let in")
	}
	if len(i.Issues()) == 0 {
		k.Fatal("the connector issues credentials, and of no kind")
	}
	return i
}

// worth is a new one that every target takes.
func worth() connector.Worth {
	return fmt.Appendf(nil, "Aa7-%016x%016x", rand.Uint64(), rand.Uint64())
}

// order is one that the target can carry out.
func (k *kit) order(kind connector.IssuedKind, account, mark string) connector.Order {
	o := connector.Order{Account: account, Kind: kind.Kind, Mark: mark + "-" + k.tag, Ends: time.Now().Add(2 * time.Hour), Scopes: k.Scopes}
	if kind.Chosen {
		o.Worth = worth()
	}
	return o
}

func (k *kit) within(do func(ctx context.Context)) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	do(ctx)
}

// issue carries out an order, which must succeed, and looks at what is said of it.
func (k *kit) issue(i connector.Issuer, o connector.Order) (made connector.Issued) {
	k.Helper()
	var err error
	k.within(func(ctx context.Context) { made, err = i.Issue(ctx, o) })
	switch {
	case err != nil:
		k.Fatalf("Issue of a %s for %s: %v", o.Kind, short(o.Account), err)
	case made.ID == "" || made.Kind != o.Kind || made.Account != o.Account || len(made.Worth) == 0:
		k.Fatalf("Issue of a %s for %s gave %+v (%d bytes)", o.Kind, short(o.Account), made, len(made.Worth))
	case len(o.Worth) > 0 && !bytes.Equal(o.Worth, made.Worth):
		k.Errorf("Issue gave another worth than was chosen")
	case made.Ends.After(o.Ends.Add(time.Minute)):
		k.Errorf("asked to end at %s, it ends at %s", o.Ends, made.Ends)
	}
	k.hush(made.Worth, fmt.Sprintf("%+v %#v", made, made))
	return made
}

// hush says that a worth stands where it must not.
func (k *kit) hush(worth connector.Worth, texts ...string) {
	k.Helper()
	for _, t := range texts {
		if len(worth) > 0 && strings.Contains(t, string(worth)) {
			k.Errorf("what it is worth stands in %.20q…", t)
		}
	}
}

// try asks the connector, which must answer.
func (k *kit) try(i connector.Issuer, c connector.Credential, w connector.Worth) (in bool) {
	k.Helper()
	var err error
	k.within(func(ctx context.Context) { in, err = i.Try(ctx, c, w) })
	if err != nil {
		k.hush(w, err.Error())
		k.Fatalf("Try of a %s of %s: %v", c.Kind, short(c.Account), err)
	}
	return in
}

// lets checks that the worth lets in, or does not, as the connector and the target say.
func (k *kit) lets(i connector.Issuer, made connector.Issued, want bool) {
	k.Helper()
	if got := k.try(i, made.Credential, made.Worth); got != want {
		k.Errorf("Try of a %s of %s: %t, want %t", made.Kind, short(made.Account), got, want)
	}
	if got := k.Enter(made.Account, made.Kind, made.Worth); got != want {
		k.Errorf("the target lets in by a %s of %s: %t, want %t", made.Kind, short(made.Account), got, want)
	}
}

// dies waits until a try says that it is dead, and then the target must say so, too.
// Where it may linger for longer than anybody waits here, the two must agree.
func (k *kit) dies(i connector.Issuer, made connector.Issued) {
	k.Helper()
	kinds := i.Issues() // how long may be known only by now
	kind := kinds[slices.IndexFunc(kinds, func(one connector.IssuedKind) bool { return one.Kind == made.Kind })]
	if kind.Lingers > k.wait() {
		if in, really := k.try(i, made.Credential, made.Worth), k.Enter(made.Account, made.Kind, made.Worth); in != really {
			k.Errorf("Try of what may linger: %t, and the target lets in: %t", in, really)
		}
		return
	}
	until := func(what string, in func() bool) {
		k.Helper()
		for end := time.Now().Add(kind.Lingers); in(); <-time.After(100 * time.Millisecond) {
			if time.Now().After(end) {
				k.Fatalf("a %s of %s that may linger for %s lets in after that, says %s", kind.Kind, short(made.Account), kind.Lingers, what)
			}
		}
	}
	until("Try", func() bool { return k.try(i, made.Credential, made.Worth) })
	until("the target", func() bool { return k.Enter(made.Account, made.Kind, made.Worth) })
}

// marked reads what an order has made, which must succeed.
func (k *kit) marked(i connector.Issuer, o connector.Order) (ids []string) {
	k.Helper()
	k.within(func(ctx context.Context) {
		list, err := i.Marked(ctx, o)
		if err != nil {
			k.Fatalf("Marked %s for %s: %v", o.Mark, short(o.Account), err)
		}
		for _, c := range list {
			if c.ID == "" || c.Kind != o.Kind || c.Account != o.Account {
				k.Errorf("Marked %s for %s gave %+v", o.Mark, short(o.Account), c)
			}
			ids = append(ids, c.ID)
		}
	})
	return ids
}

// kill ends what was issued, which must succeed.
func (k *kit) kill(i connector.Issuer, c connector.Credential) {
	k.Helper()
	k.within(func(ctx context.Context) {
		if err := i.Kill(ctx, c); err != nil {
			k.Errorf("Kill of a %s of %s: %v", c.Kind, short(c.Account), err)
		}
	})
}

// not checks that an order is refused by what is wrong with it.
func (k *kit) not(i connector.Issuer, o connector.Order, why string, among ...error) {
	k.Helper()
	k.within(func(ctx context.Context) {
		made, err := i.Issue(ctx, o)
		if !slices.ContainsFunc(among, func(want error) bool { return errors.Is(err, want) }) {
			k.Errorf("Issue %s: %v (%d bytes), want one of %q", why, err, len(made.Worth), among)
		}
		if err != nil {
			k.hush(o.Worth, err.Error())
		}
	})
}

func issued(k *kit) {
	i := k.issuer()
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	k.Put(object, ann)
	for _, kind := range i.Issues() {
		made, bobs := k.issue(i, k.order(kind, ann, "one")), k.issue(i, k.order(kind, bob, "one"))
		k.lets(i, made, true)
		k.lets(i, bobs, true)
		// 1. No other worth is one.
		other := made
		other.Worth = slices.Clone(made.Worth)
		if other.Worth[len(other.Worth)/2]++; other.Worth[len(other.Worth)/2] > 'y' {
			other.Worth[len(other.Worth)/2] = 'b'
		}
		k.lets(i, other, false)
		k.within(func(ctx context.Context) {
			if in, err := i.Try(ctx, made.Credential, nil); err == nil {
				k.Errorf("Try of an empty worth: %t, want an error", in)
			}
			if in, err := i.Try(ctx, made.Credential, bobs.Worth); in {
				k.Errorf("bob's %s lets in as ann (%v)", kind.Kind, err)
			}
		})
		// 2. What no order can be is none.
		for why, bend := range map[string]func(*connector.Order){
			"of no kind there is":   func(o *connector.Order) { o.Kind = "handshake" },
			"without a mark":        func(o *connector.Order) { o.Mark = "" },
			"with a mark of a path": func(o *connector.Order) { o.Mark = "../" + o.Mark },
			"for nobody":            func(o *connector.Order) { o.Account = "" },
			"with a worth of its own": func(o *connector.Order) {
				if o.Worth = nil; !kind.Chosen {
					o.Worth = worth()
				}
			},
		} {
			o := k.order(kind, ann, "two")
			bend(&o)
			k.not(i, o, why, connector.ErrRefused)
		}
		gone := k.account("gone" + kind.Kind[:1])
		k.DropAccount(gone)
		k.not(i, k.order(kind, gone, "one"), "for who is gone", connector.ErrNoObject, connector.ErrRefused)
		if ids := k.marked(i, k.order(kind, gone, "one")); len(ids) > 0 {
			k.Errorf("for who is gone the mark finds %q", ids)
		}
		k.lets(i, made, true)
	}
	k.sees(ann, object, true)
	k.sees(bob, object, false)
	k.holders(object, ann)
}

func foundByMark(k *kit) {
	i := k.issuer()
	ann, bob := k.account("ann"), k.account("bob")
	for _, kind := range i.Issues() {
		o := k.order(kind, ann, "one")
		if ids := k.marked(i, o); len(ids) > 0 {
			k.Errorf("before there is any, the mark finds %q", ids)
		}
		made := k.issue(i, o)
		if kind.Chosen {
			if ids := k.marked(i, o); len(ids) > 0 {
				k.Errorf("where the target keeps no mark, one finds %q", ids)
			}
			next := k.issue(i, k.order(kind, ann, "two"))
			if next.ID != made.ID {
				k.Errorf("the account's one %s is %q, and was %q", kind.Kind, next.ID, made.ID)
			}
			k.lets(i, next, true)
			k.dies(i, made)
			k.lets(i, next, true)
			continue
		}
		second, bobs := k.order(kind, ann, "one-more"), k.order(kind, bob, "one")
		beside := k.issue(i, second)
		for _, of := range []struct {
			order connector.Order
			want  []string
		}{{o, []string{made.ID}}, {second, []string{beside.ID}}, {bobs, nil}, {k.order(kind, ann, "on"), nil}} {
			if ids := k.marked(i, of.order); !slices.Equal(ids, of.want) {
				k.Errorf("the mark %s finds %q for %s, want %q", of.order.Mark, ids, short(of.order.Account), of.want)
			}
		}
		k.not(i, o, "with a mark whose one is there", connector.ErrRefused)
		if ids := k.marked(i, o); !slices.Equal(ids, []string{made.ID}) {
			k.Errorf("after an order that was refused the mark finds %q, want %q", ids, made.ID)
		}
		k.lets(i, made, true)
		k.lets(i, beside, true)
	}
}

func killed(k *kit) {
	i := k.issuer()
	ann, bob, left := k.account("ann"), k.account("bob"), k.account("left")
	for _, kind := range i.Issues() {
		o := k.order(kind, ann, "one")
		made, others := k.issue(i, o), []connector.Issued{k.issue(i, k.order(kind, bob, "one"))}
		if !kind.Chosen {
			others = append(others, k.issue(i, k.order(kind, ann, "two")))
		}
		// Whoever kills it may have kept its id and no more.
		k.kill(i, connector.Credential{ID: made.ID, Kind: made.Kind, Account: made.Account})
		k.dies(i, made)
		k.kill(i, made.Credential)
		if ids := k.marked(i, o); len(ids) > 0 {
			k.Errorf("after it was killed the mark finds %q", ids)
		}
		for _, other := range others {
			k.lets(i, other, true)
		}
		// Whose account is gone is gone with it, also once another bears its name.
		lost := k.issue(i, k.order(kind, left, "one"))
		k.DropAccount(left)
		k.kill(i, lost.Credential)
		if left = k.account("left"); left == lost.Account {
			anew := k.issue(i, k.order(kind, left, "anew"))
			if anew.ID != lost.ID { // else the target cannot tell them apart
				k.kill(i, lost.Credential)
				k.lets(i, anew, true)
			}
		}
	}
}

func hostileCredentials(k *kit) {
	i := k.issuer()
	bystander, guarded := k.account("bystander"), map[string]connector.Issued{}
	for _, kind := range i.Issues() {
		guarded[kind.Kind] = k.issue(i, k.order(kind, bystander, "guarded"))
	}
	// 1. While nobody bears them: any answer will do but a deed, and nothing is there.
	// Each call may cost a log-in, so every other name has to do.
	names := []string{"\xff\xfe", "\x00", bystander + "\x00", bystander + " "}
	for n, name := range k.own() {
		if n%2 == 0 {
			names = append(names, name)
		}
	}
	for _, kind := range i.Issues() {
		for _, name := range names {
			k.nobodys(i, kind, guarded[kind.Kind], name)
		}
	}
	// 2. And once somebody does: theirs is theirs alone.
	for n, name := range k.own() {
		if n%8 != 0 {
			continue
		}
		account := k.Account(name)
		for _, kind := range i.Issues() {
			made := k.issue(i, k.order(kind, account, "one"))
			k.lets(i, made, true)
			k.kill(i, made.Credential)
		}
	}
	for _, one := range guarded {
		k.lets(i, one, true)
	}
}

// nobodys asks for credentials of a name that nobody bears, and by it.
func (k *kit) nobodys(i connector.Issuer, kind connector.IssuedKind, guarded connector.Issued, name string) {
	k.Helper()
	k.within(func(ctx context.Context) {
		if made, err := i.Issue(ctx, k.order(kind, name, "guarded")); err == nil {
			k.Errorf("Issue for %q, who is not there, gave %q", short(name), made.ID)
		}
		if list, err := i.Marked(ctx, k.order(kind, name, "guarded")); err == nil && len(list) > 0 {
			k.Errorf("for %q, who is not there, the mark finds %v", short(name), list)
		}
		_ = i.Kill(ctx, connector.Credential{ID: name, Kind: kind.Kind, Account: guarded.Account, Name: name})
		other := guarded.Credential
		other.Account = name
		if in, _ := i.Try(ctx, other, guarded.Worth); in {
			k.Errorf("Try lets the bystander's %s in as %q, who is not there", kind.Kind, short(name))
		}
	})
}
