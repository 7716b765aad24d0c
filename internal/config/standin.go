package config

import (
	"slices"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/yaml"
)

// StandIn is how long one person may answer for another, and when a stage of a request
// has waited too long.
type StandIn struct {
	DelegateLongest time.Duration
	EscalateAfter   map[string]time.Duration // by class; "" for any other; zero: never
}

const (
	anyOther        = "other"
	longestDelegate = 90 * day
	longestWait     = 30 * day
)

// readStandIn reads delegate_longest and escalate_after. A wait is by the class of what is
// asked for: a stage for something dangerous is noticed sooner.
func (d *files) readStandIn(f fields, order []string) StandIn {
	s := StandIn{DelegateLongest: f.term("delegate_longest", access.Term(30*day)).D(),
		EscalateAfter: map[string]time.Duration{"standard": 8 * time.Hour, "": 4 * time.Hour}}
	if s.DelegateLongest > longestDelegate {
		f.problem("delegate_longest", "delegate_longest must be at most %s: what is lent for longer is given away", access.Term(longestDelegate))
	}
	v, ok := f.value("escalate_after")
	if !ok || v.Kind == yaml.Null {
		return s
	}
	keys := append(slices.Clone(order), anyOther)
	if len(order) == 0 {
		keys = append(slices.Clone(classes), anyOther)
	}
	in, ok := d.fieldsOf(f.file, v, "escalate_after", keys...)
	if !ok {
		return s
	}
	for _, key := range keys {
		if !in.has(key) {
			continue
		}
		class := key
		if key == anyOther {
			class = ""
		}
		s.EscalateAfter[class] = in.duration(key, 0, 0, longestWait)
	}
	return s
}
