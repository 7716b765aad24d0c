package promise

import (
	"context"
	"errors"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

var accountPromises = []Promise{
	{"accounts are read whole", "every account is yielded once, by the name a holding has it under, with an id of its own; what is deleted is not",
		"aw", accountsWhole},
	{"an account's id is its own", "made anew under its old name an account has another id, and renamed it keeps its own",
		"ai", accountsIDs},
	{"accounts of a target that is down", "where accounts cannot be read that is an error, never none",
		"ad", accountsDown},
}

// accounts reads them all: id by name. Others may make and delete accounts meanwhile,
// and a target whose pages shift then must say so: that is tried again.
func (k *kit) accounts() map[string]string {
	k.Helper()
	from, can := connector.As[connector.Accounts](k.Connector)
	if !can {
		k.Skip("this connector reads no accounts")
	}
	for end := time.Now().Add(patience); ; {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		ids, twice := map[string]string{}, []string(nil)
		err := from.Accounts(ctx, func(a connector.Account) error {
			if _, again := ids[a.Name]; again {
				twice = append(twice, a.Name)
			}
			ids[a.Name] = a.ID
			return nil
		})
		cancel()
		switch {
		case err == nil && len(twice) > 0:
			k.Errorf("Accounts gave %q more than once", twice)
			return ids
		case err == nil:
			return ids
		case time.Now().After(end):
			k.Fatalf("Accounts: %v", err)
		}
	}
}

func accountsWhole(k *kit) {
	k.accounts()
	var made []string
	for _, n := range k.own() {
		made = append(made, k.Account(n))
	}
	ann, gone := k.account("ann"), k.account("gone")
	made = append(made, ann)
	k.DropAccount(gone)
	got := k.accounts()
	of, shown := map[string]string{}, 0
	for _, name := range made {
		id, there := got[name]
		if !there {
			k.Errorf("Accounts left %q out", short(name))
		}
		if other, same := of[id]; same && id != "" {
			k.Errorf("%q and %q have the same id %q", short(name), short(other), id)
		}
		if of[id] = name; id != "" {
			shown++
		}
	}
	if shown != 0 && shown != len(made) {
		k.Errorf("only %d of %d accounts have an id", shown, len(made))
	}
	if _, there := got[gone]; there {
		k.Errorf("Accounts gave %q, which was deleted", gone)
	}

	enough := errors.New("enough")
	from, _ := connector.As[connector.Accounts](k.Connector)
	n := 0
	if err := from.Accounts(context.Background(), func(connector.Account) error { n++; return enough }); !errors.Is(err, enough) || n != 1 {
		k.Errorf("told to stop at the first, Accounts yielded %d and said %v", n, err)
	}
}

func accountsIDs(k *kit) {
	k.accounts()
	ann, bob := k.account("ann"), k.account("bob")
	before := k.accounts()
	if before[ann] == "" {
		k.Skip("this target shows no id of an account")
	}
	k.DropAccount(ann)
	anew := k.account("ann")
	if now := k.accounts(); now[anew] == before[ann] {
		k.Errorf("%s was deleted and made anew, and is called %q as before", anew, now[anew])
	}
	if k.Rename == nil {
		return
	}
	as := k.Rename(bob, "bobby-"+k.tag)
	now := k.accounts()
	if now[as] != before[bob] {
		k.Errorf("%s is called %s now, and its id is %q, want %q as before", bob, as, now[as], before[bob])
	}
	if _, there := now[bob]; there {
		k.Errorf("Accounts gave %q, which has another name now", bob)
	}
}

func accountsDown(k *kit) {
	k.accounts()
	k.account("ann")
	from, _ := connector.As[connector.Accounts](k.Connector)
	none := func(connector.Account) error { return nil }
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := from.Accounts(over, none); err == nil {
		k.Error("Accounts in a context that is over gave no error")
	}
	k.broken(Down, func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := from.Accounts(ctx, none); err == nil {
			k.Error("Accounts while the target is down gave no error")
		}
	})
}
