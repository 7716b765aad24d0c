package powers

const (
	githubDocs = "https://docs.github.com/organizations/managing-peoples-access-to-your-organization-with-roles/roles-in-an-organization"
	repoDocs   = "https://docs.github.com/organizations/managing-user-access-to-your-organizations-repositories/managing-repository-roles/repository-roles-for-an-organization"
	gitlabDocs = "https://docs.gitlab.com/user/permissions/"
)

var (
	pipeline   = Effect{Kind: CanBecome, ID: "pipeline/{on}", Name: "the pipelines of {on}, with their secrets", Class: Top}
	protection = Effect{Kind: CanEditGate, ID: "protection/{on}", Name: "the branch protection of {on}", Class: Top}
	repository = Effect{Kind: CanGrant, ID: "repository/{on}", Name: "access to {on}", Class: Top}
)

// Rights are roles and scopes; {on} is the organization, group, team or repository.
var githubRules = []Rule{
	{ID: "github.organization", Needs: one("organization owner", "admin:org"), Can: "make anybody an owner of {on}",
		Then: []Effect{{Kind: CanGrant, ID: "organization/{on}", Name: "everything in {on}", Class: Top}, {Kind: CanGrant, Itself: true}}, Doc: githubDocs},
	{ID: "github.team", Needs: one("team maintainer"), Can: "put anybody into {on}", Then: []Effect{{Kind: CanGrant, ID: "team/{on}", Name: "{on}", Class: Top}, {Kind: CanGrant, Itself: true}}, Where: "as strong as that team", Doc: githubDocs},
	{ID: "github.repository", Needs: one("repository admin"), Can: "administer {on}, its protection, secrets and deploy keys among it", Then: []Effect{repository, protection, pipeline, {Kind: CanGrant, Itself: true}}, Doc: repoDocs},
	{ID: "github.protection", Needs: one("edit branch protection", "bypass branch protection"), Can: "get past the review of {on}", Then: []Effect{protection}, Doc: repoDocs},
	{ID: "github.pipeline", Needs: one("write workflow", "manage actions secrets", "manage environments"), Can: "change what the pipelines of {on} run or are given", Then: []Effect{pipeline}, Where: "as strong as the secrets and cloud roles they have", Doc: repoDocs},
	{ID: "github.deploy-key", Needs: one("manage deploy keys"), Can: "add keys that read and write {on}", Then: []Effect{repository}, Doc: repoDocs},
	{ID: "github.runner", Needs: one("manage self-hosted runners"), Can: "run the jobs of {on} on a machine of his own", Then: []Effect{pipeline}, Doc: githubDocs},
	{ID: "github.app", Needs: one("GitHub App manager"), Can: "make keys of the apps of {on}", Then: []Effect{{Kind: CanBecome, ID: "app/{on}", Name: "the apps of {on}", Class: Top}}, Where: "as strong as those apps", Doc: githubDocs},
}

var gitlabRules = []Rule{
	{ID: "gitlab.administrator", Needs: one("administrator"), Can: "administer the whole instance, and act as anybody",
		Then: []Effect{{Kind: CanBecome, ID: "user/*", Name: "any user", Class: Top}, {Kind: CanGrant, ID: "instance", Name: "everything in the instance", Class: Top}}, Doc: gitlabDocs},
	{ID: "gitlab.owner", Needs: one("owner"), Can: "add anybody to {on}, as its owner", Then: []Effect{repository, protection, pipeline, {Kind: CanGrant, Itself: true}}, Doc: gitlabDocs},
	{ID: "gitlab.maintainer", Needs: one("maintainer"), Can: "administer {on}, its protected branches and variables among it", Then: []Effect{protection, pipeline, repository, {Kind: CanGrant, Itself: true}}, Doc: gitlabDocs},
	{ID: "gitlab.members", Needs: one("manage group members", "manage project members"), Can: "add members to {on}", Then: []Effect{repository, {Kind: CanGrant, Itself: true}}, Where: "up to his own role", Doc: gitlabDocs},
	{ID: "gitlab.pipeline", Needs: one("manage variables", "manage runners", "push to protected branch"), Can: "change what the pipelines of {on} run or are given", Then: []Effect{pipeline}, Doc: gitlabDocs},
	{ID: "gitlab.token", Needs: one("manage deploy tokens", "manage access tokens"), Can: "make tokens of {on}", Then: []Effect{repository}, Doc: gitlabDocs},
}
