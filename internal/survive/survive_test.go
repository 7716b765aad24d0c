package survive

import (
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/jirasim"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/store"
)

// What a run is told by the environment; `make survive` sets them.
const (
	roundsKey = "LESSOR_SURVIVE_ROUNDS"
	seedKey   = "LESSOR_SURVIVE_SEED"
	logKey    = "LESSOR_SURVIVE_LOG"  // a file to which each round adds a line
	onlyKey   = "LESSOR_SURVIVE_ONLY" // the one trouble that comes; else any
)

const (
	shortRounds = 3  // in the ordinary run
	lifeRounds  = 12 // at most, in one life: the oracle reads the whole of it each time
	replicas    = 3  // where the database allows more than one
	fileEvery   = 5  // which life is on a file
)

// longTroubles take a minute a round where the machine is busy: the ordinary run leaves them out.
var longTroubles = []string{clockJumps, diskFull, targetKilled}

// life is one folder and one database, and the servers on them.
type life struct {
	t        testing.TB
	targets  *targets
	cluster  *cluster // nil: the database is a file
	toLedger []*wire  // each replica's way to the database
	replicas []*replica
	queue    *queue
	tokens   map[string]string
	dsn      string // as the oracle reaches it
	db       *store.DB
	vkey     string
	world    func(time.Time) engine.World
	line     *timeline
	kept     *promised
	tally    map[string]int
	begun    time.Time

	disk      string            // the small disk that what is stored is on; empty: a large one
	clock     string            // the file that sets the clock of every server's machine; empty: it cannot be set
	base      time.Duration     // what the machines' clocks are set to for good, because security said that it is right
	lead      atomic.Int64      // by how much Lessor's own time is ahead of this machine's, once it follows
	let       time.Duration     // how far behind security let a clock be
	meant     access.HaltReason // the halt that is to stay until the round is over; empty: none
	accepting bool              // security accepts a clock that is off whenever it is asked to
	held      [2]string         // what [holder] was granted, at each target
	broken    []error           // what was wrong in the middle of a trouble
	lost      []string          // what servers said of verbs that lost to others each time
	short     bool              // the ordinary run: none of longTroubles
}

// now is the time that servers go by: the later of the clock and the time they have
// reached, which goes back for nobody.
func (l *life) now() time.Time { return time.Now().Add(time.Duration(l.lead.Load())) }

// wrong notes what was not as it had to be in the middle of a trouble.
func (l *life) wrong(format string, a ...any) {
	err := fmt.Errorf(format, a...)
	l.line.add("WRONG %v", err)
	l.broken = append(l.broken, err)
}

// begin makes a life with that many servers. cluster nil is one on a file, with one.
// Where clocks, each server's clock can be set.
func begin(t testing.TB, w *targets, c *cluster, n int, clocks bool, tally map[string]int) *life {
	t.Helper()
	l := &life{t: t, targets: w, cluster: c, queue: newQueue(t), line: &timeline{}, kept: newPromised(), tally: tally, begun: time.Now()}
	database, name := "database: sqlite:lessor.db", ""
	if c == nil {
		n = 1
	} else {
		database, name = "database_ref: env:"+dsnKey, c.fresh(t)
	}
	t.Cleanup(func() {
		if c != nil {
			_ = c.run("postgres", "drop database "+name+" with (force)") // it is only in the way
		}
	})
	dir := filepath.Join(t.TempDir(), "lessor")
	if c == nil {
		if l.disk = w.smallDisk(t); l.disk != "" {
			dir = filepath.Join(l.disk, "lessor")
			database += "\nkeep_free: " + keepFree
		}
	} else {
		l.disk = c.disk
	}
	if clocks {
		l.clock = filepath.Join(t.TempDir(), "clock")
	}
	l.tokens = w.folder(t, dir, database, l.queue.config)
	pub, err := os.ReadFile(dir + "/log.pub")
	if err != nil {
		t.Fatal(err)
	}
	_, world, _, err := server.Check(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.vkey, l.world = strings.TrimSpace(string(pub)), func(time.Time) engine.World { return world }
	l.dsn = "sqlite:" + dir + "/lessor.db"
	for i := range n {
		dsn := ""
		if c != nil {
			l.toLedger = append(l.toLedger, newWire(t, c.addr()))
			dsn, l.dsn = c.url(l.toLedger[i].addr, name), c.url(c.addr(), name)
		}
		r := newReplica(t, fmt.Sprintf("replica-%d", i), dir, dsn)
		if clocks {
			r.plan.Clock = l.clock + fmt.Sprint(i)
			r.setClock(t, 0)
		}
		l.replicas = append(l.replicas, r)
	}
	if problems := w.empty(t.Context()); len(problems) > 0 {
		t.Fatalf("before a life begins:\n%s", told(problems))
	}
	for _, r := range l.replicas { // all at once, on a database that has no table yet
		r.start(t, "", 0)
	}
	for _, r := range l.replicas {
		r.ready(t)
	}
	if l.db, err = store.Inspect(t.Context(), l.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.db.Close() })
	return l
}

// round is a storm with trouble in it, then quiet, then the oracle.
func (l *life) round(ctx context.Context, n int, seed uint64) (what string, problems []error) {
	rnd := rand.New(rand.NewChaCha8(sha256.Sum256(fmt.Append(nil, seed, n))))
	l.line.add("ROUND %d", n)
	l.queue.to.Store(&l.one(rnd).url)
	l.queue.SetPost(jirasim.Post{Lose: func(jirasim.Delivery) bool { return rand.IntN(4) == 0 }, Copies: func(jirasim.Delivery) int { return 1 + rand.IntN(3) }, Shuffled: true})
	c := &crowd{tokens: l.tokens, queue: l.queue, line: l.line, kept: l.kept, now: l.now, round: n}
	for _, r := range l.replicas {
		c.urls = append(c.urls, r.url)
	}
	list := l.troubles()
	if only := os.Getenv(onlyKey); only != "" {
		list = slices.DeleteFunc(list, func(tr trouble) bool { return tr.kind != only })
	}
	if l.short {
		list = slices.DeleteFunc(list, func(tr trouble) bool { return slices.Contains(longTroubles, tr.kind) })
	}
	if len(list) == 0 {
		l.t.Skipf("NOT TESTED: there is no such trouble here: %s", os.Getenv(onlyKey))
	}
	tr := list[rnd.IntN(len(list))]
	if tr.before != nil {
		tr.before(l, rnd)
	}
	blow, still := context.WithTimeout(ctx, cmp.Or(tr.lasts, storm))
	defer still()
	var all sync.WaitGroup
	for i := range 6 {
		mine := rand.New(rand.NewPCG(rnd.Uint64(), rnd.Uint64()))
		all.Go(func() { c.run(blow, i, mine) })
	}
	seeing, blind := context.WithCancel(ctx)
	defer blind()
	eye := &watch{l: l, seen: map[string]error{}}
	var looking sync.WaitGroup
	looking.Go(func() { eye.run(seeing) })
	what = tr.do(l, blow, rnd)
	l.tally[tr.kind]++
	all.Wait()
	l.line.add("QUIET")
	l.mend(l.t)
	problems = l.judge(ctx)
	blind()
	looking.Wait()
	if tr.after != nil {
		tr.after(l, ctx)
		problems = append(problems, l.judge(ctx)...)
	}
	problems, l.broken = append(problems, l.broken...), nil
	if bounded := !strings.Contains(what, "froze") && !strings.Contains(what, string(hangs)) && !strings.Contains(what, forgetful); bounded {
		l.tally["settled assignments held against their target in a storm"] += eye.looks
		problems = append(problems, eye.problems()...)
	}
	return what, problems
}

// end ends everything, waits until it is seen gone, and says what is not.
func (l *life) end(ctx context.Context) (problems []error) {
	sara := client.New(l.replicas[0].url, l.tokens[security])
	l.queue.SetPost(jirasim.Post{})
	for end := time.Now().Add(mendWithin); ; {
		// A ticket that was read late may still become a grant: it is revoked in the next turn.
		for _, g := range l.open(ctx) {
			if err := sara.Revoke(ctx, g, "the end of a life"); err != nil {
				l.line.add("revoking %s: %v", g, err)
			}
		}
		if problems = append(l.judge(ctx), l.leftovers(ctx)...); len(problems) == 0 || time.Now().After(end) {
			break
		}
		<-time.After(100 * time.Millisecond)
	}
	for _, r := range l.replicas {
		r.kill()
		text, err := os.ReadFile(r.said)
		if err != nil {
			problems = append(problems, err)
		}
		l.gaveUp(string(text))
		l.tally["settlings refused for their lease"] += strings.Count(string(text), `"msg":"reconciled"`) - strings.Count(string(text), `"refused":0`)
	}
	return problems
}

// gaveUp notes which verbs a server gave up after losing to others each time.
func (l *life) gaveUp(said string) {
	for line := range strings.Lines(said) {
		if strings.Contains(line, "gave up after") {
			l.tally["verbs given up as unserializable"]++
			l.lost = append(l.lost, strings.TrimSpace(line))
		}
	}
}

// leftovers is what there must not be at the end of a life: a ticket that is not
// known, an open grant, anything held at a target.
func (l *life) leftovers(ctx context.Context) (problems []error) {
	problems, err := l.ticketsRead(ctx)
	if err != nil {
		return append(problems, err)
	}
	for _, g := range l.open(ctx) {
		problems = append(problems, fmt.Errorf("grant %s is still open at the end of a life", g))
	}
	return append(problems, l.targets.empty(ctx)...)
}

// open lists what is granted.
func (l *life) open(ctx context.Context) (list []string) {
	if err := l.db.Read(ctx, func(tx *store.Tx) error {
		grants, err := tx.GrantsOf(ctx, nil, true, "", 1<<30)
		for _, g := range grants {
			list = append(list, g.ID)
		}
		return err
	}); err != nil {
		l.t.Fatal(err)
	}
	return list
}

// Whatever is killed, cut or frozen: after each storm reality is what authority says,
// the log is whole, nothing that was answered for is lost and nothing is done twice.
func TestSurvive(t *testing.T) {
	rounds, err := strconv.Atoi(cmp.Or(os.Getenv(roundsKey), strconv.Itoa(shortRounds)))
	if err != nil {
		t.Fatalf("%s: %v", roundsKey, err)
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv(seedKey); s != "" {
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedKey, err)
		}
	}
	t.Logf("seed %d, %d rounds: %s=%d %s=%d make survive", seed, rounds, seedKey, seed, roundsKey, rounds)
	keep := logTo(t)
	keep("%s seed %d, %d rounds", time.Now().UTC().Format(time.RFC3339), seed, rounds)
	w, c, tally := newTargets(t), newCluster(t), map[string]int{}
	for done, n := 0, 0; done < rounds && !t.Failed(); n++ {
		t.Run(fmt.Sprintf("life %d", n), func(t *testing.T) {
			on, words := c, "PostgreSQL"
			if n%fileEvery == 1 {
				on, words = nil, "SQLite"
			}
			if rounds <= shortRounds && done == rounds-1 {
				on, words = nil, "SQLite" // the ordinary run has one of each
			}
			l := begin(t, w, on, replicas, n%2 == 0 || os.Getenv(onlyKey) == clockJumps, tally)
			l.short = rounds <= shortRounds && os.Getenv(onlyKey) == ""
			for i := 0; i < lifeRounds && done < rounds; i++ {
				if rounds <= shortRounds && words == "PostgreSQL" && done == rounds-1 {
					break
				}
				began := time.Now()
				what, problems := l.round(t.Context(), done, seed)
				keep("round %d, life %d on %s: %s; mended after %s; violations %d", done, n, words, what, time.Since(began).Round(time.Millisecond), len(problems))
				done++
				l.fails(seed, what, problems)
			}
			problems := l.end(t.Context())
			keep("end of life %d; violations %d", n, len(problems))
			for _, line := range l.lost {
				keep("%s", line)
			}
			l.fails(seed, "the end of a life", problems)
		})
	}
	var kinds []string
	for _, k := range slices.Sorted(maps.Keys(tally)) {
		kinds = append(kinds, fmt.Sprintf("%s %d", k, tally[k]))
	}
	keep("%s done: %s", time.Now().UTC().Format(time.RFC3339), strings.Join(kinds, ", "))
	t.Logf("%s", strings.Join(kinds, ", "))
}

// fails ends the test with all that is known, if anything is wrong.
func (l *life) fails(seed uint64, what string, problems []error) {
	l.t.Helper()
	if len(problems) == 0 {
		return
	}
	for _, r := range l.replicas {
		l.t.Logf("%s said last:\n%s", r.name, r.tail())
	}
	l.t.Logf("timeline:\n%s", l.line.last(400))
	l.t.Fatalf("seed %d, after %s:\n%s", seed, what, told(problems))
}

// logTo writes lines to the log of the run, if one is wanted.
func logTo(t testing.TB) func(format string, a ...any) {
	t.Helper()
	name := os.Getenv(logKey)
	if name == "" {
		return func(string, ...any) {}
	}
	return func(format string, a ...any) {
		f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		fmt.Fprintf(f, format+"\n", a...)
	}
}
