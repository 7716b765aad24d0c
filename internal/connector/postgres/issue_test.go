package postgres

import (
	"context"
	"errors"
	"os"

	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// issuing is a database of its own, for another test makes the schema lessor in
// postgres, and drops it.
const issuing = "issuing"

// setterStatements are what the page says lets Lessor set the passwords that are listed.
const setterStatements = `CREATE SCHEMA IF NOT EXISTS lessor;
CREATE TABLE lessor.rotated (account regrole PRIMARY KEY);
CREATE FUNCTION lessor.set_password(account oid, verifier text, ends timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE who text;
BEGIN
  SELECT r.rolname INTO who FROM lessor.rotated l JOIN pg_roles r ON r.oid = l.account
  WHERE r.oid = set_password.account AND r.rolcanlogin AND NOT r.rolsuper;
  IF who IS NULL THEN
    RAISE insufficient_privilege USING MESSAGE = format('role %s is not in lessor.rotated', set_password.account);
  ELSIF verifier IS NULL THEN
    EXECUTE format('ALTER ROLE %I PASSWORD NULL', who);
  ELSIF verifier LIKE 'SCRAM-SHA-256$%' THEN
    EXECUTE format('ALTER ROLE %I PASSWORD %L VALID UNTIL %L', who, verifier, coalesce(ends, 'infinity'));
  ELSE
    RAISE invalid_parameter_value USING MESSAGE = 'that is no SCRAM verifier';
  END IF;
END $$;
REVOKE ALL ON FUNCTION lessor.set_password FROM PUBLIC;
GRANT USAGE ON SCHEMA lessor TO "svc-lessor";
GRANT EXECUTE ON FUNCTION lessor.set_password TO "svc-lessor";
INSERT INTO lessor.rotated VALUES ('"app-shop"');`

func TestDocumentedSetter(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/connectors/postgres.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```sql\n"+setterStatements+"\n```") {
		t.Errorf("the page does not say:\n%s", setterStatements)
	}
}

var setters sync.Map // version -> *sync.Once

// issues makes the database in which passwords can be set, once in a process.
func (w *world) issues(t testing.TB) {
	t.Helper()
	once, _ := setters.LoadOrStore(w.Version, &sync.Once{})
	once.(*sync.Once).Do(func() {
		w.Exec(t, "create database "+issuing+" template template0")
		w.Exec(t, `create role "app-shop" login`)
		w.in(t, setterStatements)
	})
}

// in runs statements as the superuser in that database.
func (w *world) in(t testing.TB, statements string) {
	t.Helper()
	conn := w.Connect(t, "postgres", testserver.PGTargetSecret, issuing)
	defer conn.Close(context.Background())
	if _, err := conn.PgConn().Exec(context.Background(), statements).ReadAll(); err != nil {
		t.Fatalf("%s: %v", statements, err)
	}
}

// rotates lists the account among those whose passwords are set.
func (w *world) rotates(t testing.TB, account string) {
	t.Helper()
	w.issues(t)
	w.in(t, "insert into lessor.rotated select oid from pg_roles where rolname::text = '"+strings.ReplaceAll(account, "'", "''")+"'")
}

// enter logs in.
func (w *world) enter(t testing.TB, account, _ string, worth []byte) bool {
	t.Helper()
	cfg, err := pgx.ParseConfig(w.URL("nobody", "none", issuing))
	if err != nil {
		t.Fatal(err)
	}
	cfg.User, cfg.Password = account, string(worth)
	conn, err := pgx.ConnectConfig(context.Background(), cfg)
	var e *pgconn.PgError
	switch {
	case err == nil:
		_ = conn.Close(context.Background())
	case !errors.As(err, &e) || e.Code != "28P01":
		t.Errorf("log in as %q: %v", account, err)
	}
	return err == nil
}

// issuer is a connector to that database.
func (w *world) issuer(t testing.TB, bend ...func(*Config)) *Connector {
	t.Helper()
	w.issues(t)
	cfg := w.config()
	cfg.URL += "/" + issuing
	for _, do := range bend {
		do(&cfg)
	}
	return connect(t, cfg)
}

func order(account string) connector.Order {
	return connector.Order{Account: account, Kind: "password", Mark: "m-1", Worth: connector.Worth("Aa7-" + strings.Repeat("x", 16))}
}

func tries(t testing.TB, c *Connector, account string, worth connector.Worth, want bool) {
	t.Helper()
	if in, err := c.Try(t.Context(), connector.Credential{Account: account}, worth); in != want || err != nil {
		t.Errorf("Try of %q: %t, %v, want %t", account, in, err, want)
	}
}

// Only listed roles' passwords are set, and only through the superuser's function.
func TestIssueSetsOnlyWhatIsListed(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c := w.issuer(t)
		listed, other, group := w.account(t, "is listed"), w.account(t, "is other"), "is group"
		w.Exec(t, `create role "is group"; create role "is super" login superuser password 'x'`)
		w.rotates(t, listed)
		w.rotates(t, "is super")
		for account, says := range map[string]string{other: "is not in lessor.rotated", group: "cannot log in", "is super": "is not in lessor.rotated", svc: "own account"} {
			if _, err := c.Issue(t.Context(), order(account)); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v, want refused and %q", account, err, says)
			}
		}
		tries(t, c, other, connector.Worth(accountSecret), true)
		made, err := c.Issue(t.Context(), order(listed))
		if err != nil {
			t.Fatal(err)
		}
		tries(t, c, listed, made.Worth, true)
		tries(t, c, listed, connector.Worth(accountSecret), false)
		// An inventory knows it by the same id.
		found := false
		if err := c.Credentials(t.Context(), func(one connector.Credential) error {
			found = found || one.ID == made.ID && one.Account == listed
			return nil
		}); err != nil || !found {
			t.Errorf("the inventory has no %s: %v", made.ID, err)
		}
		for _, id := range []string{"", "password/", "password/x", "password/-1", "password/1;drop", "session/1", "password/99999999999"} {
			if err := c.Kill(t.Context(), connector.Credential{ID: id, Account: listed}); !errors.Is(err, connector.ErrRefused) {
				t.Errorf("Kill of %q: %v, want refused", id, err)
			}
		}
		tries(t, c, listed, made.Worth, true)
	})
}

// Where there is no function the account sets passwords itself, if it may; a stranger's
// function is not called.
func TestIssueByTheAccountsOwnRight(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		svc2, ann := w.account(t, "svc-own"), w.account(t, `ow"n 'ann`)
		as := func(cfg *Config) {
			cfg.URL, cfg.User, cfg.Password = "postgres://"+w.Address+"/own", svc2, func() string { return accountSecret }
		}
		w.Exec(t, "create database own template template0")
		w.Exec(t, `create role "own liar"; grant create on database own to "own liar"`)
		conn := w.Connect(t, "postgres", testserver.PGTargetSecret, "own")
		if _, err := conn.Exec(t.Context(), `set role "own liar"; create schema lessor; create function lessor.set_password(oid, text, timestamptz) returns void
			language plpgsql security definer as $$ begin end $$; grant usage on schema lessor to public`); err != nil {
			t.Fatal(err)
		}
		c := w.issuer(t, as)
		if _, err := c.Issue(t.Context(), order(ann)); !errors.Is(err, connector.ErrRefused) || !strings.Contains(err.Error(), "42501") {
			t.Errorf("without the right: %v", err)
		}
		w.Exec(t, `alter role "svc-own" createrole`)
		if w.modern() {
			w.Exec(t, "grant "+quoted(ann)+` to "svc-own" with admin true, inherit false, set false`)
		}
		made, err := c.Issue(t.Context(), order(ann))
		if err != nil {
			t.Fatal(err)
		}
		tries(t, c, ann, made.Worth, true)
		if err := c.Kill(t.Context(), made.Credential); err != nil {
			t.Error(err)
		}
		tries(t, c, ann, made.Worth, false)
	})
}

// A password ends when its order says, and one that ended before does not end the next.
func TestIssueEnds(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		c, ann := w.issuer(t), w.account(t, "en ann")
		w.rotates(t, ann)
		o := order(ann)
		o.Ends = time.Now().Add(time.Hour + 123*time.Nanosecond)
		made, err := c.Issue(t.Context(), o)
		if err != nil || made.Ends.After(o.Ends) || o.Ends.Sub(made.Ends) > time.Second {
			t.Fatalf("%+v, %v", made, err)
		}
		var until time.Time
		if err := w.Admin.QueryRow(t.Context(), "select rolvaliduntil from pg_roles where rolname = $1", ann).Scan(&until); err != nil || !until.Equal(made.Ends) {
			t.Errorf("valid until %s, want %s (%v)", until, made.Ends, err)
		}
		o.Ends = time.Now().Add(-time.Hour)
		if _, err = c.Issue(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		tries(t, c, ann, o.Worth, false)
		o.Ends = time.Time{}
		if made, err = c.Issue(t.Context(), o); err != nil || !made.Ends.IsZero() {
			t.Fatalf("%+v, %v", made, err)
		}
		tries(t, c, ann, o.Worth, true)
	})
}

// What the server writes down of it, even where it writes down everything, is no
// password; and sessions that one opened live on.
func TestIssueIsNotLogged(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ann := w.account(t, "lo ann")
		w.rotates(t, ann)
		p := newProxy(t, w)
		c := w.issuer(t, func(cfg *Config) { cfg.URL = "postgres://" + p.address + "/" + issuing })
		o := order(ann)
		made, err := c.Issue(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		session := w.Connect(t, ann, string(o.Worth), "postgres")
		tries(t, c, ann, o.Worth, true)
		if err := c.Kill(t.Context(), made.Credential); err != nil {
			t.Fatal(err)
		}
		tries(t, c, ann, o.Worth, false)
		if err := session.Ping(t.Context()); err != nil {
			t.Errorf("the session: %v", err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if sent := strings.Join(p.sent, "\n"); strings.Contains(sent, string(o.Worth)) || !strings.Contains(sent, "set_password") {
			t.Errorf("sent was %s", sent)
		}
	})
}

// What is no plain no is none: a login that the server refuses for another reason.
func TestTryIsPlain(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.Exec(t, "create database trying template template0")
		c, worth := w.issuer(t, func(cfg *Config) { cfg.URL = "postgres://" + w.Address + "/trying" }), connector.Worth(accountSecret)
		ann, off, long := w.account(t, "tr ann"), w.account(t, "tr off"), w.account(t, "tr "+strings.Repeat("x", 60))
		w.Exec(t, "alter role "+quoted(off)+" nologin")
		w.Exec(t, "revoke connect on database trying from public")
		w.Exec(t, `grant connect on database trying to `+quoted(long))
		tries(t, c, ann, worth, true) // its password is good, if not for this database
		tries(t, c, ann, connector.Worth("not-"+accountSecret), false)
		tries(t, c, "tr nobody", worth, false)
		for account, says := range map[string]string{off: "28000", long + "-and-more": "tr x", "": "no role", "nul\x00": "no role"} {
			if in, err := c.Try(t.Context(), connector.Credential{Account: account}, worth); in || err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), accountSecret) {
				t.Errorf("Try of %q: %t, %v, want an error that says %q", account, in, err, says)
			}
		}
	})
}
