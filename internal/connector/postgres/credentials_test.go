package postgres

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

var _ connector.Credentials = (*Connector)(nil)

// passwordStatements are what the page says shows who has a password, and no hash.
const passwordStatements = `CREATE SCHEMA lessor;
CREATE VIEW lessor.passwords AS SELECT oid, rolpassword LIKE 'md5%' AS weak FROM pg_authid WHERE rolpassword IS NOT NULL;
GRANT USAGE ON SCHEMA lessor TO "svc-lessor";
GRANT SELECT ON lessor.passwords TO "svc-lessor";`

func TestDocumentedPasswords(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/connectors/postgres.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), "```sql\n"+passwordStatements+"\n```") {
		t.Errorf("the page does not say:\n%s", passwordStatements)
	}
}

// Until when a password is good everybody may read; whether there is one, who may read
// the view.
func TestCredentials(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
		always, ending, none, over := w.account(t, "cr always"), w.account(t, "cr ending"), "cr none", w.account(t, "cr over")
		w.Exec(t, fmt.Sprintf(`create role "cr none" login; create role "cr group" password 'x'; alter role %s valid until 'infinity'; alter role %s valid until '%s'; alter role %s valid until '2020-01-02 03:04:05Z'`,
			quoted(always), quoted(ending), until.Format(time.RFC3339), quoted(over)))
		of := func(c *Connector) map[string]connector.Credential {
			t.Helper()
			all := map[string]connector.Credential{}
			if err := c.Credentials(t.Context(), func(one connector.Credential) error {
				if one.Account == svc {
					t.Error("our own is one of theirs")
				}
				if strings.Contains(fmt.Sprintf("%+v", one), accountSecret) {
					t.Errorf("it is told what it is worth: %+v", one)
				}
				if strings.HasPrefix(one.Account, "cr ") {
					all[one.Account] = one
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			return all
		}
		// 1. Without the view: those that may be, and no more said than is known.
		c := connect(t, w.config())
		all := of(c)
		past := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
		for account, want := range map[string]connector.Credential{
			always: {EndUnknown: true}, none: {EndUnknown: true}, ending: {Ends: until}, over: {Ends: past},
		} {
			if got := all[account]; got.Kind != "password, if it has one" || got.EndUnknown != want.EndUnknown || !got.Ends.Equal(want.Ends) {
				t.Errorf("%s: %+v, want %+v", account, got, want)
			}
		}
		if len(all) != 4 {
			t.Errorf("all are %+v", all)
		}
		// 2. A view of somebody else's is not believed.
		w.Exec(t, `create role "cr liar"; create schema lessor; create view lessor.passwords as select 0::oid as oid where false; alter view lessor.passwords owner to "cr liar";
			grant usage on schema lessor to "svc-lessor"; grant select on lessor.passwords to "svc-lessor"`)
		if got := of(c); len(got) != 4 {
			t.Errorf("a stranger's view is believed: %+v", got)
		}
		w.Exec(t, `drop schema lessor cascade`)
		// 3. With the page's: who has one, when it ends, and no hash.
		w.Exec(t, passwordStatements)
		all = of(c)
		for account, want := range map[string]connector.Credential{always: {}, ending: {Ends: until}, over: {Ends: past}} {
			if got := all[account]; got.Kind != "password" || got.EndUnknown || !got.Ends.Equal(want.Ends) {
				t.Errorf("%s: %+v, want %+v", account, got, want)
			}
		}
		if len(all) != 3 {
			t.Errorf("all are %+v", all)
		}
		svcConn := w.Connect(t, svc, svcSecret, "postgres")
		if _, err := svcConn.Exec(t.Context(), `select rolpassword from pg_authid`); err == nil {
			t.Error("our account may read hashes")
		}
		// One that is kept as MD5 is told from the others; a view that does not say is good, too.
		w.Exec(t, `set password_encryption = 'md5'; create role "cr weak" login password 'x'; reset password_encryption`)
		if got := of(c)["cr weak"]; got.Kind != "md5 password" {
			t.Errorf("kept as MD5: %+v", got)
		}
		w.Exec(t, `drop view lessor.passwords; create view lessor.passwords as select oid from pg_authid where rolpassword is not null; grant select on lessor.passwords to "svc-lessor"`)
		if got := of(c)["cr weak"]; got.Kind != "password" {
			t.Errorf("by an older view: %+v", got)
		}
		w.Exec(t, `drop role "cr weak"`)
		// 4. A role made anew under its name has another password.
		before := all[always].ID
		w.drop(t, always)
		w.account(t, always)
		if after := of(c)[always].ID; before == "" || after == before {
			t.Errorf("before %q, after %q", before, after)
		}
	})
}
