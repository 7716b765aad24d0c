package store

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
)

// sqliteWords says what SQLite's answers mean for whoever has to do something about them.
var sqliteWords = map[int]string{
	5:  "the database is locked by another program, such as a backup or a shell on it; try again when that has ended",
	6:  "the database is locked by another program, such as a backup or a shell on it; try again when that has ended",
	8:  "the database cannot be written: look who owns its file and folder",
	10: "the disk that the database is on cannot be read or written",
	11: "the database is damaged: restore a copy of it",
	13: "the disk that the database is on is full",
	14: "the database cannot be opened: look whether its folder is there, and who owns it",
	26: "the database's file is not one of SQLite's",
}

// worded puts an error of SQLite's into words. Its own stay behind them, for the log.
func worded(err error) error {
	raw := (*sqlite.Error)(nil)
	if !errors.As(err, &raw) {
		return err
	}
	words, ok := sqliteWords[raw.Code()&0xff] // the upper bits say which of several ways
	if !ok {
		return err
	}
	return fmt.Errorf("%s: %w", words, err)
}

// IsFull tells whether a database refused something because there is no room for it.
func IsFull(err error) bool {
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
		return pg.Code == "53100"
	}
	raw := (*sqlite.Error)(nil)
	return errors.As(err, &raw) && raw.Code()&0xff == 13
}
