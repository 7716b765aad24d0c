package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/lessor-iam/lessor/internal/access"
)

// Held is what questions about a credential read.
type Held struct {
	Now       time.Time
	Directory *access.Directory
	ID        string // of its plan, or as the inventory knows it
	Kind      string
	System    string
	Holder    string // the identity whose account it lets in; empty where that is nobody's
	Planned   bool
}

// MayKeep answers whether somebody may have that done to a credential: one of
// [QuestionRotate], [QuestionRetire] and [QuestionCompromised].
func (s *Set) MayKeep(c Held, by access.Actor, question string) access.Decision {
	if why := (&Facts{Now: c.Now, Directory: c.Directory}).unusable(); why != "" {
		return s.cannot(question, &Facts{Now: c.Now}, why)
	}
	if question != QuestionRotate && question != QuestionRetire && question != QuestionCompromised {
		return s.cannot(question, &Facts{Now: c.Now}, "that is no question about a credential")
	}
	d := s.decide(s.factsOf(c.Directory, c.Now, c.resource(s)), ask(question, by.Identity, c.Now))
	if len(d.Rules) == 0 && len(d.Errors) == 0 {
		d.Why = fmt.Sprintf("no rule permits %s to %s %s", by.Identity, question, c.ID)
	}
	return d
}

// resource builds the credential as Cedar reads it.
func (c Held) resource(s *Set) *built {
	sys, _ := c.Directory.System(c.System)
	who := hands{}
	if c.Holder != "" {
		who = s.snapshot(c.Directory).handsOf(c.Holder)
	}
	if id, ok := c.Directory.Identity(c.Holder); ok && id.Contract != nil && id.Contract.Deputy != "" {
		who.ids = append(slices.Clone(who.ids), c.Directory.PersonOf(id.Contract.Deputy))
	}
	b := &built{entity: cedar.Entity{
		UID: uid(credentialType, c.ID), Parents: types.NewEntityUIDSet(uid(systemType, c.System)),
		Attributes: types.NewRecord(types.RecordMap{
			"kind": types.String(c.Kind), "planned": types.Boolean(c.Planned), "holder": uid(identityType, c.Holder),
			"entitlement": uid(entitlementType, ""), "owner": uid(identityType, sys.Owner), "hands": uids(identityType, who.ids),
		}),
	}}
	var w writer
	w.texts("credential", c.ID, c.Kind, c.System, c.Holder, sys.Owner, fmt.Sprint(c.Planned))
	w.list(who.ids)
	b.sum = w.sum()
	b.err = s.fits(b.entity)
	return b
}
