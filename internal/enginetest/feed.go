package enginetest

import (
	"time"

	"github.com/lessor-iam/lessor/internal/feed"
)

// Feed reads what happens to this engine, for a door under test.
func (f *Fixture) Feed() *feed.Feed {
	f.t.Helper()
	news, err := feed.New(feed.Config{Source: f.Engine, Every: 20 * time.Millisecond, Joined: feed.Bound{All: 100, One: 10}, Waited: feed.Bound{All: 1000, One: 20}})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(news.End)
	return news
}
