// Package exec is the connector to anything, in any language: a program of
// somebody else's that speaks the port over JSON lines on its standard input and
// output. docs/writing-a-connector.md is its protocol, word for word.
//
//	(none) --start, hello--> running --dies, hangs, speaks nonsense--> (none, back-off)
//	running --a secret was changed--> retired: answers what it was asked, and ends
//
// It never runs a shell, hands the program no more of our environment than PATH
// and HOME, believes no line that is not exactly as the protocol says, and takes
// silence for nothing but silence: what was written to a program that then died
// may have been done. It never retries a write.
package exec

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

const (
	// Protocol is the version spoken here; a program that speaks another is not used.
	Protocol = 1

	longestLine = 16 << 20 // bytes, both ways; a longer answer is refused, never cut
	longestName = 64 << 10 // bytes
	lineAim     = 2 << 20  // bytes of names worth one request: escaped they are at most six times as many
	objectsAim  = 10000    // objects named in one observe

	startTime  = 30 * time.Second // until hello is answered
	idlePing   = 30 * time.Second // after that, a ping comes before the next request
	pingTime   = 5 * time.Second
	grace      = time.Second // to end by itself once its input has ended
	firstPause = 50 * time.Millisecond
	longPause  = time.Minute
	settled    = 10 * time.Second // a program that lived so long did not fail to start

	// A call unanswered for hangs times its time, and at least leastHang, shows that
	// the program hangs.
	hangs     = 3
	leastHang = 10 * time.Second
)

// Config may be wrong; New says how.
type Config struct {
	// Program is run as it is, without a shell: by an absolute path, by one with a
	// slash in it relative to Dir, or by a name found in PATH.
	Program string
	Args    []string
	// Dir is the folder it runs in; "" is ours.
	Dir string
	// Env is its environment, beside PATH and HOME, which are ours unless given here.
	Env map[string]string
	// Secrets are more of its environment, asked anew at every start. Where one has
	// changed the program is started anew; where one is empty it is not started.
	Secrets map[string]func() string
	// Timeout bounds one request; the call's context bounds all of them. 0 means 30 s.
	Timeout time.Duration
	// Target says what the target can do. The program's hello must say the same of
	// all but Batch: nothing else would tell that it is another one than thought.
	Target connector.Capabilities
	// Besides says what it can do besides; the hello must say the same of it, too.
	Besides Besides
	// Log gets what the program says on its standard error. Nil: nobody does.
	Log *slog.Logger
	// Now tells the time of a look. Nil means time.Now.
	Now func() time.Time
}

// Connector keeps one program running and speaks to it.
type Connector struct {
	settings
	turn   chan struct{} // held by whoever starts or checks the program
	closed context.Context
	close  context.CancelFunc

	mu      sync.Mutex
	running *program // nil where none runs
	alive   map[*program]bool
	failed  int // starts and short lives in a row
	pause   time.Time

	rehearsed bool
	fault     string // what the programs of a rehearsal were told last
}

var (
	_ connector.Connector = (*Connector)(nil)
	_ connector.Sessions  = (*Connector)(nil)
)

// New checks the configuration; it starts nothing.
func New(cfg Config) (*Connector, error) {
	s, err := check(cfg)
	if err != nil {
		return nil, err
	}
	c := &Connector{settings: s, turn: make(chan struct{}, 1), alive: map[*program]bool{}}
	c.closed, c.close = context.WithCancel(context.Background())
	return c, nil
}

// Capabilities is what the configuration says; a program that says otherwise is not used.
func (c *Connector) Capabilities() connector.Capabilities { return c.target }

// Close ends the programs; calls under way fail, and later ones are refused unsent.
func (c *Connector) Close() error {
	c.close()
	c.mu.Lock()
	var all []*program
	for p := range c.alive {
		all = append(all, p)
	}
	c.running = nil
	c.mu.Unlock()
	var wg sync.WaitGroup
	for _, p := range all {
		wg.Go(func() { p.finish(errClosed) })
	}
	wg.Wait()
	return nil
}
