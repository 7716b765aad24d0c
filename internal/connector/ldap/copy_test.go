package ldap

import (
	"testing"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// OpenLDAP writes memberOf after the group, and not at all for somebody whose connection
// is cut in between: the account is then let in by whoever reads memberOf. A removal
// that finds the group empty brings that back into line, too.
func TestMemberOfLeftBehind(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{}) // it flushes: the two writes are apart
	s.Person(t, "ann")
	s.Group(t, "eng", s.Person(t, "bob")) // a group must have somebody
	c := connect(t, config(s))
	watch, err := goldap.DialURL(s.PlainURL)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	if err := watch.Bind(testserver.SlapdService, testserver.SlapdServiceSecret); err != nil {
		t.Fatal(err)
	}
	left := false
	for range 200 {
		if r := c.Apply(t.Context(), []connector.Change{add("ann", "eng")})[0]; r.Err != nil {
			t.Fatal(r.Err)
		}
		removeAndCut(t, s, watch)
		if seen := lookAt(t, c, "ann", "eng"); seen.Err != nil || seen.Direct {
			t.Fatalf("look: %+v", seen)
		} else if left = seen.Effective; left {
			break
		}
	}
	t.Log("memberOf was left behind:", left) // what follows holds either way; TestMemberOfAlone plants it
	if r := c.Apply(t.Context(), []connector.Change{remove("ann", "eng")})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	sees(t, c, "ann", "eng", false, false)
}

// removeAndCut takes ann out of eng over a connection that is cut as soon as the
// group is seen without her.
func removeAndCut(t *testing.T, s *testserver.SlapdServer, watch *goldap.Conn) {
	t.Helper()
	conn, err := goldap.DialURL(s.PlainURL)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Bind(testserver.SlapdService, testserver.SlapdServiceSecret); err != nil {
		t.Fatal(err)
	}
	req := goldap.NewModifyRequest(s.GroupDN("eng"), nil)
	req.Delete("member", []string{s.PersonDN("ann")})
	done := make(chan struct{})
	var said error
	go func() {
		defer close(done)
		said = conn.Modify(req)
	}()
	for there, ended := true, false; there && !ended; {
		select {
		case <-done:
			ended = true
		default:
		}
		if there, err = watch.Compare(s.GroupDN("eng"), "member", s.PersonDN("ann")); err != nil {
			t.Fatal(err)
		}
	}
	_ = conn.Close()
	if <-done; said != nil && !goldap.IsErrorWithCode(said, goldap.ErrorNetwork) {
		t.Fatalf("modify: %v", said)
	}
}
