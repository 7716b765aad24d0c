// Package sequence measures how fast events get their place in the log, beside Tessera's
// POSIX log on the same disk. It has tests only.
package sequence
