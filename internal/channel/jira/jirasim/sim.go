package jirasim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Config may be wrong; New says how.
type Config struct {
	// URL is the address people and clients reach the stand-in by; links in
	// answers begin with it.
	URL string
	// Site is what there is at the start.
	Site Site
	// Now tells the time.
	Now func() time.Time
	// Rand makes choices (back-off of webhooks). Nil is a fixed sequence.
	Rand *rand.Rand
	// SearchLag is how long a change takes to be found by search.
	SearchLag time.Duration
	// Send carries webhooks out; nil means that none can be delivered.
	Send func(*http.Request) (*http.Response, error)
	// Rate is how many calls are answered in a window; zero calls means all.
	Rate Rate
	// DataCenter makes ServeHTTP answer as Data Center does. The other face
	// is always there: Cloud and DataCenter give both.
	DataCenter bool
}

// Rate is a budget of calls in a fixed window, refused with 429 beyond it.
type Rate struct {
	Calls int
	Per   time.Duration
}

// Sim is one site. All methods may be called concurrently.
type Sim struct {
	url  string
	now  func() time.Time
	send func(*http.Request) (*http.Response, error)
	dc   bool

	mu   sync.Mutex
	rand *rand.Rand
	lag  time.Duration
	rate window

	last map[string]int // the last number given, by noun
	world
	issues  map[int]*issue
	keys    map[string]int // every key an issue ever had
	audit   []auditRecord
	uploads map[string]*attachment // temporary attachments

	faults []*fault
	outage bool
	calls  []Call

	hooks  []*hook
	queue  []*Delivery
	failed []*Delivery
	mail   Post
	woken  chan struct{} // one place: something was queued
}

type window struct {
	Rate
	from time.Time
	used int
}

// New gives a site that holds what cfg.Site says.
func New(cfg Config) (*Sim, error) {
	var bad []error
	u, err := url.Parse(cfg.URL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		bad = append(bad, fmt.Errorf("URL %q: want http or https and a host", cfg.URL))
	}
	if cfg.Now == nil {
		bad = append(bad, errors.New("Now is required"))
	}
	if cfg.SearchLag < 0 || cfg.Rate.Calls < 0 || (cfg.Rate.Calls > 0 && cfg.Rate.Per <= 0) {
		bad = append(bad, errors.New("SearchLag and Rate must not be negative, and a Rate needs a window"))
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(1, 2))
	}
	s := &Sim{
		url: strings.TrimRight(cfg.URL, "/"), now: cfg.Now, send: cfg.Send, dc: cfg.DataCenter,
		rand: cfg.Rand, lag: cfg.SearchLag, rate: window{Rate: cfg.Rate},
		last: map[string]int{}, issues: map[int]*issue{}, keys: map[string]int{},
		uploads: map[string]*attachment{}, woken: make(chan struct{}, 1),
	}
	w, err := s.build(cfg.Site)
	if err != nil {
		bad = append(bad, err)
	}
	if len(bad) > 0 {
		return nil, fmt.Errorf("jirasim: %w", errors.Join(bad...))
	}
	s.world = *w
	return s, nil
}

// next gives the next number of a noun, which begins at first.
func (s *Sim) next(noun string, first int) int {
	if s.last[noun] == 0 {
		s.last[noun] = first - 1
	}
	s.last[noun]++
	return s.last[noun]
}

// SetSearchLag says how long from now on a change takes to be found by search.
func (s *Sim) SetSearchLag(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lag = d
}

// URL is the address the site was given.
func (s *Sim) URL() string { return s.url }
