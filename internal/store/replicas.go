package store

import (
	"context"
	"time"
)

// Replica is one process that serves, as it last said itself.
type Replica struct {
	ID      string // of this life of the process
	Name    string // the machine's, and where it listens
	Version string // of the program
	Files   string // digest of the files it has in force
	Began   time.Time
	Seen    time.Time
}

const replicaColumns = `id, name, version, files, began_at, seen_at`

func scanReplica(s scanner) (r Replica, err error) {
	err = s.Scan(&r.ID, &r.Name, &r.Version, &r.Files, at{&r.Began}, at{&r.Seen})
	return r, err
}

// Beat stores that a replica is there, forgets those not seen since before, and
// lists who is left, by name. It is one statement after the other and no transaction:
// every row has one writer, and no two may keep each other from saying that they live.
func (db *DB) Beat(ctx context.Context, r Replica, before time.Time) (list []Replica, err error) {
	if _, err := db.write.ExecContext(ctx, `insert into replica (`+replicaColumns+`) values ($1,$2,$3,$4,$5,$6)
		on conflict (id) do update set files=excluded.files, seen_at=excluded.seen_at`,
		r.ID, r.Name, r.Version, r.Files, moment(r.Began), moment(r.Seen)); err != nil {
		return nil, worded(err)
	}
	if _, err := db.write.ExecContext(ctx, `delete from replica where seen_at < $1`, moment(before)); err != nil {
		return nil, worded(err)
	}
	return db.Replicas(ctx)
}

// Replicas lists those that were not forgotten yet, by name.
func (db *DB) Replicas(ctx context.Context) (list []Replica, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		list, err = all(ctx, tx, scanReplica, `select `+replicaColumns+` from replica order by name, id`)
		return err
	})
	return list, err
}

// Leave forgets a replica that ends in good order.
func (db *DB) Leave(ctx context.Context, id string) error {
	_, err := db.write.ExecContext(ctx, `delete from replica where id=$1`, id)
	return worded(err)
}
