package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/source"
	"github.com/lessor-iam/lessor/internal/source/ldap"
	"github.com/lessor-iam/lessor/internal/source/table"
)

// feeds are those that the files in force name.
func (s *Server) feeds() []access.Feed { return s.current.Load().Feeds }

// feedReader reads feeds whole.
type feedReader struct {
	river.WorkerDefaults[engine.FeedJob]
	s *Server
}

// Timeout implements river.Worker.
func (w *feedReader) Timeout(*river.Job[engine.FeedJob]) time.Duration { return inventoryTime }

// Work implements river.Worker. A reading that fails is not tried again by itself: the next one is due soon enough.
func (w *feedReader) Work(ctx context.Context, job *river.Job[engine.FeedJob]) error {
	err := w.s.ReadFeed(ctx, job.Args.Feed)
	if errors.Is(err, access.ErrNotFound) {
		return nil // it is no longer in the files
	}
	text := ""
	if err != nil {
		w.s.log.WarnContext(ctx, "feed", "feed", job.Args.Feed, "error", err.Error())
		text = fmt.Sprintf("Feed %s could not be read whole, so nothing of it was taken: who has joined, moved or left since is not known. The server's log says why.", job.Args.Feed)
	}
	return w.s.engine.Find(ctx, access.FeedUnread, job.Args.Feed, "security", text, 24*time.Hour)
}

// ReadFeed reads a feed whole, and has the engine take it.
func (s *Server) ReadFeed(ctx context.Context, id string) error {
	if slices.ContainsFunc(s.feeds(), func(f access.Feed) bool { return f.ID == id && f.Kind == "scim" }) {
		// It tells of changes by itself; settings and other feeds may be others now.
		drift, err := s.engine.FeedMerge(ctx, id)
		s.log.InfoContext(ctx, "feed merged", "feed", id, "held", drift.Held, "moved", drift.Moved)
		return err
	}
	began := time.Now()
	records, err := s.people(ctx, id)
	if err != nil {
		return err
	}
	drift, err := s.engine.FeedRead(ctx, id, began, records)
	s.log.InfoContext(ctx, "feed read", "feed", id, "records", len(records), "new", drift.New, "changed", drift.Changed, "left", drift.Left, "doubted", drift.Doubted, "held", drift.Held, "moved", drift.Moved)
	return err
}

// people reads a feed whole.
func (s *Server) people(ctx context.Context, id string) ([]access.Record, error) {
	c := s.current.Load()
	for _, f := range c.Feeds {
		if f.ID != id {
			continue
		}
		if f.Kind == "scim" {
			return nil, fmt.Errorf("%w: feed %s tells of changes by itself: it is not read", access.ErrInvalid, id)
		}
		source, _, wrong := sourceOf(c, f)
		if len(wrong) > 0 {
			return nil, wrong
		}
		return source.Read(ctx)
	}
	return nil, fmt.Errorf("%w: there is no feed %.80q", access.ErrNotFound, id)
}

// sourceKinds names every kind of feed that is read, as feeds.yaml does.
var sourceKinds = map[string]func(*settings, access.Feed) (source.Source, error){
	"csv":  newTable,
	"yaml": newTable,
	"ldap": newDirectory,
}

func newTable(_ *settings, f access.Feed) (source.Source, error) { return table.New(f) }

func newDirectory(s *settings, f access.Feed) (source.Source, error) {
	c := ldap.Config{Feed: f, URL: s.required("url"), Plain: s.flag("plain"), BindDN: s.required("bind_dn"), Password: s.secret("password_ref"), CA: s.roots("ca_file"),
		Dialect: s.required("dialect"), PeopleBase: s.required("people_base"), Filter: s.text("filter"), GroupBy: s.text("group_by"),
		PageSize: s.number("page_size"), Timeout: s.duration("timeout")}
	for word := range strings.SplitSeq(s.text("external_types"), ",") {
		if word = strings.TrimSpace(word); word != "" {
			c.ExternalTypes = append(c.ExternalTypes, word)
		}
	}
	if s.done() {
		return nil, nil
	}
	return ldap.New(c)
}

// sourceOf makes what reads a feed. It connects to nothing; a secret that cannot be read
// now is a warning, as with connectors.
func sourceOf(c *config.Config, f access.Feed) (source.Source, []string, access.Problems) {
	build, ok := sourceKinds[f.Kind]
	if !ok {
		return nil, nil, access.Problems{c.FeedProblem(f.ID, "feed %s of kind %s is not read", f.ID, f.Kind)}
	}
	s := &settings{system: access.System{ID: f.ID, Connector: f.Kind, Settings: f.Settings}, config: c, read: map[string]bool{}, feed: true}
	made, err := build(s, f)
	if err != nil {
		s.wrong("%v", err)
	}
	return made, s.warnings, s.problems
}

// checkSources holds that every feed that is read can be.
func checkSources(c *config.Config) (warnings []string, err error) {
	var wrong access.Problems
	for _, f := range c.Feeds {
		if _, read := sourceKinds[f.Kind]; read {
			_, more, problems := sourceOf(c, f)
			warnings, wrong = append(warnings, more...), append(wrong, problems...)
		}
	}
	if len(wrong) > 0 {
		return warnings, wrong
	}
	return warnings, nil
}
