package audit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
)

// place is one project of the site beside its mapping.
type place struct {
	config.JiraProject
	about    string
	statuses map[string]rest.Status
	types    []rest.TypeStatuses
	desk     string // id of its service desk
	fields   map[string]rest.Field
}

// project holds a project's mapping against what is there.
func (x *exam) project(ctx context.Context, p config.JiraProject, there rest.Project) {
	l := &place{JiraProject: p, about: "project " + p.Key, statuses: map[string]rest.Status{}, fields: map[string]rest.Field{}}
	if isDesk := there.Kind == "service_desk"; isDesk != p.Desk {
		x.say(l.about, Wrong, "set service_desk in jira.yaml", "it is of the kind %s, and service_desk is %t", there.Kind, p.Desk)
	}
	x.statuses(ctx, l)
	x.levels(ctx, l)
	fields, err := x.Rest.Fields(ctx)
	if err != nil {
		x.fails(l.about, "the site's fields cannot be listed", err)
		return
	}
	for _, f := range fields {
		l.fields[f.ID] = f
	}
	x.requestTypes(ctx, l)
	x.sampled(ctx, l)
}

func (x *exam) statuses(ctx context.Context, l *place) {
	var err error
	if l.types, err = x.Rest.Statuses(ctx, l.Key); err != nil {
		x.fails(l.about, "its statuses cannot be listed", err)
		return
	}
	for _, t := range l.types {
		for _, s := range t.Statuses {
			l.statuses[s.ID] = s
		}
	}
	good := 0
	check := func(id, purpose string) {
		switch _, ok := l.statuses[id]; {
		case id == "":
		case !ok:
			x.say(l.about, Missing, "correct it in jira.yaml, or add the status to the workflow", "there is no status %s, which is to be %s", id, purpose)
		default:
			good++
		}
	}
	for _, m := range milestones(l.Milestones) {
		check(m.id, "the milestone "+m.name)
	}
	for id, verdict := range l.Votes.Statuses {
		check(id, "a vote to "+string(verdict))
	}
	for _, id := range l.Closed {
		check(id, "closed")
	}
	x.say(l.about, Fine, "", "%d statuses of the mapping are there", good)
}

// milestone is one by name.
type milestone struct{ name, id string }

func milestones(m config.JiraMilestones) []milestone {
	return []milestone{{"waiting", m.Waiting}, {"granting", m.Granting}, {"active", m.Active}, {"removed", m.Removed}, {"refused", m.Refused}}
}

func (x *exam) levels(ctx context.Context, l *place) {
	if l.SecurityLevel == "" {
		return
	}
	list, err := x.Rest.SecurityLevels(ctx, l.Key)
	switch i := slices.IndexFunc(list, func(s rest.SecurityLevel) bool { return s.ID == l.SecurityLevel }); {
	case err != nil:
		x.fails(l.about, "its security levels cannot be listed", err)
	case i < 0:
		x.say(l.about, Missing, "correct it in jira.yaml; Lessor's account must be in the level, or its tickets vanish from it", "there is no security level %s that the token may set", l.SecurityLevel)
	default:
		x.say(l.about, Fine, "", "security level %s (%s) can be set", l.SecurityLevel, list[i].Name)
	}
}

func (x *exam) requestTypes(ctx context.Context, l *place) {
	known := map[string]string{}
	if l.Desk {
		desks, err := x.Rest.Desks(ctx)
		i := slices.IndexFunc(desks, func(d rest.ServiceDesk) bool { return d.ProjectKey == l.Key })
		switch {
		case err != nil:
			x.fails(l.about, "the service desks cannot be listed", err)
			return
		case i < 0:
			x.say(l.about, Missing, "give Lessor's account a place in the desk's team", "it has no service desk that the token may see")
			return
		}
		l.desk = desks[i].ID
		types, err := x.Rest.RequestTypes(ctx, l.desk)
		if err != nil {
			x.fails(l.about, "its request types cannot be listed", err)
			return
		}
		for _, t := range types {
			known[t.ID] = t.Name
		}
	} else {
		for _, t := range l.types {
			known[t.Type.ID] = t.Type.Name
		}
	}
	for _, t := range l.RequestTypes {
		name, ok := known[t.ID]
		if !ok {
			x.say(l.about, Missing, "correct its id in jira.yaml, or make it: lessor jira setup", "there is no request type %s", t.ID)
			continue
		}
		x.form(ctx, l, t, name)
	}
}

// form is the fields of a type as people fill them in.
func (x *exam) form(ctx context.Context, l *place, t config.JiraRequestType, name string) {
	about := "request type " + name
	fields, err := formOf(ctx, x.Rest, l.Key, l.desk, t.ID)
	switch {
	case err != nil && !l.Desk && !errors.Is(err, rest.ErrLimited):
		why, _ := plainly(err)
		x.say(about, Note, "", "its options cannot be read without the permission to create issues, which Lessor does not need: %s", why)
	case err != nil:
		x.fails(about, "its form cannot be read", err)
	}
	for _, w := range uses(t) {
		x.field(l, about, w, fields, err == nil)
	}
}

// formOf reads the fields of a request type or, elsewhere than at a desk, of an issue type.
func formOf(ctx context.Context, r rest.Site, project, desk, kind string) ([]rest.RequestField, error) {
	if desk != "" {
		return r.RequestFields(ctx, desk, kind)
	}
	create, err := r.Options(ctx, project, kind)
	var list []rest.RequestField
	for _, f := range create {
		list = append(list, rest.RequestField{ID: f.ID, Name: f.Name, Required: f.Required, Visible: true, Schema: f.Schema, Options: f.Options})
	}
	return list, err
}

// use is one field of a mapping: what it is for, what kinds fit, and the options it names.
type use struct {
	id, purpose string
	kinds       []string
	options     []string
}

// The kinds of fields that fit each purpose, by the end of the schema's name.
var (
	choiceKinds = []string{"select", "radiobuttons", "multiselect", "multicheckboxes", "cascadingselect"}
	oneOfKinds  = []string{"select", "radiobuttons", "cascadingselect"}
	userKinds   = []string{"userpicker"}
	momentKinds = []string{"datetime"}
	textKinds   = []string{"textfield", "textarea", "string", "summary", "description"}
)

func uses(t config.JiraRequestType) []use {
	list := []use{
		{t.Entitlements.Field, "what is asked for", choiceKinds, slices.Sorted(maps.Keys(t.Entitlements.Options))},
		{t.Beneficiary, "whom it is for", userKinds, nil},
		{t.Term.Field, "for how long", oneOfKinds, slices.Sorted(maps.Keys(t.Term.Options))},
		{t.Start, "from when", momentKinds, nil},
		{t.Reason, "why", textKinds, nil},
	}
	return slices.DeleteFunc(list, func(u use) bool { return u.id == "" })
}

func fits(schema string, kinds []string) bool {
	last := schema[strings.LastIndex(schema, ":")+1:]
	return slices.Contains(kinds, last)
}

// field holds one field against the site and, where it was read, the form.
func (x *exam) field(l *place, about string, u use, form []rest.RequestField, read bool) {
	there, ok := l.fields[u.id]
	if !ok {
		x.say(about, Missing, "correct its id in jira.yaml", "there is no field %s, which is to say %s", u.id, u.purpose)
		return
	}
	if there.Schema != "" && !fits(there.Schema, u.kinds) {
		x.say(about, Wrong, "map a field of another type", "field %s (%s) is of the type %s, which cannot say %s: that takes %s", u.id, there.Name, there.Schema, u.purpose, strings.Join(u.kinds, " or "))
	}
	if !read {
		return
	}
	i := slices.IndexFunc(form, func(f rest.RequestField) bool { return f.ID == u.id })
	if i < 0 {
		x.say(about, Missing, "add the field to the form", "field %s (%s) is not on its form: nobody can say %s", u.id, there.Name, u.purpose)
		return
	}
	f := form[i]
	if !f.Visible {
		x.say(about, Note, "", "field %s (%s) is hidden: its preset says %s", u.id, there.Name, u.purpose)
	}
	var gone []string
	for _, id := range u.options {
		if !slices.ContainsFunc(f.Options, func(o rest.Option) bool { return o.ID == id }) {
			gone = append(gone, id)
		}
	}
	if len(gone) > 0 {
		x.say(about, Missing, "correct the ids in jira.yaml, or add the options: lessor jira setup", "field %s (%s) has no option %s", u.id, there.Name, strings.Join(gone, ", "))
	}
	var unmapped []string
	for _, o := range f.Options {
		if u.options != nil && !slices.Contains(u.options, o.ID) {
			unmapped = append(unmapped, o.Value+" ("+o.ID+")")
		}
	}
	if len(unmapped) > 0 {
		x.say(about, Note, "map them in jira.yaml, or disable them in Jira", "whoever chooses %s is told to choose something else: nothing maps it", strings.Join(unmapped, ", "))
	}
	if len(gone) == 0 {
		x.say(about, Fine, "", "field %s (%s) says %s", u.id, there.Name, u.purpose)
	}
}
