package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/access"
)

const (
	mostPeople   = 1_000_000
	mostProblems = 50 // as many as somebody mends before looking again
)

// Read implements [source.Source].
func (s *Source) Read(ctx context.Context) ([]access.Record, error) {
	// 1. One connection, over which the server keeps its place in the list.
	l, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer l.close()
	defer context.AfterFunc(ctx, func() { _ = l.raw.SetDeadline(longAgo) })()
	r := &reading{line: l, at: map[string]int{}, keys: map[string]int{}, looked: map[string]string{}}
	// 2. Everybody.
	if err := l.pages(s.cfg.Filter, s.attributes(), r.person); err != nil {
		return nil, errors.Join(err, ctx.Err())
	}
	// 3. Who is meant where the directory says a DN.
	for n := range r.list {
		if err := r.resolve(&r.list[n]); err != nil {
			return nil, errors.Join(err, ctx.Err())
		}
	}
	// 4. Who is in the groups that are asked for.
	for dn := range s.groups {
		if err := r.group(dn); err != nil {
			return nil, errors.Join(err, ctx.Err())
		}
	}
	for n := range r.list {
		clean, err := r.list[n].Clean()
		if err != nil {
			r.wrong("%s", strings.TrimPrefix(err.Error(), access.ErrInvalid.Error()+": "))
		}
		r.list[n] = clean
	}
	if err := errors.Join(r.problem(), ctx.Err()); err != nil {
		return nil, err
	}
	return r.list, nil
}

// attributes are all that is asked for; what the server itself keeps must be asked for by name.
func (s *Source) attributes() []string {
	list := []string{s.key}
	for _, names := range s.columns {
		list = append(list, names...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// reading is what one reading has come to.
type reading struct {
	*line
	list     []access.Record
	at       map[string]int    // normal DN -> place in list
	keys     map[string]int    // key -> place in list
	looked   map[string]string // normal DN that was asked for by itself -> key
	problems []error
	more     int
}

func (r *reading) wrong(format string, args ...any) {
	if len(r.problems) >= mostProblems {
		r.more++
		return
	}
	r.problems = append(r.problems, fmt.Errorf(format, args...))
}

func (r *reading) problem() error {
	if len(r.problems) == 0 {
		return nil
	}
	if r.more > 0 {
		r.problems = append(r.problems, fmt.Errorf("and %d more", r.more))
	}
	return fmt.Errorf("%w: %w", access.ErrInvalid, errors.Join(r.problems...))
}

// person takes one entry.
func (r *reading) person(e *goldap.Entry) error {
	if len(r.list) >= mostPeople {
		return fmt.Errorf("%w: more than %d people are below %s", access.ErrInvalid, mostPeople, r.s.cfg.PeopleBase)
	}
	name, err := normal(e.DN)
	if err != nil {
		return err
	}
	rec := access.Record{Accounts: map[string]string{}, More: map[string]string{}}
	if rec.Key = r.keyOf(e); rec.Key == "" {
		r.wrong("%s shows no %s, or several: %s must be able to read it", e.DN, r.s.key, r.s.cfg.BindDN)
		return nil
	}
	if other, twice := r.keys[rec.Key]; twice {
		r.wrong("%s has the %s of another entry, %s", e.DN, r.s.key, r.list[other].Name)
		return nil
	}
	for what, attributes := range r.s.columns {
		if err := r.s.says(&rec, e, what, attributes); err != nil {
			r.wrong("%s: %s: %w", e.DN, what, err)
		}
	}
	r.at[name], r.keys[rec.Key] = len(r.list), len(r.list)
	r.list = append(r.list, rec)
	return nil
}

// keyOf is an entry's key: exactly one value.
func (r *reading) keyOf(e *goldap.Entry) string {
	if values := values(e, r.s.key); len(values) == 1 {
		return values[0]
	}
	return ""
}

// resolve puts keys where the directory says DNs.
func (r *reading) resolve(rec *access.Record) error {
	for _, dn := range []*string{&rec.Manager, &rec.Sponsor} {
		name, err := normal(*dn)
		if err != nil {
			continue // a key, or another's id, as the settings may have it for sponsors; nothing says so of nobody
		}
		key, err := r.who(*dn, name)
		if err != nil {
			return err
		}
		*dn = key
	}
	return nil
}

// who is the key of whoever has that DN; "" if that is none of the people. A name that
// was not read is asked for by itself: it may have become somebody's in between.
func (r *reading) who(dn, name string) (string, error) {
	if n, ok := r.at[name]; ok {
		return r.list[n].Key, nil
	}
	if key, ok := r.looked[name]; ok {
		return key, nil
	}
	e, err := r.entry(dn, r.s.cfg.Filter, r.s.key)
	switch {
	case goldap.IsErrorAnyOf(err, goldap.LDAPResultNoSuchObject, goldap.LDAPResultReferral, goldap.LDAPResultInvalidDNSyntax):
		e = nil // it is gone, or not in this directory
	case err != nil:
		return "", err
	}
	r.looked[name] = ""
	if e != nil {
		if key := r.keyOf(e); key != "" {
			if _, ok := r.keys[key]; ok {
				r.looked[name] = key
			}
		}
	}
	return r.looked[name], nil
}

// group finds who is in a group that the settings name.
func (r *reading) group(dn string) error {
	// 1. It must be there: one that is hidden from us looks like one that nobody is in.
	shown := []string{"member", "uniqueMember"}
	if r.s.cfg.GroupBy == ByMemberOf {
		shown = []string{"1.1"}
	}
	e, err := r.entry(dn, anything, shown...)
	switch {
	case err != nil:
		return fmt.Errorf("the group %s: %w", dn, err)
	case e == nil:
		return fmt.Errorf("the group %s is not shown to %s", dn, r.s.cfg.BindDN)
	}
	// 2. Whom the directory says to be in it.
	if r.s.cfg.GroupBy == ByMemberOf {
		rule := "memberOf"
		if r.s.cfg.Dialect == ActiveDirectory {
			rule += ":1.2.840.113556.1.4.1941:" // LDAP_MATCHING_RULE_IN_CHAIN
		}
		return r.pages("(&"+r.s.cfg.Filter+"("+rule+"="+goldap.EscapeFilter(dn)+"))", []string{r.s.key}, func(e *goldap.Entry) error {
			r.join(r.keyOf(e), dn)
			return nil
		})
	}
	// 3. Whom it lists.
	members := slices.Concat(e.GetEqualFoldAttributeValues("member"), e.GetEqualFoldAttributeValues("uniqueMember"))
	if len(members) == 0 && r.s.cfg.Dialect == OpenLDAP {
		return fmt.Errorf("the group %s shows no member, where its class demands one: %s must be able to read it", dn, r.s.cfg.BindDN)
	}
	for _, m := range members {
		name, err := normal(m)
		if err != nil {
			continue // uniqueMember may carry more than a name; nobody is known by it
		}
		key, err := r.who(m, name)
		if err != nil {
			return err
		}
		r.join(key, dn)
	}
	return nil
}

// join puts a person into a group, as the settings spell it; whoever came since is in it with the next reading.
func (r *reading) join(key, group string) {
	if n, ok := r.keys[key]; ok && key != "" {
		r.list[n].Groups = append(r.list[n].Groups, group)
	}
}
