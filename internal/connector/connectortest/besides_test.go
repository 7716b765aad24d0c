package connectortest_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/connectortest"
)

// besides is what the target in memory has beside holdings: sessions, numbers of
// accounts, and whoever listens.
type besides struct {
	last     int
	sessions map[string]string // id -> account
	numbers  map[string]string // account -> id
	listen   map[chan string]bool
	cut      chan struct{}   // closed when the line goes down
	issued   map[string]*let // id -> what lets in
}

func nothing() besides {
	return besides{sessions: map[string]string{}, numbers: map[string]string{}, listen: map[chan string]bool{}, cut: make(chan struct{}),
		issued: map[string]*let{}}
}

// number gives the account one of its own; the lock is held, here and below.
func (w *world) number(account string) {
	if w.numbers[account] == "" {
		w.last++
		w.numbers[account] = strconv.Itoa(w.last)
	}
}

func (w *world) rename(account, name string) {
	delete(w.accounts, account)
	w.accounts[name], w.numbers[name] = true, w.numbers[account]
	delete(w.numbers, account)
	for _, o := range w.objects {
		if o.holders[account] {
			delete(o.holders, account)
			o.holders[name] = true
		}
	}
}

// tell says that the object changed, to whoever listens.
func (w *world) tell(object string) {
	for l := range w.listen {
		l <- object // long enough for all that a promise does
	}
}

// open opens a session; the lock is not held.
func (w *world) open(account string) connectortest.Session {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last++
	id := fmt.Sprint("s", w.last)
	w.sessions[id] = account
	return connectortest.Session{
		Alive: func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.sessions[id] != "" },
		Leave: func() { w.mu.Lock(); defer w.mu.Unlock(); delete(w.sessions, id) },
	}
}

func (c *right) ListSessions(ctx context.Context, r connector.Ref) (list []connector.Session, err error) {
	if err := c.reach(ctx); err != nil {
		return nil, err
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for id, account := range c.w.sessions {
		if account == r.Account {
			list = append(list, connector.Session{ID: id, Account: account})
		}
	}
	return list, nil
}

func (c *right) EndSession(ctx context.Context, s connector.Session) error {
	if err := c.reach(ctx); err != nil {
		return err
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.w.sessions[s.ID] == s.Account {
		delete(c.w.sessions, s.ID)
	}
	return nil
}

func (c *right) Accounts(ctx context.Context, yield func(connector.Account) error) error {
	if err := c.reach(ctx); err != nil {
		return err
	}
	c.w.mu.Lock()
	numbers := maps.Clone(c.w.numbers)
	c.w.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(numbers)) {
		if err := yield(connector.Account{Name: name, ID: numbers[name]}); err != nil {
			return err
		}
	}
	return nil
}

func (c *right) Follow(ctx context.Context, changed func([]string)) error {
	if err := c.reach(ctx); err != nil {
		return err
	}
	news := make(chan string, 10000)
	c.w.mu.Lock()
	c.w.listen[news] = true
	cut := c.w.cut
	c.w.mu.Unlock()
	defer func() {
		c.w.mu.Lock()
		defer c.w.mu.Unlock()
		delete(c.w.listen, news)
	}()
	changed(nil)
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.closed.Done():
			return connector.ErrUnreachable
		case <-cut:
			return connector.ErrUnanswered
		case object := <-news:
			changed([]string{object})
		}
	}
}

// odd is a right connector whose optional methods are bent.
type odd struct {
	*right
	list     func(context.Context, connector.Ref) ([]connector.Session, error)
	end      func(context.Context, connector.Session) error
	accounts func(context.Context, func(connector.Account) error) error
	follow   func(context.Context, func([]string)) error
}

func (o odd) ListSessions(ctx context.Context, r connector.Ref) ([]connector.Session, error) {
	if o.list == nil {
		return o.right.ListSessions(ctx, r)
	}
	return o.list(ctx, r)
}

func (o odd) EndSession(ctx context.Context, s connector.Session) error {
	if o.end == nil {
		return o.right.EndSession(ctx, s)
	}
	return o.end(ctx, s)
}

func (o odd) Accounts(ctx context.Context, yield func(connector.Account) error) error {
	if o.accounts == nil {
		return o.right.Accounts(ctx, yield)
	}
	return o.accounts(ctx, yield)
}

func (o odd) Follow(ctx context.Context, changed func([]string)) error {
	if o.follow == nil {
		return o.right.Follow(ctx, changed)
	}
	return o.follow(ctx, changed)
}

// wrongBesides are connectors with one fault each in what they can do besides, and the
// subtest that must catch it.
var wrongBesides = []wrong{
	{"remembers which sessions there were", "sessions are listed anew", func(_ *world, c *right) connector.Connector {
		said := map[connector.Ref][]connector.Session{}
		return odd{right: c, list: func(ctx context.Context, r connector.Ref) ([]connector.Session, error) {
			list, err := c.ListSessions(ctx, r)
			if len(list) > len(said[r]) {
				said[r] = list
			}
			return said[r], err
		}}
	}},
	{"lists no sessions of who no longer holds", "sessions are listed anew", func(w *world, c *right) connector.Connector {
		return odd{right: c, list: func(ctx context.Context, r connector.Ref) ([]connector.Session, error) {
			if !c.Look(ctx, []connector.Ref{r})[0].Direct && w.accounts[r.Account] {
				return nil, c.reach(ctx)
			}
			return c.ListSessions(ctx, r)
		}}
	}},
	{"believes that it ended a session", "a session is ended", func(_ *world, c *right) connector.Connector {
		ended := map[string]bool{}
		return odd{right: c,
			end: func(_ context.Context, s connector.Session) error { ended[s.ID] = true; return nil },
			list: func(ctx context.Context, r connector.Ref) ([]connector.Session, error) {
				list, err := c.ListSessions(ctx, r)
				return slices.DeleteFunc(list, func(s connector.Session) bool { return ended[s.ID] }), err
			}}
	}},
	{"minds to end what has ended", "a session is ended", func(w *world, c *right) connector.Connector {
		return odd{right: c, end: func(ctx context.Context, s connector.Session) error {
			if w.sessions[s.ID] == "" {
				return connector.ErrNoObject
			}
			return c.EndSession(ctx, s)
		}}
	}},
	{"ends all of an account's sessions", "a session is ended", func(w *world, c *right) connector.Connector {
		return odd{right: c, end: func(ctx context.Context, s connector.Session) error {
			maps.DeleteFunc(w.sessions, func(_, account string) bool { return account == s.Account })
			return nil
		}}
	}},
	{"ends a session whoever's it is", "another's session is untouched", func(w *world, c *right) connector.Connector {
		return odd{right: c, end: func(_ context.Context, s connector.Session) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.sessions, s.ID)
			return nil
		}}
	}},
	{"takes an unknown name for any", "hostile names have no sessions", func(w *world, c *right) connector.Connector {
		return odd{right: c, list: func(ctx context.Context, r connector.Ref) ([]connector.Session, error) {
			w.mu.Lock()
			known := w.accounts[r.Account]
			w.mu.Unlock()
			if !known {
				for a := range w.accounts {
					r.Account = a
				}
			}
			return c.ListSessions(ctx, r)
		}}
	}},
	{"takes an unreachable target for one without sessions", "sessions while the target is down", func(_ *world, c *right) connector.Connector {
		return odd{right: c, list: func(ctx context.Context, r connector.Ref) ([]connector.Session, error) {
			if c.reach(ctx) != nil {
				return nil, nil
			}
			return c.ListSessions(ctx, r)
		}}
	}},
	{"reads the first accounts only", "accounts are read whole", func(_ *world, c *right) connector.Connector {
		return odd{right: c, accounts: func(ctx context.Context, yield func(connector.Account) error) error {
			n := 0
			return c.Accounts(ctx, func(a connector.Account) error {
				if n++; n > 20 {
					return nil
				}
				return yield(a)
			})
		}}
	}},
	{"reads on when told to stop", "accounts are read whole", func(_ *world, c *right) connector.Connector {
		return odd{right: c, accounts: func(ctx context.Context, yield func(connector.Account) error) error {
			return c.Accounts(ctx, func(a connector.Account) error { _ = yield(a); return nil })
		}}
	}},
	{"takes names for ids", "an account's id is its own", func(_ *world, c *right) connector.Connector {
		return odd{right: c, accounts: func(ctx context.Context, yield func(connector.Account) error) error {
			return c.Accounts(ctx, func(a connector.Account) error { a.ID = a.Name; return yield(a) })
		}}
	}},
	{"takes an unreachable target for one without accounts", "accounts of a target that is down", func(_ *world, c *right) connector.Connector {
		return odd{right: c, accounts: func(ctx context.Context, yield func(connector.Account) error) error {
			if c.reach(ctx) != nil {
				return nil
			}
			return c.Accounts(ctx, yield)
		}}
	}},
	{"does not say that all may have changed", "a feed tells of changes", func(w *world, c *right) connector.Connector {
		return odd{right: c, follow: func(ctx context.Context, changed func([]string)) error {
			return c.Follow(ctx, func(objects []string) { changed(append(objects, "something")) })
		}}
	}},
	{"tells of the first change only", "a feed tells of changes", func(w *world, c *right) connector.Connector {
		return odd{right: c, follow: func(ctx context.Context, changed func([]string)) error {
			n := 0
			return c.Follow(ctx, func(objects []string) {
				if n++; n <= 2 {
					changed(objects)
				}
			})
		}}
	}},
	{"follows a dead line", "a feed whose line breaks", func(w *world, c *right) connector.Connector {
		return odd{right: c, follow: func(ctx context.Context, changed func([]string)) error {
			err := c.Follow(ctx, changed)
			if c.closed.Err() == nil {
				<-ctx.Done()
			}
			return err
		}}
	}},
	{"calls a broken line the end", "a feed whose line breaks", func(w *world, c *right) connector.Connector {
		return odd{right: c, follow: func(ctx context.Context, changed func([]string)) error {
			_ = c.Follow(ctx, changed)
			return nil
		}}
	}},
}
