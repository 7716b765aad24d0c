package survive

import (
	"net"
	"sync"
	"testing"
	"time"
)

// way is how a wire treats what goes over it.
type way string

const (
	whole   way = "whole"
	refuses way = "refuses"        // nobody gets through, and what was open is cut
	hangs   way = "hangs"          // nothing arrives, in either direction
	slow    way = "slow"           // everything arrives, late
	deaf    way = "loses answers"  // what is asked arrives, what is answered does not
	cutOnce way = "cut in the act" // what is open is cut, new connections are let through
)

// ways are all that can go wrong with one.
var ways = []way{refuses, hangs, slow, deaf, cutOnce}

// lag is how late things arrive over a slow wire.
const lag = 120 * time.Millisecond

// wire is a TCP connection's way to where it leads, which can fail.
type wire struct {
	addr string // where it is listened on
	to   string

	mu    sync.Mutex
	is    way
	turn  chan struct{} // closed when is changes
	conns map[net.Conn]bool
}

// newWire gives one that is whole, until the test ends.
func newWire(t testing.TB, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{addr: l.Addr().String(), to: to, is: whole, turn: make(chan struct{}), conns: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = l.Close(); w.set(refuses) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.lead(c)
		}
	}()
	return w
}

// set has it fail that way from now on.
func (w *wire) set(is way) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if is == refuses || is == cutOnce {
		for c := range w.conns {
			_ = c.Close()
		}
	}
	if is == cutOnce {
		is = whole
	}
	if is != w.is {
		w.is = is
		close(w.turn)
		w.turn = make(chan struct{})
	}
}

func (w *wire) now() (way, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.is, w.turn
}

// hold keeps a connection to be cut, and tells whether there may be one.
func (w *wire) hold(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.is == refuses {
		return false
	}
	w.conns[c] = true
	return true
}

func (w *wire) drop(c net.Conn) {
	_ = c.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, c)
}

func (w *wire) lead(in net.Conn) {
	defer w.drop(in)
	if !w.hold(in) {
		return
	}
	out, err := net.Dial("tcp", w.to)
	if err != nil {
		return
	}
	defer w.drop(out)
	if !w.hold(out) {
		return
	}
	done := make(chan struct{}, 2)
	go func() { w.pump(out, in, false); done <- struct{}{} }()
	go func() { w.pump(in, out, true); done <- struct{}{} }()
	<-done // either end closes both
}

// pump carries one direction, as the wire is at that moment. Answers that a deaf
// wire lost are lost: the connection is of no more use and ends with the trouble.
func (w *wire) pump(to, from net.Conn, answer bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		for {
			is, turn := w.now()
			switch {
			case is == hangs:
				<-turn
				continue
			case is == deaf && answer:
				<-turn
				return
			case is == slow:
				<-time.After(lag)
			}
			break
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
