package store

import (
	"context"
	"time"
)

// Session is one sign-in as it is kept: the hash of its token, never the token.
type Session struct {
	Hash        string
	Identity    string
	Strength    string // how strongly they are known, e.g. "mfa"
	Began       time.Time
	Seen        time.Time // when it was last used, to within a minute
	End         time.Time // whatever is done with it
	Source      Source
	StrongUntil time.Time // when Strength is over; zero: as long as the session
	Browser     string    // what kind it said that it was, such as "Firefox on Linux"
}

// Source is by whom somebody was signed in: a provider, whom it knows, and its
// own session of theirs. All empty: by a way of our own.
type Source struct{ Provider, Subject, Session string }

const sessionColumns = `hash, identity, strength, began_at, seen_at, end_at, provider, subject, sid, strong_until, browser`

func scanSession(s scanner) (v Session, err error) {
	err = s.Scan(&v.Hash, &v.Identity, &v.Strength, at{&v.Began}, at{&v.Seen}, at{&v.End}, &v.Source.Provider, &v.Source.Subject, &v.Source.Session, at{&v.StrongUntil}, &v.Browser)
	return v, err
}

// BeginSession stores a session, drops the one it takes the place of, if any,
// and forgets those that have ended by now.
func (db *DB) BeginSession(ctx context.Context, s Session, instead string, now time.Time) error {
	return db.Write(ctx, func(tx *Tx) error {
		if _, err := tx.ExecContext(ctx, `delete from session where hash=$1 or end_at <= $2`, instead, moment(now)); err != nil {
			return err
		}
		return tx.exec(ctx, "begin session", `insert into session (`+sessionColumns+`) values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11)`,
			s.Hash, s.Identity, s.Strength, moment(s.Began), moment(s.Seen), moment(s.End), s.Source.Provider, s.Source.Subject, s.Source.Session, moment(s.StrongUntil), s.Browser)
	})
}

// Session reads one by its token's hash.
func (db *DB) Session(ctx context.Context, hash string) (s Session, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		s, err = one(ctx, tx, "session", scanSession, `select `+sessionColumns+` from session where hash=$1`, hash)
		return err
	})
	return s, err
}

// SessionsOf lists those of an identity, the newest first.
func (db *DB) SessionsOf(ctx context.Context, identity string) (list []Session, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		list, err = all(ctx, tx, scanSession, `select `+sessionColumns+` from session where identity=$1 order by began_at desc, hash`, identity)
		return err
	})
	return list, err
}

// SawSession notes that a session was used. One that is gone stays gone.
func (db *DB) SawSession(ctx context.Context, hash string, now time.Time) error {
	return db.Write(ctx, func(tx *Tx) error {
		_, err := tx.ExecContext(ctx, `update session set seen_at=$1 where hash=$2`, moment(now), hash)
		return err
	})
}

// EndSession drops one session; that there is none is no error.
func (db *DB) EndSession(ctx context.Context, hash string) error {
	return db.Write(ctx, func(tx *Tx) error {
		_, err := tx.ExecContext(ctx, `delete from session where hash=$1`, hash)
		return err
	})
}

// EndSessionsOf drops every session of an identity and every token it let a
// program have, and returns how many there were.
func (db *DB) EndSessionsOf(ctx context.Context, identity string) (n int64, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		n, err = tx.drop(ctx, `identity=$1`, identity)
		return err
	})
	return n, err
}
