package config

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

// ownFiles are the files that are read by their names.
var ownFiles = []string{settingsFile, directoryFile, catalogFile, jiraFile, signInFile, storesFile, credentialsFile, lifecycleFile, feedsFile, signalsFile, witnessesFile}

const (
	settingsFile  = "lessor.yaml"
	directoryFile = "directory.yaml"
	catalogFile   = "catalog.yaml"
	jiraFile      = "jira.yaml"

	credentialsFile = "credentials.yaml"
)

// found names the files that are read. No settings file means all defaults, no
// Jira file that no tickets are read, no sign-in file that nobody
// signs in, and no stores file that no credential is delivered anywhere.
type found struct {
	settings, signIn, stores string
	credentials              string
	lifecycle                string
	feeds                    string // none: nobody is told of but by the directory
	signals                  string
	witnesses                string
	directory, catalog, jira []string
}

// find lists the folder. A file that looks as if it were meant to be read and
// is not is a problem: what it forbids would silently not be forbidden.
func (d *files) find() (found, bool) {
	var out found
	entries, err := fs.ReadDir(d.fsys, ".")
	if err != nil {
		d.problem(mark{file: "."}, "the folder cannot be read: %v", plain(err))
		return out, false
	}
	for _, e := range entries {
		name := e.Name()
		stem, isYAML := strings.CutSuffix(name, ".yml")
		switch {
		case name == settingsFile:
			out.settings = name
		case name == signInFile:
			out.signIn = name
		case name == storesFile:
			out.stores = name
		case name == credentialsFile:
			out.credentials = name
		case name == lifecycleFile:
			out.lifecycle = name
		case name == feedsFile:
			out.feeds = name
		case name == signalsFile:
			out.signals = name
		case name == witnessesFile:
			out.witnesses = name
		case name == directoryFile:
			out.directory = slices.Insert(out.directory, 0, name)
		case name == catalogFile:
			out.catalog = slices.Insert(out.catalog, 0, name)
		case name == jiraFile:
			out.jira = slices.Insert(out.jira, 0, name)
		case name == "directory":
			out.directory = append(out.directory, d.under(name)...)
		case name == "catalog":
			out.catalog = append(out.catalog, d.under(name)...)
		case name == "jira":
			out.jira = append(out.jira, d.under(name)...)
		case isYAML && slices.Contains(ownFiles, stem+".yaml"):
			d.problem(mark{file: name}, "is not read: rename it to %s.yaml", stem)
		case !strings.HasPrefix(name, ".") && (isYAML || strings.HasSuffix(name, ".yaml")):
			d.warn(mark{file: name}, "is not read: only %s and the folders directory, catalog and jira are", strings.Join(ownFiles, ", "))
		}
	}
	return out, d.enough(out)
}

// misnamed tells whether a file was found under a name that is not read.
func (r *report) misnamed(file string) bool {
	return slices.ContainsFunc(r.problems, func(p access.Problem) bool { return p.File == strings.TrimSuffix(file, ".yaml")+".yml" })
}

// under lists the YAML files of a folder.
func (d *files) under(name string) []string {
	entries, err := fs.ReadDir(d.fsys, name)
	if err != nil {
		d.problem(mark{file: name}, "the folder cannot be read: %v", plain(err))
		d.partial = true
	}
	var out []string
	for _, e := range entries {
		full := path.Join(name, e.Name())
		switch stem, isYML := strings.CutSuffix(e.Name(), ".yml"); {
		case strings.HasPrefix(e.Name(), "."): // an editor's, or a mounted volume's own
		case isYML:
			d.problem(mark{file: full}, "is not read: rename it to %s.yaml", stem)
		case e.IsDir():
			d.problem(mark{file: full}, "is not read: put its files into %s itself", name)
		case strings.HasSuffix(e.Name(), ".yaml"):
			out = append(out, full)
		}
	}
	return out
}

// enough tells whether there is anything to read at all.
func (d *files) enough(f found) bool {
	for _, miss := range []struct {
		files []string
		file  string
		holds string
	}{{f.directory, directoryFile, "who there is"}, {f.catalog, catalogFile, "what can be held"}} {
		if len(miss.files) > 0 || d.partial {
			continue
		}
		if f.settings == "" && len(d.problems) == 0 {
			d.problem(mark{file: settingsFile}, "is missing, and so is %s: `lessor init %s` writes a first configuration", miss.file, d.dir)
			return false
		}
		stem := strings.TrimSuffix(miss.file, ".yaml")
		d.problem(mark{file: miss.file}, "is missing, and there is no %s/*.yaml: write there %s", stem, miss.holds)
		d.partial = true
	}
	return true
}

// text reads one file. A file that cannot be read is reported and empty.
func (d *files) text(name string) []byte {
	if name == "" {
		return nil
	}
	text, err := d.read(name)
	if err != nil {
		d.problem(mark{file: name}, "cannot be read: %v", plain(err))
		d.partial = true
	}
	d.note(name, text)
	if name != settingsFile {
		d.keep(name, text)
	}
	return text
}

func (d *files) read(name string) ([]byte, error) {
	st, err := fs.Stat(d.fsys, name) // before it is opened: a pipe would block for ever
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case st.Mode().Perm()&0o002 != 0:
		d.warn(mark{file: name}, "may be changed by every user of this machine: chmod o-w it")
	}
	f, err := d.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(bounds.Bytes)+1)) // one more than allowed, so that it shows
}

// plain drops the path from an error: the problem's place has it.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
