package authzen

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lessor-iam/lessor/internal/access"
)

// How callers name what the catalog has. A resource is one entitlement by its id
//
//	type "entitlement", id "SYSTEM:NAME"     action hold, use
//
// or an object of a system, where the catalog names its entitlements by object
// and action
//
//	type "SYSTEM", id "OBJECT"               action hold, use: SYSTEM:OBJECT
//	                                         action ACT:       SYSTEM:OBJECT.ACT
//
// and a true property PROP of the action may narrow it: SYSTEM:OBJECT.ACT.PROP
// answers as well.
const (
	entitlementType = "entitlement"
	hold            = "hold" // granted, and seen held
	use             = "use"  // … and the subject is active: everything but hold means this too
)

// kinds are the types of subjects: what the directory calls them, and what others do.
var kinds = map[string]access.IdentityKind{
	"person": access.Person, "user": access.Person,
	"workload": access.Workload, "service": access.Workload,
	"agent": access.Agent, "ai_agent": access.Agent,
}

// subject finds the identity that a subject names.
func subject(dir *access.Directory, s *entity) (string, bool) {
	kind, ok := kinds[s.Type]
	id, known := dir.Identity(s.ID)
	return s.ID, ok && known && id.Kind == kind
}

// entitlements lists those in the catalog that a resource and an action name, the
// one that says all of it first. To hold any of them is enough.
func entitlements(dir *access.Directory, r *entity, a *deed) (list []string) {
	for _, id := range names(r.Type, r.ID, a) {
		if _, ok := dir.Entitlement(id); ok {
			list = append(list, id)
		}
	}
	return list
}

func names(kind, id string, a *deed) []string {
	plain := a.Name == hold || a.Name == use
	switch {
	case kind == entitlementType && plain:
		return []string{id}
	case kind == entitlementType:
		return nil
	case plain:
		return []string{kind + ":" + id}
	}
	all := []string{kind + ":" + id + "." + a.Name}
	for _, p := range truths(a.Properties) {
		all = append(all, all[0]+"."+p)
	}
	return all
}

// truths lists the properties that are true, sorted.
func truths(v jsontext.Value) (list []string) {
	var m map[string]jsontext.Value
	if len(v) == 0 || json.Unmarshal(v, &m) != nil {
		return nil
	}
	for name, value := range m {
		if value.Kind() == 't' {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// resourceOf names an entitlement as a resource of that type, under that action;
// false if it is none.
func resourceOf(kind string, a *deed, entitlement string) (id string, ok bool) {
	if kind == entitlementType {
		return entitlement, a.Name == hold || a.Name == use
	}
	name, ok := strings.CutPrefix(entitlement, kind+":")
	if !ok || a.Name == hold || a.Name == use {
		return name, ok
	}
	suffixes := []string{"." + a.Name}
	for _, p := range truths(a.Properties) {
		suffixes = append(suffixes, "."+a.Name+"."+p)
	}
	for _, s := range suffixes {
		if id, ok = strings.CutSuffix(name, s); ok && id != "" {
			return id, true
		}
	}
	return "", false
}

// actionsOf lists what an entitlement that is held lets be done to a resource.
func actionsOf(r *entity, entitlement string, active bool) []string {
	name := r.ID
	if r.Type != entitlementType {
		name = r.Type + ":" + r.ID
	}
	switch act, below := strings.CutPrefix(entitlement, name+"."); {
	case entitlement == name && active:
		return []string{hold, use}
	case entitlement == name:
		return []string{hold}
	case below && active && r.Type != entitlementType:
		return []string{act}
	}
	return nil
}

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
