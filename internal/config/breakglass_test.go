package config

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// glassFolder is a folder whose lessor.yaml is this.
func glassFolder(settings string) fs.FS {
	return fstest.MapFS{
		settingsFile: {Data: []byte(settings)}, "policy/x.cedar": {},
		directoryFile: {Data: []byte("identities:\n- {id: ann, kind: person, name: Ann}\ngroups:\n- {id: oncall, members: [ann]}\n- {id: security, members: [ann]}\n")},
		catalogFile:   {Data: []byte("systems:\n- {id: db, connector: postgres, owner: ann}\nentitlements:\n- {id: \"db:root\", name: Root, object: root, owners: [ann], class: privileged, max_term: 8h}\n")},
	}
}

func TestBreakGlassSettings(t *testing.T) {
	t.Parallel()
	c, err := LoadFS(glassFolder("break_glass: {group: oncall, entitlements: [\"db:root\"], incident: \"INC-[0-9]+\", step_up: mfa}\nescalate_after: {standard: 2h, other: 0s}\ndelegate_longest: 7d\n"), "/etc/lessor")
	if err != nil {
		t.Fatal(err)
	}
	g := c.BreakGlass
	if g == nil || g.Group != "oncall" || g.Longest.D() != time.Hour || g.Most != 3 || g.Security != "security" || !g.Incident.MatchString("INC-7") || g.Incident.MatchString("INC-7 or so") {
		t.Errorf("%+v", g)
	}
	if s := c.StandIn; s.DelegateLongest != 7*day || s.EscalateAfter["standard"] != 2*time.Hour || s.EscalateAfter[""] != 0 {
		t.Errorf("%+v", s)
	}
	for settings, says := range map[string]string{
		"break_glass: {entitlements: [\"db:root\"]}":                                  "needs group",
		"break_glass: {group: oncall}":                                                "needs entitlements or a bundle",
		"break_glass: {group: nobody, entitlements: [\"db:root\"]}":                   `there is no group "nobody"`,
		"break_glass: {group: oncall, entitlements: [\"db:none\"]}":                   `there is no entitlement "db:none"`,
		"break_glass: {group: oncall, bundle: none}":                                  `there is no bundle "none"`,
		"break_glass: {group: oncall, entitlements: [\"db:root\"], longest: 2d}":      "longest must be between",
		"break_glass: {group: oncall, entitlements: [\"db:root\"], most: 0}":          "most must be a number",
		"break_glass: {group: oncall, entitlements: [\"db:root\"], incident: \"(\"}":  "incident must be a pattern",
		"break_glass: {group: oncall, entitlements: [\"db:root\"], security: nobody}": "no group or person",
		"break_glass: {group: oncall, entitlements: [\"db:root\"], anyone: true}":     "unknown key",
		"delegate_longest: 365d":                                                      "at most 90d",
		"escalate_after: {secret: 1h}":                                                "unknown key",
	} {
		_, err := LoadFS(glassFolder(settings+"\n"), "/etc/lessor")
		var problems access.Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", settings, err, says)
		}
	}
}
