package access_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// The reconcile protocol (access.Work) is searched here, breadth first, over
// every order in which two workers, time, a target and bad luck can move one
// assignment with two overlapping grants: calls are lost, land late or twice,
// answers are lost, looks fail, workers crash or are slow, leases run out, a
// grant is revoked at any moment. In no quiet state may reality differ from
// authority, and what is under way must be due.
//
// What the door does between two of Work's methods stands in protocol_door_test.go
// once more, without a database.
//
// A look is one step: a look begun earlier than it reads settles less, never more.

// searchPace is in ticks. A call is sent at any moment before its deadline and
// lands within two ticks of that, or never; everything else takes any time.
var searchPace = access.Pace{Lease: 4 * tick, Call: 2 * tick, Retry: tick, SlowestOff: 2 * tick}

const (
	tick  = time.Second
	never = int16(-1000)
)

var dawn = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(t int16) time.Time {
	if t == never {
		return time.Time{}
	}
	return dawn.Add(time.Duration(t) * tick)
}

func ticks(t time.Time) int16 {
	if t.IsZero() {
		return never
	}
	return int16(t.Sub(dawn) / tick)
}

// phase is how far one worker has come with its task.
type phase int8

const (
	idle     phase = iota
	claimed        // must look first
	deciding       // whether to send
	sending        // has checked the lease; the call's deadline runs
	waiting        // for the answer
	answered       // or given up on; must look
	settling       // has only to tell what it saw
)

type worker struct {
	phase                          phase
	want, act                      bool
	unanswered, looked, sawHeld    bool
	fence, lease, deadline, lookAt int16
}

type call struct {
	used, want bool
	waiter     int8  // who waits for its answer; -1: nobody
	until      int16 // it lands before then, or never
}

type reason struct {
	state int8 // of the grant: index of grantStates
	seen  bool
}

// world is one state of everything. It is comparable.
type world struct {
	now                        int16
	really                     bool // held at the target
	as                         int8 // index of assignmentStates
	due, lease, suspect, fence int16
	holder, attempts           int8 // holder -1: nobody
	confirm, underWay          bool
	grants                     [2]reason
	workers                    [2]worker
	calls                      [3]call
	faults, crashes, revokes   int8 // that may still happen
}

// rules are the three of the protocol; a mutant lacks one.
type rules struct {
	maySend   func(access.Work, time.Time, access.Pace) bool
	settles   func(w access.Work, lookAt time.Time, unanswered bool) bool
	maySettle func(w access.Work, holder string, fence int64, now time.Time) bool
}

var allRules = rules{access.Work.MaySend, access.Work.Settles, access.Work.MaySettle}

type search struct {
	rules
	pace    access.Pace
	doubled bool // an answered call may land once more, too
	whole   bool // no rule is missing: workers that can do nothing more are dropped
}

// step is one thing that may happen. what says so with the worker or call it happens to.
type step struct {
	to   world
	what string
	who  int8
}

// steps lists everything that may happen next.
func (s search) steps(w world, list []step) []step {
	for i := range int8(2) {
		list = s.workerSteps(w, i, list)
		if g := w.grant(int(i)); w.revokes > 0 && g.State != access.Ended && at(w.now).Before(g.End) {
			list = append(list, step{s.revoke(w, i), "grant %d is revoked", i})
		}
	}
	for i, c := range w.calls {
		if c.used {
			list = s.callSteps(w, int8(i), list)
		}
	}
	if n, ok := s.pass(w); ok {
		list = append(list, step{n, "time passes%.0d", 0})
	}
	return list
}

func (s search) workerSteps(w world, i int8, list []step) []step {
	to := func(what string, do func(n *world, me *worker)) {
		n := w
		do(&n, &n.workers[i])
		list = append(list, step{n, what, i})
	}
	me := w.workers[i]
	if me.phase != idle && w.crashes > 0 {
		to("worker %d crashes", func(n *world, me *worker) { n.crashes--; n.abandon(i); *me = worker{} })
	}
	switch me.phase {
	case idle:
		if n, ok := s.claim(w, i); ok {
			list = append(list, step{n, "worker %d claims", i})
		}
	case claimed, answered:
		after := deciding
		if me.phase == answered {
			after = settling
		}
		to("worker %d looks", func(n *world, me *worker) { me.phase, me.looked, me.sawHeld, me.lookAt = after, true, n.really, n.now })
		if w.faults > 0 {
			to("worker %d sees nothing", func(n *world, me *worker) { n.faults--; me.phase, me.looked, me.sawHeld = after, false, false })
		}
	case deciding:
		to("worker %d decides", func(n *world, me *worker) { s.decide(n, me) })
	case sending:
		for k := range w.calls {
			if !w.calls[k].used {
				to("worker %d sends", func(n *world, me *worker) {
					me.phase = waiting
					n.calls[k] = call{true, me.want, i, n.now + int16(s.pace.Call/tick)}
				})
				break
			}
		}
	case waiting:
		if w.faults > 0 {
			to("worker %d gives up", func(n *world, me *worker) { n.faults--; n.abandon(i); me.phase, me.unanswered = answered, true })
		}
	case settling:
		list = append(list, step{s.settle(w, i), "worker %d settles", i})
	}
	return list
}

// decide is the lane's: send, unless it is already so or the lease is too short.
func (s search) decide(n *world, me *worker) {
	lease := access.Work{LeaseUntil: at(me.lease)}
	switch {
	case !me.act || (me.looked && me.sawHeld == me.want):
		me.phase = settling
	case s.maySend(lease, at(n.now), s.pace):
		me.phase, me.deadline, me.looked, me.sawHeld = sending, n.now+int16(s.pace.Call/tick), false, false
	default:
		me.phase, me.looked, me.sawHeld = settling, false, false
	}
}

// abandon leaves the worker's call under way with nobody to wait for it.
func (w *world) abandon(i int8) {
	for k := range w.calls {
		if w.calls[k].used && w.calls[k].waiter == i {
			w.calls[k].waiter = -1
		}
	}
}

func (s search) callSteps(w world, k int8, list []step) []step {
	c := w.calls[k]
	answer := func(n *world, un bool) {
		if c.waiter >= 0 {
			n.workers[c.waiter].phase, n.workers[c.waiter].unanswered = answered, un
		}
	}
	n := w
	n.really = c.want
	answer(&n, false)
	n.calls[k] = call{}
	list = append(list, step{n, "call %d lands", k})
	if w.faults == 0 {
		return list
	}
	n.faults--
	if s.doubled || c.waiter < 0 {
		twice := n
		twice.calls[k] = call{true, c.want, -1, c.until}
		list = append(list, step{twice, "call %d lands, and may once more", k})
	}
	if c.waiter >= 0 {
		answer(&n, true)
		list = append(list, step{n, "call %d lands, and its answer is lost", k})
		n.really = w.really
		list = append(list, step{n, "call %d is lost", k})
	}
	return list
}

// pass lets one tick pass. A call that nobody waits for and that has had its
// time never lands; one that somebody waits for is answered in time, unless a
// fault happens to it.
func (s search) pass(w world) (world, bool) {
	w.now++
	for k, c := range w.calls {
		if c.used && w.now >= c.until {
			if c.waiter >= 0 {
				return w, false
			}
			w.calls[k] = call{}
		}
	}
	for i, me := range w.workers {
		if me.phase == sending && w.now >= me.deadline { // the deadline passed before anything was sent
			w.workers[i].phase = answered
		}
	}
	return w, true
}

// wrong says what must never be so in a state, or nothing.
func (s search) wrong(w world) string {
	now := at(w.now)
	wanted, next, more := w.wanted()
	state := assignmentStates[w.as]
	changing := state == access.Adding || state == access.Removing
	switch {
	case w.due == never && (changing || more):
		return "something is still to do, and nothing is due"
	case more && at(w.due).After(next):
		return "a grant moves before anything is due"
	case w.workers[0].phase != idle || w.workers[1].phase != idle || w.calls[0].used || w.calls[1].used || w.calls[2].used:
		return ""
	}
	again := w.confirm || (state == access.Held && s.pace.Recheck > 0) // it will be looked at once more anyway
	quiet := !changing && w.holder < 0 && !again && (w.due == never || (at(w.due).After(now) && more && at(w.due).Equal(next)))
	if quiet && (w.really != wanted || (state == access.Held) != wanted) {
		return fmt.Sprintf("quiet as %s, wanted is %t, and really it is %t", state, wanted, w.really)
	}
	return ""
}

// canonical is the state without what makes no difference: times count from
// now, what is long past is past, and the workers have no names.
func (s search) canonical(w world) world {
	const past = -8
	if s.whole {
		w = s.withoutDoomed(w)
	}
	if s.whole { // whoever has the lease asks of a look only whether it is older than what is suspect
		for i, me := range w.workers {
			switch {
			case me.phase == idle:
			case me.looked && s.settles(w.work(), at(me.lookAt), false):
				w.workers[i].lookAt = w.now
			default:
				w.workers[i].lookAt = w.now + past
			}
		}
	}
	w.due, w.lease, w.suspect = w.rel(w.due, 0), w.rel(w.lease, 0), w.rel(w.suspect, past)
	if s.whole {
		w.suspect = max(w.suspect, 0)
	}
	w.attempts = min(w.attempts, 2) // no retry waits longer after more
	w.underWay = w.underWay && s.pace.Confirm > 0
	for i := range w.workers {
		if me := &w.workers[i]; me.phase != idle {
			me.lease, me.lookAt, me.deadline, me.fence = w.rel(me.lease, 0), w.rel(me.lookAt, past), w.rel(me.deadline, 0), max(me.fence-w.fence, -1)
			if me.phase != sending {
				me.deadline = 0
			}
			if me.phase == answered || me.phase == settling {
				me.want, me.act, me.lease = false, false, 0
			}
		}
	}
	for i := range w.calls {
		if w.calls[i].used {
			w.calls[i].until = w.rel(w.calls[i].until, past)
		}
	}
	w.fence = 0
	if w.now = min(w.now, windows[1][1]); w.grants[0].state == 2 && w.grants[1].state == 2 {
		w.now = 0
	}
	return w.sorted()
}

// rel counts a time from now.
func (w world) rel(t, least int16) int16 {
	if t == never {
		return never
	}
	return max(t-w.now, least)
}

// withoutDoomed drops workers that can do nothing any more, neither send nor
// settle: by the rules they never will again, since fences only grow and leases
// only run out.
func (s search) withoutDoomed(w world) world {
	for i, me := range w.workers {
		now := at(w.now)
		if me.phase == idle || me.phase == sending || s.maySettle(w.work(), names[i], int64(me.fence), now) ||
			((me.phase == claimed || me.phase == deciding) && s.maySend(access.Work{LeaseUntil: at(me.lease)}, now, s.pace)) {
			continue
		}
		w.abandon(int8(i))
		w.workers[i] = worker{}
	}
	return w
}

// sorted gives the workers and calls an order that does not depend on their places.
func (w world) sorted() world {
	if rank(w.workers[1]) < rank(w.workers[0]) {
		w.workers[0], w.workers[1] = w.workers[1], w.workers[0]
		if w.holder >= 0 {
			w.holder = 1 - w.holder
		}
		for i, c := range w.calls {
			if c.used && c.waiter >= 0 {
				w.calls[i].waiter = 1 - c.waiter
			}
		}
	}
	for i := range w.calls {
		for k := i; k > 0 && callRank(w.calls[k]) < callRank(w.calls[k-1]); k-- {
			w.calls[k], w.calls[k-1] = w.calls[k-1], w.calls[k]
		}
	}
	return w
}

func rank(w worker) int {
	n := int(w.phase)
	for _, part := range []int16{w.fence, w.lease, w.deadline, w.lookAt} {
		n = n*64 + int(part)&63
	}
	for _, b := range []bool{w.want, w.act, w.unanswered, w.looked, w.sawHeld} {
		n *= 2
		if b {
			n++
		}
	}
	return n
}

func callRank(c call) int {
	n := (int(c.until)&63)*8 + int(c.waiter+1)*2
	if c.want {
		n++
	}
	if !c.used {
		n += 1 << 12
	}
	return n
}

// run searches everything reachable and returns how many states that is, and
// the way to the first wrong one.
func (s search) run(from world) (states int, way string) {
	type node struct {
		w      world
		parent int32
		who    int8
		what   string
	}
	seen := map[world]struct{}{s.canonical(from): {}}
	queue := []node{{from, -1, 0, "it begins%.0d"}}
	var list []step
	for i := 0; i < len(queue); i++ {
		if bad := s.wrong(queue[i].w); bad != "" {
			var lines []string
			for n := i; n >= 0; n = int(queue[n].parent) {
				lines = append([]string{fmt.Sprintf("%d "+queue[n].what, queue[n].w.now, queue[n].who)}, lines...)
			}
			return len(seen), bad + ":\n\t" + strings.Join(lines, "\n\t")
		}
		list = s.steps(queue[i].w, list[:0])
		for _, st := range list {
			k := s.canonical(st.to)
			if _, known := seen[k]; !known {
				seen[k] = struct{}{}
				queue = append(queue, node{st.to, int32(i), st.who, st.what})
			}
		}
	}
	return len(seen), ""
}
