package scim_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector"
)

func straight(next http.Handler) http.HandlerFunc { return next.ServeHTTP }

// unfiltered is a server that ignores filters.
func unfiltered(next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		q.Del("filter")
		r.URL.RawQuery = q.Encode()
		next.ServeHTTP(w, r)
	}
}

// filterless is a server that refuses them.
func filterless(next http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("filter") {
			scimError(w, http.StatusBadRequest, "no filters here")
			return
		}
		next.ServeHTTP(w, r)
	}
}

// Filters are a convenience of the server's, never what decides.
func TestFiltersAreNotBelieved(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(http.Handler) http.HandlerFunc{
		"as it should be": straight, "ignores filters": unfiltered, "refuses filters": filterless,
	} {
		target, c := between(t, bend)
		for i := range 20 { // three pages
			must(target.AddUser(fmt.Sprintf("p%d", i)))
			must(target.AddGroup(fmt.Sprintf("g%d", i), fmt.Sprintf("p%d", i)))
		}
		if err := one(t, c, put("p19", "g0")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := target.Members("g0"); !slices.Equal(got, []string{"p0", "p19"}) {
			t.Errorf("%s: g0 has %q", name, got)
		}
		wants(t, one(t, c, put("P19", "g0")), connector.ErrNoObject) // another name, to whoever reads closely
		wants(t, one(t, c, put("p19", "G0")), connector.ErrNoObject)
		for ref, want := range map[string]bool{"p19": true, "p0": true, "p1": false, "P0": false} {
			if s := look(t, c, ref, "g0"); s.Err != nil || s.Direct != want || s.Effective != want {
				t.Errorf("%s: look at %s: %+v, want %t", name, ref, s, want)
			}
		}
		if got, err := observe(t, c); err != nil || len(got) != 21 {
			t.Errorf("%s: observed %d holdings, want 21: %v", name, len(got), err)
		}
	}
}

func TestTwoGroupsOfOneName(t *testing.T) {
	t.Parallel()
	target, c := between(t, straight)
	must(target.AddUser("ann"))
	first, second := must(target.AddGroup("db")), must(target.AddGroup("db", "ann"))
	for _, ch := range []connector.Change{put("ann", "db"), take("ann", "db")} {
		err := one(t, c, ch)
		wants(t, err, connector.ErrRefused)
		if err != nil && !strings.Contains(err.Error(), "by its id") {
			t.Errorf("%v does not say what would be right", err)
		}
	}
	wants(t, look(t, c, "ann", "db").Err, connector.ErrRefused)
	_, err := observe(t, c, "db")
	wants(t, err, connector.ErrRefused)
	// By id each is itself, and nothing happens to the other.
	if err := one(t, c, put("ann", "group:"+first)); err != nil {
		t.Error(err)
	}
	if err := one(t, c, take("ann", "group:"+second)); err != nil {
		t.Error(err)
	}
	for object, want := range map[string]bool{"group:" + first: true, "group:" + second: false} {
		if s := look(t, c, "ann", object); s.Err != nil || s.Direct != want {
			t.Errorf("look at %s: %+v, want %t", object, s, want)
		}
	}
	// Read whole, neither can be named by the name they share.
	got, err := observe(t, c)
	if want := []connector.Ref{{Account: "ann", Object: "group:" + first}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("observed %v, want %v: %v", got, want, err)
	}
}

// Most servers keep a user who is deleted in the groups.
func TestDeletedUserStillListed(t *testing.T) {
	t.Parallel()
	list := func() *book {
		return &book{users: map[string]string{"u2": `{"id":"u2","userName":"bob"}`}, groups: map[string]string{
			"g": `{"id":"g","displayName":"db","members":[{"value":"u1","display":"ann"},{"value":"u2","display":"ann"},{"value":"u1","display":"ann"}]}`,
		}}
	}
	for _, account := range []string{"ann", "user:u1"} {
		b := list()
		c := against(t, b.ServeHTTP)
		s := look(t, c, account, "db")
		if s.Err != nil || !s.Direct || len(s.Residual) == 0 || !strings.Contains(s.Residual[0], "user:u1") {
			t.Errorf("look at %s: %+v, want a member who is gone", account, s)
		}
		wants(t, one(t, c, put(account, "db")), connector.ErrNoObject)
		if err := one(t, c, take(account, "db")); err != nil {
			t.Error(err)
		}
		// u2 only shows that name; it is somebody.
		if want := `"path":"members[value eq \"u1\"]"`; len(b.patched) != 1 || !strings.Contains(b.patched[0], want) || strings.Contains(b.patched[0], "u2") {
			t.Errorf("sent %q, want one removal of u1", b.patched)
		}
		got, err := observe(t, c)
		want := []connector.Ref{{Account: "user:u1", Object: "db"}, {Account: "bob", Object: "db"}}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("observed %v, want %v: %v", got, want, err)
		}
	}
}

// A search that does not find a user whom the group's own list leads to is no
// proof that the user is gone.
func TestSearchThatMisses(t *testing.T) {
	t.Parallel()
	b := &book{users: map[string]string{"u1": `{"id":"u1","userName":"ann"}`}, groups: map[string]string{
		"g": `{"id":"g","displayName":"db","members":[{"value":"u1","display":"ann"}]}`,
	}}
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/Users" {
			_, _ = io.WriteString(w, `{"totalResults":0,"Resources":[]}`)
			return
		}
		b.ServeHTTP(w, r)
	})
	wants(t, look(t, c, "ann", "db").Err, connector.ErrRefused)
	if err := one(t, c, take("ann", "db")); err == nil {
		t.Error("a removal that was not sent gave no error")
	}
}

func TestSecondPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, user, search string // search: the answer to a filter by member
		effective          bool
		path, residual     string
	}{
		{"groups agree", `{"id":"u","userName":"ann","groups":[]}`, "", false, "GET /Users/u", ""},
		{"groups know more", `{"id":"u","userName":"ann","groups":[{"value":"g"}]}`, "", true, "GET /Users/u", "though its members do not"},
		{"no groups, search agrees", `{"id":"u","userName":"ann"}`, `{"totalResults":0}`, false, "members.value", ""},
		{"no groups, search ignored", `{"id":"u","userName":"ann"}`, `{"totalResults":1,"Resources":[{"id":"g","members":[]}]}`, false, "members.value", ""},
		{"no groups, search knows more", `{"id":"u","userName":"ann"}`, `{"totalResults":1,"Resources":[{"id":"g","members":[{"value":"u"}]}]}`, true, "members.value", "though its members do not"},
		{"no groups, no search", `{"id":"u","userName":"ann"}`, "", false, "cannot be searched", ""},
	} {
		b := &book{users: map[string]string{"u": c.user}, groups: map[string]string{"g": `{"id":"g","displayName":"db","members":[]}`}}
		conn := against(t, func(w http.ResponseWriter, r *http.Request) {
			switch filter := r.URL.Query().Get("filter"); {
			case !strings.Contains(filter, "members.value"):
				b.ServeHTTP(w, r)
			case c.search == "":
				scimError(w, http.StatusBadRequest, "invalidFilter")
			default:
				_, _ = io.WriteString(w, c.search)
			}
		})
		s := look(t, conn, "ann", "db")
		if s.Err != nil || s.Direct || s.Effective != c.effective || !strings.Contains(s.Path, c.path) {
			t.Errorf("%s: %+v, want effective %t by %s", c.name, s, c.effective, c.path)
		}
		if all := strings.Join(s.Residual, ";"); !strings.Contains(all, c.residual) || (c.residual == "") != (all == "") {
			t.Errorf("%s: residual %q, want %q", c.name, all, c.residual)
		}
	}
}

// Some servers leave members out unless they are asked for by name.
func TestMembersOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	b := &book{users: map[string]string{"u": `{"id":"u","userName":"ann","groups":[]}`}, groups: map[string]string{"g": `{"id":"g","displayName":"db"}`}}
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/Groups/g" && strings.Contains(r.URL.Query().Get("attributes"), "members") {
			_, _ = io.WriteString(w, `{"id":"g","displayName":"db","members":[{"value":"u"}]}`)
			return
		}
		b.ServeHTTP(w, r)
	})
	if s := look(t, c, "ann", "db"); s.Err != nil || !s.Direct {
		t.Errorf("look: %+v, want direct", s)
	}
	if got, err := observe(t, c); err != nil || len(got) != 1 {
		t.Errorf("observed %v: %v", got, err)
	}
}

// A list that is cut short or moves while it is read is an error, never a short list.
func TestListsThatDoNotAddUp(t *testing.T) {
	t.Parallel()
	pages := func(answers ...string) http.HandlerFunc {
		turn := 0
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, answers[turn%len(answers)])
			turn++
		}
	}
	a, b := `{"id":"a","displayName":"a"}`, `{"id":"b","displayName":"b"}`
	for _, c := range []struct {
		name string
		h    http.HandlerFunc
		want string
	}{
		{"ends early", pages(`{"totalResults":3,"Resources":[`+a+`]}`, `{"totalResults":3,"Resources":[]}`), "truncated"},
		{"gives one twice", pages(`{"totalResults":2,"Resources":[` + a + `]}`), "changed while"},
		{"grows", pages(`{"totalResults":2,"Resources":[`+a+`]}`, `{"totalResults":3,"Resources":[`+b+`]}`), "changed while"},
		{"gives nothing", pages(`{"totalResults":2,"Resources":[]}`), "truncated"},
		{"gives an id of ..", pages(`{"totalResults":1,"Resources":[{"id":"..","displayName":"a"}]}`), "usable id"},
	} {
		if got, err := observe(t, against(t, c.h)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("a server that %s: observed %v, error %v, want one that says %q", c.name, got, err, c.want)
		}
	}
}

// One user the server will not have in the group keeps none of the others out.
func TestOneIsRefused(t *testing.T) {
	t.Parallel()
	bad := ""
	target, c := between(t, func(next http.Handler) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.Method == http.MethodPatch && bytes.Contains(body, []byte(bad)) {
				scimError(w, http.StatusBadRequest, "no licence left")
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
		}
	})
	must(target.AddGroup("db"))
	var changes []connector.Change
	for i := range 50 {
		id := must(target.AddUser(fmt.Sprintf("p%d", i)))
		if i == 33 {
			bad = id
		}
		changes = append(changes, put(fmt.Sprintf("p%d", i), "db"))
	}
	for i, r := range c.Apply(soon(t), changes) {
		if refused := errors.Is(r.Err, connector.ErrRefused); refused != (i == 33) || (!refused && r.Err != nil) {
			t.Errorf("p%d: %v", i, r.Err)
		}
	}
	if got := target.Members("db"); len(got) != 49 || slices.Contains(got, "p33") {
		t.Errorf("db has %d members, want all but p33: %q", len(got), got)
	}
}

// What a group lists may be a group, whether it says so or only points there.
func TestNestedGroups(t *testing.T) {
	t.Parallel()
	for _, inner := range []string{`{"value":"in","type":"Group"}`, `{"value":"in","$ref":"https://x/Groups/in"}`} {
		b := &book{users: map[string]string{"u": `{"id":"u","userName":"ann","groups":[]}`}, groups: map[string]string{
			"g":  `{"id":"g","displayName":"db","members":[` + inner + `,{"value":"gone","type":"Group"}]}`,
			"in": `{"id":"in","displayName":"team","members":[{"value":"u"},{"value":"g","type":"Group"}]}`,
		}}
		c := against(t, b.ServeHTTP)
		s := look(t, c, "ann", "group:g")
		if s.Err != nil || s.Direct || !s.Effective || len(s.Residual) != 1 || !strings.Contains(s.Residual[0], "team > db") {
			t.Errorf("look through %s: %+v", inner, s)
		}
		got, err := observe(t, c, "group:g")
		want := []connector.Ref{{Account: "group:in", Object: "group:g"}, {Account: "group:gone", Object: "group:g"}}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("observed %v, want %v: %v", got, want, err)
		}
	}
}

// A user deleted and made anew under its name is another account.
func TestAccountsHaveIDs(t *testing.T) {
	t.Parallel()
	target, c := between(t, func(target http.Handler) http.HandlerFunc { return target.ServeHTTP })
	ids := func() map[string]string {
		t.Helper()
		list := map[string]string{}
		if err := c.Accounts(t.Context(), func(a connector.Account) error { list[a.Name] = a.ID; return nil }); err != nil {
			t.Fatal(err)
		}
		return list
	}
	for i := range 9 { // more than a page
		if _, err := target.AddUser(fmt.Sprintf("user%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	before := ids()
	if err := target.DeleteUser("user3"); err != nil {
		t.Fatal(err)
	}
	if _, err := target.AddUser("user3"); err != nil {
		t.Fatal(err)
	}
	after := ids()
	if len(before) != 9 || len(after) != 9 || before["user3"] == after["user3"] || before["user4"] != after["user4"] {
		t.Errorf("before %v, after %v", before, after)
	}
}
