package powers

const ownDocs = "docs/powers.md"

// Every gate of Lessor decides who gets what, whoever edits it; what it opens is
// for the catalog to say.
func gateOf(id, name string) []Effect {
	return []Effect{{Kind: CanEditGate, ID: id, Name: name, Class: Top}}
}

// Rights over Lessor itself.
var lessorRules = []Rule{
	{ID: "lessor.policy", Needs: one("merge policy", "write policy folder"), Can: "change the rules, the directory and the catalog", Then: gateOf("policy", "Lessor's rules"), Where: "nobody else has to approve the merge", Doc: ownDocs},
	{ID: "lessor.log-key", Needs: one("log key"), Can: "sign another history", Then: gateOf("log", "Lessor's log"), Where: "no witness and no auditor holds an earlier head", Doc: ownDocs},
	{ID: "lessor.connector", Needs: one("connector account"), Can: "act in {on} with Lessor's own account", Then: append(gateOf("connector:{on}", "Lessor's account in {on}"), Effect{Kind: CanGrant, ID: "system/{on}", Name: "every entitlement of {on}", Class: Top}), Doc: ownDocs},
	{ID: "lessor.database", Needs: one("database file", "database owner"), Can: "rewrite what is stored", Then: gateOf("database", "Lessor's database"), Doc: ownDocs},
	{ID: "lessor.host", Needs: one("root on host", "environment of server"), Can: "read and write everything the server does, its keys among it",
		Then: append(append(append(gateOf("policy", "Lessor's rules"), gateOf("database", "Lessor's database")...), gateOf("log", "Lessor's log")...), Effect{Kind: CanGrant, ID: "system/*", Name: "every entitlement of every system", Class: Top}), Doc: ownDocs},
	{ID: "lessor.token", Needs: one("token file"), Can: "speak to Lessor as {on}", Then: []Effect{{Kind: CanBecome, ID: "identity/{on}", Name: "{on}", Class: Top}}, Where: "as strong as that identity and the token's scopes", Doc: ownDocs},
	{ID: "lessor.workflow", Needs: one("Jira administrator", "Jira workflow administrator"), Can: "change what tickets say, hide and pass on", Then: gateOf("workflow:{on}", "the ticket workflow of {on}"), Where: "Lessor takes no decision from a ticket; other tools may", Doc: ownDocs},
}

// statedRules are the reasons for edges that are written down as such, by the
// catalog or by an export: there are no rights to match.
var statedRules = []Rule{
	{ID: "catalog.read", Can: "the catalog says that it reads"},
	{ID: "catalog.write", Can: "the catalog says that it writes"},
	{ID: "catalog.admin", Can: "the catalog says that it administers; that is worth the highest class"},
	{ID: "catalog.grant", Can: "the catalog says that it hands out access: to what grants names, else to everything of its system"},
	{ID: "catalog.becomes", Can: "the catalog names whom its holder can act as"},
	{ID: "catalog.edits", Can: "the catalog names a gate that its holder can change; a gate is worth the highest class"},
	{ID: "catalog.owner", Can: "whoever can act as the owner of an entitlement can approve requests for it"},
	{ID: "catalog.holds", Can: "the identity was said to hold it"},
	{ID: "gate.policy", Can: "whoever changes rules and catalog decides who gets anything"},
	{ID: "gate.database", Can: "whoever rewrites what is stored decides what Lessor carries out"},
	{ID: "gate.connector", Can: "whoever acts with Lessor's account hands out everything of that system"},
	{ID: "kubernetes.binding", Can: "a binding says that the subject holds the role"},
	{ID: "kubernetes.group", Can: "the API server puts the subject into that group"},
	{ID: "kubernetes.subject", Can: "the subject is one of those"},
}
