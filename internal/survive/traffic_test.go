package survive

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
)

// timeline is what was done and what came of it, to be shown when something is wrong.
type timeline struct {
	mu    sync.Mutex
	begun time.Time
	lines []string
}

func (l *timeline) add(format string, a ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.begun.IsZero() {
		l.begun = time.Now()
	}
	l.lines = append(l.lines, fmt.Sprintf("%s %7.3fs %s", time.Now().UTC().Format("15:04:05.000"), time.Since(l.begun).Seconds(), fmt.Sprintf(format, a...)))
}

// last is the newest part of it.
func (l *timeline) last(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[max(0, len(l.lines)-n):], "\n")
}

// promised is what servers have answered for: it must be so whatever died since.
type promised struct {
	mu         sync.Mutex
	asked      map[string]string // request -> its reference
	references []string          // of everything that was sent, answered or not
	ended      map[string]string // grant -> how
	grants     []leased          // seen in answers, to be given back or revoked
	tickets    []string          // raised in the queue
}

// leased is a grant and whose it is.
type leased struct{ grant, whose string }

func newPromised() *promised {
	return &promised{asked: map[string]string{}, ended: map[string]string{}}
}

// took notes a request that was answered for.
func (p *promised) took(r access.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range r.Items {
		if i.Grant != "" {
			p.grants = append(p.grants, leased{i.Grant, r.Beneficiary})
		}
	}
}

func (p *promised) anyGrant(rnd *rand.Rand) leased {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.grants) == 0 {
		return leased{}
	}
	n := len(p.grants) - 1 - min(rnd.IntN(20), rnd.IntN(len(p.grants))) // a young one rather than an old one
	return p.grants[n]
}

// crowd is everybody who does something during a storm.
type crowd struct {
	urls   []string
	tokens map[string]string
	queue  *queue // nil: there is none
	line   *timeline
	kept   *promised
	now    func() time.Time // nil: this machine's
	round  int
}

// at is somebody's way to some server.
func (c *crowd) at(rnd *rand.Rand, who string) *client.Client {
	return client.New(c.urls[rnd.IntN(len(c.urls))], c.tokens[who])
}

// patience is how long somebody waits for an answer before they try elsewhere.
const patience = 1500 * time.Millisecond

// run has somebody act until the context ends.
func (c *crowd) run(ctx context.Context, worker int, rnd *rand.Rand) {
	for n := 0; ctx.Err() == nil; n++ {
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
		what, err := c.act(call, rnd, fmt.Sprintf("r%d-%d-%d", c.round, worker, n))
		cancel()
		if errors.Is(err, syscall.ECONNREFUSED) { // nobody is there: nothing was said
			wait(ctx, 2*time.Millisecond)
			continue
		}
		word := "done"
		if err != nil {
			word = err.Error()
		}
		c.line.add("%d %s: %.200s", worker, what, word)
		wait(ctx, time.Duration(5+rnd.IntN(30))*time.Millisecond)
	}
}

// act does one thing at random.
func (c *crowd) act(ctx context.Context, rnd *rand.Rand, reference string) (what string, err error) {
	who := asker(rnd.IntN(asking))
	switch n := rnd.IntN(100); {
	case n < 45:
		return c.ask(ctx, rnd, who, reference)
	case n < 65:
		return c.answer(ctx, rnd)
	case n < 78:
		return c.end(ctx, rnd, false)
	case n < 88:
		return c.end(ctx, rnd, true)
	case n < 92:
		return c.turn(ctx, rnd, who, reference)
	case n < 96 && c.queue != nil:
		ent := entitlements()[rnd.IntN(2*objects)]
		id, err := c.queue.raise(who, ent, reference)
		if err == nil {
			c.kept.mu.Lock()
			c.kept.tickets = append(c.kept.tickets, id)
			c.kept.mu.Unlock()
		}
		return who + " raises ticket " + id + " for " + ent, err
	}
	ent := entitlements()[rnd.IntN(2*objects)]
	_, err = c.at(rnd, who).Preview(ctx, engine.Ask{Entitlements: []string{ent}, Reason: "might I", Term: access.Term(time.Second)})
	return who + " looks whether they might have " + ent, err
}

// ask asks, and asks again elsewhere under the same reference if nobody answered.
func (c *crowd) ask(ctx context.Context, rnd *rand.Rand, who, reference string) (string, error) {
	list := entitlements()
	a := engine.Ask{Reason: "to do my work", Reference: reference, Term: access.Term(time.Duration(1+rnd.IntN(3)) * time.Second)}
	for range 1 + rnd.IntN(2) {
		i := rnd.IntN(len(list))
		a.Entitlements = append(a.Entitlements, list[i])
		list = append(list[:i:i], list[i+1:]...)
	}
	if rnd.IntN(5) == 0 {
		a.Term = access.Term(time.Hour)
	}
	if rnd.IntN(8) == 0 {
		now := time.Now
		if c.now != nil {
			now = c.now
		}
		a.Start = now().Add(time.Duration(rnd.IntN(1500)) * time.Millisecond)
	}
	c.kept.mu.Lock()
	c.kept.references = append(c.kept.references, reference)
	c.kept.mu.Unlock()
	what := fmt.Sprintf("%s asks for %s for %s (%s)", who, strings.Join(a.Entitlements, " and "), a.Term, reference)
	for try := 1; ; try++ {
		r, err := c.at(rnd, who).Submit(ctx, a)
		if errors.Is(err, client.ErrUnreachable) && try < 3 && ctx.Err() == nil {
			continue
		}
		if err == nil {
			c.kept.mu.Lock()
			c.kept.asked[r.ID] = reference
			c.kept.mu.Unlock()
			c.kept.took(r)
			what += fmt.Sprintf(" = %s %s", r.ID, r.State)
		}
		return what, err
	}
}

// answer has the boss vote on something that waits for her.
func (c *crowd) answer(ctx context.Context, rnd *rand.Rand) (string, error) {
	list, err := c.at(rnd, boss).Desk(ctx, client.Page{Limit: 20})
	if err != nil || len(list) == 0 {
		return boss + " looks at her desk", err
	}
	r := list[rnd.IntN(len(list))]
	b := engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}
	if rnd.IntN(6) == 0 {
		b.Verdict = access.Deny
	}
	next, err := c.at(rnd, boss).Vote(ctx, b)
	if err == nil {
		c.kept.took(next)
	}
	return fmt.Sprintf("%s says %s to %s", boss, b.Verdict, r.ID), err
}

// end gives a grant back, or revokes it.
func (c *crowd) end(ctx context.Context, rnd *rand.Rand, revoke bool) (what string, err error) {
	g := c.kept.anyGrant(rnd)
	switch {
	case g.grant == "":
		return "there is nothing to end", nil
	case revoke:
		what, err = security+" revokes "+g.grant, c.at(rnd, security).Revoke(ctx, g.grant, "an incident")
	default:
		what, err = g.whose+" gives back "+g.grant, c.at(rnd, g.whose).Return(ctx, g.grant, "done with it")
	}
	if err == nil {
		c.kept.mu.Lock()
		c.kept.ended[g.grant] = what
		c.kept.mu.Unlock()
	}
	return what, err
}

// turn edits, cancels or extends something of one's own.
func (c *crowd) turn(ctx context.Context, rnd *rand.Rand, who, reference string) (string, error) {
	at := c.at(rnd, who)
	list, err := at.Requests(ctx, access.Pending, true, client.Page{Limit: 10})
	if err != nil {
		return who + " looks at what is pending", err
	}
	if len(list) == 0 || rnd.IntN(3) == 0 {
		g := c.kept.anyGrant(rnd)
		if g.grant == "" {
			return "there is nothing to extend", nil
		}
		r, err := c.at(rnd, g.whose).Submit(ctx, engine.Ask{Extends: g.grant, Reason: "not done yet", Term: access.Term(2 * time.Second), Reference: reference})
		if err == nil {
			c.kept.took(r)
		}
		return fmt.Sprintf("%s asks to extend %s", g.whose, g.grant), err
	}
	r := list[rnd.IntN(len(list))]
	if rnd.IntN(2) == 0 {
		return who + " cancels " + r.ID, at.Cancel(ctx, r.ID, "not needed")
	}
	_, err = at.Edit(ctx, r.ID, r.Digest, engine.Ask{Entitlements: []string{"ldap:g2"}, Reason: "something else", Term: access.Term(time.Second)})
	return who + " edits " + r.ID, err
}
