package config

import (
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
)

type (
	duty struct {
		access.Duty
		apart      []item
		exceptions []exception
		f          fields
	}
	exception struct {
		access.Exception
		f fields
	}
)

var (
	dutyKeys      = []string{"id", "apart", "mode", "exceptions"}
	exceptionKeys = []string{"identity", "owner", "reason", "end"}
	dutyModes     = []string{access.DutyRefuse, access.DutyDrop}
)

func (d *files) readDuty(f fields) {
	x := duty{f: f, apart: f.texts("apart")}
	x.Duty = access.Duty{ID: f.required("id", "a duty"), Apart: plainTexts(x.apart), Mode: f.text("mode")}
	if !f.has("mode") {
		x.Mode = access.DutyRefuse
	}
	every(f, "exceptions", "an exception", exceptionKeys, func(f fields) {
		x.exceptions = append(x.exceptions, exception{f: f, Exception: access.Exception{Duty: x.ID, Identity: f.required("identity", "an exception"),
			Owner: f.required("owner", "an exception"), Reason: f.required("reason", "an exception"), End: f.day("end", true)}})
	})
	d.duties = append(d.duties, x)
}

// checkDuty holds that a duty keeps apart what there is, and that every exception
// is somebody else's word, and ends.
func (d *files) checkDuty(x *duty) {
	if len(x.apart) < 2 {
		x.f.problem("apart", "duty %q needs apart: two entitlements or more, of which one person may hold one", access.Brief(x.ID))
	}
	for _, a := range x.apart {
		refer(d, a.at, "apart", "entitlement", a.text, d.known.entitlements)
	}
	if !slices.Contains(dutyModes, x.Mode) {
		x.f.problem("mode", "there is no mode %q: it must be one of %s%s", access.Brief(x.Mode), strings.Join(dutyModes, ", "), d.instead(x.Mode, slices.Values(dutyModes)))
	}
	for n := range x.exceptions {
		d.checkException(&x.exceptions[n])
		x.Exceptions = append(x.Exceptions, x.exceptions[n].Exception)
	}
}

func (d *files) checkException(e *exception) {
	if !e.f.has("end") {
		e.f.problem("end", "an exception needs end: the last day or moment at which it holds")
	}
	if e.Reason != "" && strings.TrimSpace(e.Reason) == "" {
		e.f.problem("reason", "reason is empty")
	}
	var who, owner *identity
	var okWho, okOwner bool
	if e.Identity != "" {
		who, okWho = d.person(e.f.at("identity"), "identity", e.Identity)
	}
	if e.Owner != "" {
		if owner, okOwner = d.person(e.f.at("owner"), "owner", e.Owner); okOwner && d.inactive(owner) {
			d.absent(e.f.at("owner"), owner, "owner %q is inactive: an exception needs somebody who answers for it", access.Brief(e.Owner))
		}
	}
	if okWho && okOwner && d.personOf(who.ID) == d.personOf(owner.ID) {
		e.f.problem("owner", "nobody answers for an exception of their own: name somebody else than %q", access.Brief(e.Identity))
	}
}
