package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/connector/scimtarget"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/server"
)

// tale is a story being played.
type tale struct {
	out    io.Writer
	base   string
	dir    string
	target *scimtarget.Target
	queue  *queue
	ticket string // the issue the story begins with
	server *server.Server
	people map[string]*client.Client
	grants []string // every grant of the story
}

const (
	payroll      = "workspace:payroll-admin"
	patience     = 20 * time.Second
	second       = access.Term(time.Second)
	shortTerm    = 4 * second
	longTerm     = 8 * second
	payrollGroup = "payroll-admin"
)

// story plays every scene, top to bottom. Whatever does not come out as it should ends it.
func (t *tale) story(ctx context.Context) error {
	for _, scene := range []struct {
		title string
		play  func(context.Context) error
	}{
		{"It begins with a ticket, and a ticket is a claim", t.ticketed},
		{"Nobody decides for themselves", t.asks},
		{"A second, overlapping reason for the same access", t.overlaps},
		{"What policy refuses", t.refusals},
		{"A contractor and a service account", t.others},
		{"The first grant ends, and access stays; the last one ends, and it goes", t.ends},
	} {
		t.say("\n== %s", scene.title)
		if err := scene.play(ctx); err != nil {
			return fmt.Errorf("%s: %w", scene.title, err)
		}
	}
	return nil
}

// as is somebody's way to the server, by their own token.
func (t *tale) as(who string) *client.Client {
	if c := t.people[who]; c != nil {
		return c
	}
	raw, err := os.ReadFile(filepath.Join(t.dir, "tokens", who))
	if err != nil {
		panic(err) // the story names somebody the company does not have
	}
	t.people[who] = client.New(t.base, strings.TrimSpace(string(raw)))
	return t.people[who]
}

// ask asks, and tells what policy decided.
func (t *tale) ask(ctx context.Context, who string, a engine.Ask) (access.Request, error) {
	r, err := t.as(who).Submit(ctx, a)
	if err != nil {
		return r, err
	}
	t.told(r)
	return r, nil
}

// told tells what policy decided of a request.
func (t *tale) told(r access.Request) {
	t.say("%s asks for %s, for %s: %q", r.Requester, strings.Join(r.Content().Entitlements, " and "), r.Term, r.Reason)
	for _, it := range r.Items {
		var rules []string
		for _, rule := range it.Decision.Rules {
			rules = append(rules, rule.ID)
		}
		by := "no rule"
		if len(rules) > 0 {
			by = strings.Join(rules, ", ")
		}
		t.say("  decided by %s: %s", by, it.Decision.Why)
	}
}

// until polls something until it is so.
func (t *tale) until(ctx context.Context, what string, is func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok, err := is(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s was not there within %s", what, patience)
		case <-tick.C:
		}
	}
}

// approve votes, and tells on what basis the vote counted.
func (t *tale) approve(ctx context.Context, who string, r access.Request) (engine.Story, error) {
	if _, err := t.as(who).Vote(ctx, engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve}); err != nil {
		return engine.Story{}, err
	}
	s, err := t.as(who).Request(ctx, r.ID)
	if err != nil {
		return s, err
	}
	for _, v := range s.Approvals {
		if v.Voter == who {
			t.say("  %s approves as %s: %s", who, v.Stage, v.Basis.Why)
		}
	}
	return s, nil
}

// refused expects a denial, and tells why.
func (t *tale) refused(what string, err error) error {
	if !errors.Is(err, access.ErrDenied) {
		return fmt.Errorf("%s was not refused: %w", what, err)
	}
	t.say("  %s is refused: %s", what, strings.TrimPrefix(err.Error(), access.ErrDenied.Error()+": "))
	return nil
}

// granted notes the grants that came of a request.
func (t *tale) granted(s engine.Story, want int) ([]string, error) {
	var ids []string
	for _, h := range s.Grants {
		ids = append(ids, h.Grant.ID)
	}
	if len(ids) != want {
		return nil, fmt.Errorf("request %s is %s with %d grants, not %d", s.Request.ID, s.Request.State, len(ids), want)
	}
	t.grants = append(t.grants, ids...)
	return ids, nil
}

// await polls one grant until it is as wanted.
func (t *tale) await(ctx context.Context, who, grant, what string, is func(api.Sight) bool) (s api.Sight, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		if s, err = t.as(who).Grant(ctx, grant); err != nil || is(s) {
			return s, err
		}
		select {
		case <-ctx.Done():
			return s, fmt.Errorf("grant %s of %s was not %s within %s: it is %s, its access %s %s", grant, s.Grant.Identity, what, patience, s.Grant.State, s.Assignment.State, s.Trouble)
		case <-tick.C:
		}
	}
}

// seen waits until access was seen under the grant, and asks the target itself.
func (t *tale) seen(ctx context.Context, who, grant, group string) error {
	s, err := t.await(ctx, who, grant, "seen", func(s api.Sight) bool { return !s.Grant.Seen.IsZero() && s.Assignment.State == access.Held })
	if err != nil {
		return err
	}
	look := s.Receipts[len(s.Receipts)-1]
	t.say("  granted, and seen held at %s by %q; it ends %s; the target's own list of %s: %s", clock(s.Grant.Seen), look.Path, clock(s.Grant.End), group, strings.Join(t.target.Members(group), ", "))
	if !slices.Contains(t.target.Members(group), s.Assignment.Account) {
		return fmt.Errorf("the target does not list %s in %s", s.Assignment.Account, group)
	}
	return nil
}

// gone waits until the grant has ended and its access was seen gone.
func (t *tale) gone(ctx context.Context, who, grant, group string) error {
	s, err := t.await(ctx, who, grant, "seen gone", func(s api.Sight) bool { return s.Grant.State == access.Ended && s.Assignment.State == access.Absent })
	if err != nil {
		return err
	}
	members := strings.Join(t.target.Members(group), ", ")
	if members == "" {
		members = "nobody"
	}
	t.say("  grant of %s to %s ended at %s (%s); seen gone at %s, %d ms later; the target's own list of %s: %s", s.Grant.Entitlement, s.Grant.Identity, clock(s.Grant.EndedAt), s.Grant.Ended,
		clock(s.Assignment.SeenAt), s.Assignment.SeenAt.Sub(s.Grant.EndedAt).Milliseconds(), group, members)
	if slices.Contains(t.target.Members(group), s.Assignment.Account) {
		return fmt.Errorf("the target still lists %s in %s", s.Assignment.Account, group)
	}
	return nil
}

func clock(at time.Time) string { return at.UTC().Format("15:04:05.000") }

// proof verifies every grant's bundle and the whole store, and returns the last line of the story.
func (t *tale) proof(ctx context.Context, out string) (string, error) {
	t.say("\n== The proof, checked as an auditor would")
	vkey, err := os.ReadFile(filepath.Join(t.dir, "log.pub"))
	if err != nil {
		return "", err
	}
	if out != "" {
		if err := os.MkdirAll(out, 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(out, "log.pub"), vkey, 0o644); err != nil {
			return "", err
		}
	}
	for _, g := range t.grants {
		bundle, err := t.as("vera").Evidence(ctx, g)
		if err != nil {
			return "", err
		}
		v, err := evidence.OpenBundle(bundle, strings.TrimSpace(string(vkey)))
		if err != nil {
			return "", fmt.Errorf("bundle of %s: %w", g, err)
		}
		story, err := report.Tell(v)
		if err == nil && !story.Complete {
			err = errors.New(story.Lines[len(story.Lines)-1])
		}
		if err != nil {
			return "", fmt.Errorf("bundle of %s: %w", g, err)
		}
		t.say("  %s: %d records prove it, offline", g, len(v.Records))
		if out != "" {
			if err := os.WriteFile(filepath.Join(out, g+".json"), bundle, 0o644); err != nil {
				return "", err
			}
		}
	}
	rep, err := t.server.Verify(ctx)
	if err != nil {
		return "", fmt.Errorf("the log against the tables: %w", err)
	}
	t.say("  %d rows of the database are as the log tells them; root %s", rep.Rows, rep.Head)
	return fmt.Sprintf("verified: %d grants ended and seen gone, log of %d events intact", len(t.grants), rep.Events), nil
}
