// Package backup writes down what is kept of a database outside of it, and reads
// it back: whole copies of every table with a manifest that says what they must
// hold, and the log as it grows, event by event, with its newest signed head.
//
// It decides nothing, changes no state and knows no door: what a copy is good for,
// and what follows from putting one back, is the engine's. No copy holds what lets
// somebody in (sessions, tokens, the doors' own keys), nor the key that signs.
package backup
