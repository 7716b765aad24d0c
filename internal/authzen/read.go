package authzen

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/lessor-iam/lessor/internal/access"
)

// entity is a Subject or a Resource (Authorization API, Information Model).
type entity struct {
	Type       string         `json:"type"`
	ID         string         `json:"id,omitzero"`
	Properties jsontext.Value `json:"properties,omitzero"`
}

// deed is an Action.
type deed struct {
	Name       string         `json:"name"`
	Properties jsontext.Value `json:"properties,omitzero"`
}

// question is one evaluation, or what a search leaves open.
type question struct {
	Subject  *entity        `json:"subject"`
	Action   *deed          `json:"action"`
	Resource *entity        `json:"resource"`
	Context  jsontext.Value `json:"context"`
}

// parse reads JSON strictly as to types, names given twice and UTF-8, and
// ignores members it does not know, as the specification wants here.
func parse(raw []byte, v any) error {
	if len(bytes.TrimSpace(raw)) == 0 {
		return fmt.Errorf("%w: the body is empty", access.ErrInvalid)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%w: %.300s", access.ErrInvalid, err)
	}
	return nil
}

// What a question must say in full.
type needs struct{ subjectID, action, resourceID bool }

// check says what of a question is missing or of the wrong type.
func (q *question) check(n needs) error {
	missing := func(what string) error { return fmt.Errorf("%w: %s is missing", access.ErrInvalid, what) }
	switch {
	case q.Subject == nil:
		return missing("subject")
	case q.Subject.Type == "":
		return missing("subject.type")
	case n.subjectID && q.Subject.ID == "":
		return missing("subject.id")
	case n.action && q.Action == nil:
		return missing("action")
	case n.action && q.Action.Name == "":
		return missing("action.name")
	case q.Resource == nil:
		return missing("resource")
	case q.Resource.Type == "":
		return missing("resource.type")
	case n.resourceID && q.Resource.ID == "":
		return missing("resource.id")
	}
	for what, v := range map[string]jsontext.Value{"subject.properties": q.Subject.Properties, "resource.properties": q.Resource.Properties, "context": q.Context} {
		if err := object(what, v); err != nil {
			return err
		}
	}
	if q.Action != nil {
		return object("action.properties", q.Action.Properties)
	}
	return nil
}

// object refuses what is neither an object nor absent.
func object(what string, v jsontext.Value) error {
	if len(v) > 0 && v.Kind() != '{' && v.Kind() != 'n' {
		return fmt.Errorf("%w: %s is not an object", access.ErrInvalid, what)
	}
	return nil
}

// whole is everything that an evaluation needs.
var whole = needs{subjectID: true, action: true, resourceID: true}

// scope is the exact scope of an evaluation: subject, resource and action with
// all their properties, structurally compared. Left out is subject.properties.act,
// which a caller may say elsewhere (ARAP, Binding Token Integrity). No member of
// the context decides anything here, so none binds.
func (q *question) scope() (string, error) {
	subject, resource, action := *q.Subject, *q.Resource, *q.Action
	var err error
	if subject.Properties, err = without(subject.Properties, "act"); err != nil {
		return "", err
	}
	if resource.Properties, err = without(resource.Properties); err != nil {
		return "", err
	}
	if action.Properties, err = without(action.Properties); err != nil {
		return "", err
	}
	return canonical([]any{subject, resource, action})
}

// without leaves members out, and what then has none.
func without(v jsontext.Value, names ...string) (jsontext.Value, error) {
	if len(v) == 0 || v.Kind() == 'n' {
		return nil, nil
	}
	var m map[string]jsontext.Value
	if err := json.Unmarshal(v, &m); err != nil {
		return nil, fmt.Errorf("%w: %.300s", access.ErrInvalid, err)
	}
	for _, n := range names {
		delete(m, n)
	}
	if len(m) == 0 {
		return nil, nil
	}
	return json.Marshal(m, json.Deterministic(true))
}

// canonical is the digest of a value in the one form of RFC 8785.
func canonical(v any) (string, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	c := jsontext.Value(raw)
	if err := c.Canonicalize(); err != nil {
		return "", fmt.Errorf("%w: %.300s", access.ErrInvalid, err)
	}
	return digest(c), nil
}
