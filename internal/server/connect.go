package server

import (
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/exec"
	"github.com/lessor-iam/lessor/internal/connector/gitea"
	"github.com/lessor-iam/lessor/internal/connector/kubernetes"
	"github.com/lessor-iam/lessor/internal/connector/ldap"
	"github.com/lessor-iam/lessor/internal/connector/manual"
	"github.com/lessor-iam/lessor/internal/connector/openssh"
	"github.com/lessor-iam/lessor/internal/connector/postgres"
	"github.com/lessor-iam/lessor/internal/connector/scim"
	"github.com/lessor-iam/lessor/internal/secret"
)

// adapters names every connector there is, as the catalog does.
var adapters = map[string]func(*settings) (connector.Connector, error){
	"scim":       newSCIM,
	"ldap":       newLDAP,
	"openssh":    newOpenSSH,
	"postgres":   newPostgres,
	"exec":       newExec,
	"gitea":      newGitea,
	"kubernetes": newKubernetes,
	"manual":     newManual,

	access.RolesConnector: newRoles,
}

func newSCIM(s *settings) (connector.Connector, error) {
	c := scim.Config{BaseURL: s.required("url"), Token: s.secret("token_ref"), CA: s.roots("ca_file"), Timeout: s.duration("timeout")}
	if s.done() {
		return nil, nil
	}
	return scim.New(c)
}

func newLDAP(s *settings) (connector.Connector, error) {
	c := ldap.Config{URL: s.required("url"), Plain: s.flag("plain"), BindDN: s.required("bind_dn"), Password: s.secret("password_ref"), CA: s.roots("ca_file"),
		PeopleBase: s.required("people_base"), GroupsBase: s.required("groups_base"), AccountAttribute: s.text("account_attribute"),
		MemberAttribute: s.text("member_attribute"), ObjectClass: s.text("object_class"), Placeholder: s.text("placeholder"), AccessLog: s.text("access_log"), Timeout: s.duration("timeout"),
		Lineage: s.flag("lineage"), PersistentSearch: s.flag("persistent_search"),
		Dialect: s.text("dialect"), Lingers: s.duration("lingers")}
	if s.done() {
		return nil, nil
	}
	return ldap.New(c)
}

func newPostgres(s *settings) (connector.Connector, error) {
	c := postgres.Config{URL: s.required("url"), Plain: s.flag("plain"), User: s.required("user"), Password: s.secret("password_ref"),
		CA: s.roots("ca_file"), Timeout: s.duration("timeout")}
	if s.done() {
		return nil, nil
	}
	return postgres.New(c)
}

func newGitea(s *settings) (connector.Connector, error) {
	c := gitea.Config{URL: s.required("url"), Token: s.secret("token_ref"), CA: s.roots("ca_file"), Timeout: s.duration("timeout"),
		Lingers: s.duration("lingers"), NoLFS: s.flag("no_lfs")}
	if s.text("reader_token_ref") != "" {
		c.AdminToken = s.secret("reader_token_ref")
	}
	if s.text("issuer_token_ref") != "" {
		c.IssuerToken = s.secret("issuer_token_ref")
	}
	if s.done() {
		return nil, nil
	}
	return gitea.New(c)
}

// newKubernetes is known to the cluster by a token, or by a client certificate.
func newKubernetes(s *settings) (connector.Connector, error) {
	c := kubernetes.Config{URL: s.required("url"), CA: s.roots("ca_file"), Timeout: s.duration("timeout"), Lingers: s.duration("lingers")}
	s.required("ca_file")
	if s.text("certificate_ref") != "" || s.text("key_ref") != "" {
		c.Certificate, c.Key = s.secret("certificate_ref"), s.secret("key_ref")
	}
	if s.text("token_ref") != "" || c.Certificate == nil {
		c.Token = s.secret("token_ref")
	}
	var reader func() string
	if s.text("reader_token_ref") != "" {
		reader = s.secret("reader_token_ref")
	}
	deployments := s.flag("deployments")
	if deployments && reader == nil {
		s.wrong("\"deployments\" needs \"reader_token_ref\", the account that reads them")
	}
	if s.done() {
		return nil, nil
	}
	switch k, err := kubernetes.New(c); {
	case err != nil:
		return nil, err
	case deployments:
		return k.Deployed(reader), nil
	case reader != nil:
		return k.Reading(reader), nil
	default:
		return k, nil
	}
}

func newOpenSSH(s *settings) (connector.Connector, error) {
	c := openssh.Config{Address: s.required("address"), User: s.required("user"), Key: s.secret("key_ref"), HostKeys: s.required("host_keys"),
		CA: s.secret("ca_ref"), Timeout: s.duration("timeout")}
	if s.done() {
		return nil, nil
	}
	return openssh.New(c)
}

// newExec runs the program in the folder of the configuration. What it gets as
// its environment stands under env_: env_region is REGION, and env_token_ref is
// TOKEN with the secret that the reference leads to.
func newExec(s *settings) (connector.Connector, error) {
	c := exec.Config{Program: s.required("program"), Args: s.texts("args"), Dir: s.config.Dir, Env: map[string]string{}, Secrets: map[string]func() string{},
		Timeout: s.duration("timeout"), Log: s.log.With("system", s.system.ID),
		Target:  connector.Capabilities{Batch: s.number("batch"), Effective: s.flag("effective"), Sessions: s.flag("sessions"), Fences: s.flag("fences"), Lingers: s.duration("lingers")},
		Besides: exec.Besides{Accounts: s.flag("accounts"), Authors: s.flag("authors"), Traces: s.flag("traces"), Credentials: s.flag("credentials"), Follows: s.flag("follows")}}
	for key := range s.system.Settings {
		name, ok := strings.CutPrefix(key, "env_")
		if !ok {
			continue
		}
		if secret, ok := strings.CutSuffix(name, "_ref"); ok {
			c.Secrets[strings.ToUpper(secret)] = s.secret(key)
		} else {
			c.Env[strings.ToUpper(name)] = s.text(key)
		}
	}
	if s.done() {
		return nil, nil
	}
	if err := c.Find(); err != nil {
		s.warn("%v", err)
	}
	return exec.New(c)
}

func newManual(s *settings) (connector.Connector, error) {
	c := manual.Config{Asked: s.required("asked_file"), Holdings: s.required("holdings_file"), MaxAge: s.duration("max_age")}
	if s.done() {
		return nil, nil
	}
	return manual.New(c)
}

// connectors makes the connector of every system. It connects to nothing;
// everything wrong with any system's settings comes in one error. A secret that
// cannot be read now is a warning: it may be there later, and the other systems
// must not wait for it.
func connectors(c *config.Config, log *slog.Logger, on *roster) (made map[string]connector.Connector, warnings []string, err error) {
	made = map[string]connector.Connector{}
	var problems access.Problems
	for _, id := range c.Directory.Systems() {
		sys, _ := c.Directory.System(id)
		s := &settings{system: sys, config: c, log: log, roster: on, read: map[string]bool{}}
		build, ok := adapters[sys.Connector]
		if !ok {
			s.wrong("there is no connector %q; there is %s", sys.Connector, strings.Join(slices.Sorted(maps.Keys(adapters)), ", "))
			problems = append(problems, s.problems...)
			continue
		}
		target, err := build(s)
		warnings = append(warnings, s.warnings...)
		if err != nil {
			s.wrong("%v", err)
		}
		if len(s.problems) > 0 {
			problems = append(problems, s.problems...)
			continue
		}
		made[id] = target
	}
	if len(problems) == 0 {
		return made, warnings, nil
	}
	for _, t := range made {
		_ = t.Close() // nothing was connected yet
	}
	return nil, warnings, problems
}

// settings reads one system's settings, or a secret store's, and notes which were asked for.
type settings struct {
	system   access.System
	config   *config.Config
	log      *slog.Logger
	roster   *roster
	read     map[string]bool
	store    bool // of stores.yaml: system has its id, kind and settings
	feed     bool // of feeds.yaml, likewise
	problems access.Problems
	warnings []string
}

func (s *settings) problem(format string, args ...any) access.Problem {
	if s.store {
		return s.config.StoreProblem(s.system.ID, "secret store "+s.system.ID+": "+format, args...)
	}
	if s.feed {
		return s.config.FeedProblem(s.system.ID, "feed "+s.system.ID+": "+format, args...)
	}
	return s.config.SystemProblem(s.system.ID, "system "+s.system.ID+": "+format, args...)
}

func (s *settings) wrong(format string, args ...any) {
	s.problems = append(s.problems, s.problem(format, args...))
}

func (s *settings) warn(format string, args ...any) {
	s.warnings = append(s.warnings, s.problem(format, args...).String())
}

// done reports settings nobody asked for, and tells whether anything is wrong.
func (s *settings) done() bool {
	what := "connector"
	if s.store {
		what = "a secret store of kind"
	} else if s.feed {
		what = "a feed of kind"
	}
	for _, key := range slices.Sorted(maps.Keys(s.system.Settings)) {
		if !s.read[key] {
			s.wrong(what+" %s has no setting %q; it has %s", s.system.Connector, key, strings.Join(slices.Sorted(maps.Keys(s.read)), ", "))
		}
	}
	return len(s.problems) > 0
}

func (s *settings) text(key string) string {
	s.read[key] = true
	return s.system.Settings[key]
}

func (s *settings) required(key string) string {
	v := s.text(key)
	if v == "" {
		s.wrong("setting %q is needed", key)
	}
	return v
}

func (s *settings) flag(key string) bool {
	switch v := s.text(key); v {
	case "true":
		return true
	case "", "false":
	default:
		s.wrong("%s is true or false, not %q", key, v)
	}
	return false
}

// texts is a JSON array of texts: nothing splits or unquotes what stands in it.
func (s *settings) texts(key string) (list []string) {
	v := s.text(key)
	if v == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(v), &list); err != nil {
		s.wrong("%s is a JSON array of texts, such as '[\"--site\", \"test\"]': %v", key, err)
	}
	return list
}

func (s *settings) number(key string) int {
	v := s.text(key)
	if v == "" {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		s.wrong("%s is a number from 1, not %q", key, v)
	}
	return n
}

func (s *settings) duration(key string) time.Duration {
	v := s.text(key)
	if v == "" {
		return 0
	}
	d, err := time.ParseDuration(v)
	if err != nil || d <= 0 {
		s.wrong("%s is not a time such as 30s", key)
	}
	return d
}

// secret is read anew for every use, so that it can be rotated; one that cannot
// be read is empty, and connectors send nothing with an empty secret.
func (s *settings) secret(key string) func() string {
	ref := s.required(key)
	if name, ok := strings.CutPrefix(ref, "file:"); ok && !filepath.IsAbs(name) {
		ref = "file:" + filepath.Join(s.config.Dir, name)
	}
	if s.system.Settings[key] != "" {
		if _, err := secret.Open(ref); err != nil {
			s.warn("%s: %v", key, err)
		}
	}
	return func() string {
		v, err := secret.Open(ref)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(v.Reveal())
	}
}

// roots reads the certificates a target is trusted by; without the setting they are the system's.
func (s *settings) roots(key string) *x509.CertPool {
	name := s.text(key)
	if name == "" {
		return nil
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(s.config.Dir, name)
	}
	pem, err := os.ReadFile(name)
	if err != nil {
		s.wrong("%s: %v", key, err)
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		s.wrong("%s: %s holds no certificate", key, name)
	}
	return pool
}
