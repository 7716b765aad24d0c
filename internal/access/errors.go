package access

import (
	"errors"
	"fmt"
)

// Sentinels every room wraps and every door maps once to its own codes.
var (
	// ErrInvalid: the input is wrong; the message says what, where, and what would be right.
	ErrInvalid = errors.New("invalid")
	// ErrNotFound: there is no such thing, or the actor may not know of it.
	ErrNotFound = errors.New("not found")
	// ErrDenied: the actor is known and policy says no; the message carries the reason.
	ErrDenied = errors.New("denied")
	// ErrBraked: so many in so short a time that it is not believed; it is an [ErrDenied].
	ErrBraked = fmt.Errorf("%w: too many at once", ErrDenied)
	// ErrConflict: the stored state is not the one the caller presumed.
	ErrConflict = errors.New("conflict")
	// ErrTaken: a name that only one thing may have is another's; it is an [ErrConflict].
	ErrTaken = fmt.Errorf("%w: taken", ErrConflict)
	// ErrGone: what was asked for was answerable once and is no longer (a closed request, an old revision).
	ErrGone = errors.New("gone")
	// ErrUnavailable: the database could not be asked, and nothing was done. Of whoever is
	// at the door nothing is said by it: the same may be tried again in a moment.
	ErrUnavailable = errors.New("not available at the moment")
	// ErrIllegalMove: the machine has no such move. Seen only when code is wrong.
	ErrIllegalMove = errors.New("illegal move")
)
