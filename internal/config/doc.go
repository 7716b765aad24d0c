// Package config reads one folder strictly: lessor.yaml (how the server runs),
// the directory (who there is), the catalog (what can be held) and, if there is
// one, jira.yaml (which tickets are read, and what they ask for) and stores.yaml
// (where credentials are delivered to), and returns
// settings and an [access.Directory] that cannot be wrong, or every problem of
// every file at once, each with its file, line and column.
//
//	bytes --yaml.go--> nodes --decode--> entries with their places --check--> access.Directory
//
// What is allowed and most likely not meant (a circle of groups, a sponsor who is
// gone) is a warning and stops nothing. Paths count from the folder, wherever the
// server was started. Problems name values that are names, and never repeat a
// value that may be a secret.
//
// It understands a plain subset of YAML on purpose: one document, no anchors,
// aliases, merge keys or tags, no key twice. What a reviewer sees in the file is
// what is loaded, and nothing in it can grow when it is read.
//
// It never guesses: an unknown key, a near miss of a name or a value of another
// type is a problem, with the nearest known name offered. It never opens a
// secret, connects to anything, writes a file, reads policy, or tells the time.
package config
