package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/audit"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
)

func (a *app) jiraAudit() *cobra.Command {
	var f siteFlags
	since, most, strict, open := "30d", 500, false, false
	c := &cobra.Command{Use: "audit SITE", Short: "Labels against risk, visibility against sensitivity, ways around approvals, speed and scope", Args: takes(cobra.ExactArgs(1)),
		Long: `Holds what the site shows against what Lessor knows. Needs a running server, and the
token of somebody in security or auditors. It changes nothing.

With --open-findings, what is not as it should be becomes findings, and findings of
earlier audits that it no longer sees are closed. The token needs the scope audit.`,
		RunE: func(c *cobra.Command, args []string) error {
			back, err := access.ParseTerm(since)
			if err != nil || most < 1 {
				return fmt.Errorf("%w: --since is such as 30d, --most at least 1", errUsage)
			}
			report, found, err := a.audited(c.Context(), args[0], f, func(look *audit.Audit) {
				look.Since, look.Most = time.Now().Add(-back.D()), most
			}, open)
			if err != nil {
				return err
			}
			if err := a.showOne(report, func() error { return a.auditPage(report) }); err != nil {
				return err
			}
			if open { // beside the report, whose form is its own
				fmt.Fprintf(a.err, "findings: %d opened, %d changed, %d closed\n", found.Opened, found.Changed, found.Closed)
			}
			if n := len(report.Labels.Mislabels) + len(report.Sight) + len(report.Workflow); strict && n > 0 {
				return fmt.Errorf("site %s: %d things are not as they should be", report.Site, n)
			}
			return nil
		}}
	f.add(c)
	c.Flags().StringVar(&since, "since", since, "look at tickets changed in this time")
	c.Flags().IntVar(&most, "most", most, "at most so many tickets of each project, the newest")
	c.Flags().BoolVar(&strict, "strict", false, "fail if anything is not as it should be")
	c.Flags().BoolVar(&open, "open-findings", false, "open findings of what is not as it should be, and close those of what is mended")
	return c
}

// audited runs an audit and, where findings are wanted, says what it saw to the
// engine: part by part, and what an earlier run sent already changes nothing.
func (a *app) audited(ctx context.Context, id string, f siteFlags, how func(*audit.Audit), open bool) (report audit.Report, found engine.Audited, err error) {
	look, door, err := a.auditOf(ctx, id, f, how)
	if err != nil {
		return report, found, err
	}
	if open { // before the work: whoever may not is told at once
		if found, err = door.Audited(ctx, engine.AuditRun{Source: "jira:" + id, Looked: []engine.Looked{}}); err != nil {
			return report, found, err
		}
		look.Again = found.Left
	}
	if report, err = look.Run(ctx); err != nil || !open {
		return report, found, err
	}
	runs, err := report.Runs()
	for _, run := range runs {
		one, err := door.Audited(ctx, run)
		if err != nil {
			return report, found, err
		}
		found.Opened, found.Changed, found.Closed = found.Opened+one.Opened, found.Changed+one.Changed, found.Closed+one.Closed
	}
	return report, found, err
}

// auditOf gathers what the folder and the server know.
func (a *app) auditOf(ctx context.Context, id string, f siteFlags, how func(*audit.Audit)) (look audit.Audit, door *client.Client, err error) {
	conf, world, _, err := server.Check(a.folder())
	if err != nil {
		return look, nil, err
	}
	site, ok := siteOf(conf, id)
	if !ok {
		return look, nil, noSite(id)
	}
	account := accountOf(ctx, site, f)
	if site, err = f.on(site); err != nil {
		return look, nil, err
	}
	look = audit.Audit{Site: site, Own: f.tokenRef == "", Account: account, Directory: conf.Directory, Now: time.Now, Wait: pause,
		MayKnow: func(who string, r access.Request) bool {
			return world.Policy.MayView(world.Directory, time.Now(), access.Actor{Identity: who}, r).Allow
		}}
	how(&look)
	if look.Rest, err = server.JiraSite(site); err != nil {
		return look, nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	if door, err = a.connect(); err != nil {
		return look, nil, err
	}
	if look.Stories, err = storiesOf(ctx, door, "jira:"+id+":"); err != nil {
		return look, nil, err
	}
	look.Untied, err = untied(ctx, door, look.Since)
	return look, door, err
}

// accountOf is Lessor's own account at a site that is audited by another token:
// empty where its own token cannot be read here, and the audit then says so.
func accountOf(ctx context.Context, site config.JiraSite, f siteFlags) string {
	if f.tokenRef == "" {
		return ""
	}
	way, err := server.JiraSite(site)
	if err != nil {
		return ""
	}
	self, err := way.Myself(ctx)
	if err != nil {
		return ""
	}
	return self.ID
}

// storiesOf reads every ticket of a site.
func storiesOf(ctx context.Context, door *client.Client, prefix string) (list []engine.TicketStory, err error) {
	const size = 100
	for after := ""; ; {
		page, err := door.Tickets(ctx, after, size)
		if err != nil {
			return nil, err
		}
		for _, s := range page {
			if after = s.Ticket.ID; strings.HasPrefix(after, prefix) {
				list = append(list, s)
			}
		}
		if len(page) < size {
			return list, nil
		}
	}
}

// untied reads the requests that were granted and that no ticket asked for.
func untied(ctx context.Context, door *client.Client, since time.Time) (list []access.Request, err error) {
	for r, err := range door.RequestList(engine.Only{State: string(access.Approved), Since: since}).All(ctx) {
		if err != nil {
			return nil, err
		}
		if r.Ticket == "" {
			list = append(list, r)
		}
	}
	return list, nil
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
