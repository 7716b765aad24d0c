package ldap

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// admission is somebody let into a group, as the access log has it.
type admission struct {
	group, member, by string
	at                string // as the log writes it
}

// letIn reads from the access log who let whom into groups, last, where that still
// holds. The log keeps a change as it was sent.
func (h *hands) letIn(ctx context.Context) error {
	// 1. Who wrote each member last, whoever it was.
	last := map[[2]string]admission{}
	err := h.c.pages(ctx, h.c.accessLog, "(objectClass=auditModify)", []string{"reqDN", "reqMod", "reqAuthzID", "reqStart"}, func(_ asker, page []*goldap.Entry) error {
		for _, e := range page {
			group, err := parseDN(e.GetEqualFoldAttributeValue("reqDN"))
			if err != nil || !group.below(h.c.groups) {
				continue //nolint:nilerr // it is about something else
			}
			for _, member := range h.c.admitted(e.GetEqualFoldAttributeValues("reqMod")) {
				a := admission{group.text, member, e.GetEqualFoldAttributeValue("reqAuthzID"), e.GetEqualFoldAttributeValue("reqStart")}
				if key := [2]string{group.key(), keyOf(member)}; a.at > last[key].at {
					last[key] = a
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	// 2. Those whose hand we are asked about, group by group.
	var list []admission
	for _, a := range last {
		who, err := h.by(ctx, a.by)
		if err != nil {
			return err
		}
		if len(who) > 0 {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b admission) int { return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.at, b.at)) })
	// 3. What of it still holds.
	var group string
	var in map[string]bool
	for _, a := range list {
		if a.group != group {
			if in, err = h.membersNow(ctx, a.group); err != nil {
				return err
			}
			group = a.group
		}
		if !in[keyOf(a.member)] {
			continue
		}
		at, _ := moment(a.at)
		// With its moment, for done once more it is another deed.
		if err := h.add(ctx, a.by, "let "+a.member+" into "+a.group+" at "+at.Format(time.RFC3339), at); err != nil {
			return err
		}
	}
	return nil
}

// admitted lists the members that a modify added.
func (c *Connector) admitted(mods []string) (list []string) {
	for _, mod := range mods {
		attr, change, ok := strings.Cut(mod, ":")
		if !ok || !strings.EqualFold(attr, c.memberAttr) {
			continue
		}
		for _, sign := range []string{"+ ", "= "} {
			if member, added := strings.CutPrefix(change, sign); added && !c.isPlaceholder(member) {
				list = append(list, member)
			}
		}
	}
	return list
}

// membersNow reads who is in a group; nobody is in one that is gone.
func (h *hands) membersNow(ctx context.Context, group string) (map[string]bool, error) {
	in := map[string]bool{}
	members, err := h.c.members(ctx, h.c.ask, group)
	if errors.Is(err, connector.ErrNoObject) {
		return in, nil
	}
	for _, m := range members {
		in[keyOf(m)] = true
	}
	return in, err
}
