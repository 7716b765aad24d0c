package config

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/clock"
	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/yaml"
)

const (
	defaultListen = "127.0.0.1:7317"
	day           = 24 * time.Hour
)

var (
	settingsKeys = []string{"listen", "tls", "database", "database_ref", "database_read_ref", "schema_ref", "log_key_ref", "log_copy", "log_publish", "state", "policy", "answer_within",
		"provision_within", "delegate_longest", "escalate_after", "break_glass", "pace", "clock", "backstop", "inventory", "classes", "notify", "tokens",
		"metrics", "traces", "keep_free", "second_person"}
	paceKeys  = []string{"lease", "call", "retry", "slowest_off", "recheck", "confirm"}
	clockKeys = []string{"jump", "hold"}
	tokenKeys = []string{"name", "identity", "sha256", "scopes", "strength", "expires"}
	scopes    = []string{"request", "approve", "view", "revoke", "evaluate", "audit", "admin"}
)

// bearer is a [Token] with its place.
type bearer struct {
	Token
	f fields
}

// readSettings reads lessor.yaml; no text means that every default holds.
func (d *files) readSettings(c *Config, text []byte) {
	partial := d.partial
	defer func() { d.partial = partial }() // whatever is unreadable here, it names nobody
	root, ok := d.parse(settingsFile, text)
	if !ok {
		return
	}
	f, ok := d.fieldsOf(settingsFile, &root, "the file", settingsKeys...)
	if !ok {
		return
	}
	c.Listen, c.TLS = f.listen(), d.readTLS(f)
	c.State = d.stateDir(f)
	c.Database, c.DatabaseRef = d.database(f, c.State)
	if c.SchemaRef = d.reference(f, "schema_ref", ""); f.has("schema_ref") && !f.has("database_ref") {
		f.problem("schema_ref", "schema_ref is for PostgreSQL, with database_ref beside it: only there two roles can use one database")
	}
	if c.ReadRef = d.reference(f, "database_read_ref", ""); f.has("database_read_ref") && !f.has("database_ref") {
		f.problem("database_read_ref", "database_read_ref is for PostgreSQL, with database_ref beside it: a SQLite file has no copy that follows it")
	}
	c.LogKeyRef = d.reference(f, "log_key_ref", "file:log.key")
	c.LogCopy = d.logCopy(f, c.State)
	c.LogPublish = d.logPublish(f, c)
	c.KeepFree = f.keepFree()
	c.SecondPerson = f.oneOf("second_person", "", []string{"files"}) != ""
	c.PolicyDir = d.policyDir(f)
	c.AnswerWithin = f.term("answer_within", access.Term(3*day)).D()
	c.ProvisionWithin = f.term("provision_within", access.Term(15*time.Minute)).D()
	c.Pace = d.pace(f)
	c.Clock = d.clock(f)
	c.Backstop = f.duration("backstop", time.Minute, 10*time.Millisecond, time.Hour)
	c.Inventory = f.duration("inventory", 6*time.Hour, time.Second, 30*day)
	c.Classes = d.classes(f)
	c.StandIn = d.readStandIn(f, c.Classes)
	c.BreakGlass = d.readGlass(f)
	c.Notify = d.command(f)
	c.Metrics, c.Traces = d.readMetrics(f), d.readTraces(f)
	each(f, "tokens", "a token", tokenKeys, d.readToken)
}

// classes reads the order of classes, lowest first. Those that rules are shipped
// for are always among them: the highest is what an administrator's power is worth.
func (d *files) classes(f fields) []string {
	list := f.texts("classes")
	for _, c := range list {
		if !idForm.MatchString(c.text) {
			d.problem(c.at, "a class %s", idRule)
		}
	}
	order := plainTexts(list)
	for _, c := range classes {
		if f.has("classes") && !slices.Contains(order, c) {
			f.problem("classes", "classes must place %q too: it is the whole order, lowest first", c)
		}
	}
	if n := len(order); n > 0 && n <= 250 && slices.Contains(order, "privileged") && order[n-1] != "privileged" {
		d.warn(f.at("classes"), "%q is above \"privileged\": what lets its holder administer or change a gate is of that class", access.Brief(order[n-1]))
	} else if n > 250 {
		f.problem("classes", "classes has %d entries; 250 are enough", n)
	}
	if len(order) == 0 {
		return nil
	}
	return order
}

// listen reads an address that no other machine can reach, unless there is TLS.
func (f fields) listen() string {
	text, ok := f.read("listen")
	if !ok {
		return defaultListen
	}
	host, port, err := net.SplitHostPort(text)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil {
		f.problem("listen", "listen must be an address and a port from 0 to 65535, such as %s", defaultListen)
		return defaultListen
	}
	if host == "localhost" { // a name may come to mean another address
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case f.has("tls") && (err != nil || ip.Zone() != ""):
		f.problem("listen", "listen must be an address of this machine, such as 0.0.0.0:7317 or [::]:7317 for all it has")
		return defaultListen
	case !f.has("tls") && (err != nil || !ip.IsLoopback() || ip.Zone() != ""):
		f.problem("listen", "listen must be a loopback address, such as %s, or there must be tls: without it tokens would travel in the clear", defaultListen)
		return defaultListen
	}
	return net.JoinHostPort(host, strconv.FormatUint(number, 10))
}

// stateDir is where the server itself writes; the folder, if nothing else is said.
// A folder of configuration that the server cannot write is the better one.
func (d *files) stateDir(f fields) string {
	name, ok := f.read("state")
	switch {
	case !f.has("state"):
		return d.dir
	case ok && name == "":
		f.problem("state", "state is empty: write the folder that the server may write to, such as /var/lib/lessor")
	case ok:
		return d.path(name)
	}
	return d.dir
}

// database reads which of the two it is. No message repeats what was written:
// a URL there carries a password.
func (d *files) database(f fields, state string) (database, ref string) {
	switch {
	case f.has("database") && f.has("database_ref"):
		f.problem("database_ref", "database and database_ref are both set: keep one")
		return "", ""
	case f.has("database_ref"):
		return "", d.reference(f, "database_ref", "")
	}
	text, ok := f.read("database")
	switch {
	case !f.has("database"):
		return "sqlite:" + filepath.Join(state, "lessor.db"), ""
	case !ok:
		return "", ""
	}
	name, ok := strings.CutPrefix(text, "sqlite:")
	switch {
	case strings.Contains(text, "://"):
		f.problem("database", "a database's URL carries a password: write database_ref: env:NAME or database_ref: file:PATH")
	case !ok || name == "":
		f.problem("database", "database must be sqlite:PATH, such as sqlite:lessor.db")
	case strings.HasPrefix(name, ":memory:"):
		f.problem("database", "a database in memory forgets what has to end: write sqlite:PATH")
	default:
		return "sqlite:" + d.path(name), ""
	}
	return "", ""
}

// reference reads a reference to a secret and opens nothing.
func (d *files) reference(f fields, key, absent string) string {
	text, ok := f.read(key)
	switch {
	case !f.has(key):
		return d.absoluteRef(absent)
	case !ok:
		return ""
	}
	if err := secret.Check(text); err != nil {
		f.problem(key, "%s: %v", key, err)
		return ""
	}
	return d.absoluteRef(text)
}

// absoluteRef makes a file reference mean the same wherever the server was started.
func (d *files) absoluteRef(ref string) string {
	if name, ok := strings.CutPrefix(ref, "file:"); ok && name != "" {
		return "file:" + d.path(name)
	}
	return ref
}

// path makes a path absolute: relative ones count from the folder.
func (d *files) path(name string) string {
	if filepath.IsAbs(name) {
		return filepath.Clean(name)
	}
	return filepath.Join(d.dir, name)
}

func (d *files) policyDir(f fields) string {
	name, ok := f.read("policy")
	at := f.at("policy")
	switch {
	case !f.has("policy"):
		name, at = "policy", mark{file: settingsFile}
	case !ok:
		return ""
	case name == "":
		f.problem("policy", "policy is empty: write the folder of the *.cedar files")
		return ""
	}
	dir := d.path(name)
	if !d.isFolder(dir) {
		d.problem(at, "there is no policy folder %s: create it and write *.cedar files there, or set policy to where they are", dir)
	}
	return dir
}

func (d *files) isFolder(dir string) bool {
	var st fs.FileInfo
	inside, err := filepath.Rel(d.dir, dir)
	if err == nil && filepath.IsLocal(inside) {
		st, err = fs.Stat(d.fsys, filepath.ToSlash(inside))
	} else {
		st, err = os.Stat(dir)
	}
	return err == nil && st.IsDir()
}

func (d *files) pace(f fields) access.Pace {
	p, before := fields{r: &d.report, file: f.file, n: &yaml.Node{Kind: yaml.Map}}, len(d.problems)
	if v, ok := f.value("pace"); ok && v.Kind != yaml.Null {
		if p, ok = d.fieldsOf(f.file, v, "pace", paceKeys...); !ok {
			return access.Pace{}
		}
	}
	pace := access.Pace{
		Lease:      p.duration("lease", time.Minute, 10*time.Millisecond, time.Hour),
		Call:       p.duration("call", 20*time.Second, time.Millisecond, time.Hour),
		Retry:      p.duration("retry", time.Second, time.Millisecond, time.Hour),
		SlowestOff: p.duration("slowest_off", 5*time.Minute, time.Millisecond, day),
		Recheck:    p.duration("recheck", time.Hour, 0, 30*day),
		Confirm:    p.duration("confirm", 2*time.Minute, 0, day),
	}
	if len(d.problems) > before {
		return pace
	}
	if pace.Lease <= 2*pace.Call {
		p.problem(p.either("call", "lease"), "call (%s) must be shorter than half of lease (%s): one call acts and one looks within a lease", pace.Call, pace.Lease)
	}
	if pace.SlowestOff < pace.Retry {
		p.problem(p.either("retry", "slowest_off"), "retry (%s) must not be longer than slowest_off (%s)", pace.Retry, pace.SlowestOff)
	}
	return pace
}

// clock reads how far the wall clock is believed.
func (d *files) clock(f fields) clock.Bounds {
	b := fields{r: &d.report, file: f.file, n: &yaml.Node{Kind: yaml.Map}}
	if v, ok := f.value("clock"); ok && v.Kind != yaml.Null {
		if b, ok = d.fieldsOf(f.file, v, "clock", clockKeys...); !ok {
			return clock.Bounds{}
		}
	}
	return clock.Bounds{Jump: b.duration("jump", 10*time.Minute, time.Second, day), Hold: b.duration("hold", 15*time.Minute, 0, day)}
}

// either is the first of two keys that is written.
func (f fields) either(key, other string) string {
	if f.has(key) {
		return key
	}
	return other
}

// command reads a command and its arguments, in which anything may stand twice.
func (d *files) command(f fields) []string {
	var words []string
	nodes := f.nodes("notify")
	for i := range nodes {
		text, ok := d.textOf(f.file, "an entry of notify", &nodes[i])
		at := mark{f.file, nodes[i].Line, nodes[i].Col}
		switch {
		case !ok:
			continue
		case carriesPassword(text):
			d.problem(at, "an entry of notify carries a password: let the command read it itself")
		case i == 0 && strings.TrimSpace(text) == "":
			d.problem(at, "notify must begin with a command")
		case i == 0 && strings.ContainsRune(text, filepath.Separator):
			text = d.path(text)
		}
		words = append(words, text)
	}
	return words
}

func (d *files) readToken(f fields) {
	t := bearer{f: f, Token: Token{
		Name: f.required("name", "a token"), Identity: f.required("identity", "a token"),
		SHA256: f.digest("sha256"), Strength: f.text("strength"), Expires: f.day("expires", true),
	}}
	for _, s := range f.texts("scopes") {
		if !slices.Contains(scopes, s.text) {
			d.problem(s.at, "there is no scope %q: it must be one of %s%s", access.Brief(s.text), strings.Join(scopes, ", "), d.instead(s.text, slices.Values(scopes)))
		}
		t.Scopes = append(t.Scopes, s.text)
	}
	if f.none("scopes") {
		f.problem("scopes", "a token needs scopes: one or more of %s", strings.Join(scopes, ", "))
	}
	if slices.Contains(t.Scopes, "admin") && slices.Contains(t.Scopes, "approve") {
		f.problem("scopes", "whoever administers does not approve: make two tokens, one for admin and one for approve")
	}
	if !f.has("expires") {
		f.problem("expires", "a token needs expires: the last day or moment at which it is good")
	}
	if t.Strength != "" && !idForm.MatchString(t.Strength) {
		f.problem("strength", "strength %s", idRule)
	}
	d.tokens = append(d.tokens, t)
}

// digest reads a token's digest. What stands there instead may be the token.
func (f fields) digest(key string) (sum [sha256.Size]byte) {
	v, ok := f.value(key)
	if !ok {
		f.r.problem(f.here(), "a token needs %s", key)
		return sum
	}
	raw, err := hex.DecodeString(v.Text) // a number is what a digest without letters looks like
	switch {
	case err != nil || len(raw) != len(sum) || strings.ToLower(v.Text) != v.Text || v.Kind == yaml.List || v.Kind == yaml.Map:
		f.problem(key, "%s must be 64 of 0-9 and a-f, in quotes: the SHA-256 of the token, never the token itself", key)
	case v.Kind != yaml.Text:
		f.problem(key, "%s must be text, not %s: put it in quotes", key, v.Kind)
	case [sha256.Size]byte(raw) == sha256.Sum256(nil):
		f.problem(key, "%s is that of an empty token", key)
	default:
		return [sha256.Size]byte(raw)
	}
	return sum
}
