package survive

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"time"

	"github.com/lessor-iam/lessor/internal/testserver"
)

const (
	targetKilled = "target killed"
	forgetful    = "forgot" // the word for a target that has lost what it had answered for
)

// down is what has been killed of the targets.
type down struct {
	slapd, pg bool
	memory    string // what slapd held before the storm; empty: it will not forget
}

// slapdFiles are what slapd holds, its entries and its log of changes.
var slapdFiles = []string{"db/data.mdb", "log/data.mdb"}

// remembered decides which target will be killed and, where it is to forget, takes a
// copy of what it holds: as if nothing of the storm had come to its disk.
func (l *life) remembered(rnd *rand.Rand) {
	w := l.targets
	w.down = down{}
	switch rnd.IntN(3) {
	case 0:
		w.next = "PostgreSQL"
		return
	case 1:
		w.next = "slapd"
		return
	}
	w.next, w.down.memory = "slapd, which "+forgetful, l.t.TempDir()
	// Standing still it writes nothing, and what it has begun to write counts only once it is whole.
	err := w.slapd.Pause(true)
	for _, name := range slapdFiles {
		err = errors.Join(err, copyFile(filepath.Join(w.slapd.Dir, name), filepath.Join(w.down.memory, filepath.Dir(name)+".mdb")))
	}
	if err = errors.Join(err, w.slapd.Pause(false)); err != nil {
		l.t.Fatal(err)
	}
}

// copyFile leaves holes as holes: slapd's files are of gigabytes, and hardly anything is in them.
func copyFile(from, to string) error {
	_, err := tool(context.Background(), nil, "cp", "--sparse=always", from, to)
	return err
}

// targetKilled kills a target with SIGKILL and starts it anew on what it holds.
func (l *life) targetKilled(ctx context.Context, rnd *rand.Rand) string {
	w := l.targets
	wait(ctx, storm/3+upTo(rnd, storm/2))
	if w.next == "PostgreSQL" {
		w.pg.Kill(l.t)
		w.down.pg = true
	} else {
		w.slapd.Kill()
		w.down.slapd = true
	}
	l.line.add("KILLED target %s", w.next)
	wait(context.Background(), upTo(rnd, storm))
	w.start()
	l.line.add("STARTED target %s", w.next)
	l.tally["target killed: "+w.next]++
	return "target killed: " + w.next
}

// start starts what was killed, and waits until it answers.
func (w *targets) start() {
	if w.down.slapd {
		for _, name := range slapdFiles {
			if w.down.memory == "" {
				break
			}
			if err := copyFile(filepath.Join(w.down.memory, filepath.Dir(name)+".mdb"), filepath.Join(w.slapd.Dir, name)); err != nil {
				w.t.Fatal(err)
			}
		}
		w.slapd.Again(w.t)
	}
	if w.down.pg {
		w.pg.Again(w.t)
	}
	if w.down.slapd || w.down.pg {
		testserver.Await(w.t, "a target that was killed", time.Minute, func() error {
			ctx, cancel := context.WithTimeout(context.Background(), try)
			defer cancel()
			_, err1 := w.held(ctx, "ldap")
			_, err2 := w.held(ctx, "pg")
			return errors.Join(err1, err2)
		})
	}
	w.down = down{}
}
