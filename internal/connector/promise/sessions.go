package promise

import (
	"context"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

var sessionPromises = []Promise{
	{"sessions are listed anew", "whatever session is open is listed, also once the holding is removed, and what its account has left is not",
		"sl", listedAnew},
	{"a session is ended", "what was ended is gone once the list says so, whatever was answered; ending it again is no error",
		"se", sessionEnds},
	{"another's session is untouched", "only sessions of the account are listed, and none of another account's is ended",
		"so", othersSessions},
	{"hostile names have no sessions", "a name that means something else to whoever forgets to quote leads to no session of anybody's",
		"sh", hostileSessions},
	{"sessions while the target is down", "where sessions cannot be read that is an error, never none",
		"sd", sessionsDown},
}

// sessions is the connector as one that has them, and a target that can open them.
func (k *kit) sessions() connector.Sessions {
	k.Helper()
	if !k.Connector.Capabilities().Sessions {
		k.Skip("this connector has no sessions to end")
	}
	s, can := connector.As[connector.Sessions](k.Connector)
	if !can {
		k.Fatal("the connector says that it can end sessions, and cannot")
	}
	if k.Open == nil {
		k.Fatal("the connector ends sessions, and its target opens none to show it")
	}
	return s
}

// listed reads the sessions, which must succeed, and gives their ids, sorted.
func (k *kit) listed(s connector.Sessions, account, object string) (ids []string) {
	k.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := s.ListSessions(ctx, connector.Ref{Account: account, Object: object})
	if err != nil {
		k.Fatalf("ListSessions of %s in %s: %v", short(account), short(object), err)
	}
	for _, one := range list {
		if one.ID == "" || one.Account != account {
			k.Errorf("ListSessions of %s gave session %q of %q", short(account), one.ID, one.Account)
		}
		ids = append(ids, one.ID)
	}
	if slices.Sort(ids); len(slices.Compact(slices.Clone(ids))) != len(ids) {
		k.Errorf("ListSessions of %s gave a session twice: %q", short(account), ids)
	}
	return ids
}

// left waits until those are all the sessions that are listed.
func (k *kit) left(s connector.Sessions, account, object string, want ...string) {
	k.Helper()
	for end := time.Now().Add(k.wait()); ; <-time.After(20 * time.Millisecond) {
		got := k.listed(s, account, object)
		if slices.Equal(got, want) {
			return
		}
		if time.Now().After(end) {
			k.Fatalf("the sessions of %s are still %q, want %q", short(account), got, want)
		}
	}
}

// dead waits until the target itself says that the session is over.
func (k *kit) dead(s Session, what string) {
	k.Helper()
	for end := time.Now().Add(k.wait()); s.Alive(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(end) {
			k.Fatalf("%s is not listed any more, and is alive", what)
		}
	}
}

func endSession(s connector.Sessions, id, account string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.EndSession(ctx, connector.Session{ID: id, Account: account})
}

// two opens two sessions of one account's and gives them with their ids.
func (k *kit) two(s connector.Sessions, account, object string) (open [2]Session, ids [2]string) {
	k.Helper()
	if got := k.listed(s, account, object); len(got) != 0 {
		k.Fatalf("before there are any, the sessions of %s are %q", account, got)
	}
	var before []string
	for i := range open {
		open[i] = k.Open(account, object)
		now := k.listed(s, account, object)
		fresh := slices.DeleteFunc(slices.Clone(now), func(id string) bool { return slices.Contains(before, id) })
		if len(now) != i+1 || len(fresh) != 1 {
			k.Fatalf("%d sessions are open, listed are %q", i+1, now)
		}
		ids[i], before = fresh[0], now
	}
	return open, ids
}

func listedAnew(k *kit) {
	s := k.sessions()
	ann, object := k.account("ann"), k.object("db")
	k.Put(object, ann)
	open, ids := k.two(s, ann, object)
	k.ok(remove(ann, object))
	k.sees(ann, object, false)
	k.left(s, ann, object, slices.Sorted(slices.Values(ids[:]))...) // a removal ends none, or ends both
	open[0].Leave()
	k.left(s, ann, object, ids[1])
	open[1].Leave()
	k.left(s, ann, object)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if list, err := s.ListSessions(over, connector.Ref{Account: ann, Object: object}); err == nil {
		k.Errorf("ListSessions in a context that is over gave %v and no error", list)
	}
}

func sessionEnds(k *kit) {
	s := k.sessions()
	ann, object := k.account("ann"), k.object("db")
	k.Put(object, ann)
	open, ids := k.two(s, ann, object)
	k.ok(remove(ann, object))
	for i, id := range ids {
		if err := endSession(s, id, ann); err != nil {
			k.Errorf("EndSession: %v", err)
		}
		k.left(s, ann, object, ids[i+1:]...)
		k.dead(open[i], "a session that was ended")
		if err := endSession(s, id, ann); err != nil {
			k.Errorf("EndSession of one that is gone: %v", err)
		}
		if i == 0 && !open[1].Alive() {
			k.Error("with one session the account's other one ended, too")
		}
	}
	left := k.account("bob")
	k.Put(object, left)
	gone := k.Open(left, object)
	id := k.listed(s, left, object)
	gone.Leave()
	k.left(s, left, object)
	for _, id := range id {
		if err := endSession(s, id, left); err != nil {
			k.Errorf("EndSession of one that its account has left: %v", err)
		}
	}
}

func othersSessions(k *kit) {
	s := k.sessions()
	ann, bob, object := k.account("ann"), k.account("ann-2"), k.object("db")
	k.Put(object, ann, bob)
	_, anns := k.two(s, ann, object)
	bobs, theirs := k.two(s, bob, object)
	k.ok(remove(ann, object))
	untouched := func() {
		k.Helper()
		k.left(s, bob, object, slices.Sorted(slices.Values(theirs[:]))...)
		for _, b := range bobs {
			if !b.Alive() {
				k.Error("another account's session was ended")
			}
		}
	}
	// Its number may have become another's meanwhile: any answer will do but the deed.
	_ = endSession(s, theirs[0], ann)
	untouched()
	for _, id := range anns {
		if err := endSession(s, id, ann); err != nil {
			k.Errorf("EndSession: %v", err)
		}
	}
	k.left(s, ann, object)
	untouched()
}

func hostileSessions(k *kit) {
	s := k.sessions()
	bob, object := k.account("bystander"), k.object("guarded")
	k.Put(object, bob)
	open := k.Open(bob, object)
	ids := k.listed(s, bob, object)
	if len(ids) != 1 {
		k.Fatalf("one session is open, listed are %q", ids)
	}
	names := k.own()
	none := func(name string, mustSay bool) {
		k.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		list, err := s.ListSessions(ctx, connector.Ref{Account: name, Object: object})
		if err != nil && mustSay {
			k.Errorf("ListSessions of %q: %v", short(name), err)
		}
		if err == nil && len(list) > 0 {
			k.Errorf("ListSessions of %q, who has none, gave %v", short(name), list)
		}
	}
	// 1. While nobody bears them: what is said of nobody may be an error. Each call may
	// cost a log-in, so each name is tried in one place and another.
	for i, n := range slices.Concat(names, []string{"", "\xff\xfe", "\x00", bob + "\x00", bob + " "}) {
		none(n, false)
		if i%2 == 0 {
			_ = endSession(s, ids[0], n)
		} else {
			_ = endSession(s, n, bob)
		}
	}
	// 2. And once somebody does.
	for i, n := range names {
		if i%2 == 0 {
			none(k.Account(n), true)
		}
	}
	k.left(s, bob, object, ids...)
	if !open.Alive() {
		k.Error("the bystander's session was ended")
	}
}

func sessionsDown(k *kit) {
	s := k.sessions()
	ann, object := k.account("ann"), k.object("db")
	k.Put(object, ann)
	open, ids := k.two(s, ann, object)
	k.ok(remove(ann, object))
	k.broken(Down, func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if list, err := s.ListSessions(ctx, connector.Ref{Account: ann, Object: object}); err == nil {
			k.Errorf("ListSessions while the target is down gave %v and no error", list)
		}
		if err := s.EndSession(ctx, connector.Session{ID: ids[0], Account: ann}); err == nil {
			k.Error("EndSession while the target is down gave no error")
		}
	})
	k.left(s, ann, object, slices.Sorted(slices.Values(ids[:]))...)
	if !open[0].Alive() {
		k.Error("a session ended while the target was down")
	}
}
