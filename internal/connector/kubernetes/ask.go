package kubernetes

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// How long the authorizer is given to learn that a binding is gone which the lists do
// not have any more. It reads its own cache, which is milliseconds behind; where it
// stays behind for longer, what it says is taken for what is so.
const (
	behind = 2 * time.Second
	pause  = 25 * time.Millisecond
)

// allowed asks whether the account can do all that the role lets it do. The first
// right that it has not settles it: then it does not hold the role by any other way.
// If it has them all, ways names the bindings that allow it.
func (c *Connector) allowed(ctx context.Context, h holding, rules []rule, known []binding) (ways []string, asked string, err error) {
	rights := h.rights(rules)
	if len(rights) == 0 {
		return nil, "; the role lets nobody do anything there", nil
	}
	named := map[string]bool{}
	for i, r := range rights[:min(len(rights), maxAsked)] {
		s, err := c.ask(ctx, r, known)
		if err != nil {
			return nil, "", err
		}
		if !s.Allowed {
			return nil, fmt.Sprintf("; SubjectAccessReview %d of %d says no", i+1, len(rights)), nil
		}
		if way := "can do the same all the same, " + strings.TrimPrefix(s.Reason, "RBAC: "); !named[way] {
			named[way] = true
			ways = append(ways, way)
		}
	}
	asked = fmt.Sprintf("; %d SubjectAccessReviews all say yes", len(rights))
	if len(rights) > maxAsked {
		asked = fmt.Sprintf("; the first %d of %d SubjectAccessReviews all say yes, the rest were not asked", maxAsked, len(rights))
	}
	return ways, asked, nil
}

// ask asks for one right, again for a while as long as the answer rests on a binding
// that is not there any more.
func (c *Connector) ask(ctx context.Context, spec reviewSpec, known []binding) (reviewStatus, error) {
	for end := time.Now().Add(behind); ; {
		r := review{APIVersion: "authorization.k8s.io/v1", Kind: "SubjectAccessReview", Spec: spec}
		if err := c.call(ctx, http.MethodPost, "/apis/authorization.k8s.io/v1/subjectaccessreviews", r, &r); err != nil {
			return reviewStatus{}, err
		}
		switch s := r.Status; {
		case r.Kind != "SubjectAccessReview":
			return s, fmt.Errorf("%w: a SubjectAccessReview was answered with a %q", connector.ErrRefused, r.Kind)
		case !s.Allowed && s.EvaluationError != "": // an error is not an absence
			return s, fmt.Errorf("%w: the authorizer cannot say: %q", connector.ErrRefused, s.EvaluationError)
		case !s.Allowed || !stale(s.Reason, known) || time.Now().After(end):
			return s, nil
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return reviewStatus{}, fmt.Errorf("%w: %w", connector.ErrUnreachable, ctx.Err())
		case <-timer.C:
		}
	}
}

// stale says that the RBAC authorizer names a binding which none of the lists has.
func stale(reason string, known []binding) bool {
	by, ok := strings.CutPrefix(reason, "RBAC: allowed by ")
	if !ok {
		return false
	}
	for _, b := range known {
		if strings.HasPrefix(by, b.title()+" of ") {
			return false
		}
	}
	return true
}

// rights are the role's rules, spelt out one by one: what it lets everybody do of
// everything ("*") is one right, as it is one for the authorizer.
func (h holding) rights(rules []rule) (list []reviewSpec) {
	who := reviewSpec{User: h.account.username(), Groups: h.account.groups()}
	for _, r := range rules {
		for _, verb := range r.Verbs {
			for _, g := range r.APIGroups {
				for _, resource := range r.Resources {
					of, sub, _ := strings.Cut(resource, "/")
					for _, name := range orAny(r.ResourceNames) {
						one := who
						one.Resource = &resourceRight{h.object.namespace, verb, g, of, sub, name}
						list = append(list, one)
					}
				}
			}
			if h.object.namespace != "" {
				continue // a RoleBinding gives no right to what has no namespace
			}
			for _, path := range r.NonResourceURLs {
				one := who
				one.Other = &nonResourceURL{path, verb}
				list = append(list, one)
			}
		}
	}
	return list
}

// orAny is the names, or one that stands for all.
func orAny(names []string) []string {
	if len(names) == 0 {
		return []string{""}
	}
	return names
}
