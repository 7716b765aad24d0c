package authzen

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Pages of a search.
const (
	defaultPage = 100
	longestPage = 1000
)

// search is a question that leaves something open (Authorization API, Search APIs).
type search struct {
	question
	Page *struct {
		Token      string         `json:"token"`
		Limit      *int           `json:"limit"`
		Properties jsontext.Value `json:"properties"`
	} `json:"page"`
}

// found is the answer to a search.
type found struct {
	Page    page  `json:"page"`
	Results []any `json:"results"`
}

// thing is a subject or a resource that was found, act an action.
type thing struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

type act struct {
	Name string `json:"name"`
}

type page struct {
	NextToken string `json:"next_token"`
	Count     int    `json:"count"`
}

// place is where a search goes on, for exactly this search.
type place struct {
	Of    string       `json:"of"` // digest of everything asked
	By    string       `json:"by"`
	Limit int          `json:"limit"`
	Name  int          `json:"name"` // which of the entitlements that the question names
	After engine.After `json:"after"`
}

// begin reads a search, and where it goes on.
func (d *door) begin(by access.Actor, raw []byte, n needs, open func(*question)) (s search, p place, err error) {
	if err := parse(raw, &s); err != nil {
		return s, p, err
	}
	if err := s.check(n); err != nil {
		return s, p, err
	}
	open(&s.question) // what is looked for is ignored where it is named
	of, err := canonical(s.question)
	if err != nil {
		return s, p, err
	}
	limit := 0
	if s.Page != nil && s.Page.Limit != nil {
		if limit = *s.Page.Limit; limit < 0 {
			return s, p, fmt.Errorf("%w: page.limit is below zero", access.ErrInvalid)
		}
	}
	if s.Page != nil {
		if err := object("page.properties", s.Page.Properties); err != nil {
			return s, p, err
		}
	}
	p = place{Of: of, By: by.Identity, Limit: defaultPage}
	if limit > 0 {
		p.Limit = min(limit, longestPage)
	}
	if s.Page == nil || s.Page.Token == "" {
		return s, p, nil
	}
	var was place
	switch {
	case !d.seal.open("page", s.Page.Token, &was):
		return s, p, fmt.Errorf("%w: page.token is none of this door's", access.ErrInvalid)
	case was.Of != of || was.By != by.Identity || (limit > 0 && was.Limit != p.Limit):
		return s, p, fmt.Errorf("%w: page.token is of another search: everything but the token stays the same from page to page", access.ErrInvalid)
	}
	return s, was, nil
}

// end answers a search with one page. Its token is empty where nothing follows.
func (d *door) end(results []any, next place, more bool) (any, error) {
	out := found{Results: results}
	if out.Results == nil {
		out.Results = []any{}
	}
	out.Page.Count = len(out.Results)
	if more {
		token, err := d.seal.seal("page", next)
		if err != nil {
			return nil, err
		}
		out.Page.NextToken = token
	}
	return out, nil
}

// subjects answers who holds something.
func (d *door) subjects(ctx context.Context, by access.Actor, raw []byte) (any, error) {
	s, p, err := d.begin(by, raw, needs{action: true, resourceID: true}, func(q *question) { q.Subject.ID = "" })
	if err != nil {
		return nil, err
	}
	dir := d.Directory()
	kind, known := kinds[s.Subject.Type]
	what := entitlements(dir, s.Resource, s.Action)
	var results []any
	for ; known && p.Name < len(what); p.Name++ {
		list, next, more, err := d.Engine.Holders(ctx, by, what[p.Name], p.After, p.Limit-len(results))
		if err != nil {
			return nil, err
		}
		for _, h := range list {
			id, _ := dir.Identity(h.Identity)
			one := any(thing{s.Subject.Type, h.Identity})
			if id.Kind == kind && (h.Active || s.Action.Name == hold) && !slices.Contains(results, one) {
				results = append(results, one)
			}
		}
		if p.After = next; more {
			return d.end(results, p, true)
		}
		p.After = engine.After{}
		if len(results) == p.Limit && p.Name+1 < len(what) {
			p.Name++
			return d.end(results, p, true)
		}
	}
	return d.end(results, p, false)
}

// resources answers what somebody holds.
func (d *door) resources(ctx context.Context, by access.Actor, raw []byte) (any, error) {
	s, p, err := d.begin(by, raw, needs{subjectID: true, action: true}, func(q *question) { q.Resource.ID = "" })
	if err != nil {
		return nil, err
	}
	who, known := subject(d.Directory(), s.Subject)
	if p.After.Key == "" && s.Resource.Type != entitlementType {
		p.After.Key = s.Resource.Type + ":"
	}
	if !known {
		return d.end(nil, p, false)
	}
	list, next, more, err := d.Engine.HeldBy(ctx, by, who, p.After, p.Limit)
	if err != nil {
		return nil, err
	}
	system := ""
	if s.Resource.Type != entitlementType {
		system = s.Resource.Type + ":"
	}
	var results []any
	for _, h := range list {
		if !strings.HasPrefix(h.Entitlement, system) {
			break
		}
		if id, ok := resourceOf(s.Resource.Type, s.Action, h.Entitlement); ok && (h.Active || s.Action.Name == hold) {
			results = append(results, thing{s.Resource.Type, id})
		}
	}
	p.After = next
	return d.end(results, p, more && strings.HasPrefix(next.Key, system)) // in order of entitlement: past it nothing of this system follows
}

// actions answers what somebody may do to something.
func (d *door) actions(ctx context.Context, by access.Actor, raw []byte) (any, error) {
	s, p, err := d.begin(by, raw, needs{subjectID: true, resourceID: true}, func(q *question) { q.Action = nil })
	if err != nil {
		return nil, err
	}
	dir := d.Directory()
	who, known := subject(dir, s.Subject)
	name := s.Resource.ID
	if s.Resource.Type != entitlementType {
		name = s.Resource.Type + ":" + s.Resource.ID
	}
	var all []string
	if _, ok := dir.Entitlement(name); ok && known && p.After.Key == "" {
		h, err := d.Engine.Holds(ctx, by, who, name)
		if err != nil {
			return nil, err
		}
		if h.Standing == engine.HeldNow {
			all = actionsOf(s.Resource, name, h.Active)
		}
	}
	if !known || s.Resource.Type == entitlementType {
		return d.actionPage(all, p, engine.After{}, false)
	}
	// What is named by object and action follows in order of entitlement.
	from := p.After
	if from.Key == "" {
		from.Key = name + "."
	}
	list, next, more, err := d.Engine.HeldBy(ctx, by, who, from, p.Limit)
	if err != nil {
		return nil, err
	}
	for _, h := range list {
		if strings.HasPrefix(h.Entitlement, name+".") {
			all = append(all, actionsOf(s.Resource, h.Entitlement, h.Active)...)
		}
	}
	return d.actionPage(all, p, next, more && strings.HasPrefix(next.Key, name+"."))
}

// actionPage cuts a page out of what was read at once; what was not read follows it.
func (d *door) actionPage(all []string, p place, next engine.After, more bool) (any, error) {
	all = all[min(p.Name, len(all)):]
	n := min(p.Limit, len(all))
	var results []any
	for _, a := range all[:n] {
		results = append(results, act{a})
	}
	if p.Name += n; n < len(all) {
		return d.end(results, p, true)
	}
	p.After, p.Name = next, 0
	return d.end(results, p, more)
}
