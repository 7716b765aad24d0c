// Package house holds nothing but tests: they keep the rooms' rules, and the
// parts of the docs that are drawn from the code (`make generate` writes them).
package house
