package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A start refuses what would make the server wrong: files that do not fit, a key that
// is not the log's, a log that does not go on from its kept head, access held at
// systems that nobody can reach ([New] says each). What only makes it less than it
// should be is a degradation: the server begins, because one that is down removes
// nothing, and says what is missing, what follows and what mends it.

// Degraded is one thing that this replica does less well than it should.
type Degraded struct {
	What  string // a name
	Why   string
	Means string // what does not happen because of it
	Mend  string
}

// selfCheck looks for what is missing at the start, says it in the log and keeps it
// for whoever asks.
func (s *Server) selfCheck(ctx context.Context) {
	var list []Degraded
	for _, look := range []func(context.Context) (Degraded, bool){s.headKept, s.headWritable, s.publicHalf, s.notifiable, s.roomLeft} {
		if d, is := look(ctx); is {
			list = append(list, d)
		}
	}
	names := []string{}
	for _, d := range list {
		names = append(names, d.What)
		s.log.WarnContext(ctx, "degraded", "what", d.What, "why", d.Why, "means", d.Means, "mend", d.Mend)
	}
	s.degraded.Store(&list)
	s.log.InfoContext(ctx, "self-check", "degraded", strings.Join(names, " "))
}

// Degraded lists what the start found missing.
func (s *Server) Degraded() []Degraded {
	if list := s.degraded.Load(); list != nil {
		return slices.Clone(*list)
	}
	return nil
}

// headKept tells whether a log that has begun has its head kept beside it.
func (s *Server) headKept(ctx context.Context) (d Degraded, is bool) {
	_, err := os.Stat(filepath.Join(s.current.Load().State, headFile))
	if !errors.Is(err, fs.ErrNotExist) {
		return d, false
	}
	head, err := lastHead(ctx, s.db)
	return Degraded{"head_missing", headFile + " is not beside the files, and the log has begun", "a database put back from an older copy was not noticed at this start",
		"put " + headFile + " back from where it was kept; the next event writes a new one"}, err == nil && head != ""
}

// headWritable tells whether the head can be written down where it is kept.
func (s *Server) headWritable(context.Context) (d Degraded, is bool) {
	dir := s.current.Load().State
	f, err := os.CreateTemp(dir, headFile+".try-*")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if err == nil {
		return d, false
	}
	return Degraded{"head_unwritable", err.Error(), "the log's head is not kept outside the database: one put back from an older copy will not be noticed",
		"let the server write to " + dir}, true
}

// publicHalf tells whether what auditors are given fits the key.
func (s *Server) publicHalf(context.Context) (d Degraded, is bool) {
	pub, err := os.ReadFile(filepath.Join(s.current.Load().Dir, "log.pub"))
	return Degraded{"public_key", "log.pub is not the public half of the log's signing key", "evidence will not verify with it", "write the key that lessor status shows into log.pub"},
		err == nil && strings.TrimSpace(string(pub)) != s.signer.VerifierKey()
}

// notifiable tells whether the command that takes notices can be run.
func (s *Server) notifiable(context.Context) (d Degraded, is bool) {
	command := s.current.Load().Notify
	if len(command) == 0 {
		return d, false
	}
	_, err := exec.LookPath(command[0])
	return Degraded{"notify", fmt.Sprint(err), "notices are in this log only, and tried again", "install the command, or correct notify in lessor.yaml"}, err != nil
}
