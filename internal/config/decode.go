package config

import (
	"hash"
	"io/fs"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/yaml"
)

// What the files say, each entry with its place, before anything is compared.
type (
	identity struct {
		access.Identity
		f       fields
		written *contract
		told    bool // by feeds alone: in no file, so f says nothing
	}
	group struct {
		id      string
		members []item
		groups  []item
		f       fields
	}
	system struct {
		access.System
		f fields
	}
	entitlement struct {
		access.Entitlement
		owners    []item
		powers    []item
		conflicts []item
		grants    []item
		becomes   []item
		edits     []item
		f         fields
	}
	bundle struct {
		access.Bundle
		entitlements []item
		f            fields
	}
)

// files is everything read of one folder.
type files struct {
	report
	fsys fs.FS
	dir  string // what the folder is on disk

	texts        map[string]string // file, but lessor.yaml -> digest of its text
	tokens       []bearer
	identities   []identity
	groups       []group
	circles      []string // of groups
	systems      []system
	entitlements []entitlement
	bundles      []bundle
	duties       []duty
	sites        []site
	signIn       *SignIn
	glass        *glass
	feeds        []feed
	providers    []provider
	stores       []secretStore
	plans        []plan
	births       []birthright
	leavers      []item
	lifecycle    access.Lifecycle
	signals      *Signals
	signalsAt    []item // systems and providers that subjects name
	transmitters []transmitter
	receivers    []receiver

	asked     bool                 // the database was asked for whom feeds have told of
	told      map[string]*identity // … and these it knows
	elsewhere []string             // named as people, and in no file
	all       hash.Hash            // of the text of every file

	known  known                 // by id; filled by check
	opened []access.GroupMembers // the groups without their circles; filled by check
}

var (
	directorySections = []string{"identities", "groups"}
	catalogSections   = []string{"systems", "entitlements", "bundles", "duties"}
	jiraSections      = []string{"sites"}

	sectionsOf = []struct {
		what  string
		names []string
	}{{"a directory", directorySections}, {"a catalog", catalogSections}, {"a Jira", jiraSections}, {"the sign-in", signInSections}, {"the stores", storesSections}, {"the credentials", planSections}, {"the lifecycle", lifecycleSections}, {"the feeds", feedSections}, {"the signals", signalsSections}, {"the witnesses", witnessesSections}}

	identityKeys = []string{"id", "kind", "name", "mail", "department", "manager", "deputy", "owner", "sponsor",
		"external", "same", "inactive", "start", "end", "accounts", "contract"}
	entitlementKeys = []string{"id", "system", "object", "name", "owners", "class", "max_term", "max_total", "powers", "conflicts",
		"grants", "becomes", "edits", "environment"}
)

func (d *files) readDirectory(file string, text []byte) {
	f, ok := d.sections(file, text, directorySections)
	if !ok {
		return
	}
	each(f, "identities", "an identity", identityKeys, d.readIdentity)
	each(f, "groups", "a group", []string{"id", "members", "groups"}, func(f fields) {
		d.groups = append(d.groups, group{id: f.required("id", "a group"), members: f.texts("members"), groups: f.texts("groups"), f: f})
	})
}

func (d *files) readCatalog(file string, text []byte) {
	f, ok := d.sections(file, text, catalogSections)
	if !ok {
		return
	}
	each(f, "systems", "a system", []string{"id", "name", "connector", "owner", "environment", "settings"}, d.readSystem)
	each(f, "entitlements", "an entitlement", entitlementKeys, d.readEntitlement)
	each(f, "bundles", "a bundle", []string{"id", "name", "entitlements"}, func(f fields) {
		b := bundle{f: f, entitlements: f.texts("entitlements")}
		b.ID, b.Name, b.Entitlements = f.required("id", "a bundle"), f.text("name"), plainTexts(b.entitlements)
		d.bundles = append(d.bundles, b)
	})
	each(f, "duties", "a duty", dutyKeys, d.readDuty)
}

// sections opens a file. A section of another kind of file is named as such:
// who may change the one need not be allowed to change the other.
func (d *files) sections(file string, text []byte, own []string) (fields, bool) {
	root, ok := d.parse(file, text)
	if !ok {
		return fields{}, false
	}
	if root.Kind == yaml.Map {
		root.Keys = slices.DeleteFunc(root.Keys, func(e yaml.Entry) bool {
			other := sectionFile(e.Key)
			if other == "" || slices.Contains(own, e.Key) {
				return false
			}
			d.problem(mark{file, e.Line, e.Col}, "%s belong in %s file", e.Key, other)
			d.partial = true
			return true
		})
	}
	f, ok := d.fieldsOf(file, &root, "the file", own...)
	d.partial = d.partial || !ok
	return f, ok
}

// sectionFile says in what kind of file a section belongs, "" if there is none such.
func sectionFile(section string) string {
	for _, s := range sectionsOf {
		if slices.Contains(s.names, section) {
			return s.what
		}
	}
	return ""
}

// each reads every mapping of one section.
func each(f fields, section, what string, keys []string, read func(fields)) {
	if v, ok := f.value(section); ok && v.Kind != yaml.List && v.Kind != yaml.Null {
		f.r.partial = true // its entries cannot be known
	}
	every(f, section, what, keys, read)
}

// every reads every mapping of a list.
func every(f fields, key, what string, keys []string, read func(fields)) {
	nodes := f.nodes(key)
	for i := range nodes {
		if entry, ok := f.r.fieldsOf(f.file, &nodes[i], what, keys...); ok {
			read(entry)
		}
	}
}

func (d *files) readIdentity(f fields) {
	d.identities = append(d.identities, identity{f: f, Identity: access.Identity{
		ID:         f.required("id", "an identity"),
		Kind:       access.IdentityKind(f.required("kind", "an identity")),
		Name:       f.required("name", "an identity"),
		Mail:       f.text("mail"),
		Department: f.text("department"),
		Manager:    f.text("manager"),
		Deputy:     f.text("deputy"),
		Owner:      f.text("owner"),
		Sponsor:    f.text("sponsor"),
		External:   f.flag("external"),
		Same:       f.text("same"),
		Inactive:   f.flag("inactive"),
		Start:      f.day("start", false),
		End:        f.day("end", true),
		Accounts:   f.accounts(),
	}})
	d.identities[len(d.identities)-1].readContract()
}

// accounts reads system -> account name.
func (f fields) accounts() map[string]string {
	v, ok := f.value("accounts")
	if !ok || v.Kind == yaml.Null {
		return nil
	}
	if v.Kind != yaml.Map {
		f.problem("accounts", "accounts must be a mapping of system to account name, not %s", v.Kind)
		return nil
	}
	out := make(map[string]string, len(v.Keys))
	for i := range v.Keys {
		e := &v.Keys[i]
		name, ok := f.r.textOf(f.file, "an account", &e.Value)
		if ok && name == "" {
			f.r.problem(mark{f.file, e.Value.Line, e.Value.Col}, "an account is empty")
		}
		if ok {
			out[e.Key] = name
		}
	}
	return out
}

func (d *files) readSystem(f fields) {
	d.systems = append(d.systems, system{f: f, System: access.System{
		ID:          f.required("id", "a system"),
		Name:        f.text("name"),
		Connector:   f.required("connector", "a system"),
		Owner:       f.required("owner", "a system"),
		Environment: f.text("environment"),
		Settings:    d.settings(f),
	}})
}

func (d *files) readEntitlement(f fields) {
	e := entitlement{f: f, owners: f.texts("owners"), powers: f.texts("powers"), conflicts: f.texts("conflicts"),
		grants: f.texts("grants"), becomes: f.texts("becomes"), edits: f.texts("edits")}
	e.Entitlement = access.Entitlement{
		ID:          f.required("id", "an entitlement"),
		System:      f.text("system"),
		Object:      f.required("object", "an entitlement"),
		Name:        f.required("name", "an entitlement"),
		Owners:      plainTexts(e.owners),
		Class:       f.required("class", "an entitlement"),
		MaxTerm:     f.term("max_term", 0),
		MaxTotal:    f.term("max_total", 0),
		Powers:      plainTexts(e.powers),
		Conflicts:   plainTexts(e.conflicts),
		Grants:      plainTexts(e.grants),
		Becomes:     plainTexts(e.becomes),
		Edits:       plainTexts(e.edits),
		Environment: f.text("environment"),
	}
	if !f.has("max_term") {
		d.problem(f.here(), "an entitlement needs max_term: the longest single term anybody may have it for")
	}
	d.entitlements = append(d.entitlements, e)
}
