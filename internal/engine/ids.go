package engine

import (
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/evidence"
)

// ids makes names that sort in the order they were made in one process, and of several
// by their clocks: a prefix, 48 bits of milliseconds, 16 bits that count on from the
// microsecond, and 56 random bits that nobody can guess.
type ids struct {
	mu   sync.Mutex
	rand io.Reader
	last uint64
}

// perMicro is how many numbers a microsecond has: a thousand microseconds fit into 16 bits.
const perMicro = 65

var lowerHex = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// next returns a new id. It panics if the source of randomness is dry, because
// a guessable id would be worse.
func (g *ids) next(prefix string, now time.Time) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.last = max(g.last+1, uint64(now.UnixMilli())<<16|uint64(now.Nanosecond()/1000%1000)*perMicro)
	var b [15]byte
	binary.BigEndian.PutUint64(b[:8], g.last)
	if _, err := io.ReadFull(g.rand, b[8:]); err != nil {
		panic(fmt.Errorf("randomness: %w", err))
	}
	return prefix + "-" + lowerHex.EncodeToString(b[:])
}

func (g *ids) salt() ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return evidence.NewSalt(g.rand)
}

// secret is 32 bytes that nobody can guess.
func (g *ids) secret() []byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := make([]byte, 32)
	if _, err := io.ReadFull(g.rand, b); err != nil {
		panic(fmt.Errorf("randomness: %w", err))
	}
	return b
}
