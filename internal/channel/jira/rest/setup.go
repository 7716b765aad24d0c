package rest

import (
	"context"
	"time"
)

// Server is what the site says of itself.
type Server struct {
	Base, Deployment, Version, Title string
	Time                             time.Time // its clock
}

// Field is a field of the site. Names are localised and need not be unique.
type Field struct {
	ID, Name string
	Custom   bool
	Schema   string
}

// Project of the site. Kind is "software", "service_desk" or "business"; only in
// the second is an approval enforced at all.
type Project struct {
	ID, Key, Name, Kind string
	Simplified          bool // team-managed: it has its own fields and workflow
}

// TypeStatuses are the statuses that issues of one type can be in.
type TypeStatuses struct {
	Type     Ref
	Statuses []Status
}

// CreateField is a field of a new issue, with its options.
type CreateField struct {
	ID, Name string
	Required bool
	Schema   string
	Options  []Option
}

func (s *site) Server(ctx context.Context) (Server, error) {
	var out struct {
		Base       string `json:"baseUrl"`
		Deployment string `json:"deploymentType"`
		Version    string `json:"version"`
		Title      string `json:"serverTitle"`
		Time       clock  `json:"serverTime"`
	}
	err := s.do(ctx, get(path(s.root, "serverInfo")), &out)
	return Server{Base: out.Base, Deployment: out.Deployment, Version: out.Version, Title: out.Title, Time: out.Time.Time}, err
}

func (s *site) Fields(ctx context.Context) ([]Field, error) {
	var out []struct {
		ID     string `json:"id"`
		Name   string `json:"name"`
		Custom bool   `json:"custom"`
		Schema schema `json:"schema"`
	}
	err := s.do(ctx, get(path(s.root, "field")), &out)
	var list []Field
	for _, f := range out {
		list = append(list, Field{ID: f.ID, Name: f.Name, Custom: f.Custom, Schema: f.Schema.out()})
	}
	return list, err
}

type project struct {
	ID         ident  `json:"id"`
	Key        string `json:"key"`
	Name       string `json:"name"`
	Kind       string `json:"projectTypeKey"`
	Simplified bool   `json:"simplified"`
}

func projects(found []project) []Project {
	var list []Project
	for _, p := range found {
		list = append(list, Project{ID: string(p.ID), Key: p.Key, Name: p.Name, Kind: p.Kind, Simplified: p.Simplified})
	}
	return list
}

func (s *cloud) Projects(ctx context.Context) ([]Project, error) {
	found, err := pages[project](ctx, &s.site, platform, get(path(s.root, "project", "search"), "orderBy", "key"))
	return projects(found), err
}

// Projects of Data Center come all at once.
func (s *dataCenter) Projects(ctx context.Context) ([]Project, error) {
	var found []project
	err := s.do(ctx, get(path(s.root, "project")), &found)
	return projects(found), err
}

func (s *site) Statuses(ctx context.Context, project string) ([]TypeStatuses, error) {
	if err := checkProject(project); err != nil {
		return nil, err
	}
	var out []struct {
		ref
		Statuses []status `json:"statuses"`
	}
	err := s.do(ctx, get(path(s.root, "project", project, "statuses")), &out)
	var list []TypeStatuses
	for _, t := range out {
		one := TypeStatuses{Type: t.ref.out()}
		for _, st := range t.Statuses {
			one.Statuses = append(one.Statuses, st.out())
		}
		list = append(list, one)
	}
	return list, err
}

func (s *site) Options(ctx context.Context, project, issueType string) ([]CreateField, error) {
	if err := checkProject(project); err != nil {
		return nil, err
	}
	if err := CheckID(issueType); err != nil {
		return nil, err
	}
	type field struct {
		ID       string `json:"fieldId"`
		Name     string `json:"name"`
		Required bool   `json:"required"`
		Schema   schema `json:"schema"`
		Allowed  []struct {
			ID    ident  `json:"id"`
			Value string `json:"value"`
			Name  string `json:"name"`
		} `json:"allowedValues"`
	}
	found, err := pages[field](ctx, s, platform, get(path(s.root, "issue", "createmeta", project, "issuetypes", issueType)))
	var list []CreateField
	for _, f := range found {
		one := CreateField{ID: f.ID, Name: f.Name, Required: f.Required, Schema: f.Schema.out()}
		for _, o := range f.Allowed {
			if o.Value == "" {
				o.Value = o.Name
			}
			one.Options = append(one.Options, Option{ID: string(o.ID), Value: o.Value})
		}
		list = append(list, one)
	}
	return list, err
}
