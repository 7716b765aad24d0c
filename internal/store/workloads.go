package store

import (
	"context"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func scanRegistration(s scanner) (r access.Registration, err error) {
	err = s.Scan(nested{&r})
	return r, err
}

// AddRegistration stores a workload that somebody proposes.
func (tx *Tx) AddRegistration(ctx context.Context, r access.Registration) error {
	return tx.exec(ctx, "add registration "+r.ID, `insert into registration (id, identity, owner, doc, decided_at) values ($1,$2,$3,$4,$5)`,
		r.ID, r.Identity.ID, r.Identity.Owner, text(r), moment(r.Decided))
}

// DecideRegistration stores what became of one that was open.
func (tx *Tx) DecideRegistration(ctx context.Context, r access.Registration) error {
	return tx.exec(ctx, "decide registration "+r.ID, `update registration set doc=$1, decided_at=$2 where id=$3 and decided_at is null`, text(r), moment(r.Decided), r.ID)
}

// Registration reads one by id.
func (tx *Tx) Registration(ctx context.Context, id string) (access.Registration, error) {
	return one(ctx, tx, "registration "+id, scanRegistration, `select doc from registration where id=$1`, id)
}

// OpenRegistrationOf reads the open one of an identity's id.
func (tx *Tx) OpenRegistrationOf(ctx context.Context, identity string) (access.Registration, error) {
	return one(ctx, tx, "registration of "+identity, scanRegistration, `select doc from registration where identity=$1 and decided_at is null`, identity)
}

// OpenRegistrations lists up to limit that wait for an owner.
func (tx *Tx) OpenRegistrations(ctx context.Context, owner string, limit int) ([]access.Registration, error) {
	return all(ctx, tx, scanRegistration, `select doc from registration where owner=$1 and decided_at is null order by id limit $2`, owner, limit)
}

// RegistrationsAfter lists up to limit of all, with ids above after, in order.
func (tx *Tx) RegistrationsAfter(ctx context.Context, after string, limit int) ([]access.Registration, error) {
	return all(ctx, tx, scanRegistration, `select doc from registration where id > $1 order by id limit $2`, after, limit)
}

func scanMachine(s scanner) (a access.MachineAccount, err error) {
	err = s.Scan(nested{&a})
	return a, err
}

// SetMachineAccount stores an account as it was just seen.
func (tx *Tx) SetMachineAccount(ctx context.Context, a access.MachineAccount) error {
	return tx.exec(ctx, "machine account "+a.Name, `insert into machine_account (system, name, used_at, doc, seen_at) values ($1,$2,$3,$4,$5)
		on conflict (system, name) do update set used_at=excluded.used_at, doc=excluded.doc, seen_at=excluded.seen_at`,
		a.System, a.Name, moment(a.Used), text(a), moment(a.Seen))
}

// DropMachineAccount forgets one that is there no more.
func (tx *Tx) DropMachineAccount(ctx context.Context, system, name string) error {
	return tx.exec(ctx, "machine account "+name, `delete from machine_account where system=$1 and name=$2`, system, name)
}

// MachineAccounts lists what is known of a system's, in order.
func (tx *Tx) MachineAccounts(ctx context.Context, system string) ([]access.MachineAccount, error) {
	return all(ctx, tx, scanMachine, `select doc from machine_account where system=$1 order by name`, system)
}

// MachineAccountsOf lists those of a system with these names.
func (tx *Tx) MachineAccountsOf(ctx context.Context, system string, names []string) (list []access.MachineAccount, err error) {
	for batch := range chunks(names) {
		marks, args := inFrom(2, batch)
		some, err := all(ctx, tx, scanMachine, `select doc from machine_account where system=$1 and name in (`+marks+`)`, append([]any{system}, args...)...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// Use is when an account was last seen used.
type Use struct {
	System, Name string
	At           time.Time
}

// Uses lists when every account was last used of which that is known, by itself or by a credential.
func (tx *Tx) Uses(ctx context.Context) ([]Use, error) {
	return all(ctx, tx, func(s scanner) (u Use, err error) { err = s.Scan(&u.System, &u.Name, at{&u.At}); return u, err },
		`select system, name, used_at from machine_account where used_at is not null
		union all select system, account, used_at from credential where gone_at is null and account <> '' and used_at is not null`)
}

// CredentialsAt lists those that are there of these accounts.
func (tx *Tx) CredentialsAt(ctx context.Context, system string, accounts []string) (list []access.Credential, err error) {
	for batch := range chunks(accounts) {
		marks, args := inFrom(2, batch)
		some, err := all(ctx, tx, scanCredential, `select `+credentialColumns+` from credential where system=$1 and account in (`+marks+`) and gone_at is null order by id`, append([]any{system}, args...)...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// CredentialsWith lists those that are there with these fingerprints, wherever.
func (tx *Tx) CredentialsWith(ctx context.Context, prints []string) (list []access.Credential, err error) {
	for batch := range chunks(prints) {
		marks, args := in(batch)
		some, err := all(ctx, tx, scanCredential, `select `+credentialColumns+` from credential where print in (`+marks+`) and gone_at is null and print <> '' order by id`, args...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// OpenFindingsOf lists the open findings of these kinds about these subjects.
func (tx *Tx) OpenFindingsOf(ctx context.Context, kinds, subjects []string) (list []access.Finding, err error) {
	for batch := range chunks(subjects) {
		marks, args := in(kinds)
		more, rest := inFrom(1+len(kinds), batch)
		some, err := all(ctx, tx, scanFinding, `select `+findingColumns+` from finding where kind in (`+marks+`) and subject in (`+more+`) and closed_at is null`, append(args, rest...)...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// CountOpenFindings counts the open ones of a kind.
func (tx *Tx) CountOpenFindings(ctx context.Context, kind string) (int, error) {
	return one(ctx, tx, "findings "+kind, func(s scanner) (n int, err error) { err = s.Scan(&n); return n, err },
		`select count(*) from finding where kind=$1 and closed_at is null`, kind)
}
