package server

import (
	"time"

	"github.com/lessor-iam/lessor/internal/news"
)

// newsEvery is how often it is looked whether something has happened.
const newsEvery = 500 * time.Millisecond

// news reads what happens for programs that listen at the API and pages that are open.
func (s *Server) news() (*news.Wire, error) {
	return news.New(news.Config{Source: s.engine, Every: newsEvery, Joined: news.Bound{All: 500, One: 10}, Waited: news.Bound{All: 1000, One: 20}, Log: s.log})
}
