package powers

const (
	azureDocs = "https://learn.microsoft.com/azure/role-based-access-control/resource-provider-operations"
	vaultDocs = "https://learn.microsoft.com/azure/key-vault/general/rbac-access-policy"
)

// everySecret is what access to a vault's contents comes to.
var everySecret = Effect{Kind: CanGrant, ID: "vault-secrets", Name: "read of every secret in it", Class: Top}

// Rights are operations of the control plane; those after "data:" of the data plane.
var azureRules = []Rule{
	{ID: "azure.vault-access-policy", Needs: one("Microsoft.KeyVault/vaults/write", "Microsoft.KeyVault/vaults/accessPolicies/write"),
		Can: "write access policies of the vault", Then: []Effect{everySecret}, Where: "the vault uses access policies, not roles", Doc: vaultDocs},
	{ID: "azure.vault-secrets", Needs: one("data:Microsoft.KeyVault/vaults/secrets/getSecret/action"), Can: "read secrets of the vault",
		Then: []Effect{{Kind: Confers, ID: "vault-secrets", Name: "read of every secret in it", Class: Top}}, Where: "the vault uses roles, not access policies", Doc: vaultDocs},
	{ID: "azure.role-assignments", Needs: one("Microsoft.Authorization/roleAssignments/write"), Can: "write role assignments",
		Then:  []Effect{{Kind: CanGrant, ID: "every-role", Name: "every role of the scope, Owner among them", Class: Top}, {Kind: CanGrant, Itself: true}},
		Where: "no condition on the assignment narrows it", Doc: "https://learn.microsoft.com/azure/role-based-access-control/role-assignments"},
	{ID: "azure.role-eligibility", Needs: one("Microsoft.Authorization/roleEligibilityScheduleRequests/write", "Microsoft.Authorization/roleAssignmentScheduleRequests/write"),
		Can: "make people eligible for roles", Then: []Effect{{Kind: CanGrant, ID: "every-role", Name: "every role of the scope, Owner among them", Class: Top}}, Doc: azureDocs},
	{ID: "azure.role-definitions", Needs: one("Microsoft.Authorization/roleDefinitions/write"), Can: "rewrite custom roles, one he holds among them",
		Then: []Effect{{Kind: CanGrant, ID: "every-operation", Name: "every operation of the scope", Class: Top}}, Where: "he holds a custom role of the scope", Doc: azureDocs},
	{ID: "azure.elevate-access", Needs: one("Microsoft.Authorization/elevateAccess/action"), Can: "elevate himself at the root scope",
		Then:  []Effect{{Kind: CanGrant, ID: "user-access-administrator", Name: "User Access Administrator of every subscription", Class: Top}},
		Where: "he is a global administrator of the tenant", Doc: "https://learn.microsoft.com/azure/role-based-access-control/elevate-access-global-admin"},
	{ID: "azure.everything", Needs: one("*"), Then: []Effect{{Kind: Confers, ID: "every-operation", Name: "every operation of the scope", Class: Top}}, Doc: azureDocs},
	{ID: "azure.activation-rules", Needs: one("Microsoft.Authorization/roleManagementPolicies/write", "Microsoft.Authorization/roleManagementPolicyAssignments/write"),
		Can: "rewrite the rules by which roles are activated", Then: []Effect{{Kind: CanEditGate, ID: "activation", Name: "the rules of role activation", Class: Top}}, Doc: azureDocs},
	{ID: "azure.policy", Needs: one("Microsoft.Authorization/policyAssignments/write", "Microsoft.Authorization/policyExemptions/write"),
		Can: "assign and exempt from Azure Policy", Then: []Effect{{Kind: CanEditGate, ID: "policy", Name: "Azure Policy of the scope", Class: Top}}, Doc: azureDocs},
	{ID: "azure.log", Needs: one("Microsoft.Insights/diagnosticSettings/delete", "Microsoft.Insights/diagnosticSettings/write"),
		Can: "redirect or stop the diagnostic logs", Then: []Effect{{Kind: CanEditGate, ID: "log", Name: "the diagnostic logs of the scope", Class: Top}}, Doc: azureDocs},
	{ID: "azure.run-command", Needs: one("Microsoft.Compute/virtualMachines/runCommand/action", "Microsoft.Compute/virtualMachines/runCommands/write", "Microsoft.Compute/virtualMachines/extensions/write"),
		Can: "run commands on virtual machines", Then: []Effect{{Kind: CanBecome, ID: "vm-identity", Name: "the managed identity of any virtual machine of the scope, and root on it", Class: Top}}, Doc: azureDocs},
	{ID: "azure.assign-identity", Needs: one("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"), Can: "put managed identities on resources he runs",
		Then: []Effect{{Kind: CanBecome, ID: "managed-identity", Name: "any managed identity of the scope", Class: Top}}, Where: "together with the power to run something", Doc: azureDocs},
	{ID: "azure.federate-identity", Needs: one("Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials/write"), Can: "let an issuer of his own speak for managed identities",
		Then: []Effect{{Kind: CanBecome, ID: "managed-identity", Name: "any managed identity of the scope", Class: Top}}, Doc: azureDocs},
	{ID: "azure.automation", Needs: one("Microsoft.Automation/automationAccounts/runbooks/write", "Microsoft.Automation/automationAccounts/runbooks/draft/write", "Microsoft.Logic/workflows/write", "Microsoft.Web/sites/write", "Microsoft.Web/sites/publishxml/action", "Microsoft.Resources/deploymentScripts/write"),
		Can: "change code that runs under an identity of its own", Then: []Effect{{Kind: CanBecome, ID: "automation-identity", Name: "the identity of that automation", Class: Top}}, Where: "that automation has an identity", Doc: azureDocs},
	{ID: "azure.storage-keys", Needs: one("Microsoft.Storage/storageAccounts/listKeys/action", "Microsoft.DocumentDB/databaseAccounts/listKeys/action"), Can: "list the account keys of stores",
		Then: []Effect{{Kind: Confers, ID: "stored", Name: "read and write of everything in those stores", Class: Top}}, Where: "key access is not switched off", Doc: azureDocs},
	{ID: "azure.cluster-admin", Needs: one("Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action", "Microsoft.ContainerService/managedClusters/runcommand/action"), Can: "fetch the administrator's credential of clusters",
		Then: []Effect{{Kind: CanBecome, ID: "cluster-admin", Name: "the administrator of any cluster of the scope", Class: Top}}, Where: "local accounts are not switched off", Doc: azureDocs},
}
