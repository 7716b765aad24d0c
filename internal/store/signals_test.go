package store

import (
	"context"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func TestSignals(t *testing.T) {
	each(t, func(t *testing.T, db *DB) {
		heard := func(jti, did string, at time.Time) access.Heard {
			return access.Heard{Signal: access.Signal{Transmitter: "idp", JTI: jti, Event: access.SignalDisabled, At: at, Credential: "password",
				Subject: access.SignalSubject{Format: "iss_sub", Iss: "https://x", Sub: "eve <ö>"}}, Identity: "eve", Did: did, Heard: noon, Forget: noon.Add(time.Hour)}
		}
		out := func(id, receiver string) access.SignalOut {
			return access.SignalOut{ID: id, Receiver: receiver, Event: access.SignalSessionRevoked, Subject: access.SignalSubject{Format: "opaque", ID: "eve"},
				Says: map[string]string{"initiating_entity": "policy"}, At: noon}
		}
		must(t, write(t, db, func(ctx context.Context, tx *Tx) error {
			must(t, tx.AddHeard(ctx, heard("1", access.DidSuspend, noon)))
			must(t, tx.AddHeard(ctx, heard("2", access.DidHold, noon.Add(time.Second))))
			for _, o := range []access.SignalOut{out("si-2", "app"), out("si-1", "app"), out("si-3", "siem")} {
				must(t, tx.AddSignalOut(ctx, o))
			}
			got, err := tx.Heard(ctx, "idp", "1")
			same(t, "heard", got, err, heard("1", access.DidSuspend, noon))
			n, err := tx.HeardSince(ctx, "idp", access.DidSuspend, noon)
			same(t, "counted", n, err, 1)
			n, err = tx.HeardSince(ctx, "idp", access.DidSuspend, noon.Add(time.Microsecond))
			same(t, "counted later", n, err, 0)
			last, err := tx.LastHeard(ctx, "idp", "eve", access.DidHold)
			same(t, "last", last, err, noon.Add(time.Second))
			last, err = tx.LastHeard(ctx, "idp", "bob", access.DidHold)
			same(t, "last of another", last, err, time.Time{})
			held, err := tx.HeardAs(ctx, "idp", access.DidHold, 9)
			same(t, "held", held, err, []access.Heard{heard("2", access.DidHold, noon.Add(time.Second))})
			next := held[0]
			next.Did = access.DidNothing
			must(t, tx.SetHeard(ctx, next, access.DidHold))
			if tx.SetHeard(ctx, next, access.DidHold) == nil {
				t.Error("decided twice")
			}
			must(t, tx.ForgetHeard(ctx, noon))
			got, err = tx.Heard(ctx, "idp", "2")
			same(t, "decided", got, err, next)
			must(t, tx.ForgetHeard(ctx, noon.Add(time.Hour)))
			if _, err := tx.Heard(ctx, "idp", "2"); err == nil {
				t.Error("not forgotten")
			}
			waits, err := tx.SignalsWaiting(ctx, "app", 9)
			same(t, "waiting", waits, err, []access.SignalOut{out("si-1", "app"), out("si-2", "app")})
			had, err := tx.SignalHad(ctx, "siem", access.SignalAnswer{ID: "si-1"}, noon)
			same(t, "another's", had, err, false)
			had, err = tx.SignalHad(ctx, "app", access.SignalAnswer{ID: "si-1", Error: "no"}, noon)
			same(t, "had", had, err, true)
			had, err = tx.SignalHad(ctx, "app", access.SignalAnswer{ID: "si-1"}, noon)
			same(t, "had twice", had, err, false)
			must(t, tx.ForgetSignals(ctx, noon.Add(time.Hour)))
			waits, err = tx.SignalsWaiting(ctx, "app", 9)
			same(t, "still waiting", waits, err, []access.SignalOut{out("si-2", "app")})
			return nil
		}))
		if err := write(t, db, func(ctx context.Context, tx *Tx) error {
			must(t, tx.AddHeard(ctx, heard("3", access.DidHold, noon)))
			return tx.AddHeard(ctx, heard("3", access.DidHold, noon))
		}); err == nil {
			t.Error("one signal is heard twice")
		}
	})
}
