package rest

import (
	"context"
	"net/http"
	"strings"
)

// User is an account as Jira shows it.
type User struct {
	ID      string // accountId on Cloud, the immutable key on Data Center
	Login   string // Data Center's user name, which changes
	Name    string // the shown name: anybody may choose it, and it proves nobody
	Email   string // mostly hidden; never to be matched by
	Account string // "atlassian", "app", "customer", "unknown"; empty: Jira did not say
	Active  bool
}

// Known says whether the account may stand for somebody at all: not a deleted or
// unresolvable one.
func (u User) Known() bool {
	return u.ID != "" && !strings.EqualFold(u.ID, "unknown") && u.Account != "unknown"
}

// person is a user in any of Jira's answers.
type person struct {
	AccountID   string `json:"accountId"`
	AccountType string `json:"accountType"`
	Key         string `json:"key"`
	Name        string `json:"name"`
	DisplayName string `json:"displayName"`
	Email       string `json:"emailAddress"`
	Active      any    `json:"active"` // a string in some old bodies
}

func byAccount(p person) User {
	return User{ID: p.AccountID, Name: p.DisplayName, Email: p.Email, Account: p.AccountType, Active: p.Active == true}
}

func byKey(p person) User {
	return User{ID: p.Key, Login: p.Name, Name: p.DisplayName, Email: p.Email, Account: p.AccountType, Active: p.Active == true}
}

func (s *site) Myself(ctx context.Context) (User, error) {
	var p person
	if err := s.do(ctx, get(path(s.root, "myself")), &p); err != nil {
		return User{}, err
	}
	u := s.user(p)
	if u.ID == "" {
		return User{}, &Error{Kind: ErrStrange, Call: "GET " + path(s.root, "myself"), Messages: []string{"no account id in the answer"}}
	}
	return u, nil
}

func (s *site) Permissions(ctx context.Context, project string, keys ...string) (map[string]bool, error) {
	for _, k := range keys {
		if !grantForm.MatchString(k) {
			return nil, invalid("permission %q: must look like BROWSE_PROJECTS", short(k))
		}
	}
	if len(keys) == 0 {
		return nil, invalid("no permission was named")
	}
	c := get(path(s.root, "mypermissions"), "permissions", strings.Join(keys, ","))
	if project != "" {
		if err := checkProject(project); err != nil {
			return nil, err
		}
		name := "projectKey"
		if idForm.MatchString(project) {
			name = "projectId"
		}
		c.query.Set(name, project)
	}
	var out struct {
		Permissions map[string]struct {
			Have bool `json:"havePermission"`
		} `json:"permissions"`
	}
	if err := s.do(ctx, c, &out); err != nil {
		return nil, err
	}
	have := map[string]bool{}
	for _, k := range keys {
		have[k] = out.Permissions[k].Have // one that is not there is not had
	}
	return have, nil
}

func (s *cloud) User(ctx context.Context, id string) (User, error) {
	return s.person(ctx, "accountId", id)
}

func (s *dataCenter) User(ctx context.Context, id string) (User, error) {
	return s.person(ctx, "key", id)
}

func (s *site) person(ctx context.Context, by, id string) (User, error) {
	if err := checkAccount(id); err != nil {
		return User{}, err
	}
	var p person
	c := get(path(s.root, "user"), by, id)
	if err := s.do(ctx, c, &p); err != nil {
		return User{}, err
	}
	u := s.user(p)
	if u.ID != id && u.Known() { // a look-alike must not pass for the one asked for
		return User{}, &Error{Kind: ErrStrange, Call: c.String(), Messages: []string{"the answer is about another account"}}
	}
	return u, nil
}

func (s *cloud) Assign(ctx context.Context, id, account string) error {
	if account == "" {
		return s.edit(ctx, id, fields{"assignee": nil})
	}
	if err := checkAccount(account); err != nil {
		return err
	}
	return s.assign(ctx, id, fields{"accountId": account})
}

// Assign asks for the login first, which Data Center assigns by, and which changes.
func (s *dataCenter) Assign(ctx context.Context, id, account string) error {
	if account == "" {
		return s.edit(ctx, id, fields{"assignee": nil})
	}
	u, err := s.User(ctx, account)
	if err != nil {
		return err
	}
	return s.assign(ctx, id, fields{"name": u.Login})
}

func (s *site) assign(ctx context.Context, id string, to fields) error {
	if err := CheckID(id); err != nil {
		return err
	}
	return s.do(ctx, send(http.MethodPut, path(s.root, "issue", id, "assignee"), to), nil)
}
