package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// each runs a test on a fixture on either database, and asks the oracle afterwards.
func each(t *testing.T, do func(t *testing.T, f *enginetest.Fixture)) {
	t.Helper()
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		do(t, f)
		f.Check()
	})
}

// ask is an ask for these, for an hour.
func ask(entitlements ...string) engine.Ask {
	return engine.Ask{Entitlements: entitlements, Reason: "to do my work", Term: hour}
}

// refused fails the test unless err is of that kind and says so.
func refused(t *testing.T, what string, err, kind error, says string) {
	t.Helper()
	if !errors.Is(err, kind) || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: %v; want %v, saying %q", what, err, kind, says)
	}
}

// vote casts a ballot on the request as it stands.
func vote(t *testing.T, f *enginetest.Fixture, by string, r access.Request, change ...func(*engine.Ballot)) (access.Request, error) {
	t.Helper()
	b := engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}
	for _, do := range change {
		do(&b)
	}
	return f.Engine.Vote(t.Context(), f.As(by), b)
}

// kinds lists the kinds of the events about a request, grant or assignment.
func kinds(f *enginetest.Fixture, request, grant, assignment string) (list []string) {
	for _, ev := range f.Events(request, grant, assignment) {
		list = append(list, ev.Kind)
	}
	return list
}

func outcomes(r access.Request) (list []access.Outcome) {
	for _, it := range r.Items {
		list = append(list, it.Outcome)
	}
	return list
}

func isOutcome(t *testing.T, r access.Request, state access.RequestState, want ...access.Outcome) {
	t.Helper()
	if r.State != state || !slices.Equal(outcomes(r), want) {
		t.Errorf("request is %s, its items %v; want %s, %v\n%+v", r.State, outcomes(r), state, want, r.Items)
	}
}
