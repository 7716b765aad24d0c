package access

import (
	"slices"
	"strings"
	"time"
	"unicode"
)

// Registration is a workload or an agent that somebody proposes to write down. It
// counts once its owner has accepted it; nobody is made to answer for anything.
type Registration struct {
	ID       string    `json:"id"`
	Identity Identity  `json:"identity"` // as it would be, its owner in it
	By       string    `json:"by"`       // who proposed it
	Finding  string    `json:"finding,omitempty"`
	Reason   string    `json:"reason"`
	At       time.Time `json:"at"`
	Decided  time.Time `json:"decided,omitzero"` // by its owner; or taken back
	Accepted bool      `json:"accepted,omitempty"`
	Note     string    `json:"note,omitempty"`
}

// MachineAccount is an account that is, or seems to be, no person's, as readings saw it.
type MachineAccount struct {
	System   string    `json:"system"`
	Name     string    `json:"name"`
	Used     time.Time `json:"used,omitzero"`      // zero: the target does not tell
	PersonAt time.Time `json:"person_at,omitzero"` // when a person was last seen using it
	PersonBy string    `json:"person_by,omitempty"`
	Programs []string  `json:"programs,omitempty"` // that were last seen using it
	Exposed  []string  `json:"exposed,omitempty"`  // how what acts as it is deployed so that something is given away
	Proposed string    `json:"proposed,omitempty"` // of one that nobody answers for: who might, and why
	Why      string    `json:"why,omitempty"`
	Seen     time.Time `json:"seen"`
}

// The findings about workloads, their accounts and credentials.
const (
	WorkloadUnregistered = "workload_unregistered"
	WorkloadUnowned      = "workload_unowned"
	WorkloadUnused       = "workload_unused"
	WorkloadOverpowered  = "workload_overpowered"
	WorkloadShared       = "workload_shared"
	WorkloadByPerson     = "workload_used_by_person"
	WorkloadProduction   = "workload_reaches_production"
	WorkloadThirdParty   = "workload_third_party"
	WorkloadUnreviewed   = "workload_unreviewed"
	WorkloadUnending     = "workload_secret_unending"
	WorkloadOverdue      = "workload_rotation_overdue"
	WorkloadWeak         = "workload_secret_weak"
	WorkloadExposed      = "workload_exposed"
)

// WorkloadKinds are those about a workload itself, with what OWASP's list of
// non-human identity risks (2025) calls them.
var WorkloadKinds = map[string]string{
	WorkloadUnowned: "NHI1", WorkloadUnused: "NHI1", WorkloadThirdParty: "NHI3", WorkloadUnreviewed: "NHI1", WorkloadWeak: "NHI4",
	WorkloadOverpowered: "NHI5", WorkloadExposed: "NHI6", WorkloadUnending: "NHI7", WorkloadOverdue: "NHI7", WorkloadProduction: "NHI8",
	WorkloadShared: "NHI9", WorkloadByPerson: "NHI10",
}

// machineWords are parts of names that people give to accounts of programs, and not to those of people.
var machineWords = []string{"agent", "api", "app", "automation", "backup", "batch", "bot", "cd", "ci", "cron", "daemon", "deploy", "deployer", "etl",
	"exporter", "gateway", "ingest", "integration", "job", "monitor", "monitoring", "pipeline", "proxy", "replicator", "robot", "runner", "sa", "scanner",
	"scheduler", "service", "serviceaccount", "srv", "svc", "sync", "webhook", "worker"}

// LooksMachine tells whether an account's name is one that is given to programs.
func LooksMachine(name string) bool {
	words := strings.FieldsFunc(strings.ToLower(name), func(c rune) bool { return !unicode.IsLetter(c) })
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(machineWords, w) })
}
