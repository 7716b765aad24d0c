package store

import (
	"context"
	"net"
	"strings"
	"time"
)

// Timekeeping is the one row of what is kept of time.
type Timekeeping struct {
	Mark        time.Time // the latest time at which anything may have been done
	StampedFrom time.Time // since when every event has a stamp
	Stamp       []byte    // of the two
}

// Timekeeping reads the row; there is none before the first server has worked.
func (tx *Tx) Timekeeping(ctx context.Context) (Timekeeping, error) {
	return one(ctx, tx, "the mark of time", func(s scanner) (k Timekeeping, err error) {
		return k, s.Scan(at{&k.Mark}, at{&k.StampedFrom}, &k.Stamp)
	}, `select mark, stamped_from, stamp from clock where one = 1`)
}

// SetTimekeeping writes the row.
func (tx *Tx) SetTimekeeping(ctx context.Context, k Timekeeping) error {
	return tx.exec(ctx, "the mark of time", `insert into clock (one, mark, stamped_from, stamp) values (1,$1,$2,$3)
		on conflict (one) do update set mark = excluded.mark, stamped_from = excluded.stamped_from, stamp = excluded.stamp`,
		moment(k.Mark), moment(k.StampedFrom), k.Stamp)
}

// OtherClock is what the clock of the database's machine says, to compare a clock with
// that jumped: nothing is ever done by it. It is the zero time where the database is on
// this machine, as far as that can be told, or does not answer.
func (db *DB) OtherClock(ctx context.Context) (says time.Time) {
	if db.Dialect != Postgres || nearby(ctx, db.pool.Config().ConnConfig.Host) {
		return time.Time{}
	}
	var micros int64
	if err := db.read.QueryRowContext(ctx, `select (extract(epoch from clock_timestamp()) * 1000000)::bigint`).Scan(&micros); err != nil {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// nearby tells whether a host is this machine: a socket, a loopback address, or one of its own.
func nearby(ctx context.Context, host string) bool {
	if host == "" || strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
		return true
	}
	ips := []net.IP{net.ParseIP(host)}
	if ips[0] == nil {
		var err error
		if ips, err = net.DefaultResolver.LookupIP(ctx, "ip", host); err != nil {
			return true // nobody knows where it is: it confirms nothing
		}
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, ip := range ips {
		if ip.IsLoopback() || ip.IsUnspecified() {
			return true
		}
		for _, a := range own {
			if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
				return true
			}
		}
	}
	return false
}
