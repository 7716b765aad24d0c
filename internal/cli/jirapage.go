package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lessor-iam/lessor/internal/channel/jira/audit"
)

// auditPage shows a report part by part. What a part cannot tell stands at the end.
func (a *app) auditPage(r audit.Report) error {
	a.line("site %s: %d tickets changed since %s", r.Site, r.Tickets, stamp(r.Since))
	parts := []struct {
		title string
		head  []string
		rows  [][]string
	}{
		{"LABELS AGAINST RISK: how well each tells what was granted", []string{"WHERE", "BY", "TICKETS", "RISKY", "HIT", "FALSE", "SAID LOW", "SILENT", "PRECISION", "RECALL"}, scoreRows(r.Labels.Scores)},
		{"tickets that say another risk than what was granted", []string{"TICKET", "SAYS", "BY", "GRANTED"}, mislabelRows(r.Labels.Mislabels)},
		{"tickets and grants without each other", []string{"WHAT", "WHICH"}, looseRows(r.Labels)},
		{"VISIBILITY AGAINST SENSITIVITY: who can see more than they may know", []string{"TICKET", "ABOUT", "LEVEL", "OPEN TO", "SEEN BY", "PROPOSED"}, sightRows(r.Sight)},
		{"WAYS AROUND AN APPROVAL", []string{"PROJECT", "KIND", "WHAT", "TO MEND IT"}, flawRows(r.Workflow)},
		{"SPEED: from asked to decided", []string{"PROJECT", "DECIDED", "OPEN", "MEDIAN", "NINE OF TEN", "SLOWEST", "SLA MET/BREACHED/RUNNING"}, paceRows(r.Pace)},
		{"SCOPE: what was granted, and for how long", []string{"PROJECT", "CLASS", "GRANTS", "RISKY", "ASKED", "HELD", "LONGEST"}, scopeRows(r.Scope)},
		{"NOT LOOKED AT", []string{"WHAT"}, oneColumn(r.Unread)},
	}
	for _, p := range parts {
		a.line("")
		a.line("%s", p.title)
		if err := a.show(nil, p.head, p.rows); err != nil {
			return err
		}
	}
	return nil
}

func scoreRows(list []audit.Score) (rows [][]string) {
	for _, s := range list {
		rows = append(rows, []string{s.Where, string(s.By), strconv.Itoa(s.Tickets), strconv.Itoa(s.Risky), strconv.Itoa(s.Hit), strconv.Itoa(s.False), strconv.Itoa(s.Under), strconv.Itoa(s.Silent),
			percent(s.Precision), percent(s.Recall)})
	}
	return rows
}

// percent is a share; a dash where there is nothing to divide by.
func percent(f *float64) string {
	if f == nil {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", *f*100)
}

func mislabelRows(list []audit.Mislabel) (rows [][]string) {
	for _, m := range list {
		rows = append(rows, []string{m.Ticket, m.Says, strings.Join(m.Words, "; "), strings.Join(m.Granted, "; ")})
	}
	return rows
}

func looseRows(l audit.Labels) (rows [][]string) {
	for _, of := range []struct {
		what string
		list []string
	}{{"says done, nothing granted", l.NoGrant}, {"never read", l.Unread}, {"granted without a ticket", l.NoTicket}, {"granted, ticket gone", l.LostTicket}} {
		for _, one := range of.list {
			rows = append(rows, []string{of.what, one})
		}
	}
	return rows
}

func sightRows(list []audit.Exposure) (rows [][]string) {
	for _, e := range list {
		rows = append(rows, []string{e.Ticket, strings.Join(e.About, "; "), e.Level, strings.Join(e.Open, "; "), strings.Join(e.Strangers, "; "), e.Propose})
	}
	return rows
}

func flawRows(list []audit.Flaw) (rows [][]string) {
	for _, f := range list {
		rows = append(rows, []string{f.Project, f.Kind, f.What, f.Mend})
	}
	return rows
}

func paceRows(list []audit.Pace) (rows [][]string) {
	for _, p := range list {
		var slas []string
		for _, s := range p.SLAs {
			slas = append(slas, fmt.Sprintf("%s %d/%d/%d", s.Name, s.Met, s.Breached, s.Running))
		}
		rows = append(rows, []string{p.Project, strconv.Itoa(p.Decided), strconv.Itoa(p.Open), p.Median.String(), p.Slow.String(), p.Slowest.String(), strings.Join(slas, "; ")})
	}
	return rows
}

func scopeRows(list []audit.Scope) (rows [][]string) {
	for _, s := range list {
		rows = append(rows, []string{s.Project, s.Class, strconv.Itoa(s.Grants), strconv.Itoa(s.Risky), s.Asked.String(), s.Median.String(), s.Longest.String()})
	}
	return rows
}

func oneColumn(list []string) (rows [][]string) {
	for _, one := range list {
		rows = append(rows, []string{one})
	}
	return rows
}
