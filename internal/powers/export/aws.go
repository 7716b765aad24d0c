package export

import (
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/powers"
	"github.com/lessor-iam/lessor/internal/yaml"
)

// statement is one of a policy; each list is of patterns, actions in lower case.
type statement struct {
	deny, conditional                            bool
	actions, notActions, resources, notResources []string
}

// AWS reads one identity policy: the document itself, or as `aws iam
// get-policy-version`, `get-role-policy`, `get-user-policy` and
// `get-group-policy` write it. The role takes its name and id from name, unless
// the file says one.
//
// A condition is held against a denial and never against a permission: what is
// denied only sometimes is allowed sometimes.
func AWS(file string, text []byte, name string) ([]powers.Role, error) {
	r := &reader{file: file}
	root, ok := r.parseJSON(text)
	if !ok {
		return nil, r.err()
	}
	doc := &root
	switch {
	case root.Get("PolicyVersion") != nil:
		r.mapping(&root, "the answer", "PolicyVersion")
		v := root.Get("PolicyVersion")
		if !r.mapping(v, "PolicyVersion", "Document", "VersionId?", "IsDefaultVersion?", "CreateDate?") {
			return nil, r.err()
		}
		doc = v.Get("Document")
	case root.Get("PolicyDocument") != nil:
		r.mapping(&root, "the answer", "PolicyDocument", "PolicyName?", "RoleName?", "UserName?", "GroupName?")
		for _, key := range []string{"RoleName", "UserName", "GroupName"} {
			if of := r.text(&root, key); of != "" {
				name = strings.TrimSuffix(of+"/"+r.text(&root, "PolicyName"), "/")
			}
		}
		doc = root.Get("PolicyDocument")
	}
	if name == "" {
		r.problem(0, 0, "says no name: give one")
	}
	if !r.mapping(doc, "a policy", "Version?", "Id?", "Statement") {
		return nil, r.err()
	}
	var all []statement
	list := doc.Get("Statement")
	for _, n := range r.items(list, "Statement") {
		if s, ok := r.statement(&n); ok {
			all = append(all, s)
		}
	}
	return []powers.Role{{System: "aws", ID: name, Name: name, Source: r.where(doc), Allows: func(right string) []powers.On { return allowed(all, right) }}}, r.err()
}

func (r *reader) statement(n *yaml.Node) (s statement, ok bool) {
	if n.Kind == yaml.Map && (n.Get("Principal") != nil || n.Get("NotPrincipal") != nil) {
		r.at(n, "a statement names a principal: that is a resource's or trust policy, and says nothing of what its holder may do")
		return s, false
	}
	if !r.mapping(n, "a statement", "Effect", "Action?", "NotAction?", "Resource?", "NotResource?", "Condition?", "Sid?") {
		return s, false
	}
	effect := r.text(n, "Effect")
	if effect != "Allow" && effect != "Deny" {
		r.at(n.Get("Effect"), "Effect must be Allow or Deny")
	}
	one := func(a, b string) (x, y []string) {
		if (n.Get(a) == nil) == (n.Get(b) == nil) {
			r.at(n, "a statement needs either %s or %s", a, b)
		}
		return r.patterns(n, a), r.patterns(n, b)
	}
	s.deny, s.conditional = effect == "Deny", n.Get("Condition") != nil && len(n.Get("Condition").Keys) > 0
	s.actions, s.notActions = one("Action", "NotAction")
	s.resources, s.notResources = one("Resource", "NotResource")
	for _, list := range [][]string{s.actions, s.notActions} {
		for i := range list {
			list[i] = strings.ToLower(list[i])
		}
	}
	return s, true
}

// patterns reads one text or a list of them.
func (r *reader) patterns(n *yaml.Node, key string) []string {
	v := n.Get(key)
	if v == nil {
		return nil
	}
	var out []string
	for _, it := range r.items(v, key) {
		s, ok := r.plain(&it, key)
		if !ok {
			continue
		}
		if len(s) > 512 {
			r.at(&it, "%s is longer than any name there is", key)
			continue
		}
		out = append(out, s)
	}
	return out
}

// allowed lists on what an action is allowed: the resources of each permission
// that no denial covers.
func allowed(all []statement, right string) []powers.On {
	var on []powers.On
	action := strings.ToLower(right)
	for _, s := range all {
		if s.deny || !s.means(action) {
			continue
		}
		resources, but := s.resources, ""
		if s.notResources != nil {
			resources, but = []string{"*"}, " but "+strings.Join(s.notResources, ", ")
		}
		for _, res := range resources {
			if concerns(res, action) && !himself(res, action) && !slices.ContainsFunc(all, func(d statement) bool { return d.takes(action, res) }) {
				on = append(on, powers.On{ID: res + but, Text: named(res) + but})
			}
		}
	}
	return on
}

// named is a pattern of resources for people.
func named(resource string) string {
	if resource == "*" {
		return "everything"
	}
	return resource
}

// means tells whether a statement is about that action. The action "*" is all of
// them: a permission of it must leave nothing out.
func (s statement) means(action string) bool {
	if action == "*" {
		return slices.ContainsFunc(s.actions, func(p string) bool { return p == "*" || p == "*:*" })
	}
	fits := func(p string) bool { return match(p, action, true) }
	if s.notActions != nil {
		return !slices.ContainsFunc(s.notActions, fits)
	}
	return slices.ContainsFunc(s.actions, fits)
}

// takes tells whether a denial surely takes all of that away.
func (s statement) takes(action, resource string) bool {
	if !s.deny || s.conditional || !s.means(action) {
		return false
	}
	if s.notResources != nil {
		return !slices.ContainsFunc(s.notResources, func(p string) bool { return overlap(p, resource) })
	}
	return slices.ContainsFunc(s.resources, func(p string) bool { return covers(p, resource) })
}

// resourcesOf names the services of resources where they are not that of the action.
var resourcesOf = map[string][]string{"sts": {"iam"}, "ec2-instance-connect": {"ec2"}, "ssm": {"ssm", "ec2"}}

// concerns tells whether an action can be for that resource at all: an IAM
// permission on a bucket allows nothing. A star does not reach past its field.
func concerns(resource, action string) bool {
	service, _, ok := strings.Cut(action, ":")
	if !ok {
		return resource == "*"
	}
	services := resourcesOf[service]
	if services == nil {
		services = []string{service}
	}
	fields := strings.SplitN(resource, ":", 4)
	if len(fields) < 3 {
		return strings.Contains(resource, "*")
	}
	return slices.ContainsFunc(services, func(s string) bool { return overlap(fields[2], s) })
}

// own are actions that give somebody nothing new if they are for himself alone.
var own = []string{"iam:createaccesskey", "iam:createloginprofile", "iam:updateloginprofile"}

func himself(resource, action string) bool {
	return slices.Contains(own, action) && strings.HasSuffix(resource, ":user/${aws:username}")
}
