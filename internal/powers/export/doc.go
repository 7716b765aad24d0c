// Package export reads what systems say of their own roles: Azure role
// definitions, AWS IAM policies, Kubernetes roles and bindings, and for any other
// system a list of rights in a form of ours. Each reader takes bytes and gives
// roles that the rules of package powers can be applied to, or every problem with
// its place.
//
//	bytes --json.go, yaml.go--> tree --azure, aws, kubernetes, rights--> powers.Role
//
// Reading is strict: a key that is not known may narrow or widen what a role
// allows, so it is a problem, never skipped. What only describes (a name, a
// label, a date) is known and skipped. It is bounded in size, depth and number.
//
// It never connects to anything, opens no file, and says nothing of what follows
// from a role: that is for the rules.
package export
