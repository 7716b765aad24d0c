package exec

import (
	"bufio"
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	longestSaid = 4 << 10 // bytes of a line on standard error; the rest is dropped
	saidAtOnce  = 100     // lines in each saidWhile; the rest is counted
	saidWhile   = 10 * time.Second
)

// overhear writes what the program says on standard error to our log, and never
// so much of it that the log is of nothing else.
func (p *program) overhear() {
	defer close(p.heard)
	defer p.errOut.Close()
	r := bufio.NewReaderSize(p.errOut, longestSaid)
	since, lines, dropped := time.Now(), 0, 0
	for {
		line, err := r.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) {
			_, err = r.ReadSlice('\n')
		}
		if now := time.Now(); now.Sub(since) > saidWhile {
			if dropped > 0 {
				p.log.Warn("connector program", "program", p.cmd.Args[0], "dropped_lines", dropped)
			}
			since, lines, dropped = now, 0, 0
		}
		if text := p.clean(strings.TrimRight(string(line), "\r\n")); len(line) > 0 && lines < saidAtOnce {
			lines++
			p.mu.Lock()
			p.said = text
			p.mu.Unlock()
			p.log.Warn("connector program", "program", p.cmd.Args[0], "pid", p.cmd.Process.Pid, "says", text)
		} else if len(line) > 0 {
			dropped++
		}
		if err != nil {
			return
		}
	}
}

func marshal(req request) ([]byte, error) {
	line, err := json.Marshal(req)
	return append(line, '\n'), err
}
