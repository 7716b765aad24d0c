package postgres

import (
	"context"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
)

// readUses lists whose sessions are open, by which program and from where. An account
// without pg_read_all_stats is shown programs and addresses of its own alone.
const readUses = `select distinct s.usename::text, coalesce(s.application_name, '')::text, coalesce(host(s.client_addr), 'this host')::text
from pg_catalog.pg_stat_activity s join pg_catalog.pg_roles r on r.oid = s.usesysid
where s.backend_type = 'client backend' and r.rolcanlogin and r.rolname not in (current_user, session_user) order by 1, 2, 3`

type useRow struct{ Account, Program, From string }

// people are the programs that a person works with, as they call themselves; versions
// and windows follow the name.
var people = []string{"psql", "pgadmin", "pgcli", "dbeaver", "datagrip", "heidisql", "navicat", "tableplus", "postico", "azure data studio", "beekeeper"}

// Uses yields what acts as login roles now, but as our own.
func (c *Connector) Uses(ctx context.Context, yield func(connector.Use) error) error {
	var list []useRow
	if err := c.ask(ctx, func(l *line) (err error) { list, err = read[useRow](l, readUses); return err }); err != nil {
		return err
	}
	for _, u := range list {
		one := connector.Use{Account: u.Account, Program: u.Program, From: u.From}
		for _, p := range people {
			one.Person = one.Person || strings.HasPrefix(strings.ToLower(u.Program), p)
		}
		if err := yield(one); err != nil {
			return err
		}
	}
	return nil
}
