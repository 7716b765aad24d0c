package config

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// same is what of a folder must be so on every replica that shares a database. Where
// each listens, and where it keeps what is its own, may differ; so may the paths.
type same struct {
	Files                               map[string]string // every file but lessor.yaml -> digest of its text
	AnswerWithin, ProvisionWithin       time.Duration
	Backstop, Inventory                 time.Duration
	Pace                                access.Pace
	DelegateLongest                     time.Duration
	EscalateAfter                       map[string]time.Duration
	GlassGroup, GlassBundle, GlassOther string
	GlassEntitlements                   []string
	GlassLongest                        access.Term
	GlassMost                           int
	Classes, Tokens                     []string
}

// digestOf is the digest of what was read.
func (d *files) digestOf(c *Config) string {
	s := same{Files: d.texts, AnswerWithin: c.AnswerWithin, ProvisionWithin: c.ProvisionWithin, Backstop: c.Backstop, Inventory: c.Inventory,
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
	return access.Digest(s)
}

// keep notes the text of a file that is the same everywhere.
func (d *files) keep(name string, text []byte) {
	if d.texts == nil {
		d.texts = map[string]string{}
	}
	sum := sha256.Sum256(text)
	d.texts[name] = hex.EncodeToString(sum[:])
}
