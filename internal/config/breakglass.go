package config

import (
	"regexp"
	"strconv"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/yaml"
)

// BreakGlass is who may take what without approval.
type BreakGlass struct {
	Group        string
	Entitlements []string
	Bundle       string
	Longest      access.Term
	Most         int
	Incident     *regexp.Regexp // nil: none is needed
	Security     string         // a group or a person
	StepUp       string
}

var glassKeys = []string{"group", "entitlements", "bundle", "longest", "most", "incident", "security", "step_up"}

const (
	longestGlass = access.Term(12 * time.Hour)
	mostGlass    = 30
)

// glass is a [BreakGlass] with its place.
type glass struct {
	BreakGlass
	entitlements []item
	f            fields
}

// readGlass reads break_glass; without it nobody is enrolled.
func (d *files) readGlass(f fields) *BreakGlass {
	v, ok := f.value("break_glass")
	if !ok || v.Kind == yaml.Null {
		return nil
	}
	in, ok := d.fieldsOf(f.file, v, "break_glass", glassKeys...)
	if !ok {
		return nil
	}
	g := &glass{f: in, entitlements: in.texts("entitlements")}
	g.BreakGlass = BreakGlass{Group: in.required("group", "break_glass"), Entitlements: plainTexts(g.entitlements), Bundle: in.text("bundle"),
		Longest: in.term("longest", access.Term(time.Hour)), Most: in.count("most", 3, mostGlass), Security: "security", StepUp: in.text("step_up")}
	if in.has("security") {
		g.Security = in.required("security", "break_glass")
	}
	if g.Longest <= 0 || g.Longest > longestGlass {
		in.problem("longest", "longest must be between 1s and %s: what is needed for longer is asked for", longestGlass)
	}
	if len(g.Entitlements) == 0 && g.Bundle == "" {
		d.problem(in.here(), "break_glass needs entitlements or a bundle: what may be opened")
	}
	if text := in.text("incident"); text != "" {
		pattern, err := regexp.Compile("^(?:" + text + ")$")
		if err != nil || len(text) > 200 {
			in.problem("incident", "incident must be a pattern of at most 200 characters that a reference fits, such as INC-[0-9]+")
		}
		g.Incident = pattern
	}
	if g.StepUp != "" && !idForm.MatchString(g.StepUp) {
		in.problem("step_up", "step_up %s", idRule)
	}
	d.glass = g
	return &g.BreakGlass
}

// checkGlass follows what break_glass names.
func (d *files) checkGlass() {
	g := d.glass
	if g == nil {
		return
	}
	if g.Group != "" {
		refer(d, g.f.at("group"), "group", "group", g.Group, d.known.groups)
	}
	for _, e := range g.entitlements {
		refer(d, e.at, "entitlements", "entitlement", e.text, d.known.entitlements)
	}
	if g.Bundle != "" {
		refer(d, g.f.at("bundle"), "bundle", "bundle", g.Bundle, d.known.bundles)
	}
	if _, group := d.known.groups[g.Security]; g.Security != "" && !group && !d.partial {
		if _, who := d.known.identities[g.Security]; !who && len(d.feeds) == 0 {
			d.problem(g.f.at("security"), "security: there is no group or person %q to tell", access.Brief(g.Security))
		} else if !who {
			d.anybody(g.f.at("security"), "security", g.Security)
		}
	}
}

// count reads a number from one up to most.
func (f fields) count(key string, absent, most int) int {
	v, ok := f.value(key)
	if !ok {
		return absent
	}
	n, err := strconv.Atoi(v.Text)
	if v.Kind != yaml.Number || err != nil || n < 1 || n > most {
		f.problem(key, "%s must be a number from 1 to %d", key, most)
		return absent
	}
	return n
}
