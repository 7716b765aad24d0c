package connector

import "context"

// Exposure is one way in which what acts as an account is deployed so that it gives
// the account, or a secret of its own, away.
type Exposure struct {
	Account string // as a Ref would name it
	What    string // for people, and always the same for the same thing; never what a secret is worth
}

// Exposures is what a connector can do besides whose target tells how programs are deployed.
type Exposures interface {
	// Exposures reads all of them and yields them as they come. A truncated read is an
	// error, never a short list. What a secret is worth is looked at and kept nowhere.
	Exposures(ctx context.Context, yield func(Exposure) error) error
}
