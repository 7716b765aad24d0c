package house

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/lessor-iam/lessor/internal/"

// rooms is the house: which rooms each room may import. A room that is not
// named may not exist; what is not listed may not be imported. Sub-rooms stand
// for themselves. The table in docs/house.md is drawn from this one.
var rooms = map[string]struct {
	may  []string
	pure bool // no clock, no randomness, no I/O
	what string
}{
	"access":   {nil, true, "the nouns and their machines"},
	"policy":   {[]string{"access"}, true, "rules -> Policy; questions and facts -> decisions"},
	"evidence": {nil, true, "leaves -> Merkle tree -> signed checkpoint; bundles; knows nothing of access"},
	"powers":   {[]string{"access"}, true, "what an entitlement can become: graph, closure, rules per system; decides nothing"},
	"trace":    {nil, true, "which spans belong together: ids of W3C Trace Context, and of a request's own trace"},
	"leak":     {nil, true, "finds secrets in texts that were not made to hold any; never gives back what it found"},
	"secret":   {nil, false, "references to secrets, and a value that never prints"},
	"store":    {[]string{"access"}, false, "one database, one SQL text for both engines; decides nothing, tells no time"},
	"backup":   {[]string{"access", "evidence", "store"}, false, "what is kept of a database outside of it: whole copies, and the log as it grows; decides nothing"},
	"move":     {[]string{"access", "store"}, false, "a whole database from SQLite to PostgreSQL, while it is used; decides nothing"},
	"clock":    {nil, false, "what time it is, from a clock that anybody may set and one that nobody can; decides nothing"},
	"yaml":     {[]string{"access"}, true, "plain YAML -> values that know their places; every problem, and nothing that means more than it shows"},
	"config":   {[]string{"access", "clock", "secret", "yaml"}, false, "one folder read strictly: settings, directory, catalog"},
	"sbom":     {nil, true, "what a program is made of, as CycloneDX, from what the linker wrote into it"},
	"setup":    {[]string{"access", "evidence"}, false, "writes a first folder: files, the log's key, tokens"},

	"powers/export": {[]string{"access", "powers", "yaml"}, true, "reads roles that Azure, AWS and Kubernetes export, and lists of rights"},

	"connector":               {nil, false, "the port to target systems"},
	"connector/call":          {[]string{"connector", "trace"}, false, "one bounded call to a web service, and what its outcome means"},
	"connector/exec":          {[]string{"connector"}, false, "anything: a program that speaks the port over JSON lines"},
	"connector/exec/check":    {[]string{"connector/exec", "connector/promise"}, false, "holds a connector program to every promise, from outside"},
	"connector/gitea":         {[]string{"connector", "connector/call"}, false, "teams and collaborators in Gitea"},
	"connector/kubernetes":    {[]string{"connector", "connector/call", "leak"}, false, "roles in Kubernetes: one binding for each account and role"},
	"connector/ldap":          {[]string{"connector"}, false, "OpenLDAP and its kin, 389 Directory Server, Active Directory"},
	"connector/manual":        {[]string{"connector"}, false, "systems that only people change: a list, and what somebody has seen"},
	"connector/openssh":       {[]string{"connector", "connector/openssh/host"}, false, "principals, certificates and sessions of a host with OpenSSH"},
	"connector/openssh/host":  {nil, false, "the part of it that runs on the host, as one fixed program"},
	"connector/postgres":      {[]string{"connector"}, false, "roles in PostgreSQL"},
	"connector/roles":         {[]string{"connector"}, false, "roles of Lessor itself: who is in which group of the directory, besides those whom the files name"},
	"connector/scim":          {[]string{"connector", "connector/call"}, false, "SCIM 2.0"},
	"connector/connectortest": {[]string{"connector", "connector/promise"}, false, "the conformance suite every connector passes"},
	"connector/promise":       {[]string{"connector"}, false, "every promise of the port, as a deed that shows whether it is kept"},
	"connector/scimtarget":    {nil, false, "a SCIM service in memory, for the demo and tests"},

	"source":       {[]string{"access"}, false, "the port to what tells of people: read whole or not at all"},
	"source/ldap":  {[]string{"access", "source"}, false, "people in OpenLDAP and its kin, 389 Directory Server, Active Directory"},
	"source/table": {[]string{"access", "source"}, false, "people in a file, CSV or YAML"},

	"engine":    {[]string{"access", "evidence", "policy", "powers", "store", "trace"}, false, "THE DOOR: one verb a file"},
	"lane":      {nil, false, "what is due, done at its moment: sleeps until then or until told of something sooner; knows no work"},
	"reconcile": {[]string{"access", "connector", "engine", "lane"}, false, "claims due assignments, acts, looks, tells the engine what it saw"},
	"rotate":    {[]string{"access", "connector", "deliver", "engine", "lane"}, false, "makes credentials anew and ends them: issues, delivers, kills, tries, tells the engine what it saw"},
	"inventory": {[]string{"access", "connector", "engine"}, false, "reads whole systems; what nobody granted becomes a finding"},
	"witness":   {[]string{"evidence"}, false, "shows the log's heads to witnesses, and says what each answered; keeps and decides nothing"},
	"published": {[]string{"evidence"}, false, "the log as files: kept in a folder, read from one or over http; signs and decides nothing"},
	"report":    {[]string{"access", "engine", "evidence", "store"}, false, "read-only: bundles in plain words, the log against the tables, the figures"},

	"trace/otlp":          {[]string{"trace"}, false, "sends spans to whoever collects them, by OTLP over HTTP; waits for nobody, drops what is too much"},
	"trace/otlp/otlptest": {nil, false, "a collector of spans in memory, which takes what the protocol says and nothing else"},

	"watch": {[]string{"access", "engine", "reconcile", "report", "store", "trace", "trace/otlp"}, false, "what is seen of the work from outside: figures and spans; changes nothing, names nobody"},

	"auth":      {[]string{"access", "engine", "store"}, false, "who is at the portal's door: sessions; never what they may do"},
	"auth/oidc": {[]string{"access"}, false, "asks an OpenID provider who somebody is, and checks the answer; knows nobody of ours"},

	"news":    {[]string{"access", "engine"}, false, "what happens, read once for everybody who listens; never who may know of it"},
	"web":     {[]string{"access", "auth", "engine", "news", "policy", "report"}, false, "the portal: one file a page, each deed an engine verb"},
	"api":     {[]string{"access", "engine", "news", "policy"}, false, "the JSON door: one operation a verb"},
	"authzen": {[]string{"access", "engine", "store"}, false, "AuthZEN for programs that enforce: is it held now; and asking for what was denied"},
	"scim":    {[]string{"access", "engine"}, false, "the door by which feeds tell of people by themselves: SCIM 2.0; keeps nothing, matches and believes nothing"},
	"signal":  {[]string{"access"}, false, "OpenID Shared Signals: checks, signs, sends and fetches them; decides nothing"},
	"client":  {[]string{"access", "api", "engine", "policy"}, false, "speaks to the JSON door"},
	"server": {[]string{"access", "api", "auth", "auth/oidc", "authzen", "backup", "channel/jira", "channel/jira/audit", "channel/jira/rest", "clock", "config", "connector", "connector/exec", "connector/gitea", "connector/kubernetes", "connector/ldap", "connector/manual", "connector/openssh", "connector/postgres", "connector/roles", "connector/scim", "deliver", "deliver/age", "deliver/kubernetes", "deliver/vault", "engine", "evidence", "inventory", "news", "policy", "published", "reconcile", "report", "rotate", "scim", "secret", "signal", "source", "source/ldap", "source/table", "store", "trace", "trace/otlp", "watch", "web", "witness"},
		false, "wires the rooms; the only one that names concrete adapters"},
	"deliver": {[]string{"connector"}, false, "the port to secret stores"},

	"deliver/age":         {[]string{"connector", "deliver"}, false, "files that age encrypts to their consumers"},
	"deliver/kubernetes":  {[]string{"connector", "connector/call", "deliver"}, false, "the Secrets of a cluster"},
	"deliver/vault":       {[]string{"connector", "connector/call", "deliver"}, false, "Vault and OpenBao, by KV version 2"},
	"deliver/delivertest": {nil, false, "the conformance suite every secret store passes"},

	"demo": {[]string{"access", "api", "auth", "channel/jira/jirasim", "client", "config", "connector/scimtarget", "engine", "evidence", "report", "server", "setup", "web"}, false, "the whole product on one machine"},
	"cli":  {[]string{"access", "backup", "channel/jira/audit", "client", "config", "connector/exec/check", "demo", "engine", "evidence", "move", "policy", "powers", "powers/export", "report", "sbom", "secret", "server", "setup", "store"}, false, "the command line"},

	"channel/jira":         {[]string{"access", "channel/jira/adf", "channel/jira/rest", "channel/jira/webhook", "config", "engine", "leak", "secret"}, false, "tickets in, what was decided and seen out; no rule of its own"},
	"channel/jira/audit":   {[]string{"access", "channel/jira/adf", "channel/jira/rest", "config", "engine", "leak", "secret"}, false, "how a site is arranged and used: doctor, setup, audits; changes nothing of ours"},
	"channel/jira/jirasim": {nil, false, "a stateful stand-in for Jira and Jira Service Management, for the demo and tests"},
	"channel/jira/rest":    {[]string{"access"}, false, "Jira's REST API, Cloud and Data Center, behind one small port"},
	"channel/jira/adf":     {[]string{"leak"}, true, "builds and reads the text of tickets"},
	"channel/jira/webhook": {[]string{"secret"}, false, "which issue a delivery says should be read again"},

	"channel/channeltest": {nil, false, "one conversation through every door leaves the same in the log"},

	"policy/policytest": {[]string{"access", "policy"}, false, "companies and rules of any size, for tests"},
	"enginetest/crash":  {nil, false, "SIGKILL between any two steps, and the oracle afterwards"},
	"enginetest/linear": {nil, false, "deeds done at once could have been done one after the other"},
	"enginetest/years":  {nil, false, "five years of a company: nothing held without a live grant, and no more kept from year to year"},
	"enginetest":        {nil, false, "a workbench for engine tests, and the oracle of the invariants"},
	"survive":           {nil, false, "running servers killed, frozen and cut off in a storm, and the oracle afterwards"},
	"testserver":        {nil, false, "starts real servers for tests"},
	"house":             {nil, false, "these tests"},
	"abuse":             {nil, false, "what must never work: an attack, a test"},
}

// testRooms may import anything, and only tests may import them.
var testRooms = []string{"trace/otlp/otlptest", "enginetest/crash", "enginetest/linear", "enginetest/years", "connector/connectortest", "deliver/delivertest", "channel/channeltest", "enginetest", "testserver", "policy/policytest", "house", "abuse", "survive"}

// impure is what a pure room must not import: time is allowed as a type only,
// which impureCalls holds.
var impure = []string{"os", "os/exec", "net", "net/http", "io/ioutil", "math/rand", "math/rand/v2", "crypto/rand", "database/sql", "log", "log/slog", "syscall", "runtime"}

// impureCalls are words no file of a pure room may say; the store neither.
var impureCalls = []string{"time.Now(", "time.Since(", "time.Until(", "time.After(", "time.Sleep(", "time.NewTimer(", "time.Tick("}

type source struct {
	room, path string
	test       bool
	imports    []string
	text       string
}

// sources reads every Go file below internal.
func sources(t *testing.T) []source {
	t.Helper()
	root, list := "..", []source(nil)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.Contains(path, "testdata") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		s := source{room: filepath.ToSlash(rel), path: path, test: strings.HasSuffix(path, "_test.go"), text: string(text)}
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			s.imports = append(s.imports, name)
		}
		list = append(list, s)
		return nil
	})
	if err != nil || len(list) < 50 {
		t.Fatalf("read %d files: %v", len(list), err)
	}
	return list
}

func TestRoomsImportOnlyWhatTheyMay(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		room, known := rooms[s.room]
		if !known {
			t.Errorf("%s: room %q is not in the house; add it to the table with its rule", s.path, s.room)
			continue
		}
		if s.test || slices.Contains(testRooms, s.room) {
			continue
		}
		for _, i := range s.imports {
			other, ours := strings.CutPrefix(i, module)
			switch {
			case ours && !slices.Contains(room.may, other):
				t.Errorf("%s: %s must not import %s", s.path, s.room, other)
			case room.pure && slices.Contains(impure, i):
				t.Errorf("%s: %s is pure and must not import %s", s.path, s.room, i)
			case s.room == "engine" && (i == "net" || strings.HasPrefix(i, "net/")):
				t.Errorf("%s: the engine calls nothing outside and must not import %s", s.path, i)
			}
		}
		if !room.pure && s.room != "store" && s.room != "engine" {
			continue
		}
		for _, call := range impureCalls {
			if strings.Contains(s.text, call) {
				t.Errorf("%s: %s must be handed the time and not say %q", s.path, s.room, call)
			}
		}
	}
}

// TestOneDoor holds law 1: nothing but the engine writes the nouns or events.
func TestOneDoor(t *testing.T) {
	t.Parallel()
	writes := []string{".AddRequest(", ".SaveRequest(", ".AddApproval(", ".WithdrawApproval(", ".AddGrant(", ".SaveGrant(", ".AddAssignment(", ".SaveJob(",
		".AddReceipt(", ".AddFinding(", ".CloseFinding(", ".AddEvent(", ".PlaceEvent(", ".PlaceEvents(", ".SetTile(", ".AddCheckpoint(", ".Enqueue("}
	seen := 0
	for _, s := range sources(t) {
		if s.test || s.room == "store" || s.room == "house" || slices.Contains(testRooms, s.room) {
			continue
		}
		for _, w := range writes {
			switch {
			case !strings.Contains(s.text, w):
			case s.room == "engine" || (s.room == "evidence" && w == ".SetTile("):
				seen++
			default:
				t.Errorf("%s: only the engine may say %q", s.path, w)
			}
		}
		// A move writes rows as they stand, into a database that nobody can serve yet, and knows no noun.
		if s.room != "store" && s.room != "engine" && s.room != "move" && strings.Contains(s.text, ".Write(ctx, func(tx") {
			t.Errorf("%s: only the engine opens a writing transaction", s.path)
		}
	}
	if seen < len(writes) {
		t.Errorf("only %d of %d ways to write were seen used: is the list still right?", seen, len(writes))
	}
}

// TestWordsNotUsedInNames holds DESIGN §1's list for exported and package names.
func TestWordsNotUsedInNames(t *testing.T) {
	t.Parallel()
	for room := range rooms {
		for _, bad := range []string{"manager", "helper", "util", "common", "service", "data", "info", "processor", "handler"} {
			if strings.Contains(room, bad) {
				t.Errorf("room %s says %q", room, bad)
			}
		}
	}
	for _, s := range sources(t) {
		for line := range strings.SplitSeq(s.text, "\n") {
			for _, decl := range []string{"type ", "func "} {
				name, ok := strings.CutPrefix(line, decl)
				if !ok {
					continue
				}
				for _, bad := range []string{"Manager", "Helper", "Util", "Processor"} {
					if word, _, _ := strings.Cut(name, "("); strings.Contains(word, bad) {
						t.Errorf("%s: %s", s.path, line)
					}
				}
			}
		}
	}
}
