// Package abuse holds what must never work: for each attack a test that bears
// its id (TestAB20_…), run against the program as it runs: the HTTP API on
// loopback with a token for each identity, the server on a real folder with a
// real SCIM service, the command line. After every case one shared oracle says
// from the database and the target alone whether the laws were kept.
//
// The table in rows_test.go names every attack and what of it waits for which
// door. An attack without a door is tested by the door's absence.
// This room has tests only; nothing imports it.
package abuse
