package openssh

import (
	"context"
	"fmt"
	"slices"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/openssh/host"
)

// pages asks until the last page.
func (c *Connector) pages(ctx context.Context, q host.Request, each func(host.Object) error) error {
	for {
		a, err := c.ask(ctx, q)
		if err != nil {
			return err
		}
		for _, o := range a.Objects {
			if err := each(o); err != nil {
				return err
			}
		}
		if a.Next == "" {
			return nil
		}
		if a.Next <= q.After {
			return fmt.Errorf("%w: the host's program goes in circles after %q", connector.ErrUnanswered, q.After)
		}
		q.After = a.Next
	}
}

// Observe yields whom each principals file lets in, by whatever kind of line.
func (c *Connector) Observe(ctx context.Context, objects []string, yield func(connector.Holding) error) error {
	each := func(o host.Object) error {
		told := map[string]bool{}
		for _, l := range o.Lines {
			a := account(l.Principal)
			if told[a] || o.Name == c.user {
				continue
			}
			told[a] = true
			if err := yield(connector.Holding{Ref: connector.Ref{Account: a, Object: o.Name}}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(objects) == 0 {
		return c.pages(ctx, host.Request{Verb: "read"}, each)
	}
	names := slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(objects))), func(o string) bool { return !userName(o) })
	for part := range slices.Chunk(names, chunk) {
		if err := c.pages(ctx, host.Request{Verb: "read", Objects: part}, each); err != nil {
			return err
		}
	}
	// Where no name can be one, the host is asked all the same: that it cannot be is an error.
	if len(names) == 0 {
		_, err := c.ask(ctx, host.Request{Verb: "read", Objects: []string{"."}})
		return err
	}
	return nil
}
