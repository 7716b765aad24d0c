// Package years has a company live five years on the clock of its fixture: people
// join, move, leave, ask, vote, extend, give back and are revoked, a credential is
// made anew each month, targets fail for hours. At the end of every month nothing may
// be held without a live grant and nothing may be left undone; from year to year the
// process may not keep more. It has tests only, and a process of its own, for what
// others keep would be measured with it.
package years
