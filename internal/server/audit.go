package server

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/audit"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
)

// auditSite asks that a site be audited, and findings be opened and closed by it.
type auditSite struct {
	Site string `json:"site"`
}

// Kind implements river.JobArgs.
func (auditSite) Kind() string { return "audit_site" }

// auditQueue is a queue of its own: an audit is long, and no ticket waits for it.
const auditQueue = "audits"

// InsertOpts implements river.JobArgsWithInsertOpts: an audit that fails is not
// tried again by itself, the next one covers it.
func (auditSite) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: auditQueue, MaxAttempts: 1}
}

// What one audit looks at, and how long it may take.
const (
	auditBack = 30 * 24 * time.Hour
	auditMost = 500
	auditTime = 2 * time.Hour
)

// auditor audits sites by the token that Lessor works with there.
type auditor struct {
	river.WorkerDefaults[auditSite]
	s *Server
}

// Timeout implements river.Worker.
func (w *auditor) Timeout(*river.Job[auditSite]) time.Duration { return auditTime }

// Work implements river.Worker.
func (w *auditor) Work(ctx context.Context, job *river.Job[auditSite]) error {
	c := w.s.current.Load()
	i := slices.IndexFunc(c.Jira, func(s config.JiraSite) bool { return s.ID == job.Args.Site })
	if i < 0 {
		return nil
	}
	found, err := w.s.audit(ctx, c.Jira[i])
	if err != nil {
		return fmt.Errorf("audit of site %s: %w", job.Args.Site, err)
	}
	w.s.log.InfoContext(ctx, "audited", "site", job.Args.Site, "opened", found.Opened, "changed", found.Changed, "closed", found.Closed)
	return nil
}

// audit looks at a site and says what it saw to the engine, part by part: if we
// stop between two, the next audit says the rest.
func (s *Server) audit(ctx context.Context, site config.JiraSite) (found engine.Audited, err error) {
	source, since := "jira:"+site.ID, s.now().Add(-auditBack)
	// 1. What was found before, and what we know.
	if found, err = s.engine.Audited(ctx, access.Clock, engine.AuditRun{Source: source}); err != nil {
		return found, err
	}
	stories, untied, err := s.engine.AuditFacts(ctx, source, since)
	if err != nil {
		return found, err
	}
	// 2. What the site shows.
	way, err := JiraSite(site)
	if err != nil {
		return found, err
	}
	world := s.world.Load()
	report, err := audit.Audit{Site: site, Rest: way, Own: true, Directory: world.Directory, Stories: stories, Untied: untied, Again: found.Left,
		Since: since, Most: auditMost, Now: s.now, Wait: pause,
		MayKnow: func(who string, r access.Request) bool {
			return world.Policy.MayView(world.Directory, s.now(), access.Actor{Identity: who}, r).Allow
		}}.Run(ctx)
	if err != nil {
		return found, err
	}
	// 3. What is wrong there.
	runs, err := report.Runs()
	for _, run := range runs {
		one, err := s.engine.Audited(ctx, access.Clock, run)
		if err != nil {
			return found, err
		}
		found.Opened, found.Changed, found.Closed = found.Opened+one.Opened, found.Changed+one.Changed, found.Closed+one.Closed
	}
	return found, err
}

// pause waits, unless told to stop.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
