package powers

const (
	roleDocs   = "https://www.postgresql.org/docs/current/role-attributes.html"
	roleDocs15 = "https://www.postgresql.org/docs/15/role-attributes.html"
	predefined = "https://www.postgresql.org/docs/current/predefined-roles.html"
)

var (
	superuser = Effect{Kind: CanBecome, ID: "superuser", Name: "a superuser", Class: Top}
	osUser    = Effect{Kind: CanBecome, ID: "os-user", Name: "the operating system user of the server, and so a superuser", Class: Top}
	everyRow  = Effect{Kind: Confers, ID: "every-row", Name: "read of every row", Class: Top}
)

// Rights are role attributes, predefined roles, "ADMIN OPTION" on a role and
// ownership; {on} is the role or object.
var postgresRules = []Rule{
	{ID: "postgres.superuser", Needs: one("SUPERUSER"), Can: "do everything in the server", Then: []Effect{superuser, osUser}, Doc: roleDocs},
	{ID: "postgres.createrole-15", Before: 16, Needs: one("CREATEROLE"), Can: "grant any role that is no superuser, to anybody",
		Then: []Effect{{Kind: CanGrant, ID: "every-role", Name: "every role that is no superuser", Class: Top}, {Kind: CanGrant, Itself: true},
			{Kind: CanGrant, ID: "pg_execute_server_program", Name: "pg_execute_server_program", Class: Top}}, Doc: roleDocs15},
	{ID: "postgres.createrole-16", From: 16, Needs: [][]string{{"ADMIN OPTION"}, {"CREATEROLE"}}, Can: "alter {on}, its password among it",
		Then: []Effect{{Kind: CanBecome, ID: "role/{on}", Name: "{on}", Class: Top, Holds: "{on}"}}, Where: "as strong as that role; it is no superuser", Doc: roleDocs},
	{ID: "postgres.admin-option", Needs: one("ADMIN OPTION"), Can: "grant {on} to anybody", Then: []Effect{{Kind: CanGrant, ID: "{on}", Name: "{on}", Class: Top}}, Where: "as strong as that role", Doc: roleDocs},
	{ID: "postgres.server-program", Needs: one("pg_execute_server_program"), Can: "run programs on the server", Then: []Effect{osUser}, Doc: predefined},
	{ID: "postgres.server-files", Needs: one("pg_write_server_files"), Can: "write files on the server", Then: []Effect{osUser}, Doc: predefined},
	{ID: "postgres.read-files", Needs: one("pg_read_server_files"), Can: "read files on the server, those of the databases among them", Then: []Effect{everyRow}, Doc: predefined},
	{ID: "postgres.read-all", Needs: one("pg_read_all_data"), Can: "read every table", Then: []Effect{everyRow}, Where: "row security still counts", Doc: predefined},
	{ID: "postgres.write-all", Needs: one("pg_write_all_data"), Can: "write every table", Then: []Effect{{Kind: Confers, ID: "every-write", Name: "write of every row", Class: Top}}, Where: "row security still counts", Doc: predefined},
	{ID: "postgres.replication", Needs: one("REPLICATION"), Can: "copy the whole cluster, its password hashes among it", Then: []Effect{everyRow}, Doc: roleDocs},
	{ID: "postgres.bypass-row-security", Needs: one("BYPASSRLS"), Can: "read past row security", Then: []Effect{everyRow}, Where: "of the tables he may read", Doc: roleDocs},
	{ID: "postgres.table-owner", Needs: one("owner of table"), Can: "grant every privilege on {on}, as its owner", Then: []Effect{{Kind: CanGrant, ID: "table/{on}", Name: "every privilege on {on}"}}, Doc: "https://www.postgresql.org/docs/current/ddl-priv.html"},
	{ID: "postgres.security-definer", Needs: one("replace security definer function", "owner of security definer function"), Can: "rewrite what runs with the rights of {on}", Then: []Effect{{Kind: CanBecome, ID: "role/{on}", Name: "{on}", Class: Top, Holds: "{on}"}}, Where: "as strong as that role", Doc: "https://www.postgresql.org/docs/current/sql-createfunction.html"},
}
