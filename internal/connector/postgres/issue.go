package postgres

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lessor-iam/lessor/internal/connector"
)

var _ connector.Issuer = (*Connector)(nil)

// A role has one password. The server tries it at each login and at no other time, so
// that nothing lingers but sessions.
var issued = []connector.IssuedKind{{Kind: "password", Chosen: true}}

// Issues implements [connector.Issuer].
func (c *Connector) Issues() []connector.IssuedKind { return issued }

// Issue sets the password of a role that can log in, and until when it is good. What is
// sent is what the server would keep: the password itself comes into no log of its.
func (c *Connector) Issue(ctx context.Context, o connector.Order) (connector.Issued, error) {
	if _, err := o.Check(issued); err != nil {
		return connector.Issued{}, err
	}
	ends := o.Ends.UTC().Truncate(time.Microsecond)
	v, err := verifier(o.Worth)
	if err != nil {
		return connector.Issued{}, unsent(err)
	}
	who, err := c.setPassword(ctx, func(l *line) (role, error) { return l.bearer(o.Account) }, v, ends)
	if err != nil {
		return connector.Issued{}, err
	}
	made := connector.Credential{ID: fmt.Sprintf("password/%d", who.OID), Kind: "password", Account: o.Account}
	if !o.Ends.IsZero() {
		made.Ends = ends
	}
	return connector.Issued{Credential: made, Worth: o.Worth}, nil
}

// Marked finds none: the server keeps no mark of a password.
func (c *Connector) Marked(_ context.Context, o connector.Order) ([]connector.Credential, error) {
	o.Worth = []byte("none-is-asked-for")
	_, err := o.Check(issued)
	return nil, err
}

// Kill takes the role's password away. By any name it has: its oid is what counts.
func (c *Connector) Kill(ctx context.Context, one connector.Credential) error {
	number, ok := strings.CutPrefix(one.ID, "password/")
	oid, err := strconv.ParseUint(number, 10, 32)
	if !ok || err != nil {
		return fmt.Errorf("%w: %.80q is no password of a role", connector.ErrRefused, one.ID)
	}
	_, err = c.setPassword(ctx, func(l *line) (role, error) { return l.numbered(uint32(oid)) }, "", time.Time{})
	if errors.Is(err, connector.ErrNoObject) {
		return nil
	}
	return err
}

// bearer is a role whose password may be set.
func (l *line) bearer(name string) (role, error) {
	found, err := l.find(map[string]bool{name: true})
	r, there := found[name]
	switch {
	case err != nil:
		return role{}, err
	case !there:
		return role{}, fmt.Errorf("%w: there is no role %q", connector.ErrNoObject, name)
	case !r.Login:
		return role{}, fmt.Errorf("%w: %q cannot log in: a password of it is of no use", connector.ErrRefused, name)
	}
	return r, nil
}

const readNumbered = `select r.rolname::text, r.oid, r.rolcanlogin, r.rolsuper, r.rolcreaterole, r.rolname in (current_user, session_user)
from pg_catalog.pg_roles r where r.oid = $1`

func (l *line) numbered(oid uint32) (role, error) {
	list, err := read[role](l, readNumbered, oid)
	if err != nil {
		return role{}, err
	}
	if len(list) == 0 {
		return role{}, fmt.Errorf("%w: there is no role of oid %d", connector.ErrNoObject, oid)
	}
	return list[0], nil
}

// askSetter tells whether there is the function that sets passwords, ours to call, and
// its schema and it a superuser's: anybody else's would be run with our rights, or
// could be put into its place.
const askSetter = `select exists (select from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace join pg_catalog.pg_roles o on o.oid = p.proowner join pg_catalog.pg_roles s on s.oid = n.nspowner
where n.nspname = 'lessor' and p.proname = 'set_password' and p.proargtypes = '26 25 1184'::oidvector and p.prosecdef and o.rolsuper and s.rolsuper
and pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_function_privilege(p.oid, 'execute'))`

// setPassword (1) finds whose it is and by what we may set it, (2) sets it or, where v
// is empty, takes it away, and (3) commits. Only the COMMIT has an effect.
func (c *Connector) setPassword(ctx context.Context, whose func(*line) (role, error), v string, ends time.Time) (role, error) {
	l, err := c.lend(ctx)
	if err != nil {
		return role{}, unsent(err)
	}
	w := &write{line: l}
	defer w.end()
	who, err := whose(l)
	if err != nil {
		return role{}, unsent(err)
	}
	if who.Own {
		return role{}, fmt.Errorf("%w: %q is the connector's own account", connector.ErrRefused, who.Name)
	}
	setter, err := read[struct{ Is bool }](l, askSetter)
	if err != nil {
		return role{}, unsent(err)
	}
	if err := w.begin(); err != nil {
		return role{}, unsent(err)
	}
	if refused := w.try(who.passwordIs(v, ends, setter[0].Is)); refused != nil {
		return role{}, meaning(refused)
	}
	return who, w.commit()
}

// passwordIs is the statement. A verifier and a time have no sign in them that would end
// a literal.
func (r role) passwordIs(v string, ends time.Time, setter bool) string {
	until := "infinity"
	if !ends.IsZero() {
		until = ends.Format("2006-01-02 15:04:05.000000+00")
	}
	switch {
	case setter && v == "":
		return fmt.Sprintf("SELECT lessor.set_password(%d::oid, NULL::text, NULL::timestamptz)", r.OID)
	case setter:
		return fmt.Sprintf("SELECT lessor.set_password(%d::oid, '%s'::text, '%s'::timestamptz)", r.OID, v, until)
	case v == "":
		return "ALTER ROLE " + quoted(r.Name) + " PASSWORD NULL"
	}
	return "ALTER ROLE " + quoted(r.Name) + " PASSWORD '" + v + "' VALID UNTIL '" + until + "'"
}

// rounds are those of the server itself. A worth of ours is nobody's word that could be
// guessed, so that more would only make logging in dearer.
const rounds = 4096

// verifier is what the server keeps of a password, and proves it by (RFC 5802, 7677).
// An [connector.Order] has nothing but signs of ASCII, so that there is nothing to prepare.
func verifier(password connector.Worth) (string, error) {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // it never fails
	salted, err := pbkdf2.Key(sha256.New, string(password), salt, rounds, sha256.Size)
	if err != nil {
		return "", err
	}
	sign := func(what string) []byte {
		m := hmac.New(sha256.New, salted)
		m.Write([]byte(what))
		return m.Sum(nil)
	}
	stored := sha256.Sum256(sign("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", rounds, b64(salt), b64(stored[:]), b64(sign("Server Key"))), nil
}

// Try logs in as the account, over a connection of its own. What the server objects to
// only once it has taken the password for good is no "no".
func (c *Connector) Try(ctx context.Context, one connector.Credential, worth connector.Worth) (bool, error) {
	if err := worth.Presentable(); err != nil {
		return false, err
	}
	if !usable(one.Account) {
		return false, fmt.Errorf("%w: %.80q is no role's name", connector.ErrRefused, one.Account)
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(c.closed, cancel)()
	cfg := c.pool.Config().ConnConfig
	cfg.User, cfg.Password = one.Account, string(worth)
	conn, err := pgx.ConnectConfig(ctx, cfg)
	var e *pgconn.PgError
	switch {
	case err == nil:
		err := c.asAccount(ctx, conn, one.Account)
		return err == nil, err
	case errors.As(err, &e) && e.Code == "28P01":
		return false, nil
	case errors.As(err, &e) && (e.Code == "42501" || e.Code == "3D000"): // it may not use this database
		return true, nil
	case errors.As(err, &e):
		return false, fmt.Errorf("%w: log in to %s as %q: %s", connector.ErrRefused, c.host, one.Account, words(e))
	}
	return false, fmt.Errorf("%w: log in to %s as %q: %w", connector.ErrUnreachable, c.host, one.Account, err)
}

// asAccount checks who was let in, for the server cuts a long name off and lets in who
// bears the rest, and hangs up.
func (c *Connector) asAccount(ctx context.Context, conn *pgx.Conn, account string) error {
	defer func() { _ = conn.Close(ctx) }() // it is closed whatever the server says to that
	var who string
	if err := conn.QueryRow(ctx, "select session_user::text").Scan(&who); err != nil {
		return fmt.Errorf("%w: who was let in as %q: %w", connector.ErrUnanswered, account, err)
	}
	if who != account {
		return fmt.Errorf("%w: the server takes %.80q for %q", connector.ErrRefused, account, who)
	}
	return nil
}
