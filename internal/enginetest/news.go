package enginetest

import (
	"time"

	"github.com/lessor-iam/lessor/internal/news"
)

// Wire reads what happens to this engine, for a door under test.
func (f *Fixture) Wire() *news.Wire {
	f.t.Helper()
	wire, err := news.New(news.Config{Source: f.Engine, Every: 20 * time.Millisecond, Joined: news.Bound{All: 100, One: 10}, Waited: news.Bound{All: 1000, One: 20}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(wire.End)
	return wire
}
