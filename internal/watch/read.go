package watch

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/reconcile"
	"github.com/lessor-iam/lessor/internal/report"
)

// State is what is read anew when figures are asked for. Every field is needed.
type State struct {
	Feel     func(context.Context) (report.Pulse, error) // from the database: the same on every replica
	Lanes    func() map[string]reconcile.Pulse
	Ready    func(context.Context) map[string]bool // by name
	Degraded func() []string                       // what the start found missing, by name
	Halts    func() []string                       // why nothing is granted now, by reason
	Free     func() (bytes uint64, ok bool)        // where the database is a file of this machine
	Spans    func() (sent, dropped uint64)
	Replicas func() (alike, other int)               // that say they are there, by whether they run on the files of this one
	Seen     func(context.Context) (Followed, error) // by the log's witnesses
	Now      func() time.Time
}

// Followed is how far the log's witnesses have come.
type Followed struct {
	Behind map[string]int64 // by witness: events under the newest head that it has not signed; none: there are no witnesses
	Late   time.Duration    // since when there is a head that the quorum has not seen
}

// fresh is for how long what was read from the database is good: whoever asks more
// often costs it nothing.
const fresh = 5 * time.Second

// readWithin is how long the database has for its part.
const readWithin = 8 * time.Second

// mostKinds bounds how many kinds of findings have a figure of their own.
const mostKinds = 150

// reader reads the state for each scrape.
type reader struct {
	State
	mu    sync.Mutex
	at    time.Time
	pulse report.Pulse
	seen  Followed
	err   error
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// What is read, with its unit. What stands in the database every replica says alike:
// take max() over them.
var (
	readable     = desc("lessor_database_readable", "Whether the database answered for these figures.")
	overdue      = desc("lessor_removals_overdue", "Access past its end and not seen gone.", "system")
	overdueAge   = desc("lessor_removals_overdue_oldest_seconds", "For how long the oldest of it has been so; 0 where there is none.", "system")
	due          = desc("lessor_work_due", "Assignments whose work is due and that nobody is about.", "system")
	dueAge       = desc("lessor_work_due_oldest_seconds", "For how long the oldest of it has been due.", "system")
	leased       = desc("lessor_work_leased", "Assignments somebody is about.", "system")
	lookAge      = desc("lessor_look_age_seconds", "How long ago the newest look was taken that settled anything.", "system")
	laneState    = desc("lessor_lane_state", "1 for what a lane is: healthy, sick (its target answers no look; this replica's own view) or braked (something is held back until a reading or somebody says otherwise).", "system", "state")
	laneAge      = desc("lessor_lane_turn_age_seconds", "How long ago this replica's lane came round.", "system")
	inventoryAge = desc("lessor_inventory_age_seconds", "How long ago the last whole reading of a system began.", "system")
	feedAge      = desc("lessor_feed_age_seconds", "How long ago the last whole reading of a feed of people began.", "feed")
	waiting      = desc("lessor_log_waiting_events", "Events that have no place in the log yet.")
	waitingAge   = desc("lessor_log_waiting_oldest_seconds", "How old the oldest of them is.")
	logSize      = desc("lessor_log_events", "Events under the log's newest signed head.")
	headAge      = desc("lessor_checkpoint_age_seconds", "How long ago that head was signed.")
	findings     = desc("lessor_findings_open", "Open findings.", "kind")
	findingsLate = desc("lessor_findings_overdue", "Open findings past their due date.", "kind")
	asked        = desc("lessor_requests_waiting", "Requests that wait for an answer.")
	askedLate    = desc("lessor_requests_waiting_overdue", "… past the time for it.")
	askedAge     = desc("lessor_requests_waiting_oldest_seconds", "For how long the oldest of them has waited.")
	sessions     = desc("lessor_sessions", "Sessions of people that have not run out.")
	jobs         = desc("lessor_jobs", "Background work that is not done.", "kind", "state")
	jobsAge      = desc("lessor_jobs_oldest_seconds", "For how long the oldest of it has been ready to be worked.", "kind")
	readyIs      = desc("lessor_ready", "Whether this replica is ready, by what is asked.", "check")
	degraded     = desc("lessor_degraded", "1 for what this replica's start found missing.", "what")
	halted       = desc("lessor_halted", "1 for why nothing is granted now; removals go on.", "why")
	freeBytes    = desc("lessor_database_free_bytes", "Room left where the database is, if it is a file.")
	replicas     = desc("lessor_replicas", "Replicas that say they are there, by whether they run on the files of this one: alike or other.", "files")
	unsigned     = desc("lessor_witness_behind_events", "Events under the log's newest head that a witness has not signed.", "witness")
	unseenAge    = desc("lessor_witness_quorum_behind_seconds", "For how long there has been a head that too few witnesses have signed; 0 where there is none.")
	spansSent    = desc("lessor_trace_spans_sent_total", "Spans that were taken by whoever collects them.")
	spansLost    = desc("lessor_trace_spans_dropped_total", "Spans that were dropped: too many at once, or nobody took them.")
)

var all = []*prometheus.Desc{readable, overdue, overdueAge, due, dueAge, leased, lookAge, laneState, laneAge, inventoryAge, feedAge, waiting, waitingAge, logSize, headAge,
	findings, findingsLate, asked, askedLate, askedAge, sessions, jobs, jobsAge, readyIs, degraded, halted, freeBytes, replicas, unsigned, unseenAge, spansSent, spansLost}

// Describe implements [prometheus.Collector].
func (r *reader) Describe(to chan<- *prometheus.Desc) {
	for _, d := range all {
		to <- d
	}
}

// feel reads the database, at most as often as fresh says.
func (r *reader) feel() (report.Pulse, Followed, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.IsZero() || time.Since(r.at) > fresh {
		ctx, cancel := context.WithTimeout(context.Background(), readWithin)
		defer cancel()
		if r.pulse, r.err = r.Feel(ctx); r.err == nil {
			r.seen, r.err = r.Seen(ctx)
		}
		r.at = time.Now()
	}
	return r.pulse, r.seen, r.err
}

// Collect implements [prometheus.Collector].
func (r *reader) Collect(to chan<- prometheus.Metric) {
	now := r.Now()
	put := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	age := func(since time.Time) float64 {
		if since.IsZero() {
			return 0
		}
		return max(0, now.Sub(since).Seconds())
	}
	is := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	// 1. What this replica knows by itself.
	ctx, cancel := context.WithTimeout(context.Background(), readWithin)
	defer cancel()
	for name, ok := range r.Ready(ctx) {
		put(readyIs, is(ok), name)
	}
	for _, what := range r.Degraded() {
		put(degraded, 1, what)
	}
	why := r.Halts()
	for _, reason := range access.HaltReasons {
		put(halted, is(slices.Contains(why, string(reason))), string(reason))
	}
	if free, ok := r.Free(); ok {
		put(freeBytes, float64(free))
	}
	alike, other := r.Replicas()
	put(replicas, float64(alike), "alike")
	put(replicas, float64(other), "other")
	sent, dropped := r.Spans()
	to <- prometheus.MustNewConstMetric(spansSent, prometheus.CounterValue, float64(sent))
	to <- prometheus.MustNewConstMetric(spansLost, prometheus.CounterValue, float64(dropped))
	lanes := r.Lanes()
	for system, l := range lanes {
		put(laneAge, age(l.Came), system)
	}
	// 2. What every replica reads alike; of a database that does not answer, nothing.
	p, seen, err := r.feel()
	put(readable, is(err == nil))
	if err != nil {
		for system, l := range lanes {
			put(laneState, is(l.Sick.IsZero()), system, "healthy")
			put(laneState, is(!l.Sick.IsZero()), system, "sick")
		}
		return
	}
	for _, b := range p.Systems {
		sick := !lanes[b.System].Sick.IsZero()
		put(laneState, is(!sick && !b.Braked), b.System, "healthy")
		put(laneState, is(sick), b.System, "sick")
		put(laneState, is(b.Braked), b.System, "braked")
		put(overdue, float64(b.Overdue), b.System)
		put(overdueAge, age(b.OverdueAt), b.System)
		put(due, float64(b.Due), b.System)
		put(dueAge, age(b.OldestDue), b.System)
		put(leased, float64(b.Leased), b.System)
		if !b.LastLook.IsZero() {
			put(lookAge, age(b.LastLook), b.System)
		}
		if !b.Read.IsZero() {
			put(inventoryAge, age(b.Read), b.System)
		}
	}
	for feed, at := range p.Feeds {
		put(feedAge, age(at), feed)
	}
	put(waiting, float64(p.Waiting))
	put(waitingAge, age(p.WaitingAt))
	put(logSize, float64(p.Head.Size))
	if !p.Head.At.IsZero() {
		put(headAge, age(p.Head.At))
	}
	for witness, behind := range seen.Behind {
		put(unsigned, float64(behind), witness)
	}
	if len(seen.Behind) > 0 {
		put(unseenAge, seen.Late.Seconds())
	}
	r.people(p, put, age)
}

// people is what people have to do with, and what waits to be told.
func (r *reader) people(p report.Pulse, put func(*prometheus.Desc, float64, ...string), age func(time.Time) float64) {
	for i, k := range p.Findings {
		if i < mostKinds && word(k.Kind) == k.Kind {
			put(findings, float64(k.Open), k.Kind)
			put(findingsLate, float64(k.Overdue), k.Kind)
		}
	}
	put(asked, float64(p.Requests))
	put(askedLate, float64(p.Unheeded))
	put(askedAge, age(p.Asked))
	put(sessions, float64(p.Sessions))
	for _, q := range p.Queue {
		if word(q.Kind) != q.Kind {
			continue
		}
		put(jobs, float64(q.Waiting), q.Kind, "waiting")
		put(jobs, float64(q.Running), q.Kind, "running")
		put(jobs, float64(q.Retrying), q.Kind, "retrying")
		put(jobs, float64(q.Given), q.Kind, "given_up")
		put(jobsAge, age(p.Ready[q.Kind]), q.Kind)
	}
}

// Handler answers with all figures. Where token is given, whoever asks must show what
// it returns; an error of it refuses everybody.
func (f *Figures) Handler(s State, token func() (string, error)) (http.Handler, error) {
	if err := f.registry.Register(&reader{State: s}); err != nil {
		return nil, err
	}
	answer := promhttp.HandlerFor(f.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 2 * readWithin, EnableOpenMetrics: true})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if token != nil {
			want, err := token()
			got, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			a, b := sha256.Sum256([]byte(want)), sha256.Sum256([]byte(got))
			if err != nil || want == "" || !bearer || subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
				w.Header().Set("WWW-Authenticate", "Bearer")
				http.Error(w, "no valid token; send one as Authorization: Bearer …", http.StatusUnauthorized)
				return
			}
		}
		answer.ServeHTTP(w, r)
	}), nil
}
