// Package check holds a connector program, in whatever language, to every
// promise of the port from outside: it starts it as the exec connector does, and
// works at the target through the test verbs that the program itself offers.
//
// It can be no better than those: a program whose test verbs lie passes a check
// of its own making. It changes the target it is given, which must be one set
// aside for testing.
package check

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/connector/exec"
	"github.com/lessor-iam/lessor/internal/connector/promise"
)

// Program is what is started for the check, as the exec connector starts it.
type Program struct {
	Command []string // the program and its arguments
	Env     map[string]string
	Timeout time.Duration // of one request; 0 means 30 s
	Log     *slog.Logger  // gets what it says on its standard error
}

func (p Program) config() exec.Config {
	return exec.Config{Program: p.Command[0], Args: p.Command[1:], Env: p.Env, Timeout: p.Timeout, Log: p.Log}
}

// Verdict is how one promise came out.
type Verdict = promise.Verdict

// Report is how a program came out.
type Report struct {
	Name     string    `json:"program"`
	Settings []string  `json:"settings"` // what the catalog must say of the target
	Verdicts []Verdict `json:"promises"`
	Kept     int       `json:"kept"`
	Broken   int       `json:"broken"`
	Skipped  int       `json:"skipped"`
}

// Run holds the program to its manners and to every promise whose name contains
// only, one after the other, and tells each verdict as it falls. The error says
// that the program cannot be tested at all.
func Run(ctx context.Context, program Program, only string, tell func(Verdict)) (r Report, err error) {
	cfg := program.config()
	// 1. Is there a program, and may it be tested?
	first, err := exec.Rehearse(ctx, cfg)
	if err != nil {
		return r, err
	}
	r.Name, r.Settings = first.Name, settings(first)
	about := first.Connector()
	first.Close()
	told := func(v Verdict) {
		switch {
		case v.Skipped != "":
			r.Skipped++
		case v.Kept:
			r.Kept++
		default:
			r.Broken++
		}
		r.Verdicts = append(r.Verdicts, v)
		tell(v)
	}
	// 2. What it owes to the protocol.
	for _, m := range exec.Manners() {
		if !strings.Contains(m.Name, only) || ctx.Err() != nil {
			continue
		}
		told(promise.Judge(m.Name, m.What, func(t promise.T) {
			if err := m.Hold(ctx, cfg); err != nil {
				t.Error(err.Error())
			}
		}))
	}
	// 3. What it owes to the port, a process and names of its own for each.
	for _, p := range promise.All() {
		if !strings.Contains(p.Name, only) || ctx.Err() != nil || !p.Concerns(about) {
			continue
		}
		s := &stage{}
		told(p.Judge(func(t promise.T) promise.Target { return s.open(ctx, cfg, t) }))
		s.clear()
	}
	return r, ctx.Err()
}

func settings(r *exec.Rehearsal) (lines []string) {
	c, b := r.Connector().Capabilities(), r.Connector().Besides()
	for _, s := range []struct {
		key string
		is  bool
	}{{"effective", c.Effective}, {"sessions", c.Sessions}, {"fences", c.Fences}, {"accounts", b.Accounts}, {"authors", b.Authors},
		{"traces", b.Traces}, {"credentials", b.Credentials}, {"follows", b.Follows}} {
		if s.is {
			lines = append(lines, s.key+": true")
		}
	}
	if c.Lingers > 0 {
		lines = append(lines, "lingers: "+c.Lingers.String())
	}
	return lines
}

// stage is the target in the hands of one promise, and what was put up on it.
type stage struct {
	*exec.Rehearsal
	accounts, objects []string
	stop              func() bool
}

// clear takes down what the promise put up, as far as it is still there.
func (s *stage) clear() {
	if s.Rehearsal == nil {
		return
	}
	s.stop()
	for _, o := range s.objects {
		_ = s.DropObject(o)
	}
	for _, a := range s.accounts {
		_ = s.DropAccount(a)
	}
	s.Close()
}

func (s *stage) open(ctx context.Context, cfg exec.Config, t promise.T) promise.Target {
	r, err := exec.Rehearse(ctx, cfg)
	if err != nil {
		t.Fatalf("it does not start: %v", err)
	}
	s.Rehearsal, s.stop = r, context.AfterFunc(ctx, r.Close)
	done := func(err error) {
		if err != nil {
			t.Fatal(err.Error())
		}
	}
	target := promise.Target{
		Connector: r.Connector(),
		Account: func(name string) string {
			a, err := r.Account(name)
			done(err)
			s.accounts = append(s.accounts, a)
			return a
		},
		DropAccount: func(account string) { done(r.DropAccount(account)) },
		Object: func(name string) string {
			o, err := r.Object(name)
			done(err)
			s.objects = append(s.objects, o)
			return o
		},
		DropObject: func(object string) { done(r.DropObject(object)) },
		Put:        func(object string, accounts ...string) { done(r.Put(object, accounts...)) },
		Members: func(object string) []string {
			list, err := r.Members(object)
			done(err)
			return list
		},
		Break: func(f promise.Fault) func() {
			if !slices.Contains(r.Faults, string(f)) {
				t.Skip(fmt.Sprintf("the program cannot break its line to the target this way; its hello would say %q among test.faults", f))
			}
			done(r.Break(string(f)))
			return func() {
				if err := r.Mend(); err != nil { // deferred: must not end what is ending
					t.Error(err.Error())
				}
			}
		},
		Hostile: r.Hostile, Large: r.Large, NameLimit: r.NameLimit, Rings: r.Rings,
	}
	if r.Renames {
		target.Rename = func(account, name string) string {
			a, err := r.Rename(account, name)
			done(err)
			s.accounts = append(s.accounts, a)
			return a
		}
	}
	target.Open = func(account, object string) promise.Session {
		if !r.Opens {
			t.Skip(`the program opens no sessions for a test; its hello would say "opens" in test`)
		}
		id, err := r.Open(account, object)
		done(err)
		return promise.Session{
			Alive: func() bool {
				alive, err := r.Alive(id)
				done(err)
				return alive
			},
			Leave: func() { done(r.Leave(id)) },
		}
	}
	if r.Nests {
		target.Nest = func(outer, inner string) { done(r.Nest(outer, inner)) }
	}
	return target
}
