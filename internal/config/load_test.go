package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/clock"
)

// onDisk writes a folder to disk.
func onDisk(t *testing.T, folder fstest.MapFS) string {
	dir := t.TempDir()
	for name, f := range folder {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, f.Data, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestLoadCompany(t *testing.T) {
	t.Parallel()
	dir := onDisk(t, company(t))
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Dir: dir, State: dir, Listen: "127.0.0.1:7317", Database: "sqlite:" + dir + "/lessor.db", LogKeyRef: "file:" + dir + "/log.key",
		KeepFree: 256 << 20, PolicyDir: dir + "/policy", AnswerWithin: 72 * time.Hour, ProvisionWithin: 15 * time.Minute, Backstop: time.Minute, Inventory: 6 * time.Hour,
		StandIn: StandIn{DelegateLongest: 30 * day, EscalateAfter: map[string]time.Duration{"standard": 8 * time.Hour, "": 4 * time.Hour}},
		Pace:    access.Pace{Lease: time.Minute, Call: 20 * time.Second, Retry: time.Second, SlowestOff: 5 * time.Minute, Recheck: time.Hour, Confirm: 2 * time.Minute},
		Clock:   clock.Bounds{Jump: 10 * time.Minute, Hold: 15 * time.Minute},
	}
	got := *c
	got.Directory, got.Tokens, got.systems, got.feedsAt, got.Files, got.fsys, got.read = nil, nil, nil, nil, nil, nil, ""
	if !reflect.DeepEqual(got, want) {
		t.Errorf("settings\n%+v, want\n%+v", got, want)
	}
	if len(c.Tokens) != 1 || c.Tokens[0].Identity != "ann" || c.Tokens[0].SHA256[0] != 0x9f || c.Tokens[0].SHA256[31] != 0x08 ||
		fmt.Sprint(c.Tokens[0].Scopes) != "[request view]" || !c.Tokens[0].Expires.Equal(time.Date(2027, 7, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("tokens %+v", c.Tokens)
	}
	if got := c.SystemProblem("db", "no %s", "dsn").String(); got != "catalog.yaml:12:5: no dsn" {
		t.Error(got)
	}
	if got := c.SystemProblem("nowhere", "x").String(); got != "catalog.yaml: x" {
		t.Error(got)
	}
}

func TestLoadCompanyDirectory(t *testing.T) {
	t.Parallel()
	c, err := LoadFS(company(t), "/etc/lessor")
	if err != nil {
		t.Fatal(err)
	}
	d := c.Directory
	ann, _ := d.Identity("ann")
	carl, _ := d.Identity("carl")
	left, _ := d.Identity("left")
	dir, _ := d.System("dir")
	db, _ := d.System("db")
	dev, _ := d.Entitlement("dir:dev")
	audit, _ := d.Entitlement("dir:audit")
	root, _ := d.Entitlement("db:root")
	news, _ := d.Bundle("new-dev")
	for _, c := range []struct{ what, got, want string }{
		{"ids", fmt.Sprint(d.Identities(), d.Systems(), d.Entitlements(), d.Bundles(), d.Groups()),
			"[aide ann ann-admin bot carl dora left mia olga] [db dir] [db:root dir:audit dir:dev] [new-dev] [security staff]"},
		{"ann", fmt.Sprintf("%+v", ann), "{ID:ann Kind:person Name:Ann Archer Mail:ann@example.com Department:dev Manager:mia Deputy: Owner: Sponsor: External:false Same: Inactive:false Suspended:false " +
			"Start:2024-01-01 00:00:00 +0000 UTC End:0001-01-01 00:00:00 +0000 UTC Accounts:map[db:ann dir:aarcher] Contract:<nil> Groups:[]}"},
		{"carl", fmt.Sprintf("%v %v %v", carl.External, carl.Sponsor, carl.End), "true mia 2027-04-01 00:00:00 +0000 UTC"},
		{"left", fmt.Sprint(left.Inactive), "true"},
		{"one person", d.PersonOf("ann-admin"), "ann"},
		{"nested", fmt.Sprint(d.MembersOf("staff"), d.MembersOf("security"), d.GroupsOf("olga")), "[ann dora mia olga] [dora olga] [security staff]"},
		{"settings", fmt.Sprint(dir.Settings), "map[bind_dn:cn=lessor,dc=example,dc=com ca_file:/etc/lessor/tls/ca.pem " +
			"password_ref:file:/etc/lessor/secrets/ldap start_tls:false url:ldaps://ldap.example.com:636]"},
		{"env", fmt.Sprintf("%v %v %v", db.Settings, db.Connector, db.Owner), "map[dsn_ref:env:DB_URL] postgres olga"},
		{"dev", fmt.Sprintf("%+v", dev), "{ID:dir:dev System:dir Object:cn=dev,ou=groups,dc=example,dc=com Name:Developers Owners:[olga] Class:standard MaxTerm:90d MaxTotal:0s Powers:[read write] Conflicts:[dir:audit] Grants:[] Becomes:[] Edits:[] Environment:}"},
		{"audit", fmt.Sprintf("%v %v %v %v %v", audit.System, audit.Conflicts, audit.MaxTerm, audit.MaxTotal, audit.Owners), "dir [dir:dev] 8h 1d [olga mia]"},
		{"root", fmt.Sprintf("%v %v %v", root.System, root.Conflicts, root.Powers), "db [] [admin grant]"},
		{"bundle", fmt.Sprint(news), "{new-dev New developer [dir:dev db:root]}"},
	} {
		if c.got != c.want {
			t.Errorf("%s:\n%s, want\n%s", c.what, c.got, c.want)
		}
	}
}

// What a settings file may say, each with what comes of it.
func TestSettings(t *testing.T) {
	t.Parallel()
	elsewhere := t.TempDir()
	for _, c := range []struct{ text, want string }{
		{"listen: localhost:80", "127.0.0.1:80"},
		{"listen: 127.9.9.9:00080", "127.9.9.9:80"},
		{`listen: "[::1]:0"`, "[::1]:0"},
		{"database: sqlite:/var/x.db", "sqlite:/var/x.db"},
		{"database: sqlite:../x.db", "sqlite:/etc/x.db"},
		{"database_ref: env:DB", "env:DB"},
		{"database_ref: file:db.url", "file:/etc/lessor/db.url"},
		{"log_key_ref: env:KEY", "env:KEY"},
		{"log_key_ref: file:/k", "file:/k"},
		{"policy: directory", "/etc/lessor/directory"},
		{"policy: " + elsewhere, elsewhere},
		{"answer_within: 3d", "72h0m0s"},
		{"provision_within: 90s", "1m30s"},
		{"backstop: 250ms", "250ms"},
		{"pace: {recheck: 0s, confirm: 0s, lease: 400ms, call: 100ms, retry: 5m}", "{400ms 100ms 5m0s 5m0s 0s 0s}"},
		{"pace:", "{1m0s 20s 1s 5m0s 1h0m0s 2m0s}"},
		{"notify: [bin/tell, -a, x, -a, '']", "[/etc/lessor/bin/tell -a x -a ]"},
		{"clock: {hold: 0s}", "{10m0s 0s}"},
		{"clock:", "{10m0s 15m0s}"},
		{"notify: [mail, ops]", "[mail ops]"},
		{"tokens:", "[]"},
		{"---\n# nothing set\n", "127.0.0.1:7317"},
	} {
		folder := fstest.MapFS{"policy/x.cedar": {}, "directory/x.yaml": {}, "catalog.yaml": {}, "lessor.yaml": {Data: []byte(c.text)}}
		got, err := LoadFS(folder, "/etc/lessor")
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		all := fmt.Sprint(got.Listen, "|", got.Database, "|", got.DatabaseRef, "|", got.LogKeyRef, "|", got.PolicyDir, "|", got.AnswerWithin, "|",
			got.ProvisionWithin, "|", got.Backstop, "|", got.Clock, "|", got.Pace, "|", got.Notify, "|", got.Tokens)
		if !strings.Contains("|"+all+"|", "|"+c.want+"|") {
			t.Errorf("%s: %s, want %s", c.text, all, c.want)
		}
		if (got.Database == "") == (got.DatabaseRef == "") {
			t.Errorf("%s: not exactly one database: %q, %q", c.text, got.Database, got.DatabaseRef)
		}
	}
}

func TestListenRefusesEveryOtherMachine(t *testing.T) {
	t.Parallel()
	for _, text := range []string{":7317", "0.0.0.0:1", "[::]:1", "192.168.1.1:1", "10.0.0.1:1", "example.com:1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
		"127.0.0.1:65536", "127.0.0.1:-1", "127.1:80", "0x7f.0.0.1:80", "localhost.example.com:1", "[::ffff:10.0.0.1]:1", "[::1%eth0]:1", "unix:/x", ""} {
		folder := fstest.MapFS{"policy/x.cedar": {}, "directory.yaml": {}, "catalog.yaml": {}, "lessor.yaml": {Data: fmt.Appendf(nil, "listen: %q", text)}}
		if _, err := LoadFS(folder, "/x"); err == nil || !strings.HasPrefix(err.Error(), "lessor.yaml:1:9: listen must be ") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// What only a disk can hold.
func TestLoadDisk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		make func(dir string) error
		want string // "": it loads
	}{
		{"good", func(string) error { return nil }, ""},
		{"a link to a file", func(dir string) error {
			return errors.Join(os.Rename(dir+"/catalog.yaml", dir+"/policy/c"), os.Symlink("policy/c", dir+"/catalog.yaml"))
		}, ""},
		{"a link to nothing", func(dir string) error { return os.Symlink("nothing", dir+"/directory/x.yaml") },
			"directory/x.yaml: cannot be read: no such file or directory"},
		{"a pipe", func(dir string) error { return syscall.Mkfifo(dir+"/directory/x.yaml", 0o600) },
			"directory/x.yaml: cannot be read: it is no regular file"},
		{"a folder called like a file", func(dir string) error {
			return errors.Join(os.Remove(dir+"/lessor.yaml"), os.Mkdir(dir+"/lessor.yaml", 0o700))
		},
			"lessor.yaml: cannot be read: it is no regular file"},
		{"a file called like a folder", func(dir string) error { return os.WriteFile(dir+"/catalog", nil, 0o600) },
			"catalog: the folder cannot be read: not a directory"},
		{"too long a file", func(dir string) error { return os.Truncate(dir+"/directory.yaml", 17<<20) },
			"directory.yaml: is longer than 16 MiB: split it into files"},
		{"a policy that is a file", func(dir string) error {
			return errors.Join(os.RemoveAll(dir+"/policy"), os.WriteFile(dir+"/policy", nil, 0o600))
		}, "lessor.yaml: there is no policy folder "},
		{"gone", os.RemoveAll, "there is no such folder; `lessor init "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := onDisk(t, company(t))
			if err := errors.Join(os.Mkdir(dir+"/directory", 0o700), c.make(dir)); err != nil {
				t.Fatal(err)
			}
			_, err := Load(dir)
			var problems access.Problems
			switch {
			case c.want == "" && err == nil:
			case !errors.As(err, &problems) || len(problems) != 1 || !strings.Contains(problems[0].String(), c.want) || c.want == "":
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestLoadWarnsOfFilesThatEverybodyMayChange(t *testing.T) {
	t.Parallel()
	dir := onDisk(t, company(t))
	if err := os.Chmod(dir+"/directory.yaml", 0o666); err != nil {
		t.Fatal(err)
	}
	c, err := Load(dir)
	if err != nil || len(c.Warnings) != 1 || c.Warnings[0].String() != "directory.yaml: may be changed by every user of this machine: chmod o-w it" {
		t.Error(c, err)
	}
}

func TestLoadRelative(t *testing.T) {
	dir := onDisk(t, company(t))
	t.Chdir(filepath.Dir(dir))
	c, err := Load(filepath.Base(dir))
	if err != nil || c.Dir != dir || c.PolicyDir != dir+"/policy" {
		t.Error(c, err)
	}
}

// broken fails to list or to read whatever has that name.
type broken struct {
	fs.FS
	name string
}

func (b broken) Open(name string) (fs.File, error) {
	if name == b.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EIO}
	}
	return b.FS.Open(name)
}

// A file that cannot be read is one problem; nobody it may name is called unknown.
func TestLoadUnreadable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, want string }{
		{".", ".: the folder cannot be read: input/output error"},
		{"directory.yaml", "directory.yaml: cannot be read: input/output error"},
		{"catalog.yaml", "catalog.yaml: cannot be read: input/output error"},
		{"lessor.yaml", "lessor.yaml: cannot be read: input/output error"},
	} {
		if _, err := LoadFS(broken{company(t), c.name}, "/x"); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Where the server listens is known whatever else in the folder is wrong, and
// never guessed where lessor.yaml itself cannot be read.
func TestListen(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, file, text, want, wrong string }{
		{"as it is", "", "", "127.0.0.1:7317", ""},
		{"said", "lessor.yaml", "listen: localhost:9999\n", "127.0.0.1:9999", ""},
		{"not said", "lessor.yaml", "backstop: 1m\n", defaultListen, ""},
		{"empty", "lessor.yaml", "", defaultListen, ""},
		{"another file is wrong", "catalog.yaml", "systems: [{id: \n", "127.0.0.1:7317", ""},
		{"another file is wrong, too", "directory.yaml", "identities: 7\n", "127.0.0.1:7317", ""},
		{"another key is wrong", "lessor.yaml", "listen: 127.0.0.1:9999\nlisten_to: x\nanswer_within: P1Y\ntokens: [{}]\n", "127.0.0.1:9999", ""},
		{"no address", "lessor.yaml", "listen: 0.0.0.0:80\n", "", "lessor.yaml:1:9: listen must be a loopback address"},
		{"to others, by TLS", "lessor.yaml", "listen: 0.0.0.0:80\ntls: {certificate: a.pem, key_ref: env:A}\n", "0.0.0.0:80", ""},
		{"TLS without a key", "lessor.yaml", "tls: {certificate: a.pem}\n", "", "tls needs key_ref"},
		{"no YAML", "lessor.yaml", "listen: {\n", "", "lessor.yaml:"},
		{"no mapping", "lessor.yaml", "- listen\n", "", "must be a mapping"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			folder := company(t)
			if c.file != "" {
				folder[c.file] = &fstest.MapFile{Data: []byte(c.text)}
			}
			got, _, err := Listen(onDisk(t, folder))
			switch {
			case c.wrong == "" && (err != nil || got != c.want):
				t.Errorf("%q, %v, want %q", got, err, c.want)
			case c.wrong != "" && (!errors.Is(err, access.ErrInvalid) || !strings.Contains(err.Error(), c.wrong)):
				t.Errorf("%q, %v, want an error with %q", got, err, c.wrong)
			}
		})
	}
	misnamed := company(t)
	misnamed["lessor.yml"] = misnamed["lessor.yaml"]
	delete(misnamed, "lessor.yaml")
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none"), onDisk(t, misnamed)} {
		if got, _, err := Listen(dir); !errors.Is(err, access.ErrInvalid) {
			t.Errorf("%s: %q, %v", dir, got, err)
		}
	}
}
