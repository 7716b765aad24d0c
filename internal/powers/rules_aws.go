package powers

const (
	iamDocs    = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html"
	passDocs   = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html"
	awsEscapes = "https://rhinosecuritylabs.com/aws/aws-privilege-escalation-methods-mitigation/"
)

// account is what every way to write IAM policies comes to.
var (
	account = Effect{Kind: CanGrant, ID: "every-action", Name: "every action in the account", Class: Top}
	passed  = Effect{Kind: CanBecome, ID: "role/{on}", Name: "roles ({on})", Class: Top}
)

const asStrong = "as strong as the strongest of these roles that trusts the service"

// Rights are actions; "*" is all of them. {on} is the resource.
var awsRules = []Rule{
	{ID: "aws.everything", Needs: one("*"), Then: []Effect{{Kind: Confers, ID: "every-action", Name: "every action in the account", Class: Top}, {Kind: CanGrant, Itself: true}}, Doc: iamDocs},
	{ID: "aws.policy-version", Needs: one("iam:CreatePolicyVersion"), Can: "write new versions of policies ({on})", Then: []Effect{account}, Where: "one of them is attached to him", Doc: awsEscapes},
	{ID: "aws.default-version", Needs: one("iam:SetDefaultPolicyVersion"), Can: "put other versions of policies in force ({on})", Then: []Effect{account}, Where: "an earlier version allows more", Doc: awsEscapes},
	{ID: "aws.attach-policy", Needs: one("iam:AttachUserPolicy", "iam:AttachGroupPolicy", "iam:AttachRolePolicy"), Can: "attach any policy to {on}", Then: []Effect{account}, Where: "it is attached to what he is or can act as; iam:PolicyARN may narrow it", Doc: awsEscapes},
	{ID: "aws.put-policy", Needs: one("iam:PutUserPolicy", "iam:PutGroupPolicy", "iam:PutRolePolicy"), Can: "write any policy into {on}", Then: []Effect{account}, Where: "it is written into what he is or can act as", Doc: awsEscapes},
	{ID: "aws.trust-policy", Needs: one("iam:UpdateAssumeRolePolicy"), Can: "rewrite whom roles trust ({on})", Then: []Effect{passed}, Where: "as strong as these roles", Doc: awsEscapes},
	{ID: "aws.assume-role", Needs: one("sts:AssumeRole"), Can: "assume roles ({on})", Then: []Effect{passed}, Where: "as strong as those of these roles that trust him", Doc: passDocs},
	{ID: "aws.access-key", Needs: one("iam:CreateAccessKey"), Can: "make access keys of users ({on})", Then: []Effect{{Kind: CanBecome, ID: "user/{on}", Name: "users ({on})", Class: Top}}, Where: "as strong as these users", Doc: awsEscapes},
	{ID: "aws.login", Needs: one("iam:CreateLoginProfile", "iam:UpdateLoginProfile"), Can: "set passwords of users ({on})", Then: []Effect{{Kind: CanBecome, ID: "user/{on}", Name: "users ({on})", Class: Top}}, Where: "as strong as these users", Doc: awsEscapes},
	{ID: "aws.group-membership", Needs: one("iam:AddUserToGroup", "identitystore:CreateGroupMembership"), Can: "put anybody into groups ({on})", Then: []Effect{{Kind: CanGrant, ID: "group/{on}", Name: "groups ({on})", Class: Top}}, Where: "as strong as these groups", Doc: awsEscapes},
	{ID: "aws.account-assignment", Needs: one("sso:CreateAccountAssignment", "sso:PutInlinePolicyToPermissionSet", "sso:AttachManagedPolicyToPermissionSet"), Can: "assign permission sets", Then: []Effect{account}, Doc: iamDocs},
	{ID: "aws.boundary", Needs: one("iam:DeleteRolePermissionsBoundary", "iam:DeleteUserPermissionsBoundary", "iam:PutRolePermissionsBoundary", "iam:PutUserPermissionsBoundary"), Can: "lift permission boundaries ({on})", Then: []Effect{{Kind: CanEditGate, ID: "boundary", Name: "the permission boundaries", Class: Top}}, Doc: iamDocs},
	{ID: "aws.identity-provider", Needs: one("iam:CreateSAMLProvider", "iam:UpdateSAMLProvider", "iam:CreateOpenIDConnectProvider", "iam:AddClientIDToOpenIDConnectProvider", "iam:UpdateOpenIDConnectProviderThumbprint"), Can: "change who vouches for identities", Then: []Effect{{Kind: CanEditGate, ID: "identity-provider", Name: "the identity providers of the account", Class: Top}}, Doc: iamDocs},
	{ID: "aws.pass-ec2", Needs: [][]string{{"iam:PassRole"}, {"ec2:RunInstances"}}, Can: "start machines that act with roles ({on})", Then: []Effect{passed}, Where: asStrong, Doc: passDocs},
	{ID: "aws.pass-lambda", Needs: [][]string{{"iam:PassRole"}, {"lambda:CreateFunction"}, {"lambda:InvokeFunction", "lambda:CreateEventSourceMapping", "lambda:AddPermission", "lambda:CreateFunctionUrlConfig"}}, Can: "run functions that act with roles ({on})", Then: []Effect{passed}, Where: asStrong, Doc: passDocs},
	{ID: "aws.pass-cloudformation", Needs: [][]string{{"iam:PassRole"}, {"cloudformation:CreateStack", "cloudformation:UpdateStack", "cloudformation:CreateChangeSet"}}, Can: "build stacks that act with roles ({on})", Then: []Effect{passed}, Where: asStrong, Doc: passDocs},
	{ID: "aws.pass-other", Needs: [][]string{{"iam:PassRole"}, {"glue:CreateDevEndpoint", "glue:CreateJob", "sagemaker:CreateNotebookInstance", "sagemaker:CreateProcessingJob", "datapipeline:CreatePipeline", "ecs:RunTask", "ecs:RegisterTaskDefinition", "codebuild:CreateProject", "states:CreateStateMachine", "apprunner:CreateService", "ssm:StartAutomationExecution"}}, Can: "run work that acts with roles ({on})", Then: []Effect{passed}, Where: asStrong, Doc: passDocs},
	{ID: "aws.function-code", Needs: one("lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "glue:UpdateDevEndpoint", "codebuild:UpdateProject"), Can: "change code that acts with a role ({on})", Then: []Effect{{Kind: CanBecome, ID: "code/{on}", Name: "the role of that code ({on})", Class: Top}}, Where: "as strong as that role", Doc: awsEscapes},
	{ID: "aws.machine", Needs: one("ssm:SendCommand", "ssm:StartSession", "ec2-instance-connect:SendSSHPublicKey"), Can: "run commands on machines ({on})", Then: []Effect{{Kind: CanBecome, ID: "machine/{on}", Name: "the role of those machines ({on})", Class: Top}}, Where: "as strong as those machines' roles", Doc: awsEscapes},
	{ID: "aws.secrets", Needs: one("secretsmanager:GetSecretValue"), Can: "read secrets ({on})", Then: []Effect{{Kind: Confers, ID: "secret/{on}", Name: "the secrets ({on})", Class: Top}}, Doc: iamDocs},
	{ID: "aws.resource-policy", Needs: one("kms:PutKeyPolicy", "kms:CreateGrant", "s3:PutBucketPolicy", "secretsmanager:PutResourcePolicy"), Can: "rewrite who may use {on}", Then: []Effect{{Kind: CanGrant, ID: "use/{on}", Name: "use of {on}", Class: Top}}, Doc: iamDocs},
	{ID: "aws.log", Needs: one("cloudtrail:StopLogging", "cloudtrail:DeleteTrail", "cloudtrail:UpdateTrail", "cloudtrail:PutEventSelectors"), Can: "stop the audit trail", Then: []Effect{{Kind: CanEditGate, ID: "log", Name: "the audit trail of the account", Class: Top}}, Doc: iamDocs},
}
