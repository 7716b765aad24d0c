package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// mostFindings is how many findings one page shows.
const mostFindings = 100

// findingView is one finding.
type findingView struct {
	Finding access.Finding
	Kind    string
	Owner   string
	Late    bool
}

// findings is what is not as it should be: to security and auditors all of it,
// to everybody else what is theirs to settle.
func (p *portal) findings(v *visit) error {
	rows, err := v.found(mostFindings)
	if err != nil {
		return err
	}
	beside, err := v.besideFindings()
	if err != nil {
		return err
	}
	return v.page(http.StatusOK, "Findings", "/findings", findingsPage(rows, beside))
}

// besideFindings are the pages of those who guard, which nothing else leads everybody to
// whom they are for.
func (v *visit) besideFindings() (pages []choice, err error) {
	says, _ := v.Engine.SaysWhoLeft(v.r.Context(), v.by)
	if says || v.audits() {
		pages = append(pages, choice{"/signals", "Held signals"}, choice{"/leavers", "Leaving"})
	}
	seals, err := v.Engine.Seals(v.r.Context(), v.by, "", 1)
	if len(seals) > 0 || v.audits() {
		pages = append(pages, choice{"/seals", "Sealed credentials"})
	}
	return pages, err
}

// found are the open findings the reader may know of.
func (v *visit) found(most int) (rows []findingView, err error) {
	list, err := v.Engine.Findings(v.r.Context(), v.by, false, most)
	for _, f := range list {
		rows = append(rows, v.findingRow(f))
	}
	return rows, err
}

func (v *visit) findingRow(f access.Finding) findingView {
	return findingView{f, plainly(f.Kind), v.name(f.Owner), f.ClosedAt.IsZero() && v.now.After(f.DueAt)}
}

// plainly writes a finding's kind as words: late_removal is "Late removal".
func plainly(kind string) string {
	return capital(strings.ReplaceAll(kind, "_", " "))
}

// late counts what is past its due date.
func late(rows []findingView) (n int) {
	for _, r := range rows {
		if r.Late {
			n++
		}
	}
	return n
}

// settling is one finding's page.
type settling struct {
	findingView

	Case     engine.FindingCase
	About    string // the entitlement, as it is called
	Closes   string // how it closes, where no deed does it
	Reason   string // as typed
	Chosen   map[string]bool
	Wrong    string
	Said     string
	Requests []access.Request // asked for just now
}

// Any tells whether the reader can do anything about any account.
func (s settling) Any() (adopt, remove bool) {
	for _, a := range s.Case.Accounts {
		adopt, remove = adopt || a.Adopt, remove || a.Remove
	}
	return adopt, remove
}

// finding is one finding, and what the reader may do about it.
func (p *portal) finding(v *visit) error {
	view, err := v.settling()
	if err != nil {
		return err
	}
	switch v.justDone() {
	case string(adopting):
		view.Said = "Asked for on behalf of those who hold it. Each is decided as any other request; until then it stays found."
	case string(removing):
		view.Said = "It is being removed. It counts as gone once the target was seen without it."
	case string(accepting):
		view.Said = "Let be, with your words."
	}
	return v.page(http.StatusOK, view.Kind, "/findings", findingPage(view, v.now))
}

func (v *visit) settling() (view settling, err error) {
	c, err := v.Engine.Finding(v.r.Context(), v.by, v.r.PathValue("id"))
	if err != nil {
		return view, err
	}
	view = settling{findingView: v.findingRow(c.Finding), Case: c, Closes: closes(c.Finding.Kind), Chosen: map[string]bool{}}
	if c.Entitled != "" {
		view.About = v.entitlement(c.Entitled).Name
	}
	for i, a := range c.Accounts {
		view.Chosen[a.Account] = len(c.Accounts) == 1
		if a.Holder != "" {
			view.Case.Accounts[i].Holder = v.name(a.Holder)
		}
	}
	return view, nil
}

// remedy is what somebody does about a finding.
type remedy string

const (
	adopting  remedy = "adopt"
	removing  remedy = "remove"
	accepting remedy = "accept"
)

// settle does what the reader chose about a finding, for a reason.
func (p *portal) settle(v *visit) error {
	view, err := v.settling()
	if err != nil {
		return err
	}
	f, how := v.r.PostForm, remedy(v.r.PostForm.Get("how"))
	// 1. What was chosen, as it stands on the form.
	m := engine.Remedy{Finding: view.Finding.ID, Reason: strings.ReplaceAll(strings.TrimSpace(f.Get("reason")), "\r\n", "\n")}
	view.Reason = m.Reason
	if how != accepting {
		m.Accounts = f["account"]
		for a := range view.Chosen {
			view.Chosen[a] = false
		}
		for _, a := range m.Accounts {
			view.Chosen[a] = true
		}
	}
	switch {
	case m.Reason == "":
		view.Wrong = "Say why in a sentence: whoever looks at this later reads it."
	case how != accepting && len(m.Accounts) == 0:
		view.Wrong = "Tick the accounts it is about."
	}
	// 2. The deed.
	if view.Wrong == "" {
		switch how {
		case adopting:
			_, err = p.Engine.Adopt(v.r.Context(), v.by, m)
		case removing:
			_, err = p.Engine.Remove(v.r.Context(), v.by, m)
		case accepting:
			err = p.Engine.Accept(v.r.Context(), v.by, m)
		default:
			err = fmt.Errorf("%w: a finding is adopted, removed or let be, not %.20q", access.ErrInvalid, how)
		}
		if err == nil {
			return v.done("/findings/"+view.Finding.ID, string(how))
		}
		if !errors.Is(err, access.ErrInvalid) && !errors.Is(err, access.ErrDenied) && !errors.Is(err, access.ErrConflict) {
			return err
		}
		view.Wrong = said(err)
	}
	return v.page(http.StatusUnprocessableEntity, view.Kind, "/findings", findingPage(view, v.now))
}

// closings say of each kind of finding how it closes: a finding says what is so,
// and most are over only when it is so no longer.
var closings = map[string]string{
	access.BreakGlassReview: "It closes when somebody else who answers for it has reviewed it: see break glass.",
	access.SealUsed:         "It closes when somebody who does not keep the seal says in which incident it was used.",
	"late_removal":          "It closes when the target is seen without the access. Lessor goes on trying for ever; what stands in its way is at the system, and so is the remedy.",
	"late_provisioning":     "It closes when the access is seen, or its grant ends. Lessor goes on trying; what stands in its way is at the system, and so is the remedy.",
	"seen_again":            "It closes when the target is seen without the access again. Find out who gave it back; Lessor is removing it.",
	"drift":                 "It closes when the access is seen again, or its grant ends. Find out who took it away; Lessor is giving it back.",
	"no_approver":           "Give whoever asks a manager, the entitlement an owner, or the group a member who may answer; then let it be here, for that reason.",
	"own_vote":              "Ask them what it was for; then somebody else of security lets it be here, for that reason.",
	"group_cycle":           "It closes when no groups of the directory lie in each other any more.",
	"inventory_unread":      "It closes with the next reading of the whole system that succeeds. The server's log says why the last one did not.",
	"inventory_shrunk":      "The brake is on: the reading is not believed, and nothing follows from it. Nobody has to release it; the next reading that says the same is believed, and then each assignment is looked at anew. If the system was sick, mend it before that.",
	"accounts_shrunk":       "The brake is on: the list of accounts is not believed, and nothing follows from it. Nobody has to release it; it closes with a reading that is whole again, or says the same once more.",
	"removals_held_back":    "The brake is on: rules would remove more at once than is believed, and nothing is removed. Whoever may settle access nobody granted releases it, by removing it by hand on the finding of each entitlement; or correct the rules.",
	"credentials_shrunk":    "The brake is on: the list of keys and passwords is not believed, and nothing follows from it. Nobody has to release it; it closes with a reading that is whole again.",
	"credential_unending":   "It closes when each of them has an end at its system.",
	"orphan_accounts":       "It closes when the directory says whose these accounts are, or they are gone from the system.",
	"label_understates":     "It closes when the catalog gives the entitlement the class of what it can become and the powers that its system says it has, or it has them no more.",
	"duties_together":       "It closes when one of the two is given up, revoked or ends, or an exception is written down.",
	"certification_due":     "It closes when the grant was extended, or is over. Unless somebody extends it, the access is removed at its end.",
	"deputy_gone":           "It closes when the directory names another deputy, or none.",
	"handover_overdue":      "It closes when somebody takes over what the leaver answered for, or it is retired: see what is to hand over.",
	"birthright_refused":    "It closes when policy refuses it to nobody any more: change the birthright, or the rules.",
	"definition_gone":       "It closes when the files have it again, or no open grant is of it any more. If it is not put back by the due date, its grants end.",
	"unexpected_access":     "It closes when nobody holds it ungranted any more: because it was asked for and granted, or because it was seen gone.",
	access.ApproversChanged: byAudit, access.GrantWithoutTicket: byAudit, access.LabelBelowRisk: byAudit, access.TicketShowsTooMuch: byAudit, access.TicketWithoutGrant: byAudit, access.WorkflowHole: byAudit,
}

const byAudit = "It closes when the next audit of the queue no longer sees it. The remedy is in the queue: the ticket, its fields or its workflow."

// closes says how a finding of a kind closes.
func closes(kind string) string {
	if say, ok := closings[kind]; ok {
		return say
	}
	return "It closes when what it is about is settled."
}
