package openssh

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync/atomic"
	"testing"

	"github.com/lessor-iam/lessor/internal/connector/connectortest"
)

// The promises share one server.
func TestConformance(t *testing.T) {
	t.Parallel()
	w := open(t)
	connectortest.Run(t, func(t *testing.T) connectortest.Target { return newTarget(t, w) })
}

func newTarget(t testing.TB, w *world) connectortest.Target {
	p := newProxy(t, w)
	cfg := w.config()
	cfg.Address, cfg.HostKeys = p.address, p.hostKey
	c := connect(t, cfg)
	c.door = w.Address // whose key is signed for one connection cannot be passed on
	c.hostKeys = append(c.hostKeys, mustHostKeys(t, w.HostKey)...)
	return connectortest.Target{
		Connector:   c,
		Account:     w.account,
		DropAccount: w.dropAccount,
		// No UNIX user can have most of those names; that nothing else is touched by
		// them while they are missing is tried with them all the same.
		Object: func(t testing.TB, name string) string {
			if !userName(name) {
				sum := sha256.Sum256([]byte(name))
				name = "u" + hex.EncodeToString(sum[:])[:24]
			}
			return w.object(t, name)
		},
		DropObject: w.dropObject,
		Put:        w.put,
		Members:    w.members,
		Open:       w.opened,
		Break:      p.fail,
		Hostile:    []string{"ann#", "#ann", "ann #", `from="*" ann`, "ann\tbob", "%23", "ann,bob"},
	}
}

var keys atomic.Int64

// opened is a session of the account's as the user, with a certificate of its own.
func (w *world) opened(t testing.TB, account, object string) connectortest.Session {
	t.Helper()
	p := w.person(t, fmt.Sprintf("key-%d", keys.Add(1)))
	p.certified(t, account)
	s := p.session(t, object, "cat")
	return connectortest.Session{
		Alive: func() bool {
			select {
			case err := <-s.done:
				s.done <- err
				return false
			default:
				return true
			}
		},
		Leave: func() {
			_ = s.in.(io.Closer).Close()
			s.ends(t)
		},
	}
}
