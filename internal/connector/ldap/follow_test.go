package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/connectortest"
	"github.com/lessor-iam/lessor/internal/testserver"
)

var _ connector.Feed = (*Connector)(nil)

// everything stands for a call with no objects.
const everything = "(everything)"

// ear hears what a feed says.
type ear struct {
	mu    sync.Mutex
	heard [][]string
	ended chan error
	stop  context.CancelFunc
}

// listenTo follows until the test ends, and waits until the server listens.
func listenTo(t *testing.T, c *Connector) *ear {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	e := &ear{ended: make(chan error, 1), stop: stop}
	go func() {
		e.ended <- c.Follow(ctx, func(objects []string) {
			e.mu.Lock()
			defer e.mu.Unlock()
			if len(objects) == 0 {
				objects = []string{everything}
			}
			e.heard = append(e.heard, slices.Clone(objects))
		})
	}()
	t.Cleanup(func() {
		stop()
		select {
		case <-e.ended:
		case <-time.After(time.Minute):
			t.Error("it follows on")
		}
	})
	e.mu.Lock()
	first := e.heard
	e.mu.Unlock()
	if len(first) == 0 {
		e.hears(t, everything)
	}
	return e
}

// hears waits until all of these have been said, forgets everything said so far, and
// returns what was said.
func (e *ear) hears(t *testing.T, names ...string) (said []string) {
	t.Helper()
	testserver.Await(t, fmt.Sprintf("word of %q", names), 30*time.Second, func() error {
		e.mu.Lock()
		defer e.mu.Unlock()
		said = slices.Concat(e.heard...)
		for _, n := range names {
			if !slices.Contains(said, n) {
				select {
				case err := <-e.ended:
					e.ended <- err
					t.Fatalf("it ended: %v", err)
				default:
				}
				return fmt.Errorf("heard %q", said)
			}
		}
		e.heard = nil
		return nil
	})
	return said
}

// With the account of the documentation, and no right besides, OpenLDAP tells what
// happens to groups and to those in them, renames and deletions among it.
func TestFollowOpenLDAP(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	ann, bob := s.Person(t, "ann"), s.Person(t, "bob")
	team, other := s.Group(t, "team", ann), s.Group(t, "other")
	c := connect(t, config(s))
	spelled := "CN=Team, OU=groups,dc=Example,dc=org"
	if err := c.Observe(t.Context(), []string{spelled}, func(connector.Holding) error { return nil }); err != nil {
		t.Fatal(err)
	}
	e := listenTo(t, c)

	s.Modify(t, team, "member", []string{bob}, nil)
	said := e.hears(t, "team", team, DNPrefix+team, spelled)
	s.Modify(t, team, "member", nil, []string{bob})
	said = append(said, e.hears(t, team)...)
	if slices.Contains(said, other) || slices.Contains(said, everything) {
		t.Errorf("it says %q", said)
	}
	// What happens to an account is told of the groups it is in, or of none.
	s.Person(t, "cyd")
	s.Modify(t, ann, "description", []string{"x"}, nil)
	if said := e.hears(t, team); slices.Contains(said, other) || slices.Contains(said, everything) {
		t.Errorf("it says %q", said)
	}
	if err := s.Admin.ModifyDN(goldap.NewModifyDNRequest(ann, "uid=anne", true, "")); err != nil {
		t.Fatal(err)
	}
	e.hears(t, team)
	// Of who was deleted nobody knows the groups.
	s.Delete(t, s.PersonDN("anne"))
	e.hears(t, everything)
	// A group under another name is told under both, and one that is gone, too.
	if err := s.Admin.ModifyDN(goldap.NewModifyDNRequest(team, "cn=crew", true, "")); err != nil {
		t.Fatal(err)
	}
	e.hears(t, "crew", spelled, team)
	s.Delete(t, other)
	e.hears(t, other)

	e.stop()
	if err := <-e.ended; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	e.ended <- nil
}

// Without the overlays a group lists who is not there: whoever comes under that name
// is in, and that is told.
func TestFollowOpenLDAPWithoutOverlays(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, NoOverlays: true})
	team := s.Group(t, "team", s.PersonDN("ghost"))
	e := listenTo(t, connect(t, config(s)))
	s.Person(t, "ghost")
	if said := e.hears(t, team); slices.Contains(said, everything) {
		t.Errorf("it says %q", said)
	}
}

// A line that breaks is an error; so is a connector that is closed.
func TestFollowEnds(t *testing.T) {
	t.Parallel()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true})
	p := newProxy(t, s)
	cfg := config(s)
	cfg.URL = p.url
	c := connect(t, cfg)
	e := listenTo(t, c)
	p.fail(t, connectortest.Down)
	select {
	case err := <-e.ended:
		if err == nil || errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("cut, it ends with %v", err)
		}
		e.ended <- nil
	case <-time.After(30 * time.Second):
		t.Fatal("cut, it goes on")
	}
	c = connect(t, config(s))
	e = listenTo(t, c)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	select {
	case err := <-e.ended:
		if err == nil {
			t.Error("closed, it ends without an error")
		}
		e.ended <- nil
	case <-time.After(30 * time.Second):
		t.Fatal("closed, it goes on")
	}
}

// Where the server offers nothing, that is said and is no failure: the module is
// there, but this database has no overlay of it.
func TestFollowWithoutSyncprov(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := testserver.Slapd(t, testserver.SlapdOptions{NoSync: true, Global: "database mdb\nsuffix o=other\nrootdn cn=root,o=other\nrootpw other\ndirectory " + dir})
	admin, err := goldap.DialURL(s.PlainURL)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if err := admin.Bind("cn=root,o=other", "other"); err != nil {
		t.Fatal(err)
	}
	tree := testserver.Tree{Admin: admin}
	tree.Add(t, "o=other", map[string][]string{"objectClass": {"organization"}, "o": {"other"}})
	for _, ou := range []string{"people", "groups"} {
		tree.Add(t, "ou="+ou+",o=other", map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {ou}})
	}
	cfg := config(s)
	cfg.BindDN, cfg.Password = "cn=root,o=other", func() string { return "other" }
	cfg.PeopleBase, cfg.GroupsBase = "ou=people,o=other", "ou=groups,o=other"
	err = connect(t, cfg).Follow(t.Context(), func([]string) { t.Error("it says something") })
	if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "syncprov") {
		t.Errorf("it says %v", err)
	}
}

// 389 Directory Server tells through persistent searches, to those who asked for them.
func TestFollow389(t *testing.T) {
	t.Parallel()
	for name, plugins := range map[string]bool{"plugins": true, "no plugin": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testserver.DS389(t, plugins)
			ann, bob := s.Person(t, "ann"), s.Person(t, "bob")
			team, other := s.Group(t, "team", ann), s.Group(t, "other")
			cfg := config389(s)
			err := connect(t, cfg).Follow(t.Context(), func([]string) { t.Error("it says something") })
			if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "persistent_search") {
				t.Errorf("it says %v", err)
			}
			cfg.PersistentSearch = true
			e := listenTo(t, connect(t, cfg))
			s.Modify(t, team, "member", []string{bob}, nil)
			if said := e.hears(t, "team", team, DNPrefix+team); slices.Contains(said, other) || slices.Contains(said, everything) {
				t.Errorf("it says %q", said)
			}
			if err := s.Admin.ModifyDN(goldap.NewModifyDNRequest(ann, "uid=anne", true, "")); err != nil {
				t.Fatal(err)
			}
			e.hears(t, team)
			s.Delete(t, bob)
			e.hears(t, team)
			if err := s.Admin.ModifyDN(goldap.NewModifyDNRequest(team, "cn=crew", true, "")); err != nil {
				t.Fatal(err)
			}
			e.hears(t, "crew", team)
			s.Delete(t, other)
			e.hears(t, other)
		})
	}
}

// A domain controller is asked what has changed. The account of the documentation may
// do that; one that sees the deleted is told of them, too.
func TestFollowSamba(t *testing.T) {
	t.Parallel()
	s := testserver.Samba(t)
	for name, seesDeleted := range map[string]bool{"as documented": false, "sees the deleted": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := s.Area(t)
			ann, bob := a.Person(t, "ann"), a.Person(t, "bob")
			team, other := a.Group(t, "team", ann), a.Group(t, "other")
			cfg := sambaConfig(a)
			if seesDeleted {
				cfg.BindDN, cfg.Password = testserver.SambaAdmin, func() string { return testserver.SambaAdminSecret }
			}
			c := connect(t, cfg)
			if err := c.Observe(t.Context(), []string{team, other}, func(connector.Holding) error { return nil }); err != nil {
				t.Fatal(err)
			}
			e := listenTo(t, c)
			a.Modify(t, team, "member", []string{bob}, nil)
			guid := GUIDPrefix + a.GUID(t, team)
			if said := e.hears(t, "team", team, DNPrefix+team, guid); slices.Contains(said, other) || slices.Contains(said, everything) {
				t.Errorf("it says %q", said)
			}
			a.Modify(t, team, "member", nil, []string{bob})
			e.hears(t, team)
			a.Rename(t, ann, "anne")
			e.hears(t, team)
			a.Rename(t, team, "crew")
			e.hears(t, "crew", team, guid)
			if err := a.Admin.ModifyDN(goldap.NewModifyDNRequest(other, "CN=other"+name[:2], true, a.People)); err != nil {
				t.Fatal(err)
			}
			e.hears(t, other)
			if !seesDeleted {
				return
			}
			a.Delete(t, a.PersonDN("anne"))
			e.hears(t, everything)
			a.Delete(t, a.GroupDN("crew"))
			e.hears(t, team, guid)
		})
	}
}
