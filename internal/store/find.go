package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

// What a request is found by. Keys are written with the request and hold for
// good: those of an earlier revision lead to it still.
func KeyOfIdentity(id string) string    { return "i:" + id }
func KeyOfEntitlement(id string) string { return "e:" + id }
func KeyOfSystem(id string) string      { return "y:" + id }
func KeyOfStage(name string) string     { return "s:" + name }

// What the stages lead to whose people are somebody's manager or sponsor, or own
// what is asked for: so nobody's desk is looked through for what is not for them.
func KeyOfReport(id string) string      { return "m:" + id }
func KeyOfOwned(id string) string       { return "o:" + id }
func KeyOfOwnedSystem(id string) string { return "p:" + id }

// KeyOfEscalated leads to whatever a stage of has waited too long.
const KeyOfEscalated = "w:"

// keysOf lists everything a request is found by, each once, in order.
func keysOf(r access.Request) []string {
	keys := []string{KeyOfIdentity(r.Requester), KeyOfIdentity(r.Beneficiary)}
	for _, id := range r.Makers {
		keys = append(keys, KeyOfIdentity(id))
	}
	for _, it := range r.Items {
		system, _, _ := strings.Cut(it.Entitlement, ":")
		keys = append(keys, KeyOfEntitlement(it.Entitlement), KeyOfSystem(system))
		if len(it.Escalated) > 0 {
			keys = append(keys, KeyOfEscalated)
		}
		for _, st := range it.Decision.Stages {
			switch st.Name {
			case "manager", "sponsor":
				keys = append(keys, KeyOfReport(r.Beneficiary))
			case "owner":
				keys = append(keys, KeyOfOwned(it.Entitlement), KeyOfOwnedSystem(system))
			default:
				keys = append(keys, KeyOfStage(st.Name))
			}
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// addKeys makes a request found by these.
func (tx *Tx) addKeys(ctx context.Context, r access.Request, keys []string) error {
	for batch := range chunks(keys) {
		rows, args := make([]string, len(batch)), []any{r.ID, r.State == access.Pending}
		for i, k := range batch {
			args = append(args, k)
			rows[i] = fmt.Sprintf("($%d,$1,$2)", len(args))
		}
		if _, err := tx.ExecContext(ctx, `insert into request_key (key, request, waits) values `+strings.Join(rows, ",")+` on conflict (key, request) do nothing`, args...); err != nil {
			return fmt.Errorf("keys of request %s: %w", r.ID, err)
		}
	}
	return nil
}

// moveKeys keeps what leads to a request in step with it.
func (tx *Tx) moveKeys(ctx context.Context, was, r access.Request) error {
	if is := r.State == access.Pending; is != (was.State == access.Pending) {
		if _, err := tx.ExecContext(ctx, `update request_key set waits = $1 where request = $2`, is, r.ID); err != nil {
			return fmt.Errorf("keys of request %s: %w", r.ID, err)
		}
	}
	before := keysOf(was)
	return tx.addKeys(ctx, r, slices.DeleteFunc(keysOf(r), func(k string) bool { _, had := slices.BinarySearch(before, k); return had }))
}

// RequestsSought says which requests a page is of; what is empty narrows nothing.
type RequestsSought struct {
	Keys    []string // found by any of these
	Waiting bool     // pending only; needs no State
	State   access.RequestState
	Since   string // ids from this one on
	Before  string // ids below this one
	Limit   int
}

// RequestsSought reads the newest requests of those sought. However many others there
// are, what is read is the page and a place in an index for every key.
func (tx *Tx) RequestsSought(ctx context.Context, s RequestsSought) ([]access.Request, error) {
	if s.Before == "" {
		s.Before = "~"
	}
	if len(s.Keys) > 0 {
		ids, err := tx.byKeys(ctx, s)
		if err != nil {
			return nil, err
		}
		return tx.requestsNamed(ctx, ids)
	}
	if s.Waiting {
		s.State = access.Pending
	}
	args := []any{s.Before, s.Since, s.Limit}
	where := "id < $1 and id >= $2"
	if s.State != "" {
		args = append(args, string(s.State))
		where = "state = $4 and " + where
	}
	return all(ctx, tx, scanRequest, `select `+requestColumns+` from request where `+where+` order by id desc limit $3`, args...)
}

// byKeys finds the newest ids that any key leads to. A few of each key are read off
// the index, and more of each only where one of which not all was read could have
// ids among the newest still.
func (tx *Tx) byKeys(ctx context.Context, s RequestsSought) ([]string, error) {
	for each := min(s.Limit, 4+2*s.Limit/len(s.Keys)); ; each = min(s.Limit, 4*each) {
		list, err := tx.ofEachKey(ctx, s, each)
		if err != nil {
			return nil, err
		}
		read, last := map[string]int{}, map[string]string{}
		ids := make([]string, len(list))
		for i, l := range list {
			ids[i] = l.request
			read[l.key]++
			last[l.key] = l.request // the lowest: each key's come in order
		}
		sure := "" // from here on, nothing is missing
		for key, n := range read {
			if n == each && each < s.Limit {
				sure = max(sure, last[key])
			}
		}
		slices.Sort(ids)
		ids = slices.Compact(ids)
		slices.Reverse(ids)
		ids = slices.DeleteFunc(ids, func(id string) bool { return id < sure })
		if sure == "" || len(ids) >= s.Limit {
			return ids[:min(len(ids), s.Limit)], nil
		}
	}
}

// leading is a request that a key leads to.
type leading struct{ request, key string }

// ofEachKey lists the newest of each key.
func (tx *Tx) ofEachKey(ctx context.Context, s RequestsSought, each int) (list []leading, err error) {
	waits := ""
	if s.Waiting {
		waits = " and waits"
	}
	for batch := range chunks(s.Keys) {
		args, parts := []any{s.Before, s.Since, each}, make([]string, len(batch))
		for i, k := range batch {
			args = append(args, k)
			parts[i] = fmt.Sprintf(`select * from (select request, key from request_key where key = $%d and request < $1 and request >= $2%s order by request desc limit $3) as k%d`, len(args), waits, i)
		}
		some, err := all(ctx, tx, func(s scanner) (l leading, err error) { err = s.Scan(&l.request, &l.key); return l, err }, strings.Join(parts, " union all "), args...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// requestsNamed reads these, in the order they are named.
func (tx *Tx) requestsNamed(ctx context.Context, ids []string) (list []access.Request, err error) {
	for batch := range chunks(ids) {
		marks, args := in(batch)
		some, err := all(ctx, tx, scanRequest, `select `+requestColumns+` from request where id in (`+marks+`) order by id desc`, args...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// keyed is the name under which it is noted that every request has its keys.
const keyed = "request keys"

// keyRequests gives every request its keys that was stored before there were any.
func (db *DB) keyRequests(ctx context.Context) error {
	for after, done := "", false; !done; {
		var last string
		err := db.Write(ctx, func(tx *Tx) error {
			n, err := tx.Count(ctx, keyed)
			if done = n > 0; err != nil || done {
				return err
			}
			list, err := all(ctx, tx, scanRequest, `select `+requestColumns+` from request where id > $1 order by id limit 500`, after)
			if err != nil {
				return err
			}
			for _, r := range list {
				if err := tx.addKeys(ctx, r, keysOf(r)); err != nil {
					return err
				}
				last = r.ID
			}
			if done = len(list) == 0; done {
				return tx.SetCount(ctx, keyed, 1)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("give requests their keys: %w", err)
		}
		after = last
	}
	return nil
}

// GrantsSought says which grants a page is of; what is empty narrows nothing.
type GrantsSought struct {
	Identities  []string // of any of these
	Entitlement string
	Open        bool   // not ended
	Since       string // ids from this one on
	Before      string // ids below this one
	Limit       int
}

// GrantsSought reads the newest grants of those sought, off an index.
func (tx *Tx) GrantsSought(ctx context.Context, s GrantsSought) (list []access.Grant, err error) {
	tx.reads(s.Identities...)
	if s.Before == "" {
		s.Before = "~"
	}
	where, column, whose := "id < $1 and id >= $2", "", []string{""}
	if s.Open {
		where += " and state <> 'ended'"
	}
	switch {
	case len(s.Identities) > 0:
		column, whose = "identity", s.Identities
	case s.Entitlement != "":
		column, whose = "entitlement", []string{s.Entitlement}
	}
	for batch := range chunks(whose) {
		args, parts := []any{s.Before, s.Since, s.Limit}, make([]string, len(batch))
		for i, who := range batch {
			of := ""
			if column != "" {
				args = append(args, who)
				of = fmt.Sprintf(" and %s = $%d", column, len(args))
			}
			parts[i] = fmt.Sprintf(`select * from (select %s from grants where %s%s order by id desc limit $3) as g%d`, grantColumns, where, of, i)
		}
		some, err := all(ctx, tx, scanGrant, strings.Join(parts, " union all "), args...)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	slices.SortFunc(list, func(a, b access.Grant) int { return strings.Compare(b.ID, a.ID) })
	list = slices.CompactFunc(list, func(a, b access.Grant) bool { return a.ID == b.ID })
	return list[:min(len(list), s.Limit)], nil
}

// FindingsSought says which findings a page is of; what is empty narrows nothing.
type FindingsSought struct {
	Owner  string
	Open   bool
	Before string // ids below this one
	Since  string // ids from this one on
	Limit  int
}

// FindingsSought reads the newest findings of those sought, off an index.
func (tx *Tx) FindingsSought(ctx context.Context, s FindingsSought) ([]access.Finding, error) {
	if s.Before == "" {
		s.Before = "~"
	}
	where, args := "id < $1 and id >= $2", []any{s.Before, s.Since, s.Limit}
	if s.Owner != "" {
		args = append(args, s.Owner)
		where += " and owner = $4"
	}
	if s.Open {
		where += " and closed_at is null"
	}
	return all(ctx, tx, scanFinding, `select `+findingColumns+` from finding where `+where+` order by id desc limit $3`, args...)
}

// DoorKey reads what a door proves to itself with; made stores it, if there is none yet.
func (db *DB) DoorKey(ctx context.Context, name string, made []byte) (key []byte, err error) {
	read := func(tx *Tx) error {
		key, err = one(ctx, tx, "key "+name, func(s scanner) (k []byte, err error) { err = s.Scan(&k); return k, err }, `select key from door_key where name = $1`, name)
		return err
	}
	if err := db.Read(ctx, read); !errors.Is(err, access.ErrNotFound) {
		return key, err
	}
	err = db.Write(ctx, func(tx *Tx) error {
		if err := read(tx); !errors.Is(err, access.ErrNotFound) {
			return err
		}
		key = made
		return tx.exec(ctx, "key "+name, `insert into door_key (name, key) values ($1, $2)`, name, made)
	})
	return key, err
}
