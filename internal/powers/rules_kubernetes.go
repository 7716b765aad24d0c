package powers

const (
	rbacDocs = "https://kubernetes.io/docs/concepts/security/rbac-good-practices/"
	rbacRef  = "https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping"
)

var (
	clusterToo   = Effect{Kind: Confers, ID: "every-permission", Name: "every permission in the cluster", Class: Top}
	secretsThere = Effect{Kind: Confers, ID: "secrets/{on}", Name: "read of secrets {on}", Class: Top}
	accounts     = Effect{Kind: CanBecome, ID: "sa/{on}", Name: "service accounts {on}", Class: Top}
	nodesThere   = Effect{Kind: CanBecome, ID: "sa/*/*", Name: "service accounts in the cluster", Class: Top}
	admission    = Effect{Kind: CanEditGate, ID: "admission", Name: "what the API server admits", Class: Top}
)

// Rights are "verb group/resource", the core group being empty. {on} is where: "in
// the cluster", "in namespace x", "named y in namespace x".
var kubernetesRules = []Rule{
	{ID: "kubernetes.everything", Needs: one("* */*"), Then: []Effect{{Kind: Confers, ID: "all/{on}", Name: "every permission {on}", Class: Top}, {Kind: CanGrant, Itself: true}}, Doc: rbacDocs},
	{ID: "kubernetes.escalate", Needs: one("escalate rbac.authorization.k8s.io/clusterroles", "escalate rbac.authorization.k8s.io/roles"), Can: "write roles {on} that allow more than he has himself",
		Then: []Effect{{Kind: CanGrant, ID: "written/{on}", Name: "every permission that a role {on} can hold", Class: Top}, {Kind: CanGrant, Itself: true}}, Where: "together with update, patch or create of roles", Doc: rbacRef},
	{ID: "kubernetes.bind", Needs: one("bind rbac.authorization.k8s.io/clusterroles", "bind rbac.authorization.k8s.io/roles"), Can: "bind roles {on} that he does not hold himself",
		Then: []Effect{{Kind: CanGrant, ID: "bound/{on}", Name: "whatever any role {on} allows", Class: Top}, {Kind: CanGrant, Itself: true}}, Where: "together with create or update of bindings; as strong as the roles he may bind", Doc: rbacRef},
	{ID: "kubernetes.bindings", Needs: one("create rbac.authorization.k8s.io/rolebindings", "update rbac.authorization.k8s.io/rolebindings", "patch rbac.authorization.k8s.io/rolebindings", "create rbac.authorization.k8s.io/clusterrolebindings", "update rbac.authorization.k8s.io/clusterrolebindings", "patch rbac.authorization.k8s.io/clusterrolebindings"),
		Can: "bind what he holds to anybody {on}", Then: []Effect{{Kind: CanGrant, Itself: true}}, Doc: rbacRef},
	{ID: "kubernetes.impersonate-users", Needs: one("impersonate /users"), Can: "impersonate users {on}", Then: []Effect{{Kind: CanBecome, ID: "user/{on}", Name: "users {on}", Class: Top}}, Doc: rbacDocs},
	{ID: "kubernetes.impersonate-groups", Needs: one("impersonate /groups"), Can: "impersonate groups {on}", Then: []Effect{{Kind: CanBecome, ID: "group/{on}", Name: "groups {on}", Class: Top}}, Where: "together with impersonate of a user or service account", Doc: rbacDocs},
	{ID: "kubernetes.impersonate-accounts", Needs: one("impersonate /serviceaccounts"), Can: "impersonate service accounts {on}", Then: []Effect{accounts}, Doc: rbacDocs},
	{ID: "kubernetes.pods", Needs: one("create /pods"), Can: "create pods {on}", Then: []Effect{accounts, secretsThere}, Where: "as strong as the service accounts there, and, unless pod security forbids it, as the nodes", Doc: rbacDocs},
	{ID: "kubernetes.workloads", Needs: one("create apps/deployments", "update apps/deployments", "patch apps/deployments", "create apps/daemonsets", "update apps/daemonsets", "patch apps/daemonsets", "create apps/statefulsets", "update apps/statefulsets", "patch apps/statefulsets",
		"create apps/replicasets", "update apps/replicasets", "patch apps/replicasets", "create batch/jobs", "create batch/cronjobs", "update batch/cronjobs", "patch batch/cronjobs", "create /replicationcontrollers", "update /replicationcontrollers", "patch /replicationcontrollers"),
		Can: "create pods {on} through workloads", Then: []Effect{accounts, secretsThere}, Where: "as strong as the service accounts there", Doc: rbacDocs},
	{ID: "kubernetes.exec", Needs: one("create /pods/exec", "get /pods/exec", "create /pods/attach", "get /pods/attach", "update /pods/ephemeralcontainers", "patch /pods/ephemeralcontainers"),
		Can: "run commands in pods {on}", Then: []Effect{accounts}, Where: "as strong as the service accounts of the pods there", Doc: rbacDocs},
	{ID: "kubernetes.token", Needs: one("create /serviceaccounts/token"), Can: "make tokens of service accounts {on}", Then: []Effect{accounts}, Doc: rbacDocs},
	{ID: "kubernetes.secrets", Needs: one("get /secrets", "list /secrets", "watch /secrets"), Can: "read secrets {on}", Then: []Effect{secretsThere, accounts}, Where: "service accounts whose tokens are kept in secrets", Doc: rbacDocs},
	{ID: "kubernetes.nodes-proxy", Needs: one("get /nodes/proxy", "create /nodes/proxy"), Can: "speak to the kubelets past the API server", Then: []Effect{nodesThere}, Doc: rbacDocs},
	{ID: "kubernetes.volumes", Needs: one("create /persistentvolumes"), Can: "mount a node's own files as a volume", Then: []Effect{nodesThere}, Where: "together with a pod that claims it", Doc: rbacDocs},
	{ID: "kubernetes.certificates", Needs: [][]string{{"update certificates.k8s.io/certificatesigningrequests/approval", "patch certificates.k8s.io/certificatesigningrequests/approval"}, {"approve certificates.k8s.io/signers"}},
		Can: "approve client certificates for any name", Then: []Effect{{Kind: CanBecome, ID: "user/*/*", Name: "users in the cluster", Class: Top}}, Where: "together with somebody who asks for the certificate", Doc: rbacDocs},
	{ID: "kubernetes.mutating-webhooks", Needs: one("create admissionregistration.k8s.io/mutatingwebhookconfigurations", "update admissionregistration.k8s.io/mutatingwebhookconfigurations", "patch admissionregistration.k8s.io/mutatingwebhookconfigurations", "create admissionregistration.k8s.io/mutatingadmissionpolicies", "update admissionregistration.k8s.io/mutatingadmissionpolicies", "patch admissionregistration.k8s.io/mutatingadmissionpolicies"),
		Can: "rewrite every object on its way into the cluster", Then: []Effect{admission, clusterToo}, Doc: rbacDocs},
	{ID: "kubernetes.validating-webhooks", Needs: one("create admissionregistration.k8s.io/validatingwebhookconfigurations", "update admissionregistration.k8s.io/validatingwebhookconfigurations", "patch admissionregistration.k8s.io/validatingwebhookconfigurations", "delete admissionregistration.k8s.io/validatingwebhookconfigurations", "update admissionregistration.k8s.io/validatingadmissionpolicies", "delete admissionregistration.k8s.io/validatingadmissionpolicies"),
		Can: "change what checks every object on its way into the cluster", Then: []Effect{admission}, Doc: rbacDocs},
}
