package postgres

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/lessor-iam/lessor/internal/connector"
)

// role is one as the server knows it.
type role struct {
	Name       string
	OID        uint32
	Login      bool
	Super      bool
	CreateRole bool
	Own        bool // who we are
}

// readRoles compares as text: as a name, the server would cut a long one off and
// find somebody else. Joined, because "= any" compares each role with each name.
const readRoles = `select r.rolname::text, r.oid, r.rolcanlogin, r.rolsuper, r.rolcreaterole, r.rolname in (current_user, session_user)
from unnest($1::text[]) n join pg_catalog.pg_roles r on r.rolname = n`

// find looks the names up. One that is missing is not in the answer.
func (l *line) find(names map[string]bool) (map[string]role, error) {
	var ask []string
	for n := range names {
		if usable(n) {
			ask = append(ask, n)
		}
	}
	found := map[string]role{}
	if len(ask) == 0 {
		return found, nil
	}
	list, err := read[role](l, readRoles, ask)
	if err != nil {
		return nil, err
	}
	for _, r := range list {
		found[r.Name] = r
	}
	return found, nil
}

// usable says whether any role can bear the name.
func usable(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsRune(name, 0)
}

// quoted is the name as a statement must have it.
func quoted(name string) string { return pgx.Identifier{name}.Sanitize() }

// may says whether a change between two roles can be asked for at all, and
// whether anything is to be done for it.
func may(ch connector.Change, found map[string]role) (ask bool, err error) {
	object, isObject := found[ch.Object]
	account, isAccount := found[ch.Account]
	switch {
	case !isObject && ch.Want:
		return false, fmt.Errorf("%w: there is no role %q", connector.ErrNoObject, ch.Object)
	case !isAccount && ch.Want:
		return false, fmt.Errorf("%w: there is no role %q", connector.ErrNoObject, ch.Account)
	case !isObject || !isAccount:
		return false, nil
	case object.Own || account.Own:
		return false, fmt.Errorf("%w: one of %q and %q is the connector's own account", connector.ErrRefused, ch.Account, ch.Object)
	case object.OID == account.OID && ch.Want:
		return false, fmt.Errorf("%w: %q cannot be a member of itself", connector.ErrRefused, ch.Account)
	case object.OID == account.OID:
		return false, nil
	case ch.Want && !account.Login:
		return false, fmt.Errorf("%w: %q cannot log in: it is no account, and whoever is a member of it would be let in", connector.ErrRefused, ch.Account)
	}
	return true, nil
}
