// Package published keeps the log as files (c2sp.org/tlog-tiles) in a folder that
// any web server can hand out, and reads such files from a folder or over http.
//
// Keep is called after each new head. It writes the tiles first, then the head, each whole or not at all: wherever it stops, the folder holds the log up to
// the head that lies there, and the next call goes on from that one. It never writes
// a head that does not continue it: a database that was put back or forked is
// refused, and the folder stays as it is.
//
// It holds no rule, signs nothing, and never decides what is in the log. What it
// reads is believed only as far as [evidence.Copy] has verified it.
package published
