package rest

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// SecurityLevel hides issues from those it does not name.
type SecurityLevel struct {
	ID, Name, Description string
	Default               bool
}

// Holder is who holds something: Kind is Jira's ("group", "projectRole", "user",
// "reporter", "applicationRole", "anyone", …), Value an id where it has one, else
// a name or nothing.
type Holder struct{ Kind, Value string }

// Role of a project.
type Role struct{ ID, Name string }

// Member is a person or a group in a role.
type Member struct {
	Group bool
	ID    string // accountId or user name; group id or, on Data Center, name
	Name  string
}

// Permitted is one permission and one of its holders.
type Permitted struct {
	Permission string
	Holder     Holder
}

// Webhook is a dynamic one, as an app has them. It bears no secret of ours.
type Webhook struct {
	ID, URL, Filter string
	Events          []string
	Expires         time.Time
}

type holder struct {
	Type      string `json:"type"`
	Parameter string `json:"parameter"`
	Value     string `json:"value"`
}

func (h holder) out() Holder {
	if h.Value == "" {
		h.Value = h.Parameter
	}
	return Holder{Kind: h.Type, Value: h.Value}
}

func (s *site) SecurityLevels(ctx context.Context, project string) ([]SecurityLevel, error) {
	if err := checkProject(project); err != nil {
		return nil, err
	}
	var out struct {
		Levels []struct {
			ID          ident  `json:"id"`
			Name        string `json:"name"`
			Description string `json:"description"`
			Default     bool   `json:"isDefault"`
		} `json:"levels"`
	}
	err := s.do(ctx, get(path(s.root, "project", project, "securitylevel")), &out)
	var list []SecurityLevel
	for _, l := range out.Levels {
		list = append(list, SecurityLevel{ID: string(l.ID), Name: l.Name, Description: l.Description, Default: l.Default})
	}
	return list, err
}

func (s *cloud) LevelMembers(ctx context.Context, level string) ([]Holder, error) {
	if err := CheckID(level); err != nil {
		return nil, err
	}
	type member struct {
		Holder holder `json:"holder"`
	}
	c := get(path(s.root, "issuesecurityschemes", "level", "member"), "levelId", level)
	c.experimental = true
	found, err := pages[member](ctx, &s.site, platform, c)
	var list []Holder
	for _, m := range found {
		list = append(list, m.Holder.out())
	}
	return list, err
}

func (s *dataCenter) LevelMembers(context.Context, string) ([]Holder, error) {
	return nil, &Error{Kind: ErrNoCall, Messages: []string{"who is in a security level is to be looked up by hand"}}
}

// ofRole takes the id off the end of a role's address, which is not called.
var ofRole = regexp.MustCompile(`/role/([1-9][0-9]{0,18})$`)

func (s *site) Roles(ctx context.Context, project string) ([]Role, error) {
	if err := checkProject(project); err != nil {
		return nil, err
	}
	var out map[string]string
	err := s.do(ctx, get(path(s.root, "project", project, "role")), &out)
	var list []Role
	for name, address := range out {
		if m := ofRole.FindStringSubmatch(address); m != nil {
			list = append(list, Role{ID: m[1], Name: name})
		}
	}
	slices.SortFunc(list, func(a, b Role) int {
		m, _ := strconv.ParseInt(a.ID, 10, 64)
		n, _ := strconv.ParseInt(b.ID, 10, 64)
		return int(min(max(m-n, -1), 1))
	})
	return list, err
}

func (s *site) Members(ctx context.Context, project, role string) ([]Member, error) {
	if err := checkProject(project); err != nil {
		return nil, err
	}
	if err := CheckID(role); err != nil {
		return nil, err
	}
	var out struct {
		Actors []struct {
			Name  string `json:"name"`
			Shown string `json:"displayName"`
			Type  string `json:"type"`
			User  struct {
				AccountID string `json:"accountId"`
			} `json:"actorUser"`
			Group struct {
				GroupID string `json:"groupId"`
				Name    string `json:"name"`
			} `json:"actorGroup"`
		} `json:"actors"`
	}
	err := s.do(ctx, get(path(s.root, "project", project, "role", role)), &out)
	var list []Member
	for _, a := range out.Actors {
		m := Member{Group: a.Type == "atlassian-group-role-actor", Name: a.Shown, ID: a.Name}
		switch {
		case m.Group && a.Group.GroupID != "":
			m.ID = a.Group.GroupID
		case !m.Group && a.User.AccountID != "":
			m.ID = a.User.AccountID
		}
		list = append(list, m)
	}
	return list, err
}

func (s *site) PermissionScheme(ctx context.Context, project string) ([]Permitted, error) {
	if err := checkProject(project); err != nil {
		return nil, err
	}
	var out struct {
		Permissions []struct {
			Permission string `json:"permission"`
			Holder     holder `json:"holder"`
		} `json:"permissions"`
	}
	err := s.do(ctx, get(path(s.root, "project", project, "permissionscheme"), "expand", "permissions"), &out)
	var list []Permitted
	for _, p := range out.Permissions {
		list = append(list, Permitted{Permission: p.Permission, Holder: p.Holder.out()})
	}
	return list, err
}

func (s *cloud) Webhooks(ctx context.Context) ([]Webhook, error) {
	type hook struct {
		ID      ident    `json:"id"`
		URL     string   `json:"url"`
		Filter  string   `json:"jqlFilter"`
		Events  []string `json:"events"`
		Expires int64    `json:"expirationDate"`
	}
	found, err := pages[hook](ctx, &s.site, platform, get(path(s.root, "webhook")))
	var list []Webhook
	for _, h := range found {
		one := Webhook{ID: string(h.ID), URL: h.URL, Filter: h.Filter, Events: h.Events}
		if h.Expires > 0 {
			one.Expires = time.UnixMilli(h.Expires).UTC()
		}
		list = append(list, one)
	}
	return list, err
}

func (s *dataCenter) Webhooks(context.Context) ([]Webhook, error) {
	return nil, &Error{Kind: ErrNoCall, Messages: []string{"webhooks are to be looked up by hand, under System"}}
}
