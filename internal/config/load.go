package config

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/clock"
)

// Config is a folder that cannot be wrong. Every path in it is absolute.
type Config struct {
	Dir             string
	Listen          string // address:port, of this machine's own loopback unless there is TLS; port 0 is any free one
	TLS             *TLS   // nil: plain http
	Database        string // "sqlite:PATH", or empty if DatabaseRef is set
	DatabaseRef     string // reference to a secret: a postgres:// URL
	SchemaRef       string // reference to a secret: the same database as a role that owns its schema; empty: servers do
	ReadRef         string // reference to a secret: a copy of the database that follows it and can only be read; empty: none
	State           string // where the server writes what it keeps beside the database
	LogKeyRef       string // reference to the secret that signs the log's checkpoints
	LogCopy         string // a second folder that keeps the log and its head; empty: none
	KeepFree        uint64 // how many free bytes of the database's disk nothing is granted into: what removes needs them
	PolicyDir       string
	AnswerWithin    time.Duration
	ProvisionWithin time.Duration
	Pace            access.Pace
	Clock           clock.Bounds // how far the wall clock is believed
	Backstop        time.Duration
	StandIn         StandIn
	BreakGlass      *BreakGlass   // nil: nobody is enrolled
	Inventory       time.Duration // how often every system is read whole
	Classes         []string      // the order of classes, lowest first; nil: as shipped
	Notify          []string      // a command and its arguments, run with a notice as JSON on its input; empty: none
	Tokens          []Token
	Directory       *access.Directory
	Jira            []JiraSite    // none: no tickets are read
	Feeds           []access.Feed // in order of authority; none: people are in the directory alone
	FeedTokens      []FeedToken   // of the feeds that tell of changes by themselves
	SignIn          *SignIn       // nil: nobody signs in
	Stores          []SecretStore // none: credentials are delivered nowhere
	Signals         *Signals      // nil: no signals are heard or sent
	Witnesses       Witnesses
	LogPublish      string // a folder in which the log is published as tiles; empty: none
	Lifecycle       access.Lifecycle
	Metrics         *Metrics          // nil: nobody reads figures
	Traces          *Traces           // nil: no spans are sent
	SecondPerson    bool              // each change of the files needs a second person
	Files           map[string]string // each file -> SHA-256 of its text, but for the rules'; of lessor.yaml, of what is the same on every replica
	Warnings        access.Problems   // what is allowed and most likely not meant
	Circles         []string          // groups that lie in each other, a circle each

	fsys      fs.FS
	read      string   // digest of every file's text
	elsewhere []string // see [Config.Elsewhere]

	systems  map[string]mark
	storesAt map[string]mark
	feedsAt  map[string]mark
	plans    map[string]mark
}

// Token is who may speak to the API, known by the digest of a secret that this
// folder never holds.
type Token struct {
	Name     string
	Identity string
	SHA256   [32]byte
	Scopes   []string // of request, approve, view, revoke, evaluate, audit, admin; never empty
	Strength string   // how whoever holds the token is taken to have signed in, e.g. "mfa"; empty: plainly
	Expires  time.Time
}

// Load reads the folder from disk. Its error is [access.Problems].
//
// Dates are never held against the clock: a folder that loaded yesterday loads
// today, or an owner's last day would keep a server down that has access to
// remove. Whether somebody is active is asked when it matters.
func Load(dir string) (*Config, error) {
	abs, err := folder(dir)
	if err != nil {
		return nil, err
	}
	return LoadFS(os.DirFS(abs), abs)
}

// folder is where a folder is on disk.
func folder(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", access.Problems{{File: dir, Message: "has no absolute path: " + plain(err).Error()}}
	}
	if st, err := os.Stat(abs); err != nil || !st.IsDir() {
		return "", access.Problems{{File: dir, Message: fmt.Sprintf("there is no such folder; `lessor init %s` writes a first configuration", dir)}}
	}
	return abs, nil
}

// Listen reads from a folder only where its server listens, and the file of the
// certificate that it shows there, if it does. Whoever asks a
// running server for something must not be kept from it by a file that is being
// written: only lessor.yaml is read, and of it only what is needed for the answer.
func Listen(dir string) (address, certificate string, err error) {
	abs, err := folder(dir)
	if err != nil {
		return "", "", err
	}
	d := &files{fsys: os.DirFS(abs), dir: abs}
	found, ok := d.find()
	if !ok {
		return "", "", d.err()
	}
	if found.settings == "" && d.misnamed(settingsFile) {
		return "", "", d.err() // the address that was meant stands in it
	}
	d.report = report{}
	address = defaultListen
	if root, ok := d.parse(settingsFile, d.text(found.settings)); ok {
		if f, ok := d.mapping(settingsFile, &root, "the file"); ok {
			address = f.listen()
			if t := d.readTLS(f); t != nil {
				certificate = t.Certificate
			}
		}
	}
	return address, certificate, d.err()
}

// LoadFS reads a folder that says of itself that it is dir, an absolute path.
// Only a policy folder outside of it is looked for on disk.
func LoadFS(fsys fs.FS, dir string) (*Config, error) {
	d := &files{fsys: fsys, dir: filepath.Clean(dir)}
	return d.load()
}

// load reads the folder, and holds it against whom feeds have told of if that is known.
func (d *files) load() (*Config, error) {
	c := &Config{Dir: d.dir, fsys: d.fsys, systems: map[string]mark{}, feedsAt: map[string]mark{}}

	// 1. Which files there are.
	found, ok := d.find()
	if !ok {
		return nil, d.err()
	}

	// 2. What they say, each by itself.
	d.readSettings(c, d.text(found.settings))
	for _, name := range found.directory {
		d.readDirectory(name, d.text(name))
	}
	for _, name := range found.catalog {
		d.readCatalog(name, d.text(name))
	}
	for _, name := range found.jira {
		d.readJira(name, d.text(name))
	}
	if found.signIn != "" {
		d.readSignIn(d.text(found.signIn))
	}
	if found.stores != "" {
		d.readStores(d.text(found.stores))
	}
	if found.credentials != "" {
		d.readPlans(d.text(found.credentials))
	}
	if found.lifecycle != "" {
		d.readLifecycle(d.text(found.lifecycle))
	}
	if found.feeds != "" {
		d.readFeeds(d.text(found.feeds))
	}
	if found.signals != "" {
		d.readSignals(d.text(found.signals))
	}
	if found.witnesses != "" {
		d.readWitnesses(c, d.text(found.witnesses))
	}

	// 3. Whether they fit together.
	d.check()
	if err := d.err(); err != nil {
		return nil, err
	}

	// 4. Only now is anything made of it.
	for _, t := range d.tokens {
		c.Tokens = append(c.Tokens, t.Token)
	}
	for _, s := range d.sites {
		c.Jira = append(c.Jira, s.JiraSite)
	}
	c.SignIn = d.signIn
	c.Lifecycle = d.lifecycle
	c.Feeds, c.FeedTokens = d.feedsOf()
	for _, x := range d.feeds {
		c.feedsAt[x.ID] = x.f.here()
	}
	c.Signals = d.signals
	for _, s := range d.systems {
		c.systems[s.ID] = s.f.here()
	}
	c.Stores, c.storesAt = d.secretStores()
	c.plans = d.plansAt()
	c.Directory, c.Warnings, c.Circles = d.build(), d.warnings, d.circles
	c.Files = d.sumsOf(c)
	c.elsewhere = d.allNamed()
	if d.all != nil {
		c.read = hex.EncodeToString(d.all.Sum(nil))
	}
	return c, nil
}

// SystemProblem is a problem at the place where that system is written: only
// its connector knows what its settings lack.
func (c *Config) SystemProblem(system, format string, args ...any) access.Problem {
	at, ok := c.systems[system]
	if !ok {
		at = mark{file: catalogFile}
	}
	return at.say(format, args)
}
