// Package watch is what is seen of the work from outside: figures for Prometheus,
// and spans for traces. It changes nothing, and nobody who works waits for it.
//
// No label and no attribute names a person, a request's content or a secret: labels
// are words of the code and names of the configuration (systems, feeds), so that
// there are never more of them than those.
package watch

import (
	"errors"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/reconcile"
)

// Bounds of the histograms, in seconds. Removals are measured from milliseconds to a day.
var (
	quick = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	lags  = []float64{.05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 6 * 3600, 24 * 3600}
)

// Figures counts what this replica does. It is safe for concurrent use.
type Figures struct {
	registry *prometheus.Registry

	verbs     *prometheus.HistogramVec
	did       *prometheus.CounterVec
	events    *prometheus.CounterVec
	decisions *prometheus.CounterVec
	votes     *prometheus.CounterVec
	lag       *prometheus.HistogramVec
	steps     *prometheus.HistogramVec
	outcomes  *prometheus.CounterVec
	database  *prometheus.HistogramVec
	failed    *prometheus.CounterVec
	again     prometheus.Counter
	jobs      *prometheus.HistogramVec
	worked    *prometheus.CounterVec
}

// New returns figures at zero. Version is of the program.
func New(version string) *Figures {
	histogram := func(name, help string, bounds []float64, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: bounds}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	f := &Figures{
		registry:  prometheus.NewRegistry(),
		verbs:     histogram("lessor_verb_seconds", "How long a verb took, its commit included.", quick, "verb"),
		did:       counter("lessor_verbs_total", "Verbs, by how they ended.", "verb", "outcome"),
		events:    counter("lessor_events_total", "Events this replica has written, by kind.", "kind"),
		decisions: counter("lessor_decisions_total", "Requests that rules have decided: granted or denied at once, or waiting for approvals.", "outcome"),
		votes:     counter("lessor_votes_total", "Votes of people, those without authority as refused.", "verdict"),
		lag:       histogram("lessor_revocation_lag_seconds", "From the end of the last grant to the look that saw the access gone.", lags, "system"),
		steps:     histogram("lessor_lane_step_seconds", "How long each step of a batch took.", quick, "system", "step"),
		outcomes:  counter("lessor_lane_outcomes_total", "What came of each assignment in a batch.", "system", "outcome"),
		database:  histogram("lessor_database_seconds", "How long transactions took, retries included.", quick, "kind"),
		failed:    counter("lessor_database_failures_total", "Transactions that failed; a verb that refuses is one.", "kind"),
		again:     prometheus.NewCounter(prometheus.CounterOpts{Name: "lessor_database_retries_total", Help: "Transactions begun again because the database could not serialize them."}),
		jobs:      histogram("lessor_job_seconds", "How long background work took.", quick, "kind"),
		worked:    counter("lessor_jobs_total", "Background work, by how it ended.", "kind", "outcome"),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "lessor_build_info", Help: "Which program this is; always 1.", ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()}})
	build.Set(1)
	f.registry.MustRegister(f.verbs, f.did, f.events, f.decisions, f.votes, f.lag, f.steps, f.outcomes, f.database, f.failed, f.again, f.jobs, f.worked, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return f
}

// Verb counts a verb that is over.
func (f *Figures) Verb(d engine.Did) {
	f.verbs.WithLabelValues(d.Verb).Observe(d.To.Sub(d.From).Seconds())
	f.did.WithLabelValues(d.Verb, Outcome(d.Err)).Inc()
	decided := map[string]bool{}
	for _, h := range d.Happened {
		f.events.WithLabelValues(word(h.Kind)).Inc()
		switch {
		case h.Kind == "request.decided":
			decided[h.Request] = true
		case h.Kind == "vote.cast":
			f.votes.WithLabelValues(word(h.To)).Inc()
		case h.Kind == "vote.refused":
			f.votes.WithLabelValues("refused").Inc()
		case decided[h.Request] && strings.HasPrefix(h.Kind, "request."):
			delete(decided, h.Request)
			f.decisions.WithLabelValues(word(h.To)).Inc()
		}
	}
	for _, g := range d.Gone {
		f.lag.WithLabelValues(g.System).Observe(g.Lag.Seconds())
	}
}

// Turn counts a batch that is over.
func (f *Figures) Turn(t reconcile.Turn) {
	for _, s := range t.Steps {
		f.steps.WithLabelValues(t.System, s.Name).Observe(s.To.Sub(s.From).Seconds())
	}
	count := func(outcome string, n int) {
		if n > 0 {
			f.outcomes.WithLabelValues(t.System, outcome).Add(float64(n))
		}
	}
	var seen, troubled, unanswered int
	for _, o := range t.Outcomes {
		switch {
		case o.Unanswered:
			unanswered++
		case o.Looked && o.Trouble == "":
			seen++
		default:
			troubled++
		}
	}
	count("seen", seen)
	count("troubled", troubled)
	count("unanswered", unanswered)
	count("too_late", t.Refused)
	if t.Err != nil {
		count("unsettled", max(1, len(t.Tasks)))
	}
}

// Transaction begins one of the database's, of a kind; what it returns ends it.
func (f *Figures) Transaction(kind string) (ended func(tries int, err error)) {
	began := time.Now()
	return func(tries int, err error) {
		f.database.WithLabelValues(kind).Observe(time.Since(began).Seconds())
		if err != nil {
			f.failed.WithLabelValues(kind).Inc()
		}
		f.again.Add(float64(max(0, tries-1)))
	}
}

// Job counts background work that is over.
func (f *Figures) Job(kind string, took time.Duration, err error) {
	f.jobs.WithLabelValues(kind).Observe(took.Seconds())
	outcome := "done"
	if err != nil {
		outcome = "failed"
	}
	f.worked.WithLabelValues(kind, outcome).Inc()
}

// Outcome says in a word how a verb ended.
func Outcome(err error) string {
	for _, is := range []struct {
		kind error
		word string
	}{{nil, "done"}, {access.ErrInvalid, "invalid"}, {access.ErrNotFound, "not_found"}, {access.ErrDenied, "denied"}, {access.ErrConflict, "conflict"}, {access.ErrGone, "gone"}} {
		if errors.Is(err, is.kind) {
			return is.word
		}
	}
	return "failed"
}

var wordForm = regexp.MustCompile(`^[a-z][a-z_.-]{0,63}$`)

// word is a word of the code's; anything else, such as what somebody wrote into the
// database, is none.
func word(s string) string {
	if wordForm.MatchString(s) {
		return s
	}
	return "other"
}
