package news_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/news"
	"github.com/lessor-iam/lessor/internal/store"
)

func open(t *testing.T, joined, waited news.Bound) (*enginetest.Fixture, *news.Wire) {
	t.Helper()
	f := enginetest.Open(t, store.SQLite)
	n, err := news.New(news.Config{Source: f.Engine, Every: 5 * time.Millisecond, Joined: joined, Waited: waited})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.End)
	return f, n
}

func happens(t *testing.T, f *enginetest.Fixture, times int) (size int64) {
	t.Helper()
	for range times {
		f.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 3600e9, Reason: "work"})
		if _, err := f.Engine.Sequence(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, size, err := f.Engine.Pulse(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// Everybody who listens is told the same, each event once and in order, however
// they joined; it begins with a beat that says from where on.
func TestEverybodyIsToldTheSame(t *testing.T) {
	t.Parallel()
	f, n := open(t, news.Bound{All: 10, One: 10}, news.Bound{All: 1, One: 1})
	happens(t, f, 1)
	var ears []*news.Ear
	for range 3 {
		e, err := n.Join("eve")
		if err != nil {
			t.Fatal(err)
		}
		defer e.Leave()
		ears = append(ears, e)
	}
	first := <-ears[0].Beats() // whoever joined before the first reading
	size := happens(t, f, 3)
	for i, e := range ears {
		at := int64(-1)
		for at < size {
			b, goes := <-e.Beats()
			if !goes {
				t.Fatalf("ear %d was cut", i)
			}
			if at >= 0 && b.From != at {
				t.Errorf("ear %d: from %d after %d", i, b.From, at)
			}
			for j, one := range b.News {
				if one.Seq != b.From+int64(j) {
					t.Errorf("ear %d: place %d in a beat from %d", i, one.Seq, b.From)
				}
			}
			at = b.To
		}
	}
	if back, err := n.Back(t.Context(), 0, first.From); err != nil || int64(len(back)) != first.From {
		t.Errorf("before it: %d of %d, %v", len(back), first.From, err)
	}
}

// Nothing waits for who does not listen: they are cut. Who only wants to know that
// something has happened is not.
func TestTheSlowAreCut(t *testing.T) {
	t.Parallel()
	f, n := open(t, news.Bound{All: 1, One: 1}, news.Bound{All: 1, One: 1})
	slow, err := n.Join("eve")
	if err != nil {
		t.Fatal(err)
	}
	page, err := n.Wait("eve")
	if err != nil {
		t.Fatal(err)
	}
	defer page.Leave()
	for range 3 * cap(slow.Beats()) { // of which it takes none
		happens(t, f, 1)
		<-page.Beats()
	}
	took := 0
	for range slow.Beats() {
		took++
	}
	if took > cap(slow.Beats()) {
		t.Errorf("%d beats were kept for it", took)
	}
	if _, err := n.Join("bob"); !errors.Is(err, news.ErrFull) {
		t.Errorf("it was cut and has not left: %v", err)
	}
	slow.Leave()
	slow.Leave()
	next, err := n.Join("bob")
	if err != nil {
		t.Errorf("it has left: %v", err)
	} else {
		next.Leave()
	}
	happens(t, f, 1)
	if _, goes := <-page.Beats(); !goes {
		t.Error("a page was cut")
	}
}

// Nobody takes the place of others, and all ends with the server.
func TestBoundsAndTheEnd(t *testing.T) {
	t.Parallel()
	_, n := open(t, news.Bound{All: 3, One: 2}, news.Bound{All: 3, One: 1})
	var ears []*news.Ear
	for _, one := range []struct {
		who  string
		join func(string) (*news.Ear, error)
		full bool
	}{{"eve", n.Join, false}, {"eve", n.Join, false}, {"eve", n.Join, true}, {"bob", n.Join, false}, {"bob", n.Join, true},
		{"eve", n.Wait, false}, {"eve", n.Wait, true}, {"bob", n.Wait, false}} {
		e, err := one.join(one.who)
		if errors.Is(err, news.ErrFull) != one.full {
			t.Errorf("%s: %v", one.who, err)
		}
		if e != nil {
			ears = append(ears, e)
		}
	}
	n.End()
	n.End()
	for _, e := range ears {
		for range e.Beats() {
			continue
		}
		e.Leave()
	}
	if _, err := n.Join("eve"); !errors.Is(err, news.ErrFull) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := news.New(news.Config{}); err == nil {
		t.Error("a wire of nothing")
	}
}
