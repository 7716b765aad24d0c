package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/store"
)

// How replicas know of each other. Each says what it is and on what files it runs;
// whoever has not for replicaGone is taken for gone, and forgotten later.
const (
	replicaEvery  = 2 * time.Second
	replicaGone   = 10 * time.Second
	replicaForget = 15 * time.Minute
	longestBeat   = 3 * time.Second
)

// self is this replica as it tells the others, and what it last heard of them.
type self struct {
	mu    sync.Mutex
	is    store.Replica
	all   []store.Replica
	other string // what was last said of those on other files; empty: there are none
	pure  bool   // everybody whom it last heard of is of the same program
	heard time.Time
}

// programVersion is how this program was built.
func programVersion() string {
	b, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := b.Main.Version
	for _, s := range b.Settings {
		if s.Key == "vcs.revision" && !strings.Contains(version, s.Value[:min(12, len(s.Value))]) {
			version += " " + s.Value[:min(12, len(s.Value))]
		}
	}
	return cmp.Or(strings.TrimSpace(version), "unknown")
}

// appear gives this replica the name by which the others know it. It works from then on.
func (s *Server) appear(address string) {
	host, _ := os.Hostname() // for people; what makes it unique is the id
	s.self.mu.Lock()
	defer s.self.mu.Unlock()
	s.self.is = store.Replica{ID: rand.Text(), Name: host + " " + address, Version: programVersion(), Began: time.Now()}
	if s.db.Dialect == store.Postgres {
		s.holding.renew(s.self.is.Began)
	}
}

// beats says that this replica is there until the context ends, and then that it is not;
// and takes up what others that are gone have left.
func (s *Server) beats(ctx context.Context) {
	failing, watched := false, signs{}
	beat := func() {
		err := s.beat(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.log.WarnContext(ctx, "this replica could not say that it is there", "error", err.Error())
		}
		failing = err != nil
		s.takeUp(ctx, &watched)
	}
	beat()
	onTick(ctx, replicaEvery, beat)
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), replicaEvery)
	defer cancel()
	_ = s.db.Leave(end, s.self.is.ID) // otherwise it is forgotten
}

// beat says it once, and looks who else is there and on what.
func (s *Server) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longestBeat)
	defer cancel()
	s.self.mu.Lock()
	s.self.is.Files, s.self.is.Seen = s.files(), time.Now()
	is := s.self.is
	s.self.mu.Unlock()
	all, err := s.db.Beat(ctx, is, is.Seen.Add(-replicaForget))
	if err != nil {
		return err
	}
	if s.db.Dialect == store.Postgres {
		s.holding.renew(is.Seen)
	}
	all = slices.DeleteFunc(all, func(r store.Replica) bool { return r.ID != is.ID && is.Seen.Sub(r.Seen) > replicaGone })
	var other []string
	pure := true
	for _, r := range all {
		pure = pure && r.Version == is.Version
		if r.Files != is.Files {
			other = append(other, r.Name+" runs on "+r.Files)
		}
	}
	s.self.mu.Lock()
	defer s.self.mu.Unlock()
	was := s.self.other
	s.self.all, s.self.pure, s.self.heard, s.self.other = all, pure, is.Seen, strings.Join(other, "; ")
	switch {
	case s.self.other == was:
	case s.self.other == "":
		s.log.InfoContext(ctx, "all replicas run on the same files", "replicas", len(all), "files", is.Files)
	default:
		s.log.ErrorContext(ctx, "replicas run on different files: what is decided depends on who is asked; give all the same folder and reload", "here", is.Files, "others", s.self.other)
	}
	return nil
}

// mixed tells whether another version of the program may work on the database: one that
// was heard lately, or any, as long as this replica has heard nothing itself.
func (s *Server) mixed() bool {
	s.self.mu.Lock()
	defer s.self.mu.Unlock()
	return !s.self.pure || time.Since(s.self.heard) > replicaGone
}

// alike says in a word whether all replicas run on the same files. It makes none of
// them unready: all of them would be at once, in the middle of any change of files.
func (s *Server) alike() string {
	s.self.mu.Lock()
	defer s.self.mu.Unlock()
	if s.self.other != "" {
		return "differ"
	}
	return "ok"
}

// replicas is who serves, as far as this one knows.
func (s *Server) replicas() []api.ReplicaLine {
	s.self.mu.Lock()
	defer s.self.mu.Unlock()
	list := []api.ReplicaLine{}
	for _, r := range s.self.all {
		list = append(list, api.ReplicaLine{Name: r.Name, Version: r.Version, Files: r.Files, Began: r.Began.UTC(), Seen: r.Seen.UTC(), Here: r.ID == s.self.is.ID, Alike: r.Files == s.self.is.Files})
	}
	return list
}
