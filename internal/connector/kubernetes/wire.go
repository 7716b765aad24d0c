package kubernetes

import "slices"

// What we read and write of Kubernetes' objects; the rest is left out when read and
// never written, for nothing is ever written back.

type meta struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace,omitempty"`
	UID               string            `json:"uid,omitempty"`
	Labels            map[string]string `json:"labels,omitempty"`
	Annotations       map[string]string `json:"annotations,omitempty"`
	DeletionTimestamp string            `json:"deletionTimestamp,omitempty"`
	Finalizers        []string          `json:"finalizers,omitempty"`
}

type roleRef struct {
	APIGroup string `json:"apiGroup"`
	Kind     string `json:"kind"`
	Name     string `json:"name"`
}

type subject struct {
	Kind      string `json:"kind"`
	APIGroup  string `json:"apiGroup,omitempty"`
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
}

// binding is a RoleBinding, or a ClusterRoleBinding where there is no namespace.
type binding struct {
	APIVersion string    `json:"apiVersion,omitempty"`
	Kind       string    `json:"kind,omitempty"`
	Metadata   meta      `json:"metadata"`
	RoleRef    roleRef   `json:"roleRef"`
	Subjects   []subject `json:"subjects"`
}

// ours says that it carries our label; that it has the right name, who asks knows.
func (b binding) ours() bool { return b.Metadata.Labels[labelBy] == labelValue }

// role is what it binds.
func (b binding) role() object {
	return object{b.Metadata.Namespace, b.RoleRef.Kind, b.RoleRef.Name}
}

// as says that it gives exactly what the other does, to exactly whom.
func (b binding) as(other binding) bool {
	return b.RoleRef == other.RoleRef && slices.Equal(b.accounts(), other.accounts())
}

// accounts are its subjects in our spelling.
func (b binding) accounts() []account {
	list := make([]account, len(b.Subjects))
	for i, s := range b.Subjects {
		list[i] = s.account(b.Metadata.Namespace)
	}
	return list
}

// account is who the authorizer takes the subject for.
func (s subject) account(namespace string) account {
	switch s.Kind {
	case serviceAccount:
		if s.Namespace != "" {
			namespace = s.Namespace
		}
		return account{serviceAccount, namespace, s.Name}
	case user:
		if a, ok := serviceAccountNamed(s.Name); ok {
			return a
		}
	}
	return account{kind: s.Kind, name: s.Name}
}

// rule is one of a role's.
type rule struct {
	Verbs           []string `json:"verbs"`
	APIGroups       []string `json:"apiGroups"`
	Resources       []string `json:"resources"`
	ResourceNames   []string `json:"resourceNames"`
	NonResourceURLs []string `json:"nonResourceURLs"`
}

// powers is a Role or ClusterRole as Look reads it.
type powers struct {
	Metadata meta   `json:"metadata"`
	Rules    []rule `json:"rules"`
}

// status is what the API server answers where it says no.
type status struct {
	Kind    string `json:"kind"`
	Code    int    `json:"code"`
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Details struct {
		Name              string `json:"name"`
		Kind              string `json:"kind"`
		UID               string `json:"uid"`
		RetryAfterSeconds int    `json:"retryAfterSeconds"`
	} `json:"details"`
}

// review is a SubjectAccessReview.
type review struct {
	APIVersion string       `json:"apiVersion"`
	Kind       string       `json:"kind"`
	Spec       reviewSpec   `json:"spec"`
	Status     reviewStatus `json:"status"`
}

type reviewSpec struct {
	User     string          `json:"user,omitempty"`
	Groups   []string        `json:"groups,omitempty"`
	Resource *resourceRight  `json:"resourceAttributes,omitempty"`
	Other    *nonResourceURL `json:"nonResourceAttributes,omitempty"`
}

type resourceRight struct {
	Namespace   string `json:"namespace,omitempty"`
	Verb        string `json:"verb"`
	Group       string `json:"group,omitempty"`
	Resource    string `json:"resource"`
	Subresource string `json:"subresource,omitempty"`
	Name        string `json:"name,omitempty"`
}

type nonResourceURL struct {
	Path string `json:"path"`
	Verb string `json:"verb"`
}

type reviewStatus struct {
	Allowed         bool   `json:"allowed"`
	Reason          string `json:"reason"`
	EvaluationError string `json:"evaluationError"`
}

type deleteOptions struct {
	APIVersion    string        `json:"apiVersion"`
	Kind          string        `json:"kind"`
	Preconditions preconditions `json:"preconditions"`
}

type preconditions struct {
	UID string `json:"uid"`
}
