package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// settings is a Config that cannot be wrong.
type settings struct {
	host        string
	port        uint16
	database    string
	tls         *tls.Config // nil: in the clear, on loopback
	user        string
	password    func() string
	timeout     time.Duration
	connections int
	now         func() time.Time
}

func check(cfg Config) (settings, error) {
	s := settings{
		user: cfg.User, password: cfg.Password,
		timeout:     or(cfg.Timeout, 30*time.Second),
		connections: or(cfg.Connections, 4),
		now:         cfg.Now,
	}
	if s.now == nil {
		s.now = time.Now
	}
	if err := s.checkURL(cfg); err != nil {
		return s, fmt.Errorf("postgres: URL: %w", err)
	}
	switch {
	case !usable(cfg.User):
		return s, fmt.Errorf("postgres: User %q is no role's name", cfg.User)
	case cfg.Password == nil:
		return s, errors.New("postgres: Password is required")
	case s.timeout < time.Millisecond || s.timeout > time.Hour:
		return s, fmt.Errorf("postgres: Timeout %s is not between 1ms and 1h", s.timeout)
	case s.connections < 1 || s.connections > 64:
		return s, fmt.Errorf("postgres: Connections %d is not between 1 and 64", s.connections)
	}
	return s, nil
}

func or[T comparable](v, otherwise T) T {
	if v == *new(T) {
		return otherwise
	}
	return v
}

func (s *settings) checkURL(cfg Config) error {
	u, err := url.Parse(cfg.URL)
	if err != nil {
		return errors.New("is not a URL")
	}
	switch {
	case u.Scheme != "postgres" && u.Scheme != "postgresql":
		return errors.New("must begin with postgres://")
	case u.Hostname() == "" || strings.ContainsAny(u.Hostname(), ",/") || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("must be scheme, one host, port and database alone, e.g. postgres://db.example.org:5432/postgres")
	case cfg.Plain && !loopback(u.Hostname()):
		return errors.New("Plain is for loopback only")
	}
	s.host, s.database = u.Hostname(), or(strings.TrimPrefix(u.Path, "/"), "postgres")
	if !usable(s.database) || strings.Contains(s.database, "/") {
		return fmt.Errorf("%q is no database's name", s.database)
	}
	port, err := strconv.ParseUint(or(u.Port(), "5432"), 10, 16)
	if err != nil || port == 0 {
		return fmt.Errorf("%q is no port", u.Port())
	}
	s.port = uint16(port)
	if !cfg.Plain {
		s.tls = &tls.Config{RootCAs: cfg.CA, ServerName: s.host, MinVersion: tls.VersionTLS12}
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// base is parsed in place of a real connection string: the library's parser is
// the only way to a configuration, and takes what a string does not say from the
// process's environment, from ~/.pgpass and from service files. What matters is
// therefore either said here or set afterwards.
const base = "host=localhost port=5432 user=nobody dbname=postgres password=none sslmode=disable sslcertmode=disable " +
	"sslnegotiation=postgres channel_binding=prefer require_auth=scram-sha-256 target_session_attrs=any passfile=''"

// open makes the pool. It connects to nothing yet.
func (s *settings) open() (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(base)
	if err != nil {
		return nil, fmt.Errorf("postgres: the environment (PG…) stands in the way: %w", err)
	}
	milliseconds := strconv.FormatInt(s.timeout.Milliseconds(), 10)
	cc := cfg.ConnConfig
	cc.Host, cc.Port, cc.Database, cc.User, cc.TLSConfig, cc.Fallbacks = s.host, s.port, s.database, s.user, s.tls, nil
	cc.ConnectTimeout = s.timeout
	cc.RuntimeParams = map[string]string{
		"application_name": "lessor",
		"client_encoding":  "UTF8",
		// Nobody's function shall be found before the system's own.
		"search_path":       "pg_catalog, pg_temp",
		"statement_timeout": milliseconds,
		// If we are cut off inside a transaction, its locks shall not outlast us.
		"idle_in_transaction_session_timeout": milliseconds,
	}
	// A standby shows what was: access long removed, or not yet given.
	cc.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
	cc.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	cfg.MaxConns, cfg.MinConns, cfg.MinIdleConns = int32(s.connections), 0, 0
	cfg.MaxConnIdleTime, cfg.PingTimeout = time.Minute, min(s.timeout, 5*time.Second)
	// One that rested may have died unnoticed: it is asked before anything is sent.
	cfg.ShouldPing = func(_ context.Context, p pgxpool.ShouldPingParams) bool { return p.IdleDuration > rested }
	cfg.BeforeConnect = func(_ context.Context, cc *pgx.ConnConfig) error {
		if cc.Password = s.password(); cc.Password == "" {
			return errNoPassword
		}
		return nil
	}
	cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if v := major(conn); v < 14 {
			return fmt.Errorf("%w: it is version %d", errTooOld, v)
		}
		_, err := conn.Exec(ctx, lasting)
		return err
	}
	return pgxpool.NewWithConfig(context.Background(), cfg)
}

// rested is how long a connection may lie idle and be trusted.
const rested = 100 * time.Millisecond

// lasting: where commits are answered before they are on disk, a crash could bring
// back what was seen removed. Stricter settings stay as they are.
const lasting = `select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off'`

var (
	errNoPassword = errors.New("there is no password")
	errTooOld     = errors.New("the server is older than version 14")
)

// major is the server's version: 15, 16, …; 0 if it does not say.
func major(conn *pgx.Conn) int {
	says := conn.PgConn().ParameterStatus("server_version")
	end := strings.IndexFunc(says, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(says)
	}
	v, _ := strconv.Atoi(says[:end])
	return v
}
