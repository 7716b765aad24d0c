package jirasim

import (
	"slices"
	"strings"
)

// find gives the one with that id or, failing that, that name.
func find(list []named, ref string) *named {
	for _, by := range []func(named) string{func(n named) string { return n.id }, func(n named) string { return n.name }} {
		if i := slices.IndexFunc(list, func(n named) bool { return by(n) == ref }); i >= 0 {
			return &list[i]
		}
	}
	return nil
}

func (w *world) user(accountID string) *User {
	for _, u := range w.users {
		if u.AccountID == accountID {
			return u
		}
	}
	return nil
}

// userBy finds a user by Data Center's login or key.
func (w *world) userBy(login, key string) *User {
	for _, u := range w.users {
		if (login != "" && strings.EqualFold(u.Login, login)) || (key != "" && u.Key == key) {
			return u
		}
	}
	return nil
}

// field by id, or by name whatever its case.
func (w *world) field(ref string) *Field {
	for _, f := range w.fields {
		if f.ID == ref {
			return f
		}
	}
	for _, f := range w.fields {
		if strings.EqualFold(f.Name, ref) {
			return f
		}
	}
	return nil
}

func (w *world) fieldOf(k Kind) *Field {
	for _, f := range w.fields {
		if f.Kind == k {
			return f
		}
	}
	return nil
}

func (w *world) status(ref string) *Status {
	for _, s := range w.statuses {
		if s.ID == ref {
			return s
		}
	}
	for _, s := range w.statuses {
		if strings.EqualFold(s.Name, ref) {
			return s
		}
	}
	return nil
}

func (w *world) project(ref string) *project {
	for _, p := range w.projects {
		if p.Key == ref || p.ID == ref {
			return p
		}
	}
	return nil
}

func (w *world) org(ref string) *Organization {
	for _, o := range w.orgs {
		if o.ID == ref || o.Name == ref {
			return o
		}
	}
	return nil
}

func (w *world) level(id string) *SecurityLevel {
	for _, sc := range w.security {
		for i := range sc.Levels {
			if sc.Levels[i].ID == id {
				return &sc.Levels[i]
			}
		}
	}
	return nil
}

func (w *world) deskByID(id string) *project {
	for _, p := range w.projects {
		if p.desk != nil && p.desk.ID == id {
			return p
		}
	}
	return nil
}

// requestType by id, within a desk.
func (d *Desk) requestType(ref string) *RequestType {
	for i, rt := range d.RequestTypes {
		if rt.ID == ref || rt.Name == ref {
			return &d.RequestTypes[i]
		}
	}
	return nil
}

func (f *Field) option(ref string) *Option {
	for i, o := range f.Options {
		if o.ID == ref {
			return &f.Options[i]
		}
	}
	for i, o := range f.Options {
		if o.Value == ref {
			return &f.Options[i]
		}
	}
	return nil
}

// FieldID gives the id of the field of that name, or nothing.
func (s *Sim) FieldID(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.field(name); f != nil {
		return f.ID
	}
	return ""
}

// OptionID gives the id of a field's option of that value, or nothing.
func (s *Sim) OptionID(field, value string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.field(field); f != nil {
		if o := f.option(value); o != nil {
			return o.ID
		}
	}
	return ""
}

// RequestTypeID gives the ids of a project's desk and of its request type.
func (s *Sim) RequestTypeID(projectKey, name string) (desk, requestType string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.world.project(projectKey); p != nil && p.desk != nil {
		if rt := p.desk.requestType(name); rt != nil {
			return p.desk.ID, rt.ID
		}
	}
	return "", ""
}

// SecurityLevelID gives the id of the level of that name, or nothing.
func (s *Sim) SecurityLevelID(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sc := range s.security {
		for _, l := range sc.Levels {
			if l.Name == name {
				return l.ID
			}
		}
	}
	return ""
}
