package reconcile

import (
	"context"
	"fmt"

	"github.com/lessor-iam/lessor/internal/connector"
)

// sessions deals with what outlives a removal: where the target can, every
// session that could still use what was just seen gone is ended, and the list
// read again; where it cannot, the outcome says until when one may last. A list
// that cannot be read leaves the removal unsettled: nothing is known.
func (b *batch) sessions(ctx context.Context, l *Lane) {
	caps := l.Connector.Capabilities()
	open, can := l.Connector.(connector.Sessions)
	for _, s := range b.steps {
		if s.task.Want || !s.task.Act || !s.out.Looked || s.out.Direct || s.out.Effective {
			continue
		}
		switch {
		case caps.Sessions && can:
			s.end(ctx, l, open)
		case caps.Lingers > 0:
			s.out.Sessions, s.out.Until = 1, s.out.LookAt.Add(caps.Lingers)
		}
	}
}

// end ends one holding's sessions within the time of a call.
func (s *step) end(ctx context.Context, l *Lane, open connector.Sessions) {
	ctx, cancel := context.WithTimeout(ctx, min(l.Pace.Call, s.task.LeaseUntil.Sub(l.Now())-l.Pace.Call/4))
	defer cancel()
	list, err := open.ListSessions(ctx, s.ref)
	for _, one := range list {
		if ended := open.EndSession(ctx, one); ended != nil {
			s.trouble("end session "+one.ID+": ", ended)
		}
	}
	if err == nil && len(list) > 0 {
		list, err = open.ListSessions(ctx, s.ref)
	}
	if err != nil {
		s.out.Looked = false
		s.trouble("sessions: ", err)
		return
	}
	if s.out.Sessions = len(list); len(list) > 0 && s.out.Trouble == "" {
		s.out.Trouble = fmt.Sprintf("%d sessions opened before the removal are still open", len(list))
	}
}
