package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// InventoryObject is one object that was read whole.
type InventoryObject struct {
	System, Object string
	Since          time.Time // of the first whole reading
	Already        []string  // accounts that held it then, ungranted, and have ever since; sorted
	Stray          []string  // accounts that hold it ungranted as of the last reading; sorted
}

func scanInventoryObject(s scanner) (o InventoryObject, err error) {
	err = s.Scan(&o.System, &o.Object, at{&o.Since}, nested{&o.Already}, nested{&o.Stray})
	return o, err
}

const inventoryColumns = `system, object, since, already, stray`

// InventoryObjects lists what of a system was read whole.
func (tx *Tx) InventoryObjects(ctx context.Context, system string) ([]InventoryObject, error) {
	return all(ctx, tx, scanInventoryObject, `select `+inventoryColumns+` from inventory_object where system=$1 order by object`, system)
}

// InventoryObject reads one.
func (tx *Tx) InventoryObject(ctx context.Context, system, object string) (InventoryObject, error) {
	return one(ctx, tx, "reading of "+object, scanInventoryObject, `select `+inventoryColumns+` from inventory_object where system=$1 and object=$2`, system, object)
}

// SetInventoryObject stores what was read; the first moment stays.
func (tx *Tx) SetInventoryObject(ctx context.Context, o InventoryObject) error {
	return tx.exec(ctx, "reading of "+o.Object, `insert into inventory_object (`+inventoryColumns+`) values ($1,$2,$3,$4,$5)
		on conflict (system, object) do update set already=excluded.already, stray=excluded.stray`, o.System, o.Object, moment(o.Since), text(o.Already), text(o.Stray))
}

// Adoption is access that was asked for because it was found.
type Adoption struct{ System, Account, Object, Request string }

// Adoptions lists those of a system.
func (tx *Tx) Adoptions(ctx context.Context, system string) ([]Adoption, error) {
	return all(ctx, tx, func(s scanner) (a Adoption, err error) {
		err = s.Scan(&a.System, &a.Account, &a.Object, &a.Request)
		return a, err
	}, `select system, account, object, request from adoption where system=$1 order by account, object`, system)
}

// SetAdoption stores the last request for a holding.
func (tx *Tx) SetAdoption(ctx context.Context, a Adoption) error {
	return tx.exec(ctx, "adoption of "+a.Account, `insert into adoption (system, account, object, request) values ($1,$2,$3,$4)
		on conflict (system, account, object) do update set request=excluded.request`, a.System, a.Account, a.Object, a.Request)
}

// DropAdoption forgets one whose holding is not found ungranted any more.
func (tx *Tx) DropAdoption(ctx context.Context, a Adoption) error {
	return tx.exec(ctx, "adoption of "+a.Account, `delete from adoption where system=$1 and account=$2 and object=$3`, a.System, a.Account, a.Object)
}

// AdoptedGrants lists the open grants of a system that came of adoptions and end before a moment.
func (tx *Tx) AdoptedGrants(ctx context.Context, system string, before time.Time) ([]access.Grant, error) {
	columns := "g." + strings.ReplaceAll(strings.Join(strings.Fields(grantColumns), " "), ", ", ", g.")
	return all(ctx, tx, scanGrant, `select `+columns+` from grants g join request r on r.id = g.request join assignment a on a.id = g.assignment
		where g.state <> 'ended' and r.channel = $1 and a.system = $2 and g.end_at < $3 order by g.id`, access.ChannelInventory, system, moment(before))
}

// Finding reads one by id.
func (tx *Tx) Finding(ctx context.Context, id string) (access.Finding, error) {
	return one(ctx, tx, "finding "+id, scanFinding, `select `+findingColumns+` from finding where id=$1`, id)
}

// Account is one account as its system knows it.
type Account struct {
	System, Name string
	Native       string // the id that the system never gives twice
	Since        time.Time
}

// Accounts lists the known ones of a system.
func (tx *Tx) Accounts(ctx context.Context, system string) ([]Account, error) {
	return all(ctx, tx, func(s scanner) (a Account, err error) {
		err = s.Scan(&a.System, &a.Name, &a.Native, at{&a.Since})
		return a, err
	}, `select system, name, native, since from account where system=$1 order by name`, system)
}

// Account reads one by name.
func (tx *Tx) Account(ctx context.Context, system, name string) (Account, error) {
	return one(ctx, tx, "account "+name, func(s scanner) (a Account, err error) {
		err = s.Scan(&a.System, &a.Name, &a.Native, at{&a.Since})
		return a, err
	}, `select system, name, native, since from account where system=$1 and name=$2`, system, name)
}

// ForgetAccounts drops what is known of a system's accounts: the next reading begins anew.
func (tx *Tx) ForgetAccounts(ctx context.Context, system string) error {
	if _, err := tx.ExecContext(ctx, `delete from account where system=$1`, system); err != nil {
		return fmt.Errorf("forget accounts of %s: %w", system, err)
	}
	return nil
}

// SetAccount stores that the name is that account's.
func (tx *Tx) SetAccount(ctx context.Context, a Account) error {
	return tx.exec(ctx, "account "+a.Name, `insert into account (system, name, native, since) values ($1,$2,$3,$4)
		on conflict (system, name) do update set native=excluded.native, since=excluded.since`, a.System, a.Name, a.Native, moment(a.Since))
}

// Trace is one thing that an account made or handed out.
type Trace struct {
	System, Account, What string
	Since                 time.Time // when it was first seen
}

// Traces lists what is known of a system; of one account if one is named.
func (tx *Tx) Traces(ctx context.Context, system, account string) ([]Trace, error) {
	query, args := tracesQuery(system, account)
	return all(ctx, tx, func(s scanner) (t Trace, err error) {
		err = s.Scan(&t.System, &t.Account, &t.What, at{&t.Since})
		return t, err
	}, query, args...)
}

func tracesQuery(system, account string) (query string, args []any) {
	named := ""
	if args = []any{system}; account != "" {
		named, args = "and account=$2", append(args, account)
	}
	return `select system, account, what, since from trace where system=$1 ` + named + ` order by account, what`, args
}

// AddTraces stores what was first seen now; what is known already stays as it is.
func (tx *Tx) AddTraces(ctx context.Context, list []Trace) error {
	for _, t := range list {
		if _, err := tx.ExecContext(ctx, `insert into trace (system, account, what, since) values ($1,$2,$3,$4) on conflict (system, account, what) do nothing`,
			t.System, t.Account, t.What, moment(t.Since)); err != nil {
			return fmt.Errorf("trace of %s: %w", t.Account, err)
		}
	}
	return nil
}

// DropTrace forgets what is no longer there.
func (tx *Tx) DropTrace(ctx context.Context, t Trace) error {
	return tx.exec(ctx, "trace of "+t.Account, `delete from trace where system=$1 and account=$2 and what=$3`, t.System, t.Account, t.What)
}

// LookAgain makes those due now that are in this state and were not looked at since a
// moment, and are not due already. It returns how many.
func (tx *Tx) LookAgain(ctx context.Context, ids []string, state access.AssignmentState, since, now time.Time) (n int64, err error) {
	for batch := range chunks(ids) {
		marks, args := inFrom(4, batch)
		res, err := tx.ExecContext(ctx, `update assignment set due_at=$1 where state=$2 and (seen_at is null or seen_at <= $3)
			and (due_at is null or due_at > $1) and id in (`+marks+`)`, append([]any{moment(now), state, moment(since)}, args...)...)
		if err != nil {
			return n, fmt.Errorf("look again: %w", err)
		}
		some, err := res.RowsAffected()
		if err != nil {
			return n, err
		}
		n += some
	}
	return n, nil
}
