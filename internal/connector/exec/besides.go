package exec

import (
	"context"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Besides is which of the port's optional things the target can do, sessions apart.
type Besides struct{ Accounts, Authors, Traces, Credentials, Follows bool }

var (
	_ connector.Chooser     = (*Connector)(nil)
	_ connector.Accounts    = (*Connector)(nil)
	_ connector.Attribution = (*Connector)(nil)
	_ connector.Lineage     = (*Connector)(nil)
	_ connector.Credentials = (*Connector)(nil)
	_ connector.Feed        = (*Connector)(nil)
)

// Besides is what the configuration says.
func (c *Connector) Besides() Besides { return c.besides }

// Can says the same, as the port asks.
func (c *Connector) Can(be any) bool {
	switch be.(type) {
	case *connector.Sessions:
		return c.target.Sessions
	case *connector.Accounts:
		return c.besides.Accounts
	case *connector.Attribution:
		return c.besides.Authors
	case *connector.Lineage:
		return c.besides.Traces
	case *connector.Credentials:
		return c.besides.Credentials
	case *connector.Feed:
		return c.besides.Follows
	}
	return true
}

// can is an error where the settings say that the target cannot.
func (c *Connector) can(verb string, does bool) error {
	if does {
		return nil
	}
	return fmt.Errorf("%w: the settings of this target do not say %s", connector.ErrRefused, verb)
}

// Accounts reads them in a process of its own, as every long read is.
func (c *Connector) Accounts(ctx context.Context, yield func(connector.Account) error) error {
	if err := c.can("accounts", c.besides.Accounts); err != nil {
		return err
	}
	return c.aside(ctx, func(p *program) error {
		return c.read(ctx, p, request{Verb: "accounts"}, func(a answer) (int, error) {
			for _, one := range a.Accounts {
				if bad(one.Name) != "" || one.ID != "" && bad(one.ID) != "" {
					return 0, p.blame("gave an account without a name, or with one that is too long")
				}
				if err := yield(connector.Account{Name: one.Name, ID: one.ID}); err != nil {
					return 0, err
				}
			}
			return count(a.Accounts)
		})
	})
}

// Authors asks who gave each holding, in as few requests as the program takes them.
func (c *Connector) Authors(ctx context.Context, refs []connector.Ref) (map[connector.Ref]string, error) {
	if err := c.can("authors", c.besides.Authors); err != nil {
		return nil, err
	}
	refs = slices.DeleteFunc(slices.Clone(refs), func(r connector.Ref) bool { return badRef(r) != nil }) // of those nothing can be told
	authors := map[connector.Ref]string{}
	if len(refs) == 0 {
		return authors, nil
	}
	most, err := c.batch(ctx)
	if err != nil {
		return nil, err
	}
	for _, cut := range pieces(len(refs), most, func(i int) int { return len(refs[i].Account) + len(refs[i].Object) }) {
		req := request{Verb: "authors"}
		for _, r := range refs[cut[0]:cut[1]] {
			req.Refs = append(req.Refs, ref{Account: r.Account, Object: r.Object})
		}
		p, a, err := c.ask(ctx, req)
		switch {
		case err != nil:
			return nil, err
		case a.Authors == nil:
			return nil, p.blame("answered authors with %s", a.parts()[0])
		}
		for _, one := range a.Authors {
			if !slices.Contains(req.Refs, ref{Account: one.Account, Object: one.Object}) || one.Author == "" {
				return nil, p.blame("names no author, or of a holding that was not asked for")
			}
			authors[connector.Ref{Account: one.Account, Object: one.Object}] = p.clean(one.Author)
		}
	}
	return authors, nil
}

// Traces reads what these did in a process of its own.
func (c *Connector) Traces(ctx context.Context, by []string) (traces []connector.Trace, err error) {
	if err := c.can("traces", c.besides.Traces); err != nil {
		return nil, err
	}
	for _, name := range by {
		if why := bad(name); why != "" {
			return nil, fmt.Errorf("%w: the name of who did it %s", connector.ErrRefused, why)
		}
	}
	err = c.aside(ctx, func(p *program) error {
		return c.each(by, "traces", func(req request) error {
			return c.read(ctx, p, req, func(a answer) (int, error) {
				for _, t := range a.Traces {
					if t.By == "" || t.What == "" || !req.All && !slices.Contains(req.By, t.By) {
						return 0, p.blame("gave a trace of nobody, of nothing, or by somebody who was not asked for")
					}
					traces = append(traces, connector.Trace{By: t.By, What: p.clean(t.What), At: t.At})
				}
				return count(a.Traces)
			})
		})
	})
	if err != nil {
		return nil, err
	}
	return traces, nil
}

// each makes as few requests of the names as a line holds; one for all without any.
func (c *Connector) each(names []string, verb string, do func(request) error) error {
	if len(names) == 0 {
		return do(request{Verb: verb, All: true})
	}
	for _, cut := range pieces(len(names), objectsAim, func(i int) int { return len(names[i]) }) {
		if err := do(request{Verb: verb, By: names[cut[0]:cut[1]]}); err != nil {
			return err
		}
	}
	return nil
}

// Credentials reads them in a process of its own.
func (c *Connector) Credentials(ctx context.Context, yield func(connector.Credential) error) error {
	if err := c.can("credentials", c.besides.Credentials); err != nil {
		return err
	}
	return c.aside(ctx, func(p *program) error {
		return c.read(ctx, p, request{Verb: "credentials"}, func(a answer) (int, error) {
			for _, one := range a.Credentials {
				switch {
				case bad(one.ID) != "" || one.Kind == "":
					return 0, p.blame("gave a credential without an id or a kind")
				case one.EndUnknown && !one.Ends.IsZero():
					return 0, p.blame("says when a credential ends, and that nobody knows")
				}
				err := yield(connector.Credential{ID: one.ID, Kind: p.clean(one.Kind), Account: one.Account, Objects: one.Objects, Name: p.clean(one.Name),
					Print: p.clean(one.Print), Issued: one.Issued, Used: one.Used, Ends: one.Ends, EndUnknown: one.EndUnknown})
				if err != nil {
					return 0, err
				}
			}
			return count(a.Credentials)
		})
	})
}

// count is how many things one line gave; a line of another kind gives none.
func count[Thing any](list []Thing) (int, error) {
	if list == nil {
		return 0, errOther
	}
	return len(list), nil
}
