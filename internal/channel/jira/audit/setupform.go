package audit

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
)

// choice is one thing that can be asked for, as an option of a form.
type choice struct {
	value string // what the option should be called
	names []string
	is    config.JiraChoice
}

// choices are the whole catalog, as options.
func (b *build) choices() (list []choice) {
	for _, id := range b.Directory.Entitlements() {
		e, _ := b.Directory.Entitlement(id)
		list = append(list, choice{id, []string{id, e.Name}, config.JiraChoice{Entitlement: id}})
	}
	for _, id := range b.Directory.Bundles() {
		o, _ := b.Directory.Bundle(id)
		list = append(list, choice{"bundle:" + id, []string{"bundle:" + id, o.Name}, config.JiraChoice{Bundle: id}})
	}
	return list
}

// match finds what an option means: by the id of an entitlement or bundle, or by
// a name that only one of them bears.
func match(list []choice, value string) (config.JiraChoice, bool) {
	var hits []config.JiraChoice
	for _, c := range list {
		if c.value == value {
			return c.is, true
		}
		if slices.Contains(c.names, value) {
			hits = append(hits, c.is)
		}
	}
	if len(hits) == 1 {
		return hits[0], true
	}
	return config.JiraChoice{}, false
}

// fields finds the form's fields by what they hold, and says which are to be made.
func (b *build) fields(ctx context.Context) (err error) {
	b.found.entOf, b.found.termOf = map[string]config.JiraChoice{}, map[string]access.Term{}
	if b.found.kind != "" {
		b.found.form, err = formOf(ctx, b.Rest, b.Project, b.found.desk, b.found.kind)
		if errors.Is(err, rest.ErrDenied) || errors.Is(err, rest.ErrMissing) {
			b.step(ByHand, []string{"its options can be read with the permission Create Issues: run this with another token, --token-ref"}, "look up the form's fields")
		} else if err != nil {
			return err
		}
	}
	b.entitlements()
	b.terms()
	b.people()
	return nil
}

// options takes the field whose options fit best; none fits: the zero field.
func (b *build) options(kinds []string, fit func(value string) bool) (best rest.RequestField) {
	most := 0
	for _, f := range b.found.form {
		if !fits(f.Schema, kinds) || !strings.HasPrefix(f.ID, "customfield_") {
			continue
		}
		n := 0
		for _, o := range f.Options {
			if fit(o.Value) {
				n++
			}
		}
		if n > most {
			best, most = f, n
		}
	}
	return best
}

func (b *build) entitlements() {
	list := b.choices()
	b.found.ent = b.options(choiceKinds, func(v string) bool { _, ok := match(list, v); return ok })
	var offered []config.JiraChoice
	var strange, missing []string
	for _, o := range b.found.ent.Options {
		if is, ok := match(list, o.Value); ok {
			b.found.entOf[o.ID] = is
			offered = append(offered, is)
		} else {
			strange = append(strange, o.Value+" ("+o.ID+")")
		}
	}
	for _, c := range list {
		if !slices.Contains(offered, c.is) {
			missing = append(missing, c.value)
		}
	}
	switch {
	case b.found.ent.ID == "":
		b.step(ByHand, append([]string{"type: Select List (multiple choices); name: Entitlements; put it on the form, required; options:"}, missing...), "make a field that says what is asked for")
		return
	case len(missing) == 0:
		b.step(There, nil, "field %s (%s) offers all %d entitlements and bundles", b.found.ent.ID, b.found.ent.Name, len(list))
	default:
		b.step(ByHand, missing, "add these options to field %s (%s), if they are to be asked for there", b.found.ent.ID, b.found.ent.Name)
	}
	if len(strange) > 0 {
		b.step(ByHand, strange, "disable these options of field %s (%s), or rename them to an entitlement's id: nothing of the catalog is called so", b.found.ent.ID, b.found.ent.Name)
	}
}

var termForm = regexp.MustCompile(`(?i)^([0-9]{1,4})\s*(m|min|minutes?|h|hours?|d|days?|w|weeks?)$`)

// termOf reads an option such as "8 hours", "1 day" or "PT8H" as a term.
func termOf(value string) (access.Term, bool) {
	if t, err := access.ParseTerm(value); err == nil {
		return t, true
	}
	m := termForm.FindStringSubmatch(strings.TrimSpace(value))
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0, false
	}
	unit := map[byte]string{'m': "m", 'h': "h", 'd': "d", 'w': "d"}[strings.ToLower(m[2])[0]]
	if strings.EqualFold(m[2][:1], "w") {
		n *= 7
	}
	t, err := access.ParseTerm(fmt.Sprintf("%d%s", n, unit))
	return t, err == nil
}

func (b *build) terms() {
	b.found.term = b.options(oneOfKinds, func(v string) bool { _, ok := termOf(v); return ok })
	for _, o := range b.found.term.Options {
		if t, ok := termOf(o.Value); ok {
			b.found.termOf[o.ID] = t
		}
	}
	if b.found.term.ID != "" {
		b.step(There, nil, "field %s (%s) says for how long", b.found.term.ID, b.found.term.Name)
		return
	}
	b.step(ByHand, append([]string{"type: Select List (single choice); name: Term; put it on the form, required; options:"}, usualTerms(b.Directory)...), "make a field that says for how long")
}

// usualTerms are those worth offering: nothing longer than the longest that the catalog grants.
func usualTerms(d *access.Directory) (list []string) {
	longest := access.Term(0)
	for _, id := range d.Entitlements() {
		e, _ := d.Entitlement(id)
		longest = max(longest, e.MaxTerm)
	}
	for _, t := range []string{"8h", "1d", "7d", "30d", "90d"} {
		if term, err := access.ParseTerm(t); err == nil && (term <= longest || longest == 0) {
			list = append(list, t)
		}
	}
	if len(list) == 0 {
		list = append(list, longest.String())
	}
	return list
}

// people finds the fields that may be there: whom it is for, and from when.
func (b *build) people() {
	for _, f := range b.found.form {
		switch {
		case fits(f.Schema, userKinds) && b.found.who.ID == "" && strings.HasPrefix(f.ID, "customfield_"):
			b.found.who = f
		case fits(f.Schema, momentKinds) && b.found.start.ID == "":
			b.found.start = f
		}
	}
	if b.found.who.ID != "" {
		b.step(There, nil, "field %s (%s) can say whom it is for", b.found.who.ID, b.found.who.Name)
	} else {
		b.step(ByHand, []string{"type: User Picker (single user); leave it out if people only ever ask for themselves"}, "make a field that says whom it is for")
	}
	if b.found.start.ID != "" {
		b.step(There, nil, "field %s (%s) can say from when", b.found.start.ID, b.found.start.Name)
	} else {
		b.step(ByHand, []string{"type: Date Time Picker; leave it out if access always begins when it is granted"}, "make a field that says from when")
	}
}
