package rest

import (
	"context"
	"net/http"
)

// RequestType is one kind of request a desk takes.
type RequestType struct {
	ID, Name, Description string
	IssueType             string // id
}

// NewRequestType is one to be made. Its fields, groups and workflow are arranged
// by hand: Jira has no call for them.
type NewRequestType struct {
	IssueType, Name, Description, Help string
}

// RequestField is one field of a request type's form.
type RequestField struct {
	ID, Name string
	Required bool
	Visible  bool // false: it is preset and the customer never sees it
	Schema   string
	Options  []Option
}

// Option is one choice of a field; its id is what a mapping names.
type Option struct{ ID, Value string }

type requestType struct {
	ID          ident  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	IssueType   ident  `json:"issueTypeId"`
}

func (t requestType) out() RequestType {
	return RequestType{ID: string(t.ID), Name: t.Name, Description: t.Description, IssueType: string(t.IssueType)}
}

func (s *site) RequestTypes(ctx context.Context, desk string) ([]RequestType, error) {
	if err := CheckID(desk); err != nil {
		return nil, err
	}
	found, err := pages[requestType](ctx, s, byDesk, s.desk(get(path(deskRoot, "servicedesk", desk, "requesttype"))))
	var list []RequestType
	for _, t := range found {
		list = append(list, t.out())
	}
	return list, err
}

// AddRequestType asks first: a second one of the same name would be made without a word.
func (s *site) AddRequestType(ctx context.Context, desk string, t NewRequestType) (RequestType, error) {
	if err := checkIDs(desk, t.IssueType); err != nil {
		return RequestType{}, err
	}
	if t.Name == "" {
		return RequestType{}, invalid("a request type needs a name")
	}
	there, err := s.RequestTypes(ctx, desk)
	if err != nil {
		return RequestType{}, err
	}
	for _, old := range there {
		if old.Name == t.Name {
			return old, nil
		}
	}
	c := send(http.MethodPost, path(deskRoot, "servicedesk", desk, "requesttype"), map[string]string{
		"issueTypeId": t.IssueType, "name": t.Name, "description": t.Description, "helpText": t.Help})
	c.experimental = true
	var made requestType
	err = s.do(ctx, c, &made)
	return made.out(), err
}

type schema struct {
	Type   string `json:"type"`
	Items  string `json:"items"`
	Custom string `json:"custom"`
}

// out is the custom type where there is one, e.g. "…:multiselect", else "array of option".
func (s schema) out() string {
	switch {
	case s.Custom != "":
		return s.Custom
	case s.Items != "":
		return s.Type + " of " + s.Items
	}
	return s.Type
}

func (s *site) RequestFields(ctx context.Context, desk, requestType string) ([]RequestField, error) {
	if err := checkIDs(desk, requestType); err != nil {
		return nil, err
	}
	var out struct {
		Fields []struct {
			ID       string `json:"fieldId"`
			Name     string `json:"name"`
			Required bool   `json:"required"`
			Visible  *bool  `json:"visible"`
			Schema   schema `json:"jiraSchema"`
			Values   []struct {
				Value ident  `json:"value"`
				Label string `json:"label"`
			} `json:"validValues"`
		} `json:"requestTypeFields"`
	}
	c := s.desk(get(path(deskRoot, "servicedesk", desk, "requesttype", requestType, "field"), "expand", "hiddenFields"))
	if err := s.do(ctx, c, &out); err != nil {
		return nil, err
	}
	var list []RequestField
	for _, f := range out.Fields {
		one := RequestField{ID: f.ID, Name: f.Name, Required: f.Required, Visible: f.Visible == nil || *f.Visible, Schema: f.Schema.out()}
		for _, v := range f.Values {
			one.Options = append(one.Options, Option{ID: string(v.Value), Value: v.Label})
		}
		list = append(list, one)
	}
	return list, nil
}
