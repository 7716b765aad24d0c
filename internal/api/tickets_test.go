package api_test

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// A ticket that came by an unproven way is confirmed by whom it is said to be
// from and by nobody else, whichever token they show.
func TestConfirmTicket(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
		d := open(t, kind)
		where := d.serve()
		const id = "jira:acme:10041"
		if _, err := d.Engine.KeepTicket(t.Context(), access.Ticket{ID: id, Key: "ACC-41", State: access.Unconfirmed, Claim: "eve"}, "came by mail"); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			who, ticket string
			want        error
		}{
			{"bob", id, access.ErrNotFound},
			{"anna", id, access.ErrNotFound},
			{"eve", "jira:acme:10042", access.ErrNotFound},
			{"eve", "", access.ErrInvalid},
			{"eve.2", id, nil}, // her second identity is she
			{"eve", id, access.ErrGone},
		} {
			if err := client.New(where, "token of "+c.who).Confirm(t.Context(), c.ticket); !errors.Is(err, c.want) {
				t.Errorf("%s confirms %q: %v, want %v", c.who, c.ticket, err, c.want)
			}
		}
		kept, err := d.Engine.Ticket(t.Context(), id)
		if err != nil || kept.State != access.Unread || kept.Identity != "eve.2" {
			t.Errorf("the ticket is %+v, %v", kept, err)
		}
		if jobs := d.Jobs(engine.ReadTicket{}.Kind()); len(jobs) != 1 {
			t.Errorf("it is to be read %d times", len(jobs))
		}
	})
}

// The list of tickets is for auditors and security, with what came of each.
func TestListTickets(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
		d := open(t, kind)
		where := d.serve()
		r := d.Ask("eve", engine.Ask{Entitlements: []string{"dir:lobby"}, Term: access.Term(3600e9), Reason: "a visit", Ticket: "jira:acme:10041"})
		for _, kept := range []access.Ticket{
			{ID: "jira:acme:10041", Key: "ACC-41", State: access.Linked, Identity: "eve", Requests: []string{r.ID}},
			{ID: "jira:acme:10042", Key: "ACC-42", State: access.Invalid},
		} {
			if _, err := d.Engine.KeepTicket(t.Context(), kept, "read"); err != nil {
				t.Fatal(err)
			}
		}
		for who, want := range map[string]error{"eve": access.ErrDenied, "owen": access.ErrDenied, "ada": access.ErrDenied, "sara": nil, "anna": nil} {
			c := client.New(where, "token of "+who)
			var ids []string
			for after := ""; ; {
				page, err := c.Tickets(t.Context(), after, 1)
				if !errors.Is(err, want) || (err == nil) != (want == nil) {
					t.Fatalf("%s: %v, want %v", who, err, want)
				}
				if len(page) == 0 {
					break
				}
				after = page[0].Ticket.ID
				ids = append(ids, after)
				if after == "jira:acme:10041" && (len(page[0].Came) != 1 || page[0].Came[0].Request.ID != r.ID || len(page[0].Came[0].Grants) != 1) {
					t.Errorf("what came of it: %+v", page[0].Came)
				}
			}
			if want == nil && !slices.Equal(ids, []string{"jira:acme:10041", "jira:acme:10042"}) {
				t.Errorf("%s: %v", who, ids)
			}
		}
		if a := d.send(http.MethodGet, "/api/v1/tickets?limit=501", "anna", ""); a.status != http.StatusUnprocessableEntity {
			t.Errorf("limit 501: %d", a.status)
		}
	})
}

// What an audit saw is for auditors and security to say; it is listed as any finding is.
func TestAudited(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
		d := open(t, kind)
		where := d.serve()
		run := engine.AuditRun{Source: "jira:acme", Looked: []engine.Looked{{Subject: "jira:acme:10041", For: map[string]string{access.LabelBelowRisk: "calls low what is not"}}}}
		for _, c := range []struct {
			who          string
			run          engine.AuditRun
			want         error
			opened, left int
		}{
			{"eve", run, access.ErrDenied, 0, 0},
			{"owen", run, access.ErrDenied, 0, 0},
			{"anna", engine.AuditRun{Source: "jira:acme"}, access.ErrInvalid, 0, 0}, // null for a list
			{"anna", engine.AuditRun{Source: "jira:other", Looked: run.Looked}, access.ErrInvalid, 0, 0},
			{"anna", run, nil, 1, 0},
			{"sara", run, nil, 0, 0},
			{"sara", engine.AuditRun{Source: "jira:acme", Looked: []engine.Looked{}}, nil, 0, 1},
		} {
			a, err := client.New(where, "token of "+c.who).Audited(t.Context(), c.run)
			if !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || a.Opened != c.opened || len(a.Left) != c.left {
				t.Errorf("%s says %+v: %+v, %v", c.who, c.run, a, err)
			}
		}
		list, err := client.New(where, "token of sara").Findings(t.Context(), false, 10)
		if err != nil || len(list) != 1 || list[0].Kind != access.LabelBelowRisk || list[0].Owner != "security" {
			t.Errorf("listed: %+v, %v", list, err)
		}
	})
}
