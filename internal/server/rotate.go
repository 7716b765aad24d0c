package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/riverqueue/river"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/deliver"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/rotate"
)

// rotationsAtOnce is how many rotations one system has under way at once.
const rotationsAtOnce = 4

// layRotations makes the lane of a system on which credentials are made anew and ended.
// Each system has one: what its connector cannot kill is at least told, and looked for.
func (s *Server) layRotations(c *config.Config, id string, target connector.Connector) {
	host, _ := os.Hostname() // for people reading the table; the random part is what makes it unique
	issuer, _ := connector.As[connector.Issuer](target)
	listing, _ := connector.As[connector.Credentials](target)
	s.rotators[id] = rotate.New(rotate.Config{Door: s.engine, System: id, Issuer: issuer, Listing: listing, Holder: fmt.Sprintf("%s/%s", host, rand.Text()),
		Stores: func(id string) (deliver.Store, bool) { store, ok := s.stores[id]; return store, ok },
		Width:  rotationsAtOnce, Pace: c.Pace, Backstop: c.Backstop, Now: s.now, Rand: rand.Reader, Log: s.log})
}

// planProblems holds each plan of credentials.yaml against what its system's connector
// makes and where it is delivered to, which only these know.
func planProblems(c *config.Config, targets map[string]connector.Connector, stores map[string]deliver.Store) error {
	var problems access.Problems
	chosen := map[[3]string]string{}
	for _, id := range c.Directory.Plans() {
		p, _ := c.Directory.Plan(id)
		wrong := func(format string, args ...any) {
			problems = append(problems, c.PlanProblem(id, "credential "+id+": "+format, args...))
		}
		// 1. Where it is delivered.
		if store, ok := stores[p.Store]; !ok {
			wrong("there is no store %q in stores.yaml", p.Store)
		} else if err := store.CheckRef(p.Ref); err != nil {
			wrong("deliver: %v", err)
		}
		// 2. What makes it.
		target, ok := targets[p.System]
		if !ok {
			continue // said of the system
		}
		issuer, can := connector.As[connector.Issuer](target)
		if !can {
			wrong("the connector of %s makes no credentials", p.System)
			continue
		}
		kinds := issuer.Issues()
		i := slices.IndexFunc(kinds, func(k connector.IssuedKind) bool { return k.Kind == p.Kind })
		if i < 0 {
			wrong("the connector of %s makes no %q; it makes %s", p.System, p.Kind, kindsOf(kinds))
			continue
		}
		if !kinds[i].Chosen {
			continue
		}
		// 3. Of a chosen kind an account has one: the new one ends the old.
		if p.Overlap > 0 {
			wrong("a %s of %s ends when another is set: there is no overlap; leave it out", p.Kind, p.System)
		}
		key := [3]string{p.System, p.Account, p.Kind}
		if first, twice := chosen[key]; twice {
			wrong("an account has one %s, and %s is it", p.Kind, first)
		}
		chosen[key] = id
	}
	if len(problems) == 0 {
		return nil
	}
	return problems
}

func kindsOf(kinds []connector.IssuedKind) (list []string) {
	for _, k := range kinds {
		list = append(list, k.Kind)
	}
	return list
}

// planEvery is how often it is looked which credentials are due.
const planEvery = time.Minute

// planner begins the rotations that are due.
type planner struct {
	river.WorkerDefaults[engine.PlanRotationsJob]
	s *Server
}

// Work implements river.Worker.
func (w *planner) Work(ctx context.Context, _ *river.Job[engine.PlanRotationsJob]) error {
	begun, err := w.s.engine.PlanRotations(ctx)
	if begun > 0 {
		w.s.log.InfoContext(ctx, "rotations begun", "rotations", begun)
	}
	return err
}
