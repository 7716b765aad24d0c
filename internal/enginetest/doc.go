// Package enginetest is the workbench of every test that needs an engine: a
// fresh database of either kind, a clock held by hand, a small company, targets
// held in memory that fail exactly when and how they are told, lanes, and the
// oracle that says after any test whether the laws were kept.
//
// It is imported by tests only. The targets here are the one place where a
// stand-in is right: the fault tables need exact control over when a call takes
// effect. It asserts nothing by itself but what the oracle says.
package enginetest
