package testserver_test

import (
	"testing"

	"github.com/lessor-iam/lessor/internal/testserver"
)

// What the conformance of a connector rests on is seen here once by itself.
func TestScimmy(t *testing.T) {
	t.Parallel()
	s := testserver.Scimmy(t)
	ann, group := s.AddUser(t, "ann"), s.AddGroup(t, "payroll")
	s.AddMembers(t, group, ann)
	s.Delete(t, "/Users/"+ann)
	users, groups := s.Store(t)
	if len(users) != 0 || len(groups) != 1 || groups[0].DisplayName != "payroll" {
		t.Fatalf("users %v, groups %v", users, groups)
	}
	// No referential integrity: the member stays, under the name it had.
	want := testserver.ScimmyMember{Value: ann, Display: "ann", Type: "User"}
	if len(groups[0].Members) != 1 || groups[0].Members[0] != want {
		t.Errorf("members %v, want only %v", groups[0].Members, want)
	}
}
