package openssh

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/openssh/host"
)

// Look reads the principals files and how sshd is set up around them, and then
// tries the door: whom nothing it has read lets in must be turned away by sshd.
func (c *Connector) Look(ctx context.Context, refs []connector.Ref) []connector.Seen {
	at := c.now() // before the first read: nothing seen is older than this
	seen := make([]connector.Seen, len(refs))
	by := map[string][]*connector.Seen{}
	var objects []string
	for i, r := range refs {
		seen[i] = connector.Seen{Ref: r, At: at}
		switch {
		case r.Object == c.user:
			seen[i].Err = fmt.Errorf("%w: %q is the connector's own user", connector.ErrRefused, r.Object)
		case !userName(r.Object):
			seen[i].Path = "no UNIX user can be called this"
		case !accountName(r.Account):
			seen[i].Path = "no account can be called this"
		default:
			if by[r.Object] == nil {
				objects = append(objects, r.Object)
			}
			by[r.Object] = append(by[r.Object], &seen[i])
		}
	}
	for part := range slices.Chunk(objects, chunk) {
		c.lookAt(ctx, part, by)
	}
	return seen
}

// lookAt looks at some objects.
func (c *Connector) lookAt(ctx context.Context, objects []string, by map[string][]*connector.Seen) {
	// 1. What stands there.
	found := map[string]host.Object{}
	err := c.pages(ctx, host.Request{Verb: "read", Objects: objects, Around: true}, func(o host.Object) error {
		found[o.Name] = o
		return nil
	})
	var wait sync.WaitGroup
	for _, name := range objects {
		o, there := found[name]
		var left []*connector.Seen
		for _, s := range by[name] {
			if s.Err = err; err != nil {
				continue
			}
			if s.Err = see(s, o, there); s.Err == nil && !s.Effective {
				left = append(left, s)
			}
		}
		// 2. What sshd says of those whom nothing lets in.
		wait.Go(func() { c.tryAll(ctx, name, left) })
	}
	wait.Wait()
}

// see puts together what was read about one holding.
func see(s *connector.Seen, o host.Object, there bool) error {
	if !there {
		s.Path = "no principals file of that user"
		return nil
	}
	if o.Around == nil {
		return fmt.Errorf("%w: the host's program does not say how sshd is set up", connector.ErrUnanswered)
	}
	if p := o.Around.Problem; p != "" {
		return fmt.Errorf("%w: what stands in the principals file of %q decides nothing: %s", connector.ErrRefused, o.Name, p)
	}
	s.Path = "principals file of " + o.Name + "; sshd -T"
	principal := Principal(s.Account)
	for _, l := range o.Lines {
		switch {
		case l.Principal == principal && !l.Options:
			s.Direct = true
		case l.Principal == principal:
			s.Residual = append(s.Residual, fmt.Sprintf("line %d of the principals file lets it in with options; who wrote it must remove it", l.Number))
		case account(l.Principal) == s.Account:
			s.Residual = append(s.Residual, fmt.Sprintf("line %d of the principals file names %q in another spelling", l.Number, l.Principal))
		}
	}
	var others int
	for _, k := range o.Around.Keys {
		if way := lets(k, o.Name, s.Account); way != "" {
			s.Residual = append(s.Residual, way)
		} else {
			others++
		}
	}
	s.Effective = s.Direct || len(s.Residual) > 0
	// What may be another way of the same person, and may be anybody's.
	if others > 0 {
		s.Residual = append(s.Residual, fmt.Sprintf("not known to be held by it: the user's authorized keys let in %d keys or CAs that do not say whose they are", others))
	}
	for _, n := range o.Around.Notes {
		s.Residual = append(s.Residual, "not known to be held by it: "+n)
	}
	return nil
}

// lets words how an authorized key lets the account in; "" if nothing says that
// it does. A comment proves nothing, but where it names the account somebody must
// look before the access counts as gone.
func lets(k host.Key, object, account string) string {
	name, _, _ := strings.Cut(k.Comment, " ")
	user, _, _ := strings.Cut(name, "@")
	switch {
	case k.CA && (slices.Contains(k.Principals, Principal(account)) || len(k.Principals) == 0 && account == object):
		return "a CA in " + k.Where + " lets its principal in"
	case !k.CA && account != "" && (k.Comment == account || name == account || user == account):
		return "a key in " + k.Where + " bears its name"
	}
	return ""
}
