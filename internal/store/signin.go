package store

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// EndSessionsBy drops what a provider says has ended: the sessions and tokens that
// stand on one of its sessions or, where it names none, all of whom it names. The
// message's id counts once; again it is [access.ErrConflict], and nothing is done.
func (db *DB) EndSessionsBy(ctx context.Context, of Source, id string, until, now time.Time) (n int64, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		if _, err := tx.ExecContext(ctx, `delete from logout_said where until_at <= $1`, moment(now)); err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `insert into logout_said (provider, id, until_at) values ($1,$2,$3) on conflict do nothing`, of.Provider, id, moment(until))
		if err != nil {
			return err
		}
		if fresh, err := res.RowsAffected(); err != nil || fresh == 0 {
			return cmp.Or(err, fmt.Errorf("%w: the provider has said this before", access.ErrConflict))
		}
		switch {
		case of.Session != "" && of.Subject != "": // what began without the provider's id of its session may be of any: it ends too
			n, err = tx.drop(ctx, `provider=$1 and subject=$3 and (sid=$2 or sid='')`, of.Provider, of.Session, of.Subject)
		case of.Session != "":
			n, err = tx.drop(ctx, `provider=$1 and sid=$2`, of.Provider, of.Session)
		default:
			n, err = tx.drop(ctx, `provider=$1 and subject=$2`, of.Provider, of.Subject)
		}
		return err
	})
	return n, err
}

// drop ends sessions and tokens of people alike, and with them what a program still
// waits for: one that was let in must not get its token after the end of it all.
func (tx *Tx) drop(ctx context.Context, where string, args ...any) (n int64, err error) {
	for _, table := range []string{"session", "person_token", "login"} {
		res, err := tx.ExecContext(ctx, `delete from `+table+` where `+where, args...)
		if err != nil {
			return n, err
		}
		some, err := res.RowsAffected()
		if err != nil {
			return n, err
		}
		n += some
	}
	return n, nil
}

// Login is a program that waits for somebody to let it act in their name.
type Login struct {
	Hash     string // of what the program keeps
	Code     string // hash of what the person types
	Program  string // what it says of itself; nothing proves it
	Asked    time.Time
	Polled   time.Time // when the program last asked whether it may
	End      time.Time
	Identity string // who has let it; empty: nobody yet
	Source   Source // by whom that person was signed in
	Refused  bool
}

const loginColumns = `hash, code, program, asked_at, polled_at, end_at, identity, provider, subject, sid, refused`

func scanLogin(s scanner) (l Login, err error) {
	refused := 0
	err = s.Scan(&l.Hash, &l.Code, &l.Program, at{&l.Asked}, at{&l.Polled}, at{&l.End}, &l.Identity, &l.Source.Provider, &l.Source.Subject, &l.Source.Session, &refused)
	l.Refused = refused != 0
	return l, err
}

// AddLogin stores one, and forgets those that have ended by now. Where most wait
// already the oldest that nobody has let in goes: whoever fills the shelf shuts it
// for nobody. Where all were let in and none has collected it is [access.ErrConflict].
func (db *DB) AddLogin(ctx context.Context, l Login, most int, now time.Time) error {
	return db.Write(ctx, func(tx *Tx) error {
		if _, err := tx.ExecContext(ctx, `delete from login where end_at <= $1`, moment(now)); err != nil {
			return err
		}
		n := 0
		if err := tx.QueryRowContext(ctx, `select count(*) from login`).Scan(&n); err != nil {
			return err
		}
		if n >= most {
			res, err := tx.ExecContext(ctx, `delete from login where hash = (select hash from login where identity='' order by asked_at, hash limit 1)`)
			if err != nil {
				return err
			}
			gone, err := res.RowsAffected()
			if err != nil {
				return err
			}
			n -= int(gone)
		}
		if n >= most {
			return fmt.Errorf("%w: too many programs wait to be let in; try again in a few minutes", access.ErrConflict)
		}
		return tx.exec(ctx, "add login", `insert into login (`+loginColumns+`) values ($1,$2,$3,$4,$5,$6,'','','','',0)`,
			l.Hash, l.Code, l.Program, moment(l.Asked), moment(l.Polled), moment(l.End))
	})
}

// LoginByCode reads the one whose code a person has typed.
func (db *DB) LoginByCode(ctx context.Context, code string) (l Login, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		l, err = one(ctx, tx, "login", scanLogin, `select `+loginColumns+` from login where code=$1`, code)
		return err
	})
	return l, err
}

// AnswerLogin lets a program in or refuses it, once: after that it is [access.ErrGone].
// It is [access.ErrDenied] where the session it is answered from has ended meanwhile:
// nothing is let in after the end of it all.
func (db *DB) AnswerLogin(ctx context.Context, code string, from Session, let bool, now time.Time) error {
	return db.Write(ctx, func(tx *Tx) error {
		stands := 0
		if err := tx.QueryRowContext(ctx, `select count(*) from session where hash=$1 and identity=$2 and end_at > $3`, from.Hash, from.Identity, moment(now)).Scan(&stands); err != nil {
			return err
		}
		if stands == 0 {
			return fmt.Errorf("%w: you have been signed out meanwhile", access.ErrDenied)
		}
		identity, by, refused := from.Identity, from.Source, 0
		if !let {
			identity, by, refused = "", Source{}, 1
		}
		res, err := tx.ExecContext(ctx, `update login set identity=$1, provider=$2, subject=$3, sid=$4, refused=$5 where code=$6 and identity='' and refused=0 and end_at > $7`,
			identity, by.Provider, by.Subject, by.Session, refused, code, moment(now))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return cmp.Or(err, fmt.Errorf("%w: nothing waits by that code any more", access.ErrGone))
		}
		return nil
	})
}

// CollectLogin is what a program that waits does now and then. Once somebody has
// let it in, its token is stored and the waiting is over, in one. Before that it
// gets the login as it stands, with the moment it asked last.
func (db *DB) CollectLogin(ctx context.Context, hash string, token PersonToken, now time.Time) (l Login, err error) {
	find := func(tx *Tx) error {
		l, err = one(ctx, tx, "login", scanLogin, `select `+loginColumns+` from login where hash=$1`, hash)
		return err
	}
	if err := db.Read(ctx, find); err != nil {
		return l, err // what is not there costs no write
	}
	err = db.Write(ctx, func(tx *Tx) error {
		if err := find(tx); err != nil {
			return err
		}
		switch {
		case l.Refused || !now.Before(l.End):
			_, err = tx.ExecContext(ctx, `delete from login where hash=$1`, hash)
			return err
		case l.Identity == "":
			_, err = tx.ExecContext(ctx, `update login set polled_at=$1 where hash=$2`, moment(now), hash)
			return err
		}
		if _, err := tx.ExecContext(ctx, `delete from login where hash=$1`, hash); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `delete from person_token where end_at <= $1`, moment(now)); err != nil {
			return err
		}
		return tx.exec(ctx, "add token", `insert into person_token (`+tokenColumns+`) values ($1,$2,$3,$4,$5,$6,$7,$8,$9)`,
			token.Hash, token.ID, l.Identity, l.Program, l.Source.Provider, l.Source.Subject, l.Source.Session, moment(now), moment(token.End))
	})
	return l, err
}

// PersonToken is a token that somebody let a program have: its hash, never itself.
type PersonToken struct {
	Hash     string
	ID       string // by which it is spoken of
	Identity string
	Program  string
	Source   Source
	Began    time.Time
	End      time.Time
}

const tokenColumns = `hash, id, identity, program, provider, subject, sid, began_at, end_at`

func scanToken(s scanner) (p PersonToken, err error) {
	err = s.Scan(&p.Hash, &p.ID, &p.Identity, &p.Program, &p.Source.Provider, &p.Source.Subject, &p.Source.Session, at{&p.Began}, at{&p.End})
	return p, err
}

// PersonToken reads one by its hash.
func (db *DB) PersonToken(ctx context.Context, hash string) (p PersonToken, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		p, err = one(ctx, tx, "token", scanToken, `select `+tokenColumns+` from person_token where hash=$1`, hash)
		return err
	})
	return p, err
}

// PersonTokens lists those of an identity, newest first.
func (db *DB) PersonTokens(ctx context.Context, identity string) (list []PersonToken, err error) {
	err = db.Read(ctx, func(tx *Tx) error {
		list, err = all(ctx, tx, scanToken, `select `+tokenColumns+` from person_token where identity=$1 order by began_at desc, id`, identity)
		return err
	})
	return list, err
}

// EndPersonToken drops one of somebody's tokens, by its hash or its id; that there
// is none is no error.
func (db *DB) EndPersonToken(ctx context.Context, identity, hashOrID string) error {
	return db.Write(ctx, func(tx *Tx) error {
		_, err := tx.ExecContext(ctx, `delete from person_token where identity=$1 and (hash=$2 or id=$2)`, identity, hashOrID)
		return err
	})
}
