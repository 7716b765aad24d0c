package config

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"path/filepath"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// same is what of lessor.yaml must be so on every replica that shares a database. Where
// each listens, and where it keeps what is its own, may differ; so may the paths.
type same struct {
	SecondPerson                        bool
	AnswerWithin, ProvisionWithin       time.Duration
	Backstop, Inventory                 time.Duration
	Pace                                access.Pace
	DelegateLongest                     time.Duration
	EscalateAfter                       map[string]time.Duration
	GlassGroup, GlassBundle, GlassOther string
	GlassEntitlements                   []string
	GlassLongest                        access.Term
	GlassMost                           int
	Classes, Tokens, Notify             []string
}

// sumsOf are the files that were read, each with the digest of its text; of lessor.yaml
// it is that of what of it is the same on every replica.
func (d *files) sumsOf(c *Config) map[string]string {
	s := same{SecondPerson: c.SecondPerson, AnswerWithin: c.AnswerWithin, ProvisionWithin: c.ProvisionWithin, Backstop: c.Backstop, Inventory: c.Inventory,
		Pace: c.Pace, DelegateLongest: c.StandIn.DelegateLongest, EscalateAfter: c.StandIn.EscalateAfter, Classes: c.Classes}
	if g := c.BreakGlass; g != nil {
		s.GlassGroup, s.GlassBundle, s.GlassEntitlements, s.GlassLongest, s.GlassMost = g.Group, g.Bundle, g.Entitlements, g.Longest, g.Most
		s.GlassOther = g.Security + "\n" + g.StepUp
		if g.Incident != nil {
			s.GlassOther += "\n" + g.Incident.String()
		}
	}
	for _, t := range c.Tokens {
		s.Tokens = append(s.Tokens, access.Digest(t))
	}
	for _, word := range c.Notify { // a program below the folder is meant, wherever that is
		s.Notify = append(s.Notify, strings.TrimPrefix(word, c.Dir+string(filepath.Separator)))
	}
	sums := map[string]string{settingsFile: strings.TrimPrefix(access.Digest(s), "sha256:")}
	maps.Copy(sums, d.texts)
	return sums
}

// keep notes the text of a file that is the same everywhere.
func (d *files) keep(name string, text []byte) {
	if d.texts == nil {
		d.texts = map[string]string{}
	}
	sum := sha256.Sum256(text)
	d.texts[name] = hex.EncodeToString(sum[:])
}
