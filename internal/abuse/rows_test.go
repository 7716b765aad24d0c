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

// row is one attack: what is attacked, and how far that is tested.
type row struct {
	attack string
	// tested is where: "" is this room, by every test that bears the id; else rooms beside it.
	tested []string
	// waits says what of it has nothing to attack yet, and what it waits for.
	waits string
}

const here = "abuse"

// rows is every attack there is a case for. One without a test here waits for
// a door, and says for which; when that door is built, its test goes there.
var rows = map[string]row{
	"AB-01": {"an unsigned or wrongly signed webhook", nil, "webhooks of the Jira channel"},
	"AB-02": {"one signed delivery many times", nil, "webhooks of the Jira channel"},
	"AB-04": {"webhooks lost, late, out of order", nil, "the poller of the Jira channel"},
	"AB-05": {"a ticket under somebody else's name", nil, "the Jira channel"},
	"AB-06": {"a ticket edited after its approval", nil, "the Jira channel"},
	"AB-08": {"a ticket moved to Done by hand", nil, "the Jira channel"},
	"AB-10": {"a ticket deleted or hidden after the grant", nil, "the Jira channel"},
	"AB-11": {"a ticket's label that understates the risk", nil, "the Jira channel"},
	"AB-13": {"secrets in a ticket", nil, "the Jira channel"},
	"AB-14": {"texts that attack who reads them", []string{here}, "HTML, attachments and CSV: the portal and the Jira channel"},
	"AB-16": {"floods of requests", []string{here}, "floods of tickets: the Jira channel"},
	"AB-17": {"instructions to an agent in a text", nil, "the Jira channel and MCP"},
	"AB-20": {"a vote on one's own request", []string{here}, ""},
	"AB-22": {"a vote through another guise of oneself", []string{here}, "a finding for the attempt; a delegate of the requester: delegation"},
	"AB-23": {"a decision made in the ticket system", nil, "the Jira channel"},
	"AB-24": {"authority through circles, depth and crowds", []string{here, "config"}, "a finding for the circle (it is a warning at load)"},
	"AB-26": {"an approver who has left before the grant", []string{here}, ""},
	"AB-27": {"authority taken away before the grant", []string{here}, ""},
	"AB-29": {"a ballot late, for an old revision, forwarded, used again", []string{here}, "links in mail and chat: those channels"},
	"AB-31": {"a stage nobody can fill", []string{here, "policy"}, ""},
	"AB-32": {"the laxer of two rules", []string{here, "policy"}, ""},
	"AB-33": {"delegation", []string{here}, "delegation itself: its absence is tested"},
	"AB-35": {"an administrator who decides, reads or edits", []string{here}, "a second pair of eyes on changes of the files; an event in the log for a reload"},
	"AB-36": {"a rule that serves its author", []string{here, "policy"}, "who edited a rule, unless it says so by @author: a connection to where the files are kept"},
	"AB-37": {"an emergency that skips approval", []string{here}, "break-glass itself: its absence is tested"},
	"AB-38": {"break-glass while everything is down", nil, "break-glass"},
	"AB-39": {"many votes at once", []string{here}, "how long a request was looked at before the vote: the portal"},
	"AB-40": {"a token for another purpose", []string{here}, "audiences and sessions: OIDC, the portal and MCP"},
	"AB-41": {"terms that are none", []string{here}, "terms in tickets: the Jira channel"},
	"AB-44": {"overlapping grants", []string{here}, ""},
	"AB-47": {"a session that outlives the grant", nil, "connectors of systems with sessions"},
	"AB-48": {"what grants are of, deleted", []string{here}, ""},
	"AB-50": {"power to grant under a harmless label", []string{here}, "what an entitlement confers at its system: the closure of powers"},
	"AB-51": {"access used to make more access", nil, "the inventory"},
	"AB-52": {"duties that nobody may hold together", []string{here, "policy"}, "what an entitlement confers at its system: the closure of powers"},
	"AB-54": {"a target that lies", []string{here}, ""},
	"AB-55": {"a target that is down at the end", []string{here}, ""},
	"AB-56": {"access put back behind our back", []string{here}, "what is put back later than the look that confirms a removal, or by a nested group: the inventory"},
	"AB-59": {"addresses that lead elsewhere", []string{here}, "callbacks, JWKS and avatars: OIDC and the portal; names resolved once and kept: connectors over https"},
	"AB-61": {"a feed of people that is suddenly empty", nil, "feeds"},
	"AB-62": {"rows edited in the database", []string{here, "report"}, "an alarm beyond the server's log while it runs"},
	"AB-63": {"a log cut or put back", []string{"report"}, "a witness and a mark kept elsewhere"},
	"AB-64": {"two copies that both sign", nil, "a witness"},
	"AB-65": {"a database that takes no more", []string{here}, "revocations while not even an event can be written; a witness"},
	"AB-66": {"forged pages, sessions and sign-ins", nil, "the portal and OIDC"},
	"AB-67": {"what is somebody else's", []string{here}, "what a ticket shows: the Jira channel"},
	"AB-68": {"answers that tell who there is", []string{here}, "webhooks; times, on a machine quiet enough to measure them"},
}

// TestRows holds the table to the tests: each id that is tested has a test that
// bears it where the table says so, and no test bears an id the table has not.
func TestRows(t *testing.T) {
	t.Parallel()
	bears := map[string]map[string]bool{} // id -> rooms with a test that bears it
	named := regexp.MustCompile(`^TestAB([0-9]{2})`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if m := named.FindStringSubmatch(f.Name.Name); m != nil {
				id, room := "AB-"+m[1], filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path), ".."+string(filepath.Separator)))
				if room == ".." || filepath.Dir(path) == "." {
					room = here
				}
				if bears[id] == nil {
					bears[id] = map[string]bool{}
				}
				bears[id][room] = true
			}
		}
		return nil
	})
	if err != nil || len(bears) < 15 {
		t.Fatalf("%d ids found: %v", len(bears), err)
	}
	for id, rooms := range bears {
		if _, known := rows[id]; !known {
			t.Errorf("%s is tested in %v and is not in the table", id, slices.Sorted(maps.Keys(rooms)))
		}
	}
	for id, r := range rows {
		for _, room := range r.tested {
			if !bears[id][room] {
				t.Errorf("%s (%s): the table says that %s tests it, and no test there bears its id", id, r.attack, room)
			}
		}
		if bears[id][here] && !slices.Contains(r.tested, here) {
			t.Errorf("%s (%s) is tested here, and the table does not say so", id, r.attack)
		}
		if len(r.tested) == 0 && r.waits == "" {
			t.Errorf("%s (%s) is neither tested nor waits for anything", id, r.attack)
		}
	}
	if len(rows) != 47 {
		t.Errorf("the table has %d rows, want 47", len(rows))
	}
}
