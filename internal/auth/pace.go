package auth

import (
	"sync"
	"time"
)

// Pace bounds how much one identity may ask of the portal: a burst, and so many
// a second after it. It is safe for concurrent use.
type Pace struct {
	Burst  float64
	PerSec float64

	mu    sync.Mutex
	spent map[string]bucket
}

type bucket struct {
	left float64
	at   time.Time
}

// mostBuckets is when those that are full again are forgotten.
const mostBuckets = 10000

// Spend takes one from the identity's bucket; false if there is none.
func (p *Pace) Spend(identity string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spent == nil {
		p.spent = map[string]bucket{}
	}
	full := func(b bucket) float64 { return p.full(b, now) }
	b, ok := p.spent[identity]
	if !ok {
		b = bucket{p.Burst, now}
		if len(p.spent) >= mostBuckets {
			for id, other := range p.spent {
				if full(other) >= p.Burst {
					delete(p.spent, id)
				}
			}
		}
	}
	b = bucket{full(b), now}
	allowed := b.left >= 1
	if allowed {
		b.left--
	}
	p.spent[identity] = b
	return allowed
}

func (p *Pace) full(b bucket, now time.Time) float64 {
	return min(p.Burst, b.left+p.PerSec*max(0, now.Sub(b.at).Seconds()))
}

// Out tells whether the identity's bucket is empty, and takes nothing.
func (p *Pace) Out(identity string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	b, ok := p.spent[identity]
	return ok && p.full(b, now) < 1
}
