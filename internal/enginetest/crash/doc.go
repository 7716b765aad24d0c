// Package crash kills the program with SIGKILL between any two of its steps,
// while the line to a real SCIM service fails in every way, and says what the
// next process makes of what is left. It has tests only.
package crash
