package enginetest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lessor-iam/lessor/internal/store"
)

// rests are the tables that a submit or a vote, which are Noted, may read or write on
// PostgreSQL: who may write each, so that none of them decides by what somebody else is
// changing meanwhile, and why that is enough ([store.Manner]). It is held against
// every transaction that a verb commits in a fixture on PostgreSQL, by what the database
// says that it touched.
var rests = map[string]rest{
	"request": {by: noting, claims: true, why: "whose it is is noted"},
	"grants":  {by: noting, claims: true, why: "whose it is is noted"},

	"approval":    {by: []store.Manner{store.Noted, store.Apart}, claims: true, why: "of one request, whose row each vote changes; what was granted takes none"},
	"assignment":  {by: noting, claims: true, why: "one row, which whoever begins a grant of it changes, presuming what was read"},
	"event":       {by: anybody, claims: true, why: "what was told of one request's votes, which changes with its row; who gives places changes nothing else of it"},
	"finding":     {by: noting, claims: true, why: "its kinds are held to besideKinds"},
	"answered":    {by: anybody, why: "one identity's key, which is there once"},
	"request_key": {by: noting, why: "written with its request, and not read"},
	"place":       {by: []store.Manner{store.Noted, store.Apart}, why: "the first is kept, and not read"},
	"river_job":   {by: anybody, why: "work that follows, and is not read"},

	"absence":       {by: apart},
	"delegation":    {by: apart},
	"halt":          {by: apart},
	"log_key":       {by: apart},
	"opened":        {by: apart},
	"roster_urgent": {by: apart},
	"said_object":   {by: apart},
	"said_powers":   {by: apart},

	"clock":      {by: anybody, claims: true, why: "whether an event that waits must have a stamp: from one moment on it must, for good"},
	"checkpoint": {by: anybody, claims: true, why: "the same, where no time was kept"},

	"gate": {by: []store.Manner{store.Noted}, why: "the turn itself"},
}

// besideKinds are the findings that verbs which are not Apart open and close. By any
// other kind a submit or a vote may decide; by these none does, but that nothing is
// opened twice, which an index says.
var besideKinds = []string{"no_approver", "own_vote", "drift", "seen_again", "late_provisioning", "late_removal"}

type rest struct {
	by     []store.Manner
	claims bool   // a claim or a settling, which are Beside, may read it though submits and votes write it
	why    string // where others than Apart write it
}

var (
	apart   = []store.Manner{store.Apart}
	noting  = []store.Manner{store.Noted, store.Beside, store.Apart}
	anybody = []store.Manner{store.Serial, store.Apart, store.Beside, store.Noted}

	mannerNames = map[store.Manner]string{store.Serial: "Serial", store.Apart: "Apart", store.Beside: "Beside", store.Noted: "Noted"}
)

// touched is what a transaction has read and written so far.
type touched struct {
	read, wrote []string // tables
	kinds       []string // of findings it wrote
}

// wrong says what in that manner a verb must not have touched.
func (x touched) wrong(verb string, m store.Manner) (list []string) {
	for _, table := range slices.Concat(x.read, x.wrote) {
		if _, is := rests[table]; m == store.Noted && !is {
			list = append(list, fmt.Sprintf("%s decides by %s, or changes it, and is Noted: another may change that at the same moment, and neither begins anew. "+
				"Have the store note whose it is, or have only verbs write it that are Apart, and put it on the list rests", verb, table))
		}
	}
	for _, table := range x.read {
		if r, is := rests[table]; m == store.Beside && is && !r.claims && slices.Contains(r.by, store.Noted) {
			list = append(list, fmt.Sprintf("%s decides by %s, and is Beside: a submit or a vote may change that at the same moment, and neither begins anew. "+
				"Have the store note whose it is, and say so in rests", verb, table))
		}
	}
	for _, table := range x.wrote {
		if r, is := rests[table]; is && !slices.Contains(r.by, m) {
			list = append(list, fmt.Sprintf("%s writes %s, and is %s: a submit or a vote that decides by it does not see that. Have the verb be Apart, or note whose it is", verb, table, mannerNames[m]))
		}
	}
	for _, kind := range x.kinds {
		if m != store.Apart && !slices.Contains(besideKinds, kind) {
			list = append(list, fmt.Sprintf("%s opens or closes a finding of the kind %s, and is %s: a submit or a vote that decides by one does not see that. "+
				"If none does, put the kind into besideKinds; else have the verb be Apart", verb, kind, mannerNames[m]))
		}
	}
	return list
}

// watchManners has every verb's transaction looked at before it is committed.
func watchManners(t testing.TB, db *store.DB) {
	if _, measured := t.(*testing.B); measured || db.Dialect != store.Postgres {
		return
	}
	var said sync.Map
	db.Ending = func(ctx context.Context, tx *store.Tx, m store.Manner) error {
		verb := verb()
		if verb == "" {
			return nil // no verb of the engine's: a test's own doing, or a door's sessions
		}
		x, err := touchedBy(ctx, tx, m)
		for _, wrong := range x.wrong(verb, m) {
			if _, was := said.LoadOrStore(wrong, true); !was {
				t.Errorf("%s", wrong)
			}
		}
		return err
	}
}

// touchedBy asks PostgreSQL, which holds a lock on each table until the transaction is
// over: that tells, whatever statements say, and what triggers do besides. To look whether
// a row is there that another refers to is a third kind of lock, and no deciding.
func touchedBy(ctx context.Context, tx *store.Tx, m store.Manner) (x touched, err error) {
	err = each(ctx, tx, func(table string, writes bool) {
		if writes {
			x.wrote = append(x.wrote, table)
		} else {
			x.read = append(x.read, table)
		}
	}, `select c.relname, l.mode = 'RowExclusiveLock' from pg_locks l join pg_class c on c.oid = l.relation
		where l.locktype = 'relation' and l.pid = pg_backend_pid() and l.database = (select oid from pg_database where datname = current_database())
		and l.mode in ('AccessShareLock', 'RowExclusiveLock') and c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace order by 1`)
	if err == nil && m != store.Apart && slices.Contains(x.wrote, "finding") {
		err = each(ctx, tx, func(kind string, _ bool) { x.kinds = append(x.kinds, kind) },
			`select distinct kind, true from finding where xmin = pg_current_xact_id()::xid`)
	}
	return x, err
}

func each(ctx context.Context, tx *store.Tx, yield func(name string, is bool), query string) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("what was touched: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var is bool
		if err := rows.Scan(&name, &is); err != nil {
			return fmt.Errorf("what was touched: %w", err)
		}
		yield(name, is)
	}
	return rows.Err()
}

// verb is the one that is on the stack; nothing: none is.
func verb() string {
	const door = "/internal/engine.(*Engine)."
	callers := make([]uintptr, 40)
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers)])
	for more := true; more; {
		var at runtime.Frame
		at, more = frames.Next()
		if _, name, is := strings.Cut(at.Function, door); is {
			if name, _, _ = strings.Cut(name, "."); name != "do" && name != "try" {
				return strings.TrimSuffix(name, "-range1")
			}
		}
	}
	return ""
}
