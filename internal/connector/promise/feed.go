package promise

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

var feedPromises = []Promise{
	{"a feed tells of changes", "who follows is told first that all may have changed, then of each object whose holders change, by whomever; never two things at once",
		"ft", feedTells},
	{"a feed whose line breaks", "a feed ends with an error when its line breaks and when the connector is closed, and can be followed anew",
		"fb", feedBreaks},
}

// ear is somebody who follows.
type ear struct {
	k    *kit
	hang context.CancelFunc
	over chan struct{} // it has returned
	err  error         // … this

	mu    sync.Mutex
	heard [][]string
	busy  bool
	more  chan struct{} // something was heard
}

// listen follows, and waits for the word that all may have changed.
func (k *kit) listen() *ear {
	k.Helper()
	feed, can := connector.As[connector.Feed](k.Connector)
	if !can {
		k.Skip("this connector has no feed")
	}
	ctx, cancel := context.WithCancel(context.Background())
	e := &ear{k: k, hang: cancel, over: make(chan struct{}), more: make(chan struct{}, 1)}
	go func() {
		defer close(e.over)
		e.err = feed.Follow(ctx, e.hear)
	}()
	e.until("the word that it listens", 0, func([]string) bool { return true })
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.heard[0]) != 0 {
		k.Errorf("the first word was of %q, want none: all may have changed before", e.heard[0])
	}
	return e
}

func (e *ear) hear(objects []string) {
	e.mu.Lock()
	if e.busy {
		e.k.Error("two words of the feed at once")
	}
	e.busy = true
	e.mu.Unlock()
	runtime.Gosched() // another may come
	e.mu.Lock()
	defer e.mu.Unlock()
	e.busy = false
	e.heard = append(e.heard, slices.Clone(objects))
	select {
	case <-e.over:
		e.k.Error("a word of the feed after its end")
	default:
	}
	select {
	case e.more <- struct{}{}:
	default:
	}
}

// mark is how much was heard up to now.
func (e *ear) mark() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.heard)
}

// until waits for a word after the mark that is wanted.
func (e *ear) until(what string, mark int, wanted func(objects []string) bool) {
	e.k.Helper()
	for end := time.After(e.k.wait()); ; {
		e.mu.Lock()
		since := slices.Clone(e.heard[mark:])
		e.mu.Unlock()
		if slices.ContainsFunc(since, wanted) {
			return
		}
		select {
		case <-e.more:
		case <-e.over:
			if errors.Is(e.err, errors.ErrUnsupported) {
				e.k.Skip("this target has no feed: " + e.err.Error())
			}
			e.k.Fatalf("waiting for %s, the feed ended: %v", what, e.err)
		case <-end:
			e.hang()
			e.k.Fatalf("%s was not heard; heard since: %q", what, since)
		}
	}
}

// ends waits for the feed to return.
func (e *ear) ends(why string) error {
	e.k.Helper()
	select {
	case <-e.over:
	case <-time.After(e.k.wait()):
		e.k.Fatalf("the feed does not end %s", why)
	}
	return e.err
}

// That an object was deleted some targets show to nobody but their administrators;
// what it gave is gone then, and the next whole reading says so.
func feedTells(k *kit) {
	e := k.listen()
	defer e.hang()
	ann, bob, object := k.account("ann"), k.account("bob"), k.object("db")
	for _, step := range []struct {
		what string
		do   func()
	}{
		{"who was put in", func() { k.Put(object, ann, bob) }},
		{"our own removal", func() { k.ok(remove(ann, object)) }},
		{"our own addition", func() { k.ok(add(ann, object)) }},
	} {
		mark := e.mark()
		step.do()
		e.until(step.what, mark, func(objects []string) bool { return len(objects) == 0 || slices.Contains(objects, object) })
	}
	e.hang()
	_ = e.ends("with its context") // any answer will do
}

func feedBreaks(k *kit) {
	e := k.listen()
	defer e.hang()
	k.broken(Down, func() {
		if err := e.ends("when its line breaks"); err == nil {
			k.Error("a feed whose line broke ended without an error")
		}
	})
	again := k.listen()
	defer again.hang()
	if err := k.Connector.Close(); err != nil {
		k.Errorf("Close: %v", err)
	}
	if err := again.ends("with its connector"); err == nil {
		k.Error("a feed whose connector was closed ended without an error")
	}
}
