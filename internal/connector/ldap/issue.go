package ldap

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
)

var _ connector.Issuer = (*Connector)(nil)

const passwordAttr, unicodeAttr = "userPassword", "unicodePwd"

// oldPassword is for how long a domain controller takes the password before the present
// one, too: Samba's "old password allowed period", Windows' OldPasswordAllowedPeriod,
// where nobody has set them otherwise.
const oldPassword = time.Hour

// Issues implements [connector.Issuer]. Until it is known which directory this is it
// may be one that takes old passwords.
func (c *Connector) Issues() []connector.IssuedKind {
	k := connector.IssuedKind{Kind: "password", Chosen: true, Lingers: oldPassword}
	if known := c.known.Load(); known && !c.dialect.windows || !known && c.cfg.Dialect != "" && !dialects[c.cfg.Dialect].windows {
		k.Lingers = 0
	}
	return []connector.IssuedKind{k}
}

// Issue sets an account's password. No directory lets one end by a time that is given
// with it: what ends passwords there are policies.
func (c *Connector) Issue(ctx context.Context, o connector.Order) (connector.Issued, error) {
	if _, err := o.Check(c.Issues()); err != nil {
		return connector.Issued{}, err
	}
	e, err := c.bearer(ctx, o.Account)
	if err == nil {
		err = c.ours(e)
	}
	if err != nil {
		return connector.Issued{}, unsent(err, true)
	}
	if err := c.setPassword(ctx, e.DN, string(o.Worth)); err != nil {
		return connector.Issued{}, err
	}
	return connector.Issued{Credential: connector.Credential{ID: passwordID(e), Kind: o.Kind, Account: o.Account}, Worth: o.Worth}, nil
}

// Marked finds none: a directory keeps no mark of a password.
func (c *Connector) Marked(_ context.Context, o connector.Order) ([]connector.Credential, error) {
	o.Worth = []byte("none-is-asked-for")
	_, err := o.Check(c.Issues())
	return nil, err
}

// Kill takes the account's password away; of whoever else bears its name now it takes
// nothing.
func (c *Connector) Kill(ctx context.Context, one connector.Credential) error {
	e, err := c.bearer(ctx, one.Account)
	switch {
	case errors.Is(err, connector.ErrNoObject):
		return nil
	case err != nil:
		return unsent(err, true)
	case !strings.HasPrefix(one.ID, "password/"):
		return fmt.Errorf("%w: %.80q is no password of an account", connector.ErrRefused, one.ID)
	case passwordID(e) != one.ID:
		return nil
	}
	if err := c.ours(e); err != nil {
		return err
	}
	if err = c.noPassword(ctx, e.DN); errors.Is(err, connector.ErrNoObject) {
		return nil
	}
	return err
}

// bearer finds the account's entry, with what tells it from another of its name.
func (c *Connector) bearer(ctx context.Context, account string) (*goldap.Entry, error) {
	if err := c.ready(ctx); err != nil {
		return nil, err
	}
	k := c.accountKind()
	k.attributes = append(slices.Clone(k.attributes), "entryUUID", "nsUniqueId", guidAttr)
	f := c.find(ctx, k, []string{account})[account]
	return f.is, f.err
}

// ours refuses the connector's own password: it would not know the new one.
func (c *Connector) ours(e *goldap.Entry) error {
	if keyOf(e.DN) == keyOf(c.bindDN) {
		return fmt.Errorf("%w: %s is the connector's own account", connector.ErrRefused, e.DN)
	}
	return nil
}

// passwordID is the entry's id for life, or where we may not read that, its name.
func passwordID(e *goldap.Entry) string {
	id := or(e.GetEqualFoldAttributeValue("entryUUID"), e.GetEqualFoldAttributeValue("nsUniqueId"))
	if guid, ok := guidName(e.GetEqualFoldRawAttributeValue(guidAttr)); ok {
		id = guid
	}
	return "password/" + or(id, DNPrefix+keyOf(e.DN))
}

// setPassword has the server keep it in its own way: asked by the operation that is
// there for it (RFC 3062) OpenLDAP keeps a hash, where a modify would leave it as it is.
func (c *Connector) setPassword(ctx context.Context, dn, password string) error {
	req := goldap.NewModifyRequest(dn, nil)
	switch {
	case c.dialect.windows:
		req.Replace(unicodeAttr, []string{unicodePwd(password)})
	case c.dialect.hashes:
		req.Replace(passwordAttr, []string{password})
	default:
		return c.write(ctx, func(conn *goldap.Conn) error {
			_, err := conn.PasswordModify(goldap.NewPasswordModifyRequest(dn, "", password))
			return err
		})
	}
	return c.write(ctx, func(conn *goldap.Conn) error { return conn.Modify(req) })
}

// noPassword leaves the entry without one, or where it cannot be without, with one that
// nobody knows. A domain controller takes the one before the present one for a while:
// set twice, that one is nobody's either. What is cut off in between lingers.
func (c *Connector) noPassword(ctx context.Context, dn string) error {
	unknown := func() error { return c.setPassword(ctx, dn, "Aa7-"+rand.Text()) }
	if c.dialect.windows {
		if err := unknown(); err != nil {
			return err
		}
		return unknown()
	}
	req := goldap.NewModifyRequest(dn, nil)
	req.Delete(passwordAttr, nil)
	err := c.write(ctx, func(conn *goldap.Conn) error { return conn.Modify(req) })
	switch {
	case said(err, []uint16{goldap.LDAPResultNoSuchAttribute}):
		return nil
	case said(err, []uint16{goldap.LDAPResultObjectClassViolation}):
		return unknown()
	}
	return err
}

// unicodePwd is a password as Active Directory takes it: in quotes, in UTF-16.
func unicodePwd(password string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return string(b)
}

// Try binds as the account, over a connection of its own.
func (c *Connector) Try(ctx context.Context, one connector.Credential, worth connector.Worth) (bool, error) {
	if err := worth.Presentable(); err != nil { // many servers take it for anonymous, and let it in
		return false, err
	}
	e, err := c.bearer(ctx, one.Account)
	switch {
	case errors.Is(err, connector.ErrNoObject):
		return false, nil
	case err != nil:
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(c.closed, cancel)()
	// A server that keeps to a policy says by it why it does not let in, if asked.
	req := goldap.NewSimpleBindRequest(e.DN, string(worth), []goldap.Control{goldap.NewControlBeheraPasswordPolicy()})
	var locked bool
	l, err := c.reach(ctx, func(l *line) error {
		said, err := l.conn.SimpleBind(req)
		if said != nil {
			policy, _ := goldap.FindControl(said.Controls, goldap.ControlTypeBeheraPasswordPolicy).(*goldap.ControlBeheraPasswordPolicy)
			locked = policy != nil && policy.Error >= 0
		}
		return err
	})
	switch {
	case err == nil:
		l.drop()
		return true, nil
	case errors.Is(err, connector.ErrUnreachable):
		return false, err
	case goldap.IsErrorWithCode(err, goldap.LDAPResultInvalidCredentials) && !locked && c.plainNo(err):
		return false, nil
	}
	if err = meaning(err); locked {
		err = fmt.Errorf("%w: its policy says no whatever the password is", err)
	}
	return false, fmt.Errorf("bind as %s: %w%s", e.DN, err, whyNot(err))
}

// plainNo says that what is wrong is the password, and nothing else of the account: a
// domain controller tells which.
func (c *Connector) plainNo(err error) bool {
	m := bindData.FindStringSubmatch(err.Error())
	return !c.dialect.windows || m != nil && (m[1] == "52e" || m[1] == "525")
}
