package store

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

const requestColumns = `id, revision, digest, state, requester, beneficiary, items, reason, ticket, start_at, term, fixed,
	extends, answer_by, channel, reference, policy, at, makers`

func scanRequest(s scanner) (r access.Request, err error) {
	err = s.Scan(&r.ID, &r.Revision, &r.Digest, &r.State, &r.Requester, &r.Beneficiary, nested{&r.Items}, &r.Reason, &r.Ticket,
		at{&r.Start}, span{&r.Term}, &r.Fixed, &r.Extends, at{&r.AnswerBy}, &r.Channel, &r.Reference, &r.Policy, at{&r.At}, nested{&r.Makers})
	return r, err
}

// AddRequest stores a new request.
func (tx *Tx) AddRequest(ctx context.Context, r access.Request) error {
	tx.writes(r.Requester, r.Beneficiary)
	err := tx.exec(ctx, "add request "+r.ID, `insert into request (`+requestColumns+`)
		values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18,$19)`,
		r.ID, r.Revision, r.Digest, r.State, r.Requester, r.Beneficiary, text(r.Items), r.Reason, r.Ticket,
		moment(r.Start), micros(r.Term), r.Fixed, r.Extends, moment(r.AnswerBy), r.Channel, r.Reference, r.Policy, moment(r.At), text(r.Makers))
	if err != nil {
		return err
	}
	return tx.addKeys(ctx, r, keysOf(r))
}

// SaveRequest writes r over the stored one, presuming it is still was.
func (tx *Tx) SaveRequest(ctx context.Context, was, r access.Request) error {
	tx.writes(r.Requester, was.Beneficiary, r.Beneficiary)
	err := tx.exec(ctx, "save request "+r.ID, `update request set revision=$1, digest=$2, state=$3, beneficiary=$4, items=$5, reason=$6,
		ticket=$7, start_at=$8, term=$9, fixed=$10, answer_by=$11, policy=$12, makers=$13 where id=$14 and state=$15 and digest=$16`,
		r.Revision, r.Digest, r.State, r.Beneficiary, text(r.Items), r.Reason, r.Ticket,
		moment(r.Start), micros(r.Term), r.Fixed, moment(r.AnswerBy), r.Policy, text(r.Makers), r.ID, was.State, was.Digest)
	if err != nil {
		return err
	}
	return tx.moveKeys(ctx, was, r)
}

// Request reads one by id.
func (tx *Tx) Request(ctx context.Context, id string) (access.Request, error) {
	return one(ctx, tx, "request "+id, scanRequest, `select `+requestColumns+` from request where id=$1`, id)
}

// CountOpen counts the requests of one requester that wait for somebody.
func (tx *Tx) CountOpen(ctx context.Context, requester string) (int, error) {
	tx.reads(requester)
	return one(ctx, tx, "open requests", func(s scanner) (n int, err error) { err = s.Scan(&n); return n, err },
		`select count(*) from request where requester = $1 and state in ('submitted','pending')`, requester)
}

// RequestByReference finds the request a channel reference made before.
func (tx *Tx) RequestByReference(ctx context.Context, channel, requester, reference string) (access.Request, error) {
	tx.reads(requester)
	return one(ctx, tx, "request "+reference, scanRequest,
		`select `+requestColumns+` from request where channel=$1 and requester=$2 and reference=$3`, channel, requester, reference)
}

// Requests lists up to limit requests with ids below before (newest first);
// state and person may be empty for any. A person is requester or beneficiary.
func (tx *Tx) Requests(ctx context.Context, state access.RequestState, person, before string, limit int) ([]access.Request, error) {
	if before == "" {
		before = "~"
	}
	if person != "" {
		tx.reads(person)
	}
	return all(ctx, tx, scanRequest, `select `+requestColumns+` from request where id < $1 and ($2 = '' or state = $2)
		and ($3 = '' or requester = $3 or beneficiary = $3) order by id desc limit $4`, before, string(state), person, limit)
}

// PendingFor lists the pending requests for any of the identities as beneficiary,
// in order of id. The database does not sort them: to spare itself that, SQLite
// would read everything that is pending.
func (tx *Tx) PendingFor(ctx context.Context, identities []string) (list []access.Request, err error) {
	tx.reads(identities...)
	for batch := range chunks(identities) {
		marks, args := in(batch)
		some, err := all(ctx, tx, scanRequest, `select `+requestColumns+` from request where state = 'pending' and beneficiary in (`+marks+`)`, args...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	slices.SortFunc(list, func(a, b access.Request) int { return strings.Compare(a.ID, b.ID) })
	return list, nil
}

// PendingOfTicket lists the pending requests that name a ticket by either name, in order.
func (tx *Tx) PendingOfTicket(ctx context.Context, id, name string) ([]access.Request, error) {
	return all(ctx, tx, scanRequest, `select `+requestColumns+` from request
		where ticket <> '' and ticket in ($1, $2) and state = 'pending' order by id`, id, name)
}

// Unanswered lists requests whose answer was due by now.
func (tx *Tx) Unanswered(ctx context.Context, now time.Time) ([]access.Request, error) {
	return all(ctx, tx, scanRequest, `select `+requestColumns+` from request where state in ('submitted','pending') and answer_by <= $1 order by id`, moment(now))
}

const approvalColumns = `id, request, revision, digest, entitlement, stage, voter, person, verdict, term, basis, strength, note, channel, at, withdrawn_at, behalf`

func scanApproval(s scanner) (a access.Approval, err error) {
	err = s.Scan(&a.ID, &a.Request, &a.Revision, &a.Digest, &a.Entitlement, &a.Stage, &a.Voter, &a.Person, &a.Verdict,
		span{&a.Term}, nested{&a.Basis}, &a.Strength, &a.Note, &a.Channel, at{&a.At}, at{&a.WithdrawnAt}, nested{&a.Behalf})
	return a, err
}

// AddApproval stores a vote. A second standing vote of one person on one
// entitlement of one revision is refused by the database.
func (tx *Tx) AddApproval(ctx context.Context, a access.Approval) error {
	return tx.exec(ctx, "add vote "+a.ID, `insert into approval (`+approvalColumns+`) values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17)`,
		a.ID, a.Request, a.Revision, a.Digest, a.Entitlement, a.Stage, a.Voter, a.Person, string(a.Verdict),
		micros(a.Term), text(a.Basis), a.Strength, a.Note, a.Channel, moment(a.At), moment(a.WithdrawnAt), text(a.Behalf))
}

// WithdrawApproval marks a standing vote withdrawn.
func (tx *Tx) WithdrawApproval(ctx context.Context, id string, now time.Time) error {
	return tx.exec(ctx, "withdraw vote "+id, `update approval set withdrawn_at=$1 where id=$2 and withdrawn_at is null`, moment(now), id)
}

// Approvals lists every vote on a request, withdrawn ones and old revisions too, in order.
func (tx *Tx) Approvals(ctx context.Context, request string) ([]access.Approval, error) {
	return all(ctx, tx, scanApproval, `select `+approvalColumns+` from approval where request=$1 order by id`, request)
}

const findingColumns = `id, kind, subject, owner, body, opened_at, due_at, closed_at, resolution`

func scanFinding(s scanner) (f access.Finding, err error) {
	err = s.Scan(&f.ID, &f.Kind, &f.Subject, &f.Owner, &f.Text, at{&f.OpenedAt}, at{&f.DueAt}, at{&f.ClosedAt}, &f.Resolution)
	return f, err
}

// AddFinding stores an open finding; there is at most one open for a kind and subject.
func (tx *Tx) AddFinding(ctx context.Context, f access.Finding) error {
	return tx.exec(ctx, "add finding "+f.ID, `insert into finding (`+findingColumns+`) values ($1,$2,$3,$4,$5,$6,$7,$8,$9)`,
		f.ID, f.Kind, f.Subject, f.Owner, f.Text, moment(f.OpenedAt), moment(f.DueAt), moment(f.ClosedAt), f.Resolution)
}

// CloseFinding stores that an open finding is closed.
func (tx *Tx) CloseFinding(ctx context.Context, f access.Finding) error {
	return tx.exec(ctx, "close finding "+f.ID, `update finding set closed_at=$1, resolution=$2 where id=$3 and closed_at is null`,
		moment(f.ClosedAt), f.Resolution, f.ID)
}

// OpenFinding reads the open finding of a kind about a subject.
func (tx *Tx) OpenFinding(ctx context.Context, kind, subject string) (access.Finding, error) {
	return one(ctx, tx, "finding "+kind, scanFinding, `select `+findingColumns+` from finding where kind=$1 and subject=$2 and closed_at is null`, kind, subject)
}

// OpenFindings reads every open finding of a kind, in order of its subject.
func (tx *Tx) OpenFindings(ctx context.Context, kind string) ([]access.Finding, error) {
	return all(ctx, tx, scanFinding, `select `+findingColumns+` from finding where kind=$1 and closed_at is null order by subject`, kind)
}

// Findings lists up to limit findings, newest first; open leaves the closed ones out.
func (tx *Tx) Findings(ctx context.Context, open bool, limit int) ([]access.Finding, error) {
	return tx.FindingsSought(ctx, FindingsSought{Open: open, Limit: limit})
}
