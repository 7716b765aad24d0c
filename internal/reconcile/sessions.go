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
	open, can := connector.As[connector.Sessions](l.Connector)
	var gone []*step
	for _, s := range b.steps {
		if justGone(s) {
			gone = append(gone, s)
		}
	}
	may := b.mayBeOpen(ctx, l, gone)
	for _, s := range gone {
		switch {
		case caps.Sessions && can:
			if may == nil || may[s.ref] {
				s.end(ctx, l, open)
			}
		case caps.Lingers > 0:
			s.out.Sessions, s.out.Until = 1, s.out.LookAt.Add(caps.Lingers)
		}
	}
}

// justGone tells whether a removal was seen.
func justGone(s *step) bool {
	return !s.task.Want && s.task.Act && s.out.Looked && !s.out.Direct && !s.out.Effective
}

// mayBeOpen asks about all of them at once where the target can be asked so, for
// most have none. nil: nothing is known, and each is asked about.
func (b *batch) mayBeOpen(ctx context.Context, l *Lane, gone []*step) map[connector.Ref]bool {
	many, can := connector.As[connector.SessionsOfMany](l.Connector)
	if !can || len(gone) < 2 {
		return nil
	}
	refs := make([]connector.Ref, len(gone))
	for i, s := range gone {
		refs[i] = s.ref
	}
	ctx, cancel := context.WithTimeout(ctx, min(l.Pace.Call, b.lease.Sub(l.Now())-l.Pace.Call/4))
	defer cancel()
	may, err := many.MayBeOpen(ctx, refs)
	if err != nil {
		return nil
	}
	return may
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
