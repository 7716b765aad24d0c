package abuse

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rows is every attack there is a case for. waits says what of it nothing can be
// attacked yet, or is not tested yet, and what it waits for. Where the rest is
// tested is read off the tests' names: go test -v -run TestRows lists it.
var rows = map[string]struct{ attack, waits string }{
	"AB-01": {"an unsigned or wrongly signed webhook", ""},
	"AB-02": {"one signed delivery many times", ""},
	"AB-04": {"webhooks lost, late, out of order", ""},
	"AB-05": {"a ticket under somebody else's name", ""},
	"AB-06": {"a ticket edited after its approval", ""},
	"AB-08": {"a ticket moved to Done by hand", ""},
	"AB-10": {"a ticket deleted or hidden after the grant", ""},
	"AB-11": {"a ticket's label that understates the risk", ""},
	"AB-13": {"secrets in a ticket", ""},
	"AB-14": {"texts that attack who reads them", "attachments: the portal takes none, and those of tickets are not shown"},
	"AB-16": {"floods of requests", ""},
	"AB-17": {"instructions to an agent in a text", "what an agent is served as tools: MCP"},
	"AB-20": {"a vote on one's own request", ""},
	"AB-22": {"a vote through another guise of oneself", ""},
	"AB-23": {"a decision made in the ticket system", ""},
	"AB-24": {"authority through circles, depth and crowds", "a million people of whom none may vote, within a second: each is asked about"},
	"AB-26": {"an approver who has left before the grant", ""},
	"AB-27": {"authority taken away before the grant", ""},
	"AB-29": {"a ballot late, for an old revision, forwarded, used again", ""},
	"AB-31": {"a stage nobody can fill", ""},
	"AB-32": {"the laxer of two rules", ""},
	"AB-33": {"delegation", ""},
	"AB-35": {"an administrator who decides, reads or edits", "one person with a token of each kind"},
	"AB-36": {"a rule that serves its author", "who edited a rule that does not say so by @author, where nobody has to confirm it (second_person): a connection to where the files are kept"},
	"AB-37": {"an emergency that skips approval", ""},
	"AB-38": {"break-glass while everything is down", "a use that leaves no trace: systems that tell no last sign-in and show sessions only while they are open"},
	"AB-39": {"many votes at once", ""},
	"AB-40": {"a token for another purpose", "audiences at MCP"},
	"AB-41": {"terms that are none", ""},
	"AB-44": {"overlapping grants", ""},
	"AB-47": {"a session that outlives the grant", "tokens that outlive a removal: connectors of systems that issue them"},
	"AB-48": {"what grants are of, deleted", ""},
	"AB-50": {"power to grant under a harmless label", "what a target itself says an entitlement confers: rules per system read it from exports"},
	"AB-51": {"access used to make more access", "systems that do not remember by whose hand things came to be, LDAP among them"},
	"AB-52": {"duties that nobody may hold together", ""},
	"AB-54": {"a target that lies", ""},
	"AB-55": {"a target that is down at the end", ""},
	"AB-56": {"access put back behind our back", ""},
	"AB-59": {"addresses that lead elsewhere", "avatars: the portal has none; a name resolved once and kept: connectors over https"},
	"AB-61": {"a feed of people that is suddenly empty", ""},
	"AB-62": {"rows edited in the database", "an alarm beyond the server's log for a row that no event tells of, while it runs"},
	"AB-63": {"a log cut or put back", ""},
	"AB-64": {"two copies that both sign", ""},
	"AB-65": {"a database that takes no more", "revocations while not even an event can be written: none is sent that nothing tells of, so that room is kept for them"},
	"AB-66": {"forged pages, sessions and sign-ins", ""},
	"AB-67": {"what is somebody else's", ""},
	"AB-68": {"answers that tell who there is", ""},
	"AB-69": {"a clock set back or ahead, and a mark of time edited", ""},
}

// tests lists, for each id, the rooms with a test that bears it.
func tests(t *testing.T) map[string]map[string]bool {
	t.Helper()
	bears := map[string]map[string]bool{}
	named := regexp.MustCompile(`^TestAB([0-9]{2})`)
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		room, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if m := named.FindStringSubmatch(f.Name.Name); m != nil {
				id := "AB-" + m[1]
				if bears[id] == nil {
					bears[id] = map[string]bool{}
				}
				bears[id][filepath.ToSlash(room)] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return bears
}

// TestRows holds that nothing is forgotten: each attack is borne by a test
// somewhere or waits for something, and no test bears an id that is not here.
func TestRows(t *testing.T) {
	t.Parallel()
	bears := tests(t)
	for id, rooms := range bears {
		if _, known := rows[id]; !known {
			t.Errorf("%s is tested in %v and is not in the table", id, slices.Sorted(maps.Keys(rooms)))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		r := rows[id]
		if len(bears[id]) == 0 && r.waits == "" {
			t.Errorf("%s (%s) is tested nowhere and waits for nothing", id, r.attack)
		}
		t.Logf("%s %s: %s; waits for: %s", id, r.attack, strings.Join(slices.Sorted(maps.Keys(bears[id])), ", "), r.waits)
	}
	// What needs nothing but the API, the command line or the files is tested in this room.
	for _, id := range []string{"AB-14", "AB-16", "AB-17", "AB-20", "AB-22", "AB-24", "AB-26", "AB-27", "AB-29", "AB-31", "AB-32", "AB-33", "AB-35", "AB-36", "AB-37", "AB-38", "AB-39", "AB-40", "AB-41",
		"AB-44", "AB-48", "AB-50", "AB-52", "AB-59", "AB-62", "AB-65", "AB-66", "AB-67", "AB-68", "AB-69"} {
		if !bears[id]["abuse"] {
			t.Errorf("%s (%s) is not tested against the running program", id, rows[id].attack)
		}
	}
	// What comes by a webhook or by what a Jira shows is tested at the channel, with
	// every kind of hand and on both databases, and these of it over HTTP too.
	for _, id := range []string{"AB-01", "AB-02", "AB-04", "AB-05", "AB-06", "AB-08", "AB-10", "AB-11", "AB-13", "AB-16", "AB-17", "AB-23", "AB-68"} {
		if !bears[id]["channel/jira"] {
			t.Errorf("%s (%s) is not tested at the channel to Jira", id, rows[id].attack)
		}
	}
	for _, id := range []string{"AB-01", "AB-02", "AB-06", "AB-08", "AB-10", "AB-13", "AB-23"} {
		if !bears[id]["abuse"] {
			t.Errorf("%s (%s) is not tested against the running server before a Jira", id, rows[id].attack)
		}
	}
	if len(rows) != 48 {
		t.Errorf("the table has %d rows, want 48", len(rows))
	}
}
