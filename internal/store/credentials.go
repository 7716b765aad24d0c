package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

const credentialColumns = `id, system, native, kind, account, objects, name, print, issued_at, used_at, end_at, end_unknown,
	found_at, seen_at, gone_at, under, let_be`

func scanCredential(s scanner) (c access.Credential, err error) {
	err = s.Scan(&c.ID, &c.System, &c.Native, &c.Kind, &c.Account, nested{&c.Objects}, &c.Name, &c.Print, at{&c.Issued}, at{&c.Used},
		at{&c.Ends}, &c.EndUnknown, at{&c.Found}, at{&c.Seen}, at{&c.Gone}, &c.Grant, nested{&c.LetBe})
	return c, err
}

// AddCredential stores one that is there; under its system's name for it there is none.
func (tx *Tx) AddCredential(ctx context.Context, c access.Credential) error {
	return tx.exec(ctx, "add credential "+c.ID, `insert into credential (`+credentialColumns+`)
		values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17)`,
		c.ID, c.System, c.Native, c.Kind, c.Account, text(c.Objects), c.Name, c.Print, moment(c.Issued), moment(c.Used),
		moment(c.Ends), c.EndUnknown, moment(c.Found), moment(c.Seen), moment(c.Gone), c.Grant, text(c.LetBe))
}

// SaveCredential writes what of one can change that is there.
func (tx *Tx) SaveCredential(ctx context.Context, c access.Credential) error {
	return tx.exec(ctx, "save credential "+c.ID, `update credential set kind=$1, name=$2, used_at=$3, end_at=$4, end_unknown=$5, gone_at=$6, let_be=$7
		where id=$8 and gone_at is null`, c.Kind, c.Name, moment(c.Used), moment(c.Ends), c.EndUnknown, moment(c.Gone), text(c.LetBe), c.ID)
}

// SeeCredentials stores that all that are there at a system were seen then.
func (tx *Tx) SeeCredentials(ctx context.Context, system string, then time.Time) error {
	if _, err := tx.ExecContext(ctx, `update credential set seen_at=$1 where system=$2 and gone_at is null`, moment(then), system); err != nil {
		return fmt.Errorf("credentials of %s: %w", system, err)
	}
	return nil
}

// Credential reads one by id.
func (tx *Tx) Credential(ctx context.Context, id string) (access.Credential, error) {
	return one(ctx, tx, "credential "+id, scanCredential, `select `+credentialColumns+` from credential where id=$1`, id)
}

// Credentials lists those that are there at a system.
func (tx *Tx) Credentials(ctx context.Context, system string) ([]access.Credential, error) {
	return all(ctx, tx, scanCredential, `select `+credentialColumns+` from credential where system=$1 and gone_at is null order by id`, system)
}

// CredentialsOf lists those that are there and act as an account of a system.
func (tx *Tx) CredentialsOf(ctx context.Context, system, account string) ([]access.Credential, error) {
	return all(ctx, tx, scanCredential, `select `+credentialColumns+` from credential where system=$1 and account=$2 and gone_at is null order by id`, system, account)
}

// CredentialsAfter lists up to limit of all there ever were, with ids above after, in order.
func (tx *Tx) CredentialsAfter(ctx context.Context, after string, limit int) ([]access.Credential, error) {
	return all(ctx, tx, scanCredential, `select `+credentialColumns+` from credential where id > $1 order by id limit $2`, after, limit)
}

// CredentialsGone lists up to limit of those that have been gone since before that moment, those first that have been longest.
func (tx *Tx) CredentialsGone(ctx context.Context, before time.Time, limit int) ([]access.Credential, error) {
	return all(ctx, tx, scanCredential, `select `+credentialColumns+` from credential where gone_at is not null and gone_at < $1 order by gone_at, id limit $2`, moment(before), limit)
}

// ForgetCredential takes one out that is gone.
func (tx *Tx) ForgetCredential(ctx context.Context, id string) error {
	return tx.exec(ctx, "forget credential "+id, `delete from credential where id=$1 and gone_at is not null`, id)
}

// GrantsDuring lists the grants by which an account held something at a system at any
// time between two moments, the one that ended last first. Until a look sees it gone,
// access is held.
func (tx *Tx) GrantsDuring(ctx context.Context, system, account string, from, to time.Time) ([]access.Grant, error) {
	query, args := duringQuery(`a.system = $1 and a.account = $2`, []any{system, account}, from, to)
	return all(ctx, tx, scanGrant, query, args...)
}

// GrantsOfDuring lists up to limit of those by which anybody held one of these objects.
func (tx *Tx) GrantsOfDuring(ctx context.Context, system string, objects []string, from, to time.Time, limit int) ([]access.Grant, error) {
	if len(objects) == 0 {
		return nil, nil
	}
	query, args := duringOfQuery(system, objects, from, to, limit)
	return all(ctx, tx, scanGrant, query, args...)
}

func duringOfQuery(system string, objects []string, from, to time.Time, limit int) (query string, args []any) {
	whose, args := ofObjects(system, objects)
	query, args = duringQuery(whose, args, from, to)
	args = append(args, limit)
	return fmt.Sprintf("%s limit $%d", query, len(args)), args
}

// duringQuery takes whose access is meant, by columns of assignment: an index must find
// it, for it is asked for each of a system's credentials in one transaction.
func duringQuery(whose string, args []any, from, to time.Time) (string, []any) {
	columns := "g." + strings.ReplaceAll(strings.Join(strings.Fields(grantColumns), " "), ", ", ", g.")
	n := len(args)
	return fmt.Sprintf(`select %[1]s from grants g join assignment a on a.id = g.assignment
		where %[2]s and g.seen_at is not null and g.start_at <= $%[3]d
		and (g.ended_at is null or g.ended_at >= $%[4]d or not exists
			(select 1 from receipt r where r.assignment = a.id and r.at >= g.ended_at and r.at <= $%[4]d and not r.direct and not r.effective))
		order by coalesce(g.ended_at, g.end_at) desc, g.id`, columns, whose, n+1, n+2), append(args, moment(to), moment(from))
}
