// Package linear asks whether deeds that people do at the same moment could
// have been done one after the other: short histories of one request, each told
// by several goroutines at once, are held against a model of a few lines by a
// checker of linearizability. It has tests only.
package linear
