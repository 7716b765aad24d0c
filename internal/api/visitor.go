package api

import (
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

// Visitor finds whose token a request's Authorization header carries, for the
// doors beside this one; false for nobody's. Why it is not accepted is not told.
func (k *Keys) Visitor(header string, now time.Time) (access.Actor, error) {
	by, _, err := k.actor(header, now)
	return by, err
}

// Spend takes one from what an identity may still send, through whichever door;
// false if there is none.
func (k *Keys) Spend(identity string, now time.Time) bool { return k.spend(identity, now) }
