package exec

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	osexec "os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

var errClosed = errors.New("the connector is closed")

// program is one running process. It is over once it cannot be spoken to any
// more, for whatever reason, and nothing brings it back.
type program struct {
	hello   hello
	started time.Time
	secrets map[string]string
	hide    *strings.Replacer
	log     *slog.Logger

	leastHang time.Duration

	cmd     *osexec.Cmd
	in, out *os.File
	errOut  *os.File
	writing chan struct{} // one line at a time
	slots   chan struct{} // one for each request that may be unanswered

	over   chan struct{} // closed when it is; why is set before
	exited chan struct{} // closed when the process is reaped
	exit   error
	heard  chan struct{} // closed when its standard error has ended

	mu    sync.Mutex
	why   error
	calls map[uint64]*call
	last  uint64
	used  time.Time // when a line of it was last read
	said  string    // its last line on standard error
}

// spawn starts the process; it has not said hello yet.
func (s *settings) spawn() (*program, error) {
	path, err := file(s.program, s.dir)
	if err != nil {
		return nil, err
	}
	env, secrets, err := s.environment()
	if err != nil {
		return nil, err
	}
	p := &program{secrets: secrets, log: s.log, leastHang: s.leastHang, started: time.Now(), used: time.Now(), calls: map[uint64]*call{},
		writing: make(chan struct{}, 1), slots: make(chan struct{}, 1), over: make(chan struct{}), exited: make(chan struct{}), heard: make(chan struct{})}
	var pairs []string
	for _, v := range secrets {
		pairs = append(pairs, v, "[secret]")
	}
	p.hide = strings.NewReplacer(pairs...)
	// Pipes of our own: their ends have deadlines, and waiting for the process
	// does not wait for whoever else it left them to.
	var theirs [3]*os.File
	defer func() {
		for _, f := range theirs {
			_ = f.Close()
		}
	}()
	if theirs[0], p.in, err = os.Pipe(); err != nil {
		return nil, err
	}
	if p.out, theirs[1], err = os.Pipe(); err == nil {
		p.errOut, theirs[2], err = os.Pipe()
	}
	if err == nil {
		p.cmd = &osexec.Cmd{Path: path, Args: append([]string{s.program}, s.args...), Dir: s.dir, Env: env,
			Stdin: theirs[0], Stdout: theirs[1], Stderr: theirs[2],
			SysProcAttr: &syscall.SysProcAttr{Setpgid: true}} // so that its children end with it
		err = p.cmd.Start()
	}
	if err != nil {
		p.closePipes()
		return nil, err
	}
	go p.reap()
	go p.listen()
	go p.overhear()
	return p, nil
}

func (p *program) closePipes() {
	for _, f := range []*os.File{p.in, p.out, p.errOut} {
		_ = f.Close()
	}
}

// reap waits for the process, and ends what it left behind: with its pipes open
// that would be taken for the program still speaking.
func (p *program) reap() {
	p.exit = p.cmd.Wait()
	p.kill()
	soon := time.Now().Add(grace)
	_ = p.out.SetReadDeadline(soon)
	_ = p.errOut.SetReadDeadline(soon)
	close(p.exited)
}

func (p *program) kill() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }

// end makes the program over. The first reason is the one that is told.
func (p *program) end(why error) {
	p.mu.Lock()
	if p.why == nil {
		p.why = why
		close(p.over)
	}
	for _, c := range p.calls {
		if c.hangs != nil {
			c.hangs.Stop()
		}
	}
	p.mu.Unlock()
	_ = p.in.Close()
	select {
	case <-p.exited: // its number may be another's by now
	default:
		p.kill()
	}
}

// finish ends a program that nobody is to use any more: its input ends, and if
// it has not ended by itself a moment later it is killed.
func (p *program) finish(why error) {
	p.mu.Lock()
	if p.why == nil {
		p.why = why
		close(p.over)
	}
	p.mu.Unlock()
	p.retire(grace)
	<-p.exited
}

// retire ends its input: it answers what it was asked, and exits.
func (p *program) retire(within time.Duration) {
	_ = p.in.Close()
	timer := time.AfterFunc(within, p.kill)
	go func() { <-p.exited; timer.Stop() }()
}

// listen reads answers until there are no more. What the program said before it
// died still counts.
func (p *program) listen() {
	r := bufio.NewReaderSize(p.out, 64<<10)
	for {
		line, err := readLine(r)
		if err != nil {
			p.end(p.farewell(line, err))
			_ = p.out.Close()
			return
		}
		a, err := readAnswer(line)
		if err == nil {
			err = p.deliver(a)
		}
		if err != nil {
			p.end(fmt.Errorf("broke the protocol: %w", err))
		}
	}
}

// farewell says why nothing more is read, with the exit status where there is one.
func (p *program) farewell(rest []byte, err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	text := "closed its output"
	select {
	case <-p.exited:
		text = "ended"
		if p.exit != nil {
			text += ": " + p.exit.Error()
		}
		select {
		case <-p.heard: // its last words count
		case <-timer.C:
		}
	case <-timer.C:
	}
	if len(rest) > 0 {
		text += fmt.Sprintf(", in the middle of a line (%d bytes)", len(rest))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.said != "" {
		text += ", saying " + p.said
	}
	return errors.New(text)
}

// greet exchanges hellos.
func (p *program) greet(ctx context.Context, test bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	a, err := p.ask(ctx, request{Verb: "hello", Protocol: Protocol, Test: test})
	switch h := a.Hello; {
	case err != nil:
		return fmt.Errorf("no hello: %w", err)
	case a.Error != nil:
		return fmt.Errorf("no hello: %w", a.Error.err(p))
	case h == nil:
		return fmt.Errorf("answered hello with %s", a.parts()[0])
	case h.Protocol != Protocol:
		return fmt.Errorf("speaks protocol %d, not %d", h.Protocol, Protocol)
	case h.Name == "" || h.Batch < 1 || h.InFlight < 1 || h.InFlight > 64 || h.Lingers < 0:
		return errors.New("said hello without a name, or with a batch or in_flight below 1, an in_flight above 64, or lingers_ms below 0")
	default:
		p.hello = *h
		p.slots = make(chan struct{}, h.InFlight) // nobody else knows the program yet
	}
	return nil
}

// endedItself waits for the process, and tells whether nobody had to kill it.
func (p *program) endedItself() bool {
	<-p.exited
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && !(status.Signaled() && status.Signal() == syscall.SIGKILL)
}
