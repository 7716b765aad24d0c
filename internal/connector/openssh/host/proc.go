package host

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// proc is one process, told from a later one with its number by when it began.
type proc struct {
	pid, parent, session int
	began                string // in ticks since the start of the machine
}

func (p proc) id() string { return strconv.Itoa(p.pid) + "-" + p.began }

var errGone = errors.New("the process is gone")

// process reads one; what is dead and only waits to be reaped is gone.
func process(pid int) (proc, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return proc{}, errGone
	}
	// Its name stands in brackets, and may hold blanks and brackets.
	_, rest, _ := cutLast(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return proc{}, fmt.Errorf("/proc/%d/stat says %q", pid, text)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return proc{}, errGone
	}
	p := proc{pid: pid, began: fields[19]}
	p.parent, err = strconv.Atoi(fields[1])
	if err == nil {
		p.session, err = strconv.Atoi(fields[3])
	}
	return p, err
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func (p proc) runs() bool {
	now, err := process(p.pid)
	return err == nil && now.began == p.began
}

// signal sends one, to that process only. That it is gone is no error.
func (p proc) signal(s syscall.Signal) error {
	handle, err := os.FindProcess(p.pid) // by a pidfd: what it is now it stays
	if err != nil || !p.runs() {
		return nil
	}
	defer func() { _ = handle.Release() }()
	if err := handle.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("process %d: %w", p.pid, err)
	}
	return nil
}

// descent gives the processes that still run of those, all that descend from
// them, and all of the sessions that one of these leads.
func descent(roots ...proc) (family []proc, err error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []proc
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if p, err := process(pid); err == nil {
				all = append(all, p)
			}
		}
	}
	in, leads := map[int]bool{}, map[int]bool{}
	for _, r := range roots {
		leads[r.session] = leads[r.session] || r.session == r.pid
		if r.runs() {
			in[r.pid] = true
		}
	}
	for grew := true; grew; {
		grew = false
		for _, p := range all {
			if in[p.pid] || !in[p.parent] && !leads[p.session] {
				continue
			}
			in[p.pid], grew = true, true
			leads[p.session] = leads[p.session] || p.session == p.pid
		}
	}
	for _, p := range all {
		if in[p.pid] {
			family = append(family, p)
		}
	}
	slices.SortFunc(family, func(a, b proc) int { return a.pid - b.pid })
	return family, nil
}
