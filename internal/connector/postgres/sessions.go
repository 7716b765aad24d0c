package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lessor-iam/lessor/internal/connector"
)

// moments remembers when each holding was last seen gone, by the server's clock:
// whoever opened a session after that cannot have the role from before. Without a
// moment every session counts. A program that connects again at once would
// otherwise be ended for ever, and its removal never be settled.
type moments struct {
	mu   sync.Mutex
	gone map[connector.Ref]time.Time
}

func (m *moments) note(seen []connector.Seen, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gone == nil || len(m.gone) > maxMoments {
		m.gone = map[connector.Ref]time.Time{}
	}
	for _, s := range seen {
		if s.Direct || s.Effective {
			delete(m.gone, s.Ref)
		} else {
			m.gone[s.Ref] = at
		}
	}
}

func (m *moments) of(r connector.Ref) *time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, ok := m.gone[r]; ok {
		return &at
	}
	return nil
}

// readSessions lists what can say SET ROLE: clients, and the walsenders of a
// database. What kind a session is and when it began are hidden from an account
// without pg_read_all_stats; then every one counts.
const readSessions = `select s.pid, s.backend_start from pg_catalog.pg_stat_activity s
where s.usesysid = $1 and s.pid <> pg_catalog.pg_backend_pid()
and (s.backend_type is null or s.backend_type = 'client backend' or s.backend_type = 'walsender' and s.datid is not null)
and (s.backend_start is null or $2::timestamptz is null or s.backend_start <= $2)`

// readLost lists sessions of roles that were dropped: the server no longer says whose.
const readLost = `select s.pid, s.backend_start from pg_catalog.pg_stat_activity s
where s.usesysid is not null and not exists (select from pg_catalog.pg_roles r where r.oid = s.usesysid)`

type session struct {
	PID   int32
	Began *time.Time
}

// id names a session so that another which got its number later is not meant.
func (s session) id() string {
	if s.Began == nil {
		return strconv.Itoa(int(s.PID))
	}
	return fmt.Sprintf("%d@%d", s.PID, s.Began.UnixMicro())
}

// ListSessions lists the account's sessions in any database that were open when
// the holding was last seen gone. A session keeps a role it has SET until it
// ends, whatever is revoked, and does not show which it has.
func (c *Connector) ListSessions(ctx context.Context, ref connector.Ref) (open []connector.Session, err error) {
	since := c.moments.of(ref)
	err = c.ask(ctx, func(l *line) error {
		found, err := l.find(map[string]bool{ref.Account: true})
		if err != nil {
			return err
		}
		account, ok := found[ref.Account]
		switch {
		case !ok:
			return noneLost(l, ref.Account)
		case account.Own:
			return fmt.Errorf("%w: %q is the connector's own account", connector.ErrRefused, ref.Account)
		}
		list, err := read[session](l, readSessions, account.OID, since)
		for _, s := range list {
			open = append(open, connector.Session{ID: s.id(), Account: ref.Account})
		}
		return err
	})
	return open, err
}

// readOpen tells which accounts have one of the sessions that readSessions lists, or
// are none that this connector lists sessions of.
const readOpen = `with s as materialized (select usesysid, backend_start from pg_catalog.pg_stat_activity
	where usesysid is not null and pid <> pg_catalog.pg_backend_pid()
	and (backend_type is null or backend_type = 'client backend' or backend_type = 'walsender' and datid is not null))
select p.i - 1 from unnest($1::text[], $2::timestamptz[]) with ordinality p(account, since, i)
left join pg_catalog.pg_roles r on r.rolname::text = p.account
where r.oid is null or r.rolname = session_user
or exists (select from s where s.usesysid = r.oid and (s.backend_start is null or p.since is null or s.backend_start <= p.since))`

// MayBeOpen implements [connector.SessionsOfMany].
func (c *Connector) MayBeOpen(ctx context.Context, refs []connector.Ref) (map[connector.Ref]bool, error) {
	accounts, since := make([]string, len(refs)), make([]*time.Time, len(refs))
	open := map[connector.Ref]bool{}
	for i, r := range refs {
		if accounts[i], since[i] = r.Account, c.moments.of(r); !usable(r.Account) {
			accounts[i], open[r] = "", true // no role's name: for ListSessions to say
		}
	}
	err := c.ask(ctx, func(l *line) error {
		list, err := read[struct{ I int64 }](l, readOpen, accounts, since)
		for _, at := range list {
			open[refs[at.I]] = true
		}
		return err
	})
	return open, err
}

// noneLost is an error while sessions of dropped roles are open: one may be this
// account's. They are not ended, for they may be anybody's.
func noneLost(l *line, account string) error {
	lost, err := read[session](l, readLost)
	if err != nil || len(lost) == 0 {
		return err
	}
	pids := make([]string, len(lost))
	for i, s := range lost {
		pids[i] = strconv.Itoa(int(s.PID))
	}
	return fmt.Errorf("%w: there is no role %q, and sessions of roles that were dropped are open (pid %s); "+
		"the server does not say whose: look, and end them with pg_terminate_backend", connector.ErrRefused, account, strings.Join(pids, ", "))
}

// dying is how long the server waits for a session to be gone before it answers.
const dying = 2 * time.Second

const endSession = `select pg_catalog.pg_terminate_backend(s.pid, $4) from pg_catalog.pg_stat_activity s
join pg_catalog.pg_roles r on r.oid = s.usesysid
where s.pid = $1 and r.rolname = $2::text and s.pid <> pg_catalog.pg_backend_pid()
and ($3::timestamptz is null or s.backend_start is null or s.backend_start = $3)`

// EndSession ends one if it is still that account's.
func (c *Connector) EndSession(ctx context.Context, s connector.Session) error {
	number, began, dated := strings.Cut(s.ID, "@")
	pid, err := strconv.ParseInt(number, 10, 32)
	var at *time.Time
	if dated && err == nil {
		var micro int64
		if micro, err = strconv.ParseInt(began, 10, 64); err == nil {
			t := time.UnixMicro(micro)
			at = &t
		}
	}
	if err != nil || !usable(s.Account) {
		return fmt.Errorf("%w: %q of %q is no session of this connector's list", connector.ErrRefused, s.ID, s.Account)
	}
	err = c.ask(ctx, func(l *line) error {
		_, err := read[struct{ Ended bool }](l, endSession, int32(pid), s.Account, at, dying.Milliseconds())
		if e := (*pgconn.PgError)(nil); errors.As(err, &e) && e.Code == "42501" {
			return fmt.Errorf("%w: %s; the connector's account %q needs pg_signal_backend, and nobody but a superuser ends a superuser's session",
				connector.ErrRefused, words(e), c.user)
		}
		return err
	})
	return err
}
