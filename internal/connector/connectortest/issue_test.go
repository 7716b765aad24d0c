package connectortest_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// let is a credential of the target in memory.
type let struct {
	connector.Credential
	mark, worth string
}

var memoryKinds = []connector.IssuedKind{{Kind: "password", Chosen: true}, {Kind: "token"}}

// enter tells whether a worth lets in; the lock is not held.
func (w *world) enter(account, kind string, worth []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.issued {
		if l.Account == account && l.Kind == kind && l.worth == string(worth) {
			return true
		}
	}
	return false
}

func (c *right) Issues() []connector.IssuedKind { return memoryKinds }

func (c *right) Issue(ctx context.Context, o connector.Order) (connector.Issued, error) {
	kind, err := o.Check(memoryKinds)
	if err == nil {
		err = c.reach(ctx)
	}
	if err != nil {
		return connector.Issued{}, err
	}
	c.w.mu.Lock()
	there := c.w.accounts[o.Account]
	id, worth := "password/"+c.w.numbers[o.Account], string(o.Worth)
	if !kind.Chosen {
		id, worth = "token/"+rand.Text(), rand.Text()
	}
	again := false
	for _, l := range c.w.issued {
		again = again || !kind.Chosen && l.Kind == o.Kind && l.Account == o.Account && l.mark == o.Mark
	}
	c.w.mu.Unlock()
	switch {
	case !there:
		return connector.Issued{}, connector.ErrNoObject
	case again:
		return connector.Issued{}, fmt.Errorf("%w: the mark was used before", connector.ErrRefused)
	}
	made := &let{connector.Credential{ID: id, Kind: o.Kind, Account: o.Account, Ends: o.Ends}, o.Mark, worth}
	if err := c.w.write(ctx, c.closed, func() { c.w.issued[id] = made }); err != nil {
		return connector.Issued{}, err
	}
	return connector.Issued{Credential: made.Credential, Worth: connector.Worth(worth)}, nil
}

func (c *right) Marked(ctx context.Context, o connector.Order) (list []connector.Credential, err error) {
	if err := c.reach(ctx); err != nil {
		return nil, err
	}
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	for _, l := range c.w.issued {
		if l.Kind == "token" && l.Kind == o.Kind && l.Account == o.Account && l.mark == o.Mark {
			list = append(list, l.Credential)
		}
	}
	return list, nil
}

func (c *right) Kill(ctx context.Context, one connector.Credential) error {
	if err := c.reach(ctx); err != nil {
		return err
	}
	return c.w.write(ctx, c.closed, func() {
		if l := c.w.issued[one.ID]; l != nil && l.Account == one.Account {
			delete(c.w.issued, one.ID)
		}
	})
}

func (c *right) Try(ctx context.Context, one connector.Credential, worth connector.Worth) (bool, error) {
	if err := errors.Join(worth.Presentable(), c.reach(ctx)); err != nil {
		return false, err
	}
	return c.w.enter(one.Account, one.Kind, worth), nil
}

// issuer is a right connector whose issuing is bent.
type issuer struct {
	*right
	issue  func(context.Context, connector.Order) (connector.Issued, error)
	marked func(context.Context, connector.Order) ([]connector.Credential, error)
	kill   func(context.Context, connector.Credential) error
	try    func(context.Context, connector.Credential, connector.Worth) (bool, error)
}

func (i issuer) Issue(ctx context.Context, o connector.Order) (connector.Issued, error) {
	if i.issue == nil {
		return i.right.Issue(ctx, o)
	}
	return i.issue(ctx, o)
}

func (i issuer) Marked(ctx context.Context, o connector.Order) ([]connector.Credential, error) {
	if i.marked == nil {
		return i.right.Marked(ctx, o)
	}
	return i.marked(ctx, o)
}

func (i issuer) Kill(ctx context.Context, one connector.Credential) error {
	if i.kill == nil {
		return i.right.Kill(ctx, one)
	}
	return i.kill(ctx, one)
}

func (i issuer) Try(ctx context.Context, one connector.Credential, worth connector.Worth) (bool, error) {
	if i.try == nil {
		return i.right.Try(ctx, one, worth)
	}
	return i.try(ctx, one, worth)
}

// killing has every credential killed that it is true of, along with the one meant.
func killing(w *world, c *right, too func(l *let, one connector.Credential) bool) connector.Connector {
	return issuer{right: c, kill: func(ctx context.Context, one connector.Credential) error {
		w.mu.Lock()
		for id, l := range w.issued {
			if too(l, one) {
				delete(w.issued, id)
			}
		}
		w.mu.Unlock()
		return c.Kill(ctx, one)
	}}
}

// wrongIssuers are connectors with one fault each in how they issue, and the subtest
// that must catch it.
var wrongIssuers = []wrong{
	{"lets any worth in", "a credential is issued", func(_ *world, c *right) connector.Connector {
		return issuer{right: c, try: func(context.Context, connector.Credential, connector.Worth) (bool, error) { return true, nil }}
	}},
	{"lets in whoever is somebody", "a credential is issued", func(w *world, c *right) connector.Connector {
		return issuer{right: c, try: func(ctx context.Context, one connector.Credential, worth connector.Worth) (bool, error) {
			in, err := c.Try(ctx, one, worth)
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, l := range w.issued {
				in = in || l.worth == string(worth)
			}
			return in, err
		}}
	}},
	{"takes an empty worth for a dead one", "a credential is issued", func(_ *world, c *right) connector.Connector {
		return issuer{right: c, try: func(ctx context.Context, one connector.Credential, worth connector.Worth) (bool, error) {
			return len(worth) > 0 && c.w.enter(one.Account, one.Kind, worth), c.reach(ctx)
		}}
	}},
	{"names a credential by its worth", "a credential is issued", func(_ *world, c *right) connector.Connector {
		return issuer{right: c, issue: func(ctx context.Context, o connector.Order) (connector.Issued, error) {
			made, err := c.Issue(ctx, o)
			made.Name = string(made.Worth)
			return made, err
		}}
	}},
	{"issues for who is not there", "a credential is issued", func(w *world, c *right) connector.Connector {
		return issuer{right: c, issue: func(ctx context.Context, o connector.Order) (connector.Issued, error) {
			if o.Account != "" {
				w.mu.Lock()
				w.accounts[o.Account] = true
				w.mu.Unlock()
			}
			return c.Issue(ctx, o)
		}}
	}},
	{"takes any mark", "a credential is issued", func(_ *world, c *right) connector.Connector {
		return issuer{right: c, issue: func(ctx context.Context, o connector.Order) (connector.Issued, error) {
			if o.Mark = strings.Trim(o.Mark, "./"); o.Mark == "" {
				o.Mark = "none"
			}
			return c.Issue(ctx, o)
		}}
	}},
	{"lets a credential outlive its order", "a credential is issued", func(_ *world, c *right) connector.Connector {
		return issuer{right: c, issue: func(ctx context.Context, o connector.Order) (connector.Issued, error) {
			made, err := c.Issue(ctx, o)
			made.Ends = made.Ends.AddDate(1, 0, 0)
			return made, err
		}}
	}},
	{"forgets its marks", "a mark finds what it made", func(_ *world, c *right) connector.Connector {
		return issuer{right: c, marked: func(ctx context.Context, _ connector.Order) ([]connector.Credential, error) {
			return nil, c.reach(ctx)
		}}
	}},
	{"takes the beginning of a mark for it", "a mark finds what it made", func(w *world, c *right) connector.Connector {
		return issuer{right: c, marked: func(ctx context.Context, o connector.Order) (list []connector.Credential, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, l := range w.issued {
				if l.Kind == "token" && l.Account == o.Account && strings.HasPrefix(l.mark, strings.SplitN(o.Mark, "-", 2)[0]) {
					list = append(list, l.Credential)
				}
			}
			return list, nil
		}}
	}},
	{"finds marks whoever's they are", "a mark finds what it made", func(w *world, c *right) connector.Connector {
		return issuer{right: c, marked: func(ctx context.Context, o connector.Order) (list []connector.Credential, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, l := range w.issued {
				if l.Kind == o.Kind && l.mark == o.Mark && l.Kind == "token" {
					one := l.Credential
					one.Account = o.Account
					list = append(list, one)
				}
			}
			return list, nil
		}}
	}},
	{"uses a mark twice", "a mark finds what it made", func(w *world, c *right) connector.Connector {
		return issuer{right: c, issue: func(ctx context.Context, o connector.Order) (connector.Issued, error) {
			w.mu.Lock()
			for _, l := range w.issued {
				if l.Kind == "token" && l.mark == o.Mark {
					l.mark = "lost"
				}
			}
			w.mu.Unlock()
			return c.Issue(ctx, o)
		}}
	}},
	{"leaves the password before in force", "a mark finds what it made", func(w *world, c *right) connector.Connector {
		return issuer{right: c, issue: func(ctx context.Context, o connector.Order) (connector.Issued, error) {
			w.mu.Lock()
			for id, l := range w.issued {
				if l.Kind == "password" && l.Account == o.Account {
					w.issued["old "+id] = l
				}
			}
			w.mu.Unlock()
			return c.Issue(ctx, o)
		}}
	}},
	{"kills all of an account's", "a credential is killed", func(w *world, c *right) connector.Connector {
		return killing(w, c, func(l *let, one connector.Credential) bool { return l.Account == one.Account && l.Kind == one.Kind })
	}},
	{"kills all of a mark's", "a credential is killed", func(w *world, c *right) connector.Connector {
		return issuer{right: c, kill: func(ctx context.Context, one connector.Credential) error {
			w.mu.Lock()
			if meant := w.issued[one.ID]; meant != nil {
				for id, l := range w.issued {
					if l.mark == meant.mark {
						delete(w.issued, id)
					}
				}
			}
			w.mu.Unlock()
			return c.Kill(ctx, one)
		}}
	}},
	{"kills whoever has the name now", "a credential is killed", func(w *world, c *right) connector.Connector {
		return killing(w, c, func(l *let, one connector.Credential) bool {
			return l.Account == one.Account && l.Kind == "password" && one.Kind == "password"
		})
	}},
	{"minds to kill what is gone", "a credential is killed", func(w *world, c *right) connector.Connector {
		return issuer{right: c, kill: func(ctx context.Context, one connector.Credential) error {
			w.mu.Lock()
			gone := w.issued[one.ID] == nil
			w.mu.Unlock()
			if gone {
				return connector.ErrNoObject
			}
			return c.Kill(ctx, one)
		}}
	}},
	{"kills only the name", "a credential is killed", func(w *world, c *right) connector.Connector {
		return issuer{right: c, kill: func(ctx context.Context, one connector.Credential) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if l := w.issued[one.ID]; l != nil {
				w.issued["once "+one.ID] = l
				l.mark = ""
				delete(w.issued, one.ID)
			}
			return nil
		}}
	}},
	{"believes that it killed", "issuing is cut off", func(_ *world, c *right) connector.Connector {
		dead := map[string]bool{}
		return issuer{right: c,
			kill: func(ctx context.Context, one connector.Credential) error {
				err := c.Kill(ctx, one)
				dead[one.ID+one.Account] = err == nil
				return err
			},
			try: func(ctx context.Context, one connector.Credential, worth connector.Worth) (bool, error) {
				in, err := c.Try(ctx, one, worth)
				return in && !dead[one.ID+one.Account], err
			}}
	}},
	{"takes silence for issued", "issuing is cut off", func(_ *world, c *right) connector.Connector {
		return issuer{right: c, issue: func(ctx context.Context, o connector.Order) (connector.Issued, error) {
			made, err := c.Issue(ctx, o)
			if errors.Is(err, connector.ErrUnanswered) {
				err = nil
			}
			return made, err
		}}
	}},
	{"takes silence for refused", "issuing is cut off", func(_ *world, c *right) connector.Connector {
		return issuer{right: c, issue: func(ctx context.Context, o connector.Order) (connector.Issued, error) {
			made, err := c.Issue(ctx, o)
			if errors.Is(err, connector.ErrUnanswered) {
				err = connector.ErrRefused
			}
			return made, err
		}}
	}},
	{"takes silence for killed", "issuing is cut off", func(_ *world, c *right) connector.Connector {
		return issuer{right: c, kill: func(ctx context.Context, one connector.Credential) error {
			if err := c.Kill(ctx, one); !errors.Is(err, connector.ErrUnanswered) {
				return err
			}
			return nil
		}}
	}},
	{"says what was chosen", "issuing is cut off", func(_ *world, c *right) connector.Connector {
		return issuer{right: c, issue: func(ctx context.Context, o connector.Order) (connector.Issued, error) {
			made, err := c.Issue(ctx, o)
			if err != nil {
				err = fmt.Errorf("%w: %s", err, []byte(o.Worth))
			}
			return made, err
		}}
	}},
	{"takes an unreachable target for a no", "credentials while the target is down", func(_ *world, c *right) connector.Connector {
		return issuer{right: c, try: func(ctx context.Context, one connector.Credential, worth connector.Worth) (bool, error) {
			if c.reach(ctx) != nil {
				return false, nil
			}
			return c.Try(ctx, one, worth)
		}}
	}},
	{"finds nothing at an unreachable target", "credentials while the target is down", func(_ *world, c *right) connector.Connector {
		return issuer{right: c, marked: func(ctx context.Context, o connector.Order) ([]connector.Credential, error) {
			if c.reach(ctx) != nil {
				return nil, nil
			}
			return c.Marked(ctx, o)
		}}
	}},
	{"kills whatever it is told by whatever name", "hostile names have no credentials", func(w *world, c *right) connector.Connector {
		return killing(w, c, func(l *let, one connector.Credential) bool { return one.Name != "" && l.Account == one.Account })
	}},
	{"trims names of accounts", "hostile names have no credentials", func(_ *world, c *right) connector.Connector {
		return issuer{right: c, issue: func(ctx context.Context, o connector.Order) (connector.Issued, error) {
			o.Account = strings.TrimSpace(o.Account)
			return c.Issue(ctx, o)
		}}
	}},
}
