package exec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Rehearsal is a program under test: a connector that speaks to it, and beside
// that a second process of it through which the tester works by the target's own
// means. Only here is a program told in hello that it is being tested, and only
// here are test verbs sent.
type Rehearsal struct {
	// Name, and what the tester may use, as the program says in its hello.
	Name             string
	Faults, Hostile  []string
	Nests, Rings     bool
	Opens, Renames   bool
	Large, NameLimit int

	conn, aside *Connector
}

// Rehearse starts a program that says in hello that it can be tested.
// Config.Target is not used: the program says it.
func Rehearse(ctx context.Context, cfg Config) (*Rehearsal, error) {
	conn, err := New(cfg)
	if err != nil {
		return nil, err
	}
	aside, err := New(cfg)
	if err != nil {
		return nil, err
	}
	conn.rehearsed, aside.rehearsed = true, true
	r := &Rehearsal{conn: conn, aside: aside}
	p, err := aside.current(ctx)
	if err == nil && p.hello.Test == nil {
		err = errors.New(`hello says "test":true, and the program's hello has no "test": it offers no verbs to test it with`)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	h, s := p.hello, p.hello.Test
	conn.target = connector.Capabilities{Batch: h.Batch, Effective: h.Effective, Sessions: h.Sessions, Fences: h.Fences, Lingers: time.Duration(h.Lingers) * time.Millisecond}
	conn.besides = h.besides()
	r.Opens, r.Renames = s.Opens, s.Renames
	r.Name, r.Faults, r.Hostile, r.Nests, r.Rings, r.Large, r.NameLimit = p.clean(h.Name), s.Faults, s.Hostile, s.Nests, s.Rings, s.Large, s.NameLimit
	return r, nil
}

// Connector is what is held to the promises.
func (r *Rehearsal) Connector() *Connector { return r.conn }

// Close ends both processes.
func (r *Rehearsal) Close() {
	_ = r.conn.Close()
	_ = r.aside.Close()
}

// tell sends a test verb whose whole answer is that it was done.
func (r *Rehearsal) tell(req request) error {
	_, err := r.expect(req, "ok")
	return err
}

func (r *Rehearsal) expect(req request, part string) (answer, error) {
	p, a, err := r.aside.ask(context.Background(), req)
	if err == nil && !slices.Contains(a.parts(), part) {
		err = p.blame("answered with %s, not %s", a.parts()[0], part)
	}
	if err != nil {
		return a, fmt.Errorf("%s: %w", req.Verb, err)
	}
	return a, nil
}

// Account makes an account by the target's own means and gives what it is called.
func (r *Rehearsal) Account(name string) (string, error) {
	a, err := r.expect(request{Verb: "test_account", Name: name}, "account")
	if err != nil {
		return "", err
	}
	return *a.Account, nil
}

// Object makes an object that nobody holds and gives what it is called.
func (r *Rehearsal) Object(name string) (string, error) {
	a, err := r.expect(request{Verb: "test_object", Name: name}, "object")
	if err != nil {
		return "", err
	}
	return *a.Object, nil
}

// DropAccount deletes an account.
func (r *Rehearsal) DropAccount(account string) error {
	return r.tell(request{Verb: "test_drop_account", Account: account})
}

// DropObject deletes an object.
func (r *Rehearsal) DropObject(object string) error {
	return r.tell(request{Verb: "test_drop_object", Object: object})
}

// Put makes the accounts hold the object.
func (r *Rehearsal) Put(object string, accounts ...string) error {
	return r.tell(request{Verb: "test_put", Object: object, Accounts: accounts})
}

// Members gives who holds the object, sorted.
func (r *Rehearsal) Members(object string) ([]string, error) {
	a, err := r.expect(request{Verb: "test_members", Object: object}, "members")
	return slices.Sorted(slices.Values(a.Members)), err
}

// Nest makes every holder of inner hold outer too.
func (r *Rehearsal) Nest(outer, inner string) error {
	return r.tell(request{Verb: "test_nest", Object: outer, Inner: inner})
}

// Rename gives an account another name, and gives what it is called then.
func (r *Rehearsal) Rename(account, name string) (string, error) {
	a, err := r.expect(request{Verb: "test_rename", Account: account, Name: name}, "account")
	if err != nil {
		return "", err
	}
	return *a.Account, nil
}

// Open opens a session of the account's, which holds the object.
func (r *Rehearsal) Open(account, object string) (session string, err error) {
	a, err := r.expect(request{Verb: "test_open", Account: account, Object: object}, "session")
	if err != nil {
		return "", err
	}
	return *a.Session, nil
}

// Alive tells whether a session that was opened is still open.
func (r *Rehearsal) Alive(session string) (bool, error) {
	a, err := r.expect(request{Verb: "test_alive", Session: session}, "alive")
	return err == nil && *a.Alive, err
}

// Leave ends it as its account would.
func (r *Rehearsal) Leave(session string) error {
	return r.tell(request{Verb: "test_leave", Session: session})
}

// Break has the connector's programs break their line to the target, until Mend:
// the one that runs, and any that is started meanwhile.
func (r *Rehearsal) Break(fault string) error { return r.setFault(fault) }

// Mend has them mend it; every write that was held back then takes effect.
func (r *Rehearsal) Mend() error { return r.setFault("") }

func (r *Rehearsal) setFault(fault string) (err error) {
	c := r.conn
	c.mu.Lock()
	c.fault = fault
	var greeted []*program
	for p, is := range c.alive {
		if is {
			greeted = append(greeted, p)
		}
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout)
	defer cancel()
	for _, p := range greeted {
		failed := faultOf(ctx, p, fault)
		select {
		case <-p.over: // it needs to be told nothing more
		default:
			err = errors.Join(err, failed)
		}
	}
	return err
}

// breakLine has a program that was just started break its line as the others do.
func (c *Connector) breakLine(ctx context.Context, p *program) error {
	c.mu.Lock()
	c.alive[p] = true
	fault := c.fault
	c.mu.Unlock()
	if fault == "" {
		return nil
	}
	return faultOf(ctx, p, fault)
}

func faultOf(ctx context.Context, p *program, fault string) error {
	req := request{Verb: "test_break", Fault: fault}
	if fault == "" {
		req.Verb = "test_mend"
	}
	a, err := p.ask(ctx, req)
	if err == nil {
		err = a.Error.err(p)
	}
	if err == nil && a.OK == nil {
		err = p.blame("answered with %s, not ok", a.parts()[0])
	}
	if err != nil {
		return fmt.Errorf("%s: %w", req.Verb, err)
	}
	return nil
}
