package ldap

import (
	"context"
	"errors"
	"fmt"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

// Authors says who wrote each member, by the access log if there is one; else who
// changed the group last, where the server shows that, which may have been for
// something else. What cannot be read is left out: nobody's removal waits for it.
func (c *Connector) Authors(ctx context.Context, refs []connector.Ref) (map[connector.Ref]string, error) {
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	var accounts, objects []string
	for _, r := range refs {
		accounts, objects = append(accounts, r.Account), append(objects, r.Object)
	}
	people, groups := c.find(ctx, c.accountKind(), accounts), c.find(ctx, c.groupKind(), objects)
	said := make([]string, len(refs))
	errs := make([]error, len(refs))
	c.each(len(refs), func(i int) {
		person, group := people[refs[i].Account], groups[refs[i].Object]
		if errs[i] = errors.Join(person.err, group.err); errs[i] == nil {
			said[i], errs[i] = c.author(ctx, person.is.DN, group.is.DN)
		}
	})
	by := map[connector.Ref]string{}
	for i, r := range refs {
		if said[i] != "" {
			by[r] = said[i]
		}
	}
	return by, errors.Join(errs...)
}

func (c *Connector) author(ctx context.Context, person, group string) (string, error) {
	if c.accessLog.text != "" {
		who, err := c.logged(ctx, person, group)
		if err != nil || who != "" {
			return who, err
		}
	}
	e, err := entry(ctx, c.ask, group, c.groupFilter(), []string{"modifiersName", "modifyTimestamp"})
	if err != nil || e.GetEqualFoldAttributeValue("modifiersName") == "" {
		return "", err
	}
	return fmt.Sprintf("%s, perhaps: who changed the group last, at %s", e.GetEqualFoldAttributeValue("modifiersName"),
		stamped(e.GetEqualFoldAttributeValue("modifyTimestamp"))), nil
}

// logged reads who wrote the member last. The log keeps a change as it was sent:
// a name spelled otherwise than the entry's own is not found.
func (c *Connector) logged(ctx context.Context, person, group string) (string, error) {
	filter := "(&(objectClass=auditModify)" + eq("reqDN", group) + eq("reqMod", c.memberAttr+":+ "+person) + ")"
	writes, err := c.all(ctx, c.accessLog, filter, []string{"reqStart", "reqAuthzID"})
	if err != nil {
		return "", err
	}
	var last *goldap.Entry
	for _, w := range writes {
		if last == nil || w.GetEqualFoldAttributeValue("reqStart") > last.GetEqualFoldAttributeValue("reqStart") {
			last = w
		}
	}
	if last == nil {
		return "", nil
	}
	return last.GetEqualFoldAttributeValue("reqAuthzID") + " at " + stamped(last.GetEqualFoldAttributeValue("reqStart")), nil
}

// stamped writes a generalized time for people; what is none stays as it is.
func stamped(s string) string {
	if at, ok := moment(s); ok {
		return at.Format(time.RFC3339)
	}
	return s
}

// Accounts yields every entry that the account attribute names, with the id that
// the server never gives twice: entryUUID (RFC 4530), nsUniqueId, or objectGUID.
func (c *Connector) Accounts(ctx context.Context, yield func(connector.Account) error) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	k := c.accountKind()
	return c.pages(ctx, k.base, "(&"+k.named+"("+k.attr+"=*))", []string{k.attr, "entryUUID", "nsUniqueId", guidAttr, "objectClass", "creatorsName", "pwdLastSuccess", "authTimestamp", "lastLogonTimestamp"}, func(_ asker, page []*goldap.Entry) error {
		for _, e := range page {
			a := connector.Account{Name: k.nameOf(e), ID: or(e.GetEqualFoldAttributeValue("entryUUID"), e.GetEqualFoldAttributeValue("nsUniqueId"))}
			if id, ok := guidName(e.GetEqualFoldRawAttributeValue(guidAttr)); ok {
				a.ID = id
			}
			if a.Name == "" {
				a.Name = DNPrefix + e.DN
			}
			a.Kind, a.Used, a.By = kindOf(e), usedAt(e), c.namedIn(k, e.GetEqualFoldAttributeValue("creatorsName"))
			if err := yield(a); err != nil {
				return err
			}
		}
		return nil
	})
}
