package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"

	"github.com/lessor-iam/lessor/internal/access"
)

// Remedy is what is done about something that was found.
type Remedy string

const (
	Alert  Remedy = "alert"  // people are told, and have the next move
	Adopt  Remedy = "adopt"  // it is asked for, and decided as any other request
	Remove Remedy = "remove" // it is taken away, by the ordinary loop
	Accept Remedy = "accept" // somebody lets it be, for a reason; never by itself
)

// readRemedy reads @remedy. Only a rule for the question remedy alone can say one:
// elsewhere it would be silently without effect.
func (r *rule) readRemedy(notes cedar.Annotations, say func(string, ...any)) {
	text, has := notes["remedy"]
	switch asked := slices.Equal(r.Questions, []string{QuestionRemedy}); {
	case !asked && slices.Contains(r.Questions, QuestionRemedy):
		say("a rule for remedy is for remedy alone")
	case has && (!asked || r.Effect != "permit"):
		say("@remedy stands only on rules that permit a remedy")
	case !asked || r.Effect != "permit":
	case !has:
		say("the rule permits a remedy without saying which; say @remedy(\"adopt\") or @remedy(\"remove\")")
	default:
		if r.Remedy = Remedy(text); r.Remedy != Adopt && r.Remedy != Remove {
			say("@remedy(%q) is neither adopt nor remove; to be told and no more, write no rule", text)
		}
	}
}

// Found is what questions about a finding read.
type Found struct {
	Now         time.Time
	Directory   *access.Directory
	Finding     access.Finding
	System      string
	Entitlement string // empty where it is about none
	Holder      string // the identity whose account it is about; empty where nobody is known
}

// Remedy answers what is done by itself about access nobody granted. Silence, an
// error and rules that differ all mean that people are told and nothing is done.
func (s *Set) Remedy(f Found) (Remedy, access.Decision) {
	if why := (&Facts{Now: f.Now, Directory: f.Directory}).unusable(); why != "" {
		return Alert, s.cannot(QuestionRemedy, &Facts{Now: f.Now}, why)
	}
	d := s.decide(s.factsOf(f.Directory, f.Now, f.resource(s)), ask(QuestionRemedy, f.Holder, f.Now))
	if !d.Allow {
		if len(d.Rules) == 0 && len(d.Errors) == 0 {
			d.Why = "no rule says what is done about it"
		}
		return Alert, d
	}
	var named []string
	for _, shown := range d.Rules {
		named = append(named, string(s.byKey[cedar.PolicyID(shown.ID)].Remedy))
	}
	slices.Sort(named)
	if named = slices.Compact(named); len(named) > 1 {
		return Alert, refuse(d, "the rules name different remedies (%s)", strings.Join(named, ", "))
	}
	return Remedy(named[0]), d
}

// MaySettle answers whether somebody may settle a finding so.
func (s *Set) MaySettle(f Found, by access.Actor, how Remedy) access.Decision {
	if why := (&Facts{Now: f.Now, Directory: f.Directory}).unusable(); why != "" {
		return s.cannot(QuestionSettle, &Facts{Now: f.Now}, why)
	}
	d := s.decide(s.factsOf(f.Directory, f.Now, f.resource(s)), ask(QuestionSettle, by.Identity, f.Now).withText("remedy", string(how)))
	if len(d.Rules) == 0 && len(d.Errors) == 0 {
		d.Why = fmt.Sprintf("no rule permits %s to %s what finding %s is about", by.Identity, how, f.Finding.ID)
	}
	return d
}

// resource builds the finding as Cedar reads it.
func (f Found) resource(s *Set) *built {
	from := s.snapshot(f.Directory)
	of := from.entitlement(types.String(f.Entitlement))
	place := of.place
	if _, known := f.Directory.Entitlement(f.Entitlement); !known {
		place = types.NewEntityUIDSet(of.entity.UID, uid(systemType, f.System))
	}
	who := hands{}
	if f.Holder != "" {
		who = from.handsOf(f.Holder)
	}
	b := &built{class: of.class, entity: cedar.Entity{
		UID: uid(findingType, f.Finding.Kind+" "+f.Finding.Subject), Parents: place,
		Attributes: types.NewRecord(types.RecordMap{
			"kind": types.String(f.Finding.Kind), "entitlement": of.entity.UID, "owner": uid(identityType, f.Finding.Owner), "hands": uids(identityType, who.ids),
		}),
	}}
	var w writer
	w.texts("finding", f.Finding.Kind, f.Finding.Subject, f.Finding.Owner, f.System, f.Entitlement, f.Holder)
	w.list(who.ids)
	w.buf = append(w.buf, of.sum[:]...)
	b.sum = w.sum()
	b.err = s.fits(b.entity)
	return b
}
