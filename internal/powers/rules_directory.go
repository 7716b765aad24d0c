package powers

const (
	adDocs    = "https://learn.microsoft.com/windows-server/identity/ad-ds/plan/security-best-practices/appendix-b--privileged-accounts-and-groups-in-active-directory"
	aclDocs   = "https://learn.microsoft.com/openspecs/windows_protocols/ms-adts/990fb975-ab31-4bc1-8b75-5da132cd4584"
	slapdDocs = "https://www.openldap.org/doc/admin26/access-control.html"
)

var (
	thatGroup   = Effect{Kind: CanGrant, ID: "{on}", Name: "{on}", Class: Top}
	thatAccount = Effect{Kind: CanBecome, ID: "account/{on}", Name: "{on}", Class: Top}
	wholeDomain = Effect{Kind: CanBecome, ID: "account/*", Name: "any account of the domain", Class: Top}
)

const asStrongAs = "as strong as that group or account; the catalog knows its class"

// Rights are those of an access control entry, with what kind of object they are
// on; {on} is the object.
var ldapRules = []Rule{
	{ID: "ldap.write-member", Needs: one("write member", "GenericWrite on group"), Can: "write the members of {on}", Then: []Effect{thatGroup}, Where: asStrongAs, Doc: slapdDocs},
	{ID: "ldap.add-self", Needs: one("AddSelf"), Can: "add himself to {on}", Then: []Effect{thatGroup}, Where: asStrongAs, Doc: aclDocs},
	{ID: "ldap.full-control", Needs: one("GenericAll on group"), Can: "do everything with {on}, its members among it", Then: []Effect{thatGroup}, Where: asStrongAs, Doc: aclDocs},
	{ID: "ldap.write-dacl", Needs: one("WriteDACL on group"), Can: "give himself any right on {on}", Then: []Effect{thatGroup}, Where: asStrongAs, Doc: aclDocs},
	{ID: "ldap.write-owner", Needs: one("WriteOwner on group"), Can: "make himself the owner of {on}", Then: []Effect{thatGroup}, Where: asStrongAs, Doc: aclDocs},
	{ID: "ldap.group-owner", Needs: one("owner of group"), Can: "change who is in {on}, as its owner", Then: []Effect{thatGroup}, Where: asStrongAs, Doc: aclDocs},
	{ID: "ldap.group-manager", Needs: one("manager of group"), Can: "update the membership list of {on}, as its manager", Then: []Effect{thatGroup}, Where: "its manager may update the membership list; " + asStrongAs, Doc: adDocs},
	{ID: "ldap.reset-password", Needs: one("reset password", "write userPassword"), Can: "set the password of {on}", Then: []Effect{thatAccount}, Where: asStrongAs, Doc: aclDocs},
	{ID: "ldap.account-control", Needs: one("GenericAll on account", "WriteDACL on account", "WriteOwner on account"), Can: "do everything with {on}, its password among it", Then: []Effect{thatAccount}, Where: asStrongAs, Doc: aclDocs},
	{ID: "ldap.account-keys", Needs: one("GenericWrite on account", "write msDS-KeyCredentialLink", "write servicePrincipalName", "write msDS-AllowedToActOnBehalfOfOtherIdentity"), Can: "give {on} a key or a name of his own", Then: []Effect{thatAccount}, Where: asStrongAs, Doc: aclDocs},
	{ID: "ldap.managed-password", Needs: one("read managed password", "read LAPS password"), Can: "read the password of {on}", Then: []Effect{thatAccount}, Where: asStrongAs, Doc: aclDocs},
	{ID: "ldap.replicate", Needs: one("replicate all changes"), Can: "replicate the domain, its password hashes among it", Then: []Effect{wholeDomain}, Doc: aclDocs},
	{ID: "ldap.domain-control", Needs: one("GenericAll on domain", "WriteDACL on domain", "WriteOwner on domain"), Can: "give himself any right in the domain", Then: []Effect{wholeDomain}, Doc: aclDocs},
	{ID: "ldap.group-policy", Needs: one("write group policy", "link group policy"), Can: "run anything on the machines under {on}", Then: []Effect{{Kind: CanEditGate, ID: "policy/{on}", Name: "the group policy of {on}", Class: Top}, wholeDomain}, Where: "a domain controller or an administrator's machine is under it", Doc: adDocs},
	{ID: "ldap.root", Needs: one("rootdn", "manage configuration"), Can: "do everything in the directory", Then: []Effect{wholeDomain, {Kind: CanEditGate, ID: "access-rules", Name: "the directory's access rules", Class: Top}}, Doc: slapdDocs},
}
