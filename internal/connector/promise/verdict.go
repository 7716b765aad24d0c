package promise

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
)

// Verdict is how one promise came out where no test runs.
type Verdict struct {
	Name    string   `json:"promise"`
	What    string   `json:"what"`
	Kept    bool     `json:"kept"`
	Skipped string   `json:"skipped,omitempty"` // why it could not be held to it; then it is not kept
	Wrong   []string `json:"wrong,omitempty"`   // what was wrong, and what would be right
}

// mostWrong bounds what one verdict says: whoever fails a promise a thousand
// times over learns nothing more from the rest.
const mostWrong = 20

// Judge makes a target and holds it to the promise. What newTarget and the
// target's functions find wrong they tell the T they are given.
func (p Promise) Judge(newTarget func(t T) Target) Verdict {
	return Judge(p.Name, p.What, func(t T) { p.Hold(t, newTarget(t)) })
}

// Judge gives the verdict on any deed that tells a T what is wrong.
func Judge(name, what string, hold func(t T)) Verdict {
	j := &judge{}
	done := make(chan struct{})
	go func() { // a Fatal ends the promise, not the caller
		defer close(done)
		hold(j)
	}()
	<-done
	j.mu.Lock()
	defer j.mu.Unlock()
	if more := j.count - len(j.wrong); more > 0 {
		j.wrong = append(j.wrong, fmt.Sprintf("and %d more", more))
	}
	return Verdict{Name: name, What: what, Kept: j.count == 0 && j.skipped == "", Skipped: j.skipped, Wrong: j.wrong}
}

// judge is a T that remembers.
type judge struct {
	mu      sync.Mutex
	count   int
	wrong   []string
	skipped string
}

func (j *judge) add(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.count++; len(j.wrong) < mostWrong {
		j.wrong = append(j.wrong, text)
	}
}

func line(args []any) string { return strings.TrimSuffix(fmt.Sprintln(args...), "\n") }

func (j *judge) Helper()                   {}
func (j *judge) Log(...any)                {}
func (j *judge) Logf(string, ...any)       {}
func (j *judge) Error(args ...any)         { j.add(line(args)) }
func (j *judge) Errorf(f string, a ...any) { j.add(fmt.Sprintf(f, a...)) }
func (j *judge) Fatal(args ...any)         { j.add(line(args)); runtime.Goexit() }
func (j *judge) Fatalf(f string, a ...any) { j.add(fmt.Sprintf(f, a...)); runtime.Goexit() }
func (j *judge) Skip(args ...any) {
	j.mu.Lock()
	j.skipped = line(args)
	j.mu.Unlock()
	runtime.Goexit()
}
