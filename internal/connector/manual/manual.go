// Package manual is the connector to systems that only people change. What is to
// be done is written on a list; what is so is read from a file of holdings that
// somebody makes by looking.
//
// That somebody says "done" is not even asked for. A change counts as made once a
// reading that was taken after it was asked for shows it; until then nothing is
// known. It never writes the file of holdings, and changes nothing at any system.
package manual

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

const (
	batch   = 1000
	maxFile = 64 << 20 // bytes; a longer file is refused, never cut
)

// Config may be wrong; New says how.
type Config struct {
	// Asked is the list of what people are to do, kept by this connector.
	Asked string
	// Holdings is the file of what somebody has seen, put there by others.
	Holdings string
	// MaxAge is how old a reading may be to say anything. 0 means 7 days.
	MaxAge time.Duration
	// Now tells the time. Nil means time.Now.
	Now func() time.Time
}

// Connector is one system in people's hands.
type Connector struct {
	Config
	mu     sync.Mutex // the list, within this process; a lock on a file keeps others out
	closed context.Context
	close  context.CancelFunc
}

var _ connector.Connector = (*Connector)(nil)

// New checks the configuration; it opens nothing.
func New(cfg Config) (*Connector, error) {
	switch {
	case cfg.Asked == "" || cfg.Holdings == "":
		return nil, errors.New("manual: Asked and Holdings are both required")
	case filepath.Clean(cfg.Asked) == filepath.Clean(cfg.Holdings):
		return nil, errors.New("manual: Asked and Holdings are one file: what is to be done would be taken for what is so")
	case cfg.MaxAge < 0:
		return nil, fmt.Errorf("manual: MaxAge %s is negative", cfg.MaxAge)
	case cfg.MaxAge == 0:
		cfg.MaxAge = 7 * 24 * time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Connector{Config: cfg}
	c.closed, c.close = context.WithCancel(context.Background())
	return c, nil
}

// Capabilities: there is one path, what somebody saw.
func (c *Connector) Capabilities() connector.Capabilities {
	return connector.Capabilities{Batch: batch}
}

// Close makes later calls fail.
func (c *Connector) Close() error { c.close(); return nil }

func (c *Connector) over(ctx context.Context) error {
	if err := errors.Join(ctx.Err(), c.closed.Err()); err != nil {
		return fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	return nil
}

// Apply puts on the list what no reading shows to be so already. Its answer is
// then that there is none: a person may do it at any time from now on.
func (c *Connector) Apply(ctx context.Context, changes []connector.Change) []connector.Result {
	results := make([]connector.Result, len(changes))
	fail := func(err error) []connector.Result {
		for i, ch := range changes {
			results[i] = connector.Result{Ref: ch.Ref, Err: err}
		}
		return results
	}
	if err := c.over(ctx); err != nil {
		return fail(err)
	}
	read, readErr := c.read()
	err := c.change(func(l list) bool {
		changed := false
		for i, ch := range changes {
			results[i].Ref = ch.Ref
			if ch.Account == "" || ch.Object == "" {
				results[i].Err = fmt.Errorf("%w: the account or object has no name", connector.ErrRefused)
				continue
			}
			ask, asked := l[ch.Ref]
			if held, err := c.sight(read, readErr, l, ch.Ref); err == nil && held == ch.Want {
				continue // seen so, after whatever was asked last
			}
			if !asked || ask.want() != ch.Want {
				ask = newAsk(ch, c.Now())
				l[ch.Ref], changed = ask, true
			}
			results[i].Err = fmt.Errorf("%w: %s", connector.ErrUnanswered, c.todo(ask))
		}
		return changed
	})
	if err != nil {
		return fail(fmt.Errorf("%w: nobody was asked: %w", connector.ErrUnreachable, err))
	}
	return results
}

// todo says what a person is to do.
func (c *Connector) todo(a ask) string {
	way := map[string]string{"add": "to", "remove": "from"}[a.Do]
	return fmt.Sprintf("a person must %s %q %s %q (asked %s, see %s); then somebody else must look who holds it and put that into %s",
		a.Do, a.Account, way, a.Object, a.At.UTC().Format(time.RFC3339), filepath.Base(c.Asked), filepath.Base(c.Holdings))
}

// sight says whether the reading shows the holding; it is an error if it cannot.
func (c *Connector) sight(read reading, readErr error, l list, r connector.Ref) (held bool, err error) {
	if readErr != nil {
		return false, readErr
	}
	of, ok := read[r.Object]
	if !ok {
		return false, fmt.Errorf("nobody has looked: %s has no reading of %q", filepath.Base(c.Holdings), r.Object)
	}
	if age := c.Now().Sub(of.at); age > c.MaxAge {
		return false, fmt.Errorf("the reading of %q is %s old, more than %s", r.Object, age.Round(time.Minute), c.MaxAge)
	}
	if a, asked := l[r]; asked && !of.at.After(a.At) {
		return false, fmt.Errorf("the reading of %q is of %s, before it was asked for: %s", r.Object, of.at.UTC().Format(time.RFC3339), c.todo(a))
	}
	if of.by == r.Account {
		return false, fmt.Errorf("the reading of %q was made by %q alone, who says nothing about %[2]q", r.Object, r.Account)
	}
	return of.holders[r.Account], nil
}

// Look answers from the newest reading, if it may say anything, and strikes off
// the list what that shows to be done.
func (c *Connector) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	seen := make([]connector.Seen, len(refs))
	over := c.over(ctx)
	read, readErr := c.read()
	err := c.change(func(l list) (changed bool) {
		for i, r := range refs {
			seen[i] = connector.Seen{Ref: r, Err: over}
			if over != nil {
				continue
			}
			held, err := c.sight(read, readErr, l, r)
			if err != nil {
				seen[i].Err = err
				continue
			}
			of := read[r.Object]
			seen[i].Direct, seen[i].Effective, seen[i].At = held, held, of.at
			seen[i].Path = fmt.Sprintf("seen by %q at %s, %s", of.by, of.at.UTC().Format(time.RFC3339), filepath.Base(c.Holdings))
			if a, asked := l[r]; asked && a.want() == held {
				delete(l, r)
				changed = true
			}
		}
		return changed
	})
	if err != nil {
		for i, r := range refs {
			seen[i] = connector.Seen{Ref: r, Err: err}
		}
	}
	return seen
}

// Observe gives the holdings of objects that somebody has looked at since the
// last change of them was asked for; where nobody has it is an error.
func (c *Connector) Observe(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
	if err := c.over(ctx); err != nil {
		return err
	}
	read, err := c.read()
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		objects = read.objects()
	}
	l, err := c.asked()
	if err != nil {
		return err
	}
	for _, o := range objects {
		if _, err := c.sight(read, nil, nil, connector.Ref{Object: o}); err != nil {
			return err
		}
		for r, a := range l {
			if r.Object == o && !read[o].at.After(a.At) {
				return fmt.Errorf("the reading of %q is older than what was asked: %s", o, c.todo(a))
			}
		}
	}
	for _, o := range objects {
		for _, account := range read[o].accounts() {
			if err := yield(connector.Holding{Ref: connector.Ref{Account: account, Object: o}}); err != nil {
				return err
			}
		}
	}
	return nil
}
