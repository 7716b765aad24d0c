package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// The findings about signals. They are about an identity, an account ("SYSTEM NAME"),
// a transmitter or a receiver.
const (
	signalSuspended   = "signal_suspended"   // an identity is suspended by somebody else's word
	signalCompromised = "signal_compromised" // something of it is known to others, and it is none that is kept here
	signalNoted       = "signal_noted"       // what the files want people to be told of
	signalHeld        = "signal_held"        // a transmitter ended too much at once
	signalUnknown     = "signal_unknown"     // it speaks of many whom nobody knows
	signalStream      = "signal_stream"      // it says that it sends no more
)

const (
	signalHourly   = 20                  // suspensions and kills an hour, where nothing is said
	signOutsFor    = 10                  // so many times as many sign-outs
	manyUnknown    = 20                  // within a day
	signalKept     = 15 * 24 * time.Hour // a token is refused as too old long before
	mostHeld       = 500                 // signals that one word of a person heeds
	signalChannel  = "signal"
	heldSignalsFor = time.Hour // until they should be decided
)

// whom is whom a signal means.
type whom struct {
	identity string // empty: nobody we know
	system   string // where the account is; empty: it was named otherwise
	account  string
}

func (w whom) String() string {
	switch {
	case w.identity != "":
		return w.identity
	case w.system != "":
		return quoted(w.account) + " at " + w.system
	}
	return "somebody unknown"
}

// Signalled takes what a transmitter says has happened, once. It can end access and
// sign-ins, and can take back its own word that somebody is suspended; it grants
// nothing and decides nothing. Whether its token was right is its door's to check; who
// may say what, and of whom, is asked here. It returns what was done.
func (e *Engine) Signalled(ctx context.Context, s access.Signal) (did string, err error) {
	by := access.Actor{Identity: signalChannel + ":" + s.Transmitter, Channel: signalChannel}
	err = e.do(ctx, "signalled", by, func(d *deed) error {
		// 1. From whom, and once.
		t, ok := e.Signals().Transmitter(s.Transmitter)
		if !ok {
			return fmt.Errorf("%w: transmitter %.80q", access.ErrNotFound, s.Transmitter)
		}
		switch was, err := d.Heard(ctx, t.ID, s.JTI); {
		case err == nil:
			did = was.Did
			return nil
		case !errors.Is(err, access.ErrNotFound):
			return err
		}
		if err := d.ForgetHeard(ctx, d.now); err != nil {
			return err
		}
		// 2. Of whom, and what follows.
		w := d.whom(t, s.Subject)
		if did, err = d.signalled(ctx, t, s, w, false); err != nil {
			return err
		}
		// 3. It was heard.
		s.At = s.At.UTC().Truncate(time.Microsecond)
		h := access.Heard{Signal: s, Identity: w.identity, Did: did, Heard: d.now, Forget: d.now.Add(signalKept)}
		if err := d.AddHeard(ctx, h); err != nil {
			return err
		}
		return d.tellHeard(ctx, h, w)
	})
	return did, err
}

// tellHeard tells of a signal that was heeded. Of whom we know nothing, and what nobody
// wants to hear, the log does not grow: a transmitter may speak of the whole world.
func (d *deed) tellHeard(ctx context.Context, h access.Heard, w whom) error {
	if h.Did == access.DidNotKnow || h.Did == access.DidIgnore {
		return nil
	}
	ev := d.event("signal." + h.Did)
	ev.To, ev.Note = h.Did, fmt.Sprintf("%s says %s of %s (%s)", h.Transmitter, h.Event, w, plain(h.JTI))
	return d.tell(ctx, ev)
}

// whom finds whom a subject means. An address that two people share is nobody's.
func (d *deed) whom(t access.Transmitter, s access.SignalSubject) (w whom) {
	dir := d.world.Directory
	for _, r := range t.Subjects {
		name, ok := r.Account(s)
		if !ok {
			continue
		}
		if r.Format == access.SubjectEmail {
			if list := d.alikeHere("mail", name); len(list) == 1 {
				return whom{identity: list[0]}
			}
			continue
		}
		found := whom{system: r.At, account: name}
		if id, ok := dir.ByAccount(r.At, name); ok {
			found.identity = id
			return found
		}
		if w.system == "" {
			w = found
		}
	}
	return w
}

// signalled does what follows from one signal. By a person's word the brake is off.
func (d *deed) signalled(ctx context.Context, t access.Transmitter, s access.Signal, w whom, allowed bool) (string, error) {
	note := fmt.Sprintf("%s says %s (%s)", t.ID, s.Event, plain(s.JTI))
	// 1. What is about the stream and nobody.
	switch s.Event {
	case access.SignalVerification:
		return access.DidNothing, nil
	case access.SignalStream:
		return d.streamUpdated(ctx, t, s)
	}
	// 2. What the files have heeded.
	if slices.Contains(t.Finds, s.Event) && s.Event != "" {
		return d.noteSignal(ctx, t, s, w)
	}
	if !slices.Contains(t.Heeds, s.Event) || s.Event == "" {
		return access.DidIgnore, nil
	}
	// 3. Whom we know.
	keeps := ""
	if s.Event == access.SignalCompromise || s.Event == access.SignalCredentialChange && (s.Change == "revoke" || s.Change == "delete") {
		var err error
		if keeps, err = d.keptAt(ctx, w, s.Credential); err != nil {
			return "", err
		}
	}
	if w.identity == "" && keeps == "" {
		return access.DidNotKnow, d.manyUnknown(ctx, t)
	}
	// 4. What follows.
	switch s.Event {
	case access.SignalDisabled, access.SignalPurged:
		return d.suspend(ctx, t, s, w, note, allowed)
	case access.SignalEnabled:
		return d.unsuspend(ctx, t, s, w, note)
	case access.SignalCompromise:
		return d.leaked(ctx, t, w, keeps, note, allowed, true)
	case access.SignalCredentialChange:
		if s.Change != "revoke" && s.Change != "delete" {
			return access.DidNothing, nil
		}
		return d.leaked(ctx, t, w, keeps, note, allowed, false)
	case access.SignalSessionRevoked:
		return d.signedOut(ctx, t, w, allowed)
	}
	return access.DidIgnore, nil
}

// streamUpdated tells people that a transmitter has stopped, or goes on.
func (d *deed) streamUpdated(ctx context.Context, t access.Transmitter, s access.Signal) (string, error) {
	if s.Status == "enabled" {
		return access.DidNothing, d.settleFinding(ctx, signalStream, t.ID, "it says that it sends again")
	}
	return access.DidFind, d.finding(ctx, access.Finding{Kind: signalStream, Subject: t.ID, Owner: "security", DueAt: d.now.Add(24 * time.Hour),
		Text: fmt.Sprintf("Transmitter %s says that it sends no more signals (%s). Whose account is disabled there, nobody hears here.", t.ID, quoted(s.Status))})
}

// noteSignal tells people of what is not heeded by itself.
func (d *deed) noteSignal(ctx context.Context, t access.Transmitter, s access.Signal, w whom) (string, error) {
	if w.identity == "" {
		return access.DidNotKnow, d.manyUnknown(ctx, t)
	}
	return access.DidFind, d.finding(ctx, access.Finding{Kind: signalNoted, Subject: w.identity + " " + s.Event, Owner: "security", DueAt: d.now.Add(72 * time.Hour),
		Text: fmt.Sprintf("%s says %s of %s, at %s. Nothing was done.", t.ID, s.Event, w, s.At.UTC().Format(time.RFC3339))})
}

// manyUnknown finds that a transmitter speaks of many whom nobody knows: its subjects
// may mean something else than the files say.
func (d *deed) manyUnknown(ctx context.Context, t access.Transmitter) error {
	n, err := d.HeardSince(ctx, t.ID, access.DidNotKnow, d.now.Add(-24*time.Hour))
	if err != nil || n+1 < manyUnknown {
		return err
	}
	return d.finding(ctx, access.Finding{Kind: signalUnknown, Subject: t.ID, Owner: "security", DueAt: d.now.Add(72 * time.Hour),
		Text: fmt.Sprintf("Transmitter %s spoke of %d accounts within a day of which nobody here knows whose they are. Nothing was done of that; the subjects in signals.yaml may mean something else.", t.ID, n+1)})
}

// braked tells whether a transmitter has ended as much within an hour as it may, and
// has people told. One that is not ours any more can end no more than that.
func (d *deed) braked(ctx context.Context, t access.Transmitter, most int, dids ...string) (bool, error) {
	n := 0
	for _, did := range dids {
		some, err := d.HeardSince(ctx, t.ID, did, d.now.Add(-time.Hour))
		if err != nil {
			return false, err
		}
		n += some
	}
	if n < most {
		return false, nil
	}
	return true, d.held(ctx, t, fmt.Sprintf("Transmitter %s has ended %d within an hour, as many as it may. What it says beyond that is held.", t.ID, n))
}

// held has people told that signals wait for their word.
func (d *deed) held(ctx context.Context, t access.Transmitter, text string) error {
	return d.finding(ctx, access.Finding{Kind: signalHeld, Subject: t.ID, Owner: "security", DueAt: d.now.Add(heldSignalsFor),
		Text: text + " If it is right, have it heeded; if not, take the transmitter out of signals.yaml, and its words back."})
}

func hourly(t access.Transmitter) int {
	if t.Hourly > 0 {
		return t.Hourly
	}
	return signalHourly
}

// signedOut ends the sign-ins of an identity at our own doors, and nothing else.
func (d *deed) signedOut(ctx context.Context, t access.Transmitter, w whom, allowed bool) (string, error) {
	if !allowed {
		if held, err := d.braked(ctx, t, hourly(t)*signOutsFor, access.DidSignOut); held || err != nil {
			return access.DidHold, err
		}
	}
	n, err := d.EndSignIns(ctx, []string{w.identity})
	if n == 0 {
		return access.DidNothing, err
	}
	return access.DidSignOut, err
}

// leaked ends the sign-ins of whoever may be somebody else, and kills the credential
// that is meant, where it is one of those kept here.
func (d *deed) leaked(ctx context.Context, t access.Transmitter, w whom, keeps, note string, allowed, tell bool) (string, error) {
	if keeps != "" {
		if !allowed {
			if held, err := d.braked(ctx, t, hourly(t), access.DidSuspend, access.DidKill); held || err != nil {
				return access.DidHold, err
			}
		}
		if w.identity != "" {
			if _, err := d.EndSignIns(ctx, []string{w.identity}); err != nil {
				return "", err
			}
		}
		k, err := d.keptOf(ctx, keeps)
		if err != nil {
			return "", err
		}
		switch _, err := d.compromise(ctx, k, t.ID, note); {
		case errors.Is(err, access.ErrConflict), errors.Is(err, access.ErrGone):
			return access.DidNothing, nil // it is being killed, or is dead
		case err != nil:
			return "", err
		}
		return access.DidKill, nil
	}
	did, err := d.signedOut(ctx, t, w, allowed)
	if err != nil || !tell || did == access.DidHold {
		return did, err
	}
	subject, owner := w.identity, w.identity
	if w.system != "" {
		subject, owner = w.system+" "+w.account, d.answersFor(w.system, w.account)
	}
	if owner == "" {
		owner = "security"
	}
	text := fmt.Sprintf("%s. It is no credential that is kept here, or not one alone: its sign-ins here have ended; whatever else it opens has to be changed by whoever answers for it.", note)
	if err := d.finding(ctx, access.Finding{Kind: signalCompromised, Subject: subject, Owner: owner, DueAt: d.now.Add(4 * time.Hour), Text: text}); err != nil {
		return "", err
	}
	if did == access.DidNothing {
		did = access.DidFind
	}
	return did, d.notice(ctx, Notice{To: []string{"security"}, Subject: signalCompromised + ": " + subject, Text: text})
}

// keptAt is the one credential of that kind that is kept here for an account; empty
// where there is none, or where several could be meant.
func (d *deed) keptAt(ctx context.Context, w whom, kind string) (string, error) {
	if w.system == "" || kind == "" {
		return "", nil
	}
	if kind == "x509" {
		kind = "certificate"
	}
	var ids []string
	for _, id := range d.world.Directory.Plans() {
		if p, _ := d.world.Directory.Plan(id); p.System == w.system && p.Account == w.account && p.Kind == kind {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		list, err := d.CredentialsOf(ctx, w.system, w.account)
		if err != nil {
			return "", err
		}
		for _, c := range list {
			if c.Kind == kind {
				ids = append(ids, c.ID)
			}
		}
	}
	if len(ids) != 1 {
		return "", nil
	}
	return ids[0], nil
}

// suspended is the hand that says so of an identity; its owner names the transmitters.
func (d *deed) suspended(ctx context.Context, id string) (by []string, err error) {
	h, err := d.Hand(ctx, "suspended "+id)
	if errors.Is(err, access.ErrNotFound) {
		return nil, nil
	}
	return strings.Fields(h.Owner), err
}
