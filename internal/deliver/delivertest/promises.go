package delivertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/promise"
	"github.com/lessor-iam/lessor/internal/deliver"
)

func nothing(t testing.TB, x Target) {
	ref := x.Ref(t, "nothing")
	if err := x.Store.CheckRef(ref); err != nil {
		t.Fatal(err)
	}
	x.inForce(t, ref, 0, nil)
	x.lacks(t, ref, 1)
	x.lacks(t, ref, 0)
	x.forgets(t, ref, 1)
	x.inForce(t, ref, 0, nil)
}

func put(t testing.TB, x Target) {
	for i, text := range []string{"x", "newline at its end\n", "\r\n\ttabs\x00 and nothing", `"quoted' \u0041 {{.Data}} $HOME ${x} <a>&amp; % %s`,
		"Ünïcode \u2028 😀", strings.Repeat("long ", (deliver.LongestWorth-len(marked))/5)} {
		ref := x.Ref(t, fmt.Sprintf("put-%d", i))
		x.puts(t, ref, 1, worth(text))
		x.inForce(t, ref, 1, worth(text))
	}
	// What is no text is kept as it is, or refused.
	ref, binary := x.Ref(t, "put-binary"), worth("\xff\xfe\x80 no text")
	switch err := x.Store.Put(t.Context(), ref, 1, binary); {
	case err == nil:
		x.inForce(t, ref, 1, binary)
	default:
		want(t, "what is no text", err, connector.ErrRefused)
		x.inForce(t, ref, 0, nil)
	}
}

func again(t testing.TB, x Target) {
	ref := x.Ref(t, "again")
	x.puts(t, ref, 1, worth("first"))
	x.puts(t, ref, 1, worth("first"))
	x.inForce(t, ref, 1, worth("first"))
	x.puts(t, ref, 1, worth("second"))
	x.inForce(t, ref, 1, worth("second"))
	x.puts(t, ref, 2, worth("third"))
	x.has(t, ref, 1, worth("second"))
	x.puts(t, ref, 2, worth("fourth"))
	x.inForce(t, ref, 2, worth("fourth"))
	x.has(t, ref, 1, worth("second"))
	x.forgets(t, ref, 1)
	for _, text := range []string{"first", "second"} {
		if x.Holds(t, ref, worth(text)) {
			t.Errorf("what generation 1 was worth (%s) is still there", text)
		}
	}
}

func earlier(t testing.TB, x Target) {
	ref := x.Ref(t, "earlier")
	for _, n := range []int64{1, 2, 7} {
		x.puts(t, ref, n, worth(fmt.Sprint("generation ", n)))
	}
	x.inForce(t, ref, 7, worth("generation 7"))
	x.has(t, ref, 1, worth("generation 1"))
	x.has(t, ref, 2, worth("generation 2"))
	x.lacks(t, ref, 3)
	x.lacks(t, ref, 8)

	x.forgets(t, ref, 1)
	x.forgets(t, ref, 1)
	x.lacks(t, ref, 1)
	if x.Holds(t, ref, worth("generation 1")) {
		t.Error("what was forgotten is still there")
	}
	x.has(t, ref, 2, worth("generation 2"))
	x.inForce(t, ref, 7, worth("generation 7"))

	want(t, "forget the one in force", x.Store.Forget(t.Context(), ref, 7), deliver.ErrCurrent)
	x.forgets(t, ref, 3)
	x.forgets(t, ref, 9)
	x.inForce(t, ref, 7, worth("generation 7"))
	x.has(t, ref, 2, worth("generation 2"))

	x.forgets(t, ref, 2)
	x.puts(t, ref, 9, worth("generation 9"))
	x.lacks(t, ref, 2)
	x.has(t, ref, 7, worth("generation 7"))
}

func older(t testing.TB, x Target) {
	ref := x.Ref(t, "older")
	x.puts(t, ref, 1, worth("one"))
	x.puts(t, ref, 2, worth("two"))
	want(t, "put an older one", x.Store.Put(t.Context(), ref, 1, worth("late")), deliver.ErrOlder)
	x.inForce(t, ref, 2, worth("two"))
	x.has(t, ref, 1, worth("one"))
	x.forgets(t, ref, 1)
	want(t, "put a forgotten one", x.Other.Put(t.Context(), ref, 1, worth("late")), deliver.ErrOlder)
	x.lacks(t, ref, 1)
	if x.Holds(t, ref, worth("late")) {
		t.Error("what was refused is there")
	}
	x.inForce(t, ref, 2, worth("two"))
}

// many puts generations from both replicas at once, in every order.
func many(t testing.TB, x Target) {
	ref := x.Ref(t, "many")
	const most = 6
	var put sync.Map
	var wg sync.WaitGroup
	for n := int64(1); n <= most; n++ {
		for i, s := range []deliver.Store{x.Store, x.Other} {
			wg.Go(func() {
				switch err := s.Put(t.Context(), ref, n, worth(fmt.Sprint("many ", n))); {
				case err == nil:
					put.Store(n, true)
				case !errors.Is(err, deliver.ErrOlder) && !errors.Is(err, connector.ErrRefused): // refused: the others were always faster
					t.Errorf("put %d by %d: %v", n, i, err)
				}
			})
		}
	}
	wg.Wait()
	x.puts(t, ref, most, worth(fmt.Sprint("many ", most)))
	x.inForce(t, ref, most, worth(fmt.Sprint("many ", most)))
	put.Range(func(n, _ any) bool {
		x.has(t, ref, n.(int64), worth(fmt.Sprint("many ", n)))
		return true
	})
}

// forgottenUnderWay forgets a generation while others put the next one again and again:
// none of them may bring it back.
func forgottenUnderWay(t testing.TB, x Target) {
	ref := x.Ref(t, "under-way")
	x.puts(t, ref, 1, worth("one"))
	var wg sync.WaitGroup
	for i, s := range []deliver.Store{x.Store, x.Other, x.Store, x.Other} {
		wg.Go(func() {
			if err := s.Put(t.Context(), ref, 2, worth(fmt.Sprint("two ", i))); err != nil && !errors.Is(err, connector.ErrRefused) {
				t.Errorf("put by %d: %v", i, err)
			}
			if err := s.Forget(t.Context(), ref, 1); err != nil && !errors.Is(err, connector.ErrRefused) && !errors.Is(err, deliver.ErrCurrent) {
				t.Errorf("forget by %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	x.forgets(t, ref, 1)
	x.lacks(t, ref, 1)
	if x.Holds(t, ref, worth("one")) {
		t.Error("what was forgotten is there")
	}
	if n, err := x.Store.Current(t.Context(), ref); err != nil || n != 2 {
		t.Errorf("current is %d, %v", n, err)
	}
}

func unfit(t testing.TB, x Target) {
	ref := x.Ref(t, "unfit")
	refuses := func() {
		t.Helper()
		for what, err := range map[string]error{
			"no generation":       x.Store.Put(t.Context(), ref, 0, worth("x")),
			"a negative one":      x.Store.Put(t.Context(), ref, -1, worth("x")),
			"no worth":            x.Store.Put(t.Context(), ref, 3, nil),
			"an empty worth":      x.Store.Put(t.Context(), ref, 3, connector.Worth{}),
			"a worth of any size": x.Store.Put(t.Context(), ref, 3, worth(strings.Repeat("x", deliver.LongestWorth))),
		} {
			want(t, what, err, connector.ErrRefused)
		}
	}
	refuses()
	x.inForce(t, ref, 0, nil)
	x.puts(t, ref, 2, worth("two"))
	refuses()
	x.inForce(t, ref, 2, worth("two"))
}

func noReference(t testing.TB, x Target) {
	hostile := append([]string{"", "/", ".", "..", "../x", "/etc/passwd", "a/../b", "a/./b", "a//b", "a/", "a\x00b", "a\nb", "a b", "a\\b", "a?b", "a%2fb", "é",
		"../../x#y", "a/../../b#c", "/a#b", "a#", "#", strings.Repeat("a", 5000), strings.Repeat("a/", 300) + "a#b"}, x.Hostile...)
	for _, ref := range append(slices.Clone(hostile), x.Barred...) {
		_, err1 := x.Store.Get(t.Context(), ref, 1)
		_, err2 := x.Store.Current(t.Context(), ref)
		for what, err := range map[string]error{"get": err1, "current": err2,
			"put": x.Store.Put(t.Context(), ref, 1, worth("x")), "forget": x.Store.Forget(t.Context(), ref, 1)} {
			if !errors.Is(err, connector.ErrRefused) {
				t.Errorf("%s at %.40q: %v, want %v", what, ref, err, connector.ErrRefused)
			}
		}
	}
	for _, ref := range hostile {
		if err := x.Store.CheckRef(ref); !errors.Is(err, connector.ErrRefused) {
			t.Errorf("check %.40q: %v, want %v", ref, err, connector.ErrRefused)
		}
	}
}

// neighbours are references that a careless store takes for one another.
func neighbours(t testing.TB, x Target) {
	var refs []string
	for _, name := range []string{"near", "near-1", "near.1", "near.lessor1", "nea"} {
		refs = append(refs, x.Ref(t, name))
	}
	for i, ref := range refs {
		x.puts(t, ref, 1, worth(fmt.Sprint("one of ", i)))
		x.puts(t, ref, 2, worth(fmt.Sprint("two of ", i)))
	}
	x.forgets(t, refs[0], 1)
	x.puts(t, refs[0], 12, worth("twelve of 0"))
	for i, ref := range refs[1:] {
		x.inForce(t, ref, 2, worth(fmt.Sprint("two of ", i+1)))
		x.has(t, ref, 1, worth(fmt.Sprint("one of ", i+1)))
	}
}

func over(t testing.TB, x Target) {
	ref := x.Ref(t, "over")
	x.puts(t, ref, 1, worth("one"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	want(t, "put without time", x.Store.Put(ctx, ref, 2, worth("two")), connector.ErrUnreachable)
	want(t, "forget without time", x.Store.Forget(ctx, ref, 1), connector.ErrUnreachable)
	if err := x.Store.Close(); err != nil {
		t.Error(err)
	}
	want(t, "put after close", x.Store.Put(t.Context(), ref, 2, worth("two")), connector.ErrUnreachable)
	if n, err := x.Other.Current(t.Context(), ref); err != nil || n != 1 {
		t.Errorf("current is %d, %v", n, err)
	}
}

// lostAnswer: whether it was put, nobody knows; putting it again settles it.
func lostAnswer(t testing.TB, x Target) {
	ref := x.Ref(t, "lost")
	x.puts(t, ref, 1, worth("one"))
	for n := int64(2); n < 4; n++ {
		mend := x.Break(t, promise.LostAnswer)
		want(t, "put whose answer is lost", x.Store.Put(t.Context(), ref, n, worth(fmt.Sprint("lost ", n))), connector.ErrUnanswered)
		mend()
		if is, err := x.Store.Current(t.Context(), ref); err != nil || is < n-1 || is > n {
			t.Errorf("current is %d, %v", is, err)
		}
		x.puts(t, ref, n, worth(fmt.Sprint("lost ", n)))
		x.inForce(t, ref, n, worth(fmt.Sprint("lost ", n)))
	}
	mend := x.Break(t, promise.LostAnswer)
	want(t, "forget whose answer is lost", x.Store.Forget(t.Context(), ref, 1), connector.ErrUnanswered)
	mend()
	x.forgets(t, ref, 1)
	x.lacks(t, ref, 1)
	x.has(t, ref, 2, worth("lost 2"))
}

// late: a write that lands after a newer one harms nothing.
func late(t testing.TB, x Target) {
	for name, first := range map[string]bool{"late-first": true, "late-later": false} {
		ref := x.Ref(t, name)
		if !first {
			x.puts(t, ref, 1, worth("one"))
		}
		mend := x.Break(t, promise.Late)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		want(t, "put that is late", x.Store.Put(ctx, ref, 2, worth("late")), connector.ErrUnanswered)
		cancel()
		if err := x.Other.Put(t.Context(), ref, 3, worth("three")); err != nil {
			t.Error(err)
		}
		if err := x.Other.Forget(t.Context(), ref, 1); err != nil {
			t.Error(err)
		}
		mend()
		x.inForce(t, ref, 3, worth("three"))
		x.lacks(t, ref, 1)
		if x.Holds(t, ref, worth("one")) {
			t.Error("what was forgotten has come back")
		}
		if got := x.Read(t, ref); !bytes.Equal(got, worth("three")) {
			t.Error("consumers get what was late")
		}
	}
}

func refused(t testing.TB, x Target) {
	ref := x.Ref(t, "refused")
	x.puts(t, ref, 1, worth("one"))
	x.puts(t, ref, 2, worth("two"))
	mend := x.Break(t, promise.Refuse)
	for range 2 {
		want(t, "put that is refused", x.Store.Put(t.Context(), ref, 3, worth("three")), connector.ErrRefused)
		want(t, "forget that is refused", x.Store.Forget(t.Context(), ref, 1), connector.ErrRefused)
	}
	mend()
	x.inForce(t, ref, 2, worth("two"))
	x.has(t, ref, 1, worth("one"))
}

func down(t testing.TB, x Target) {
	ref := x.Ref(t, "down")
	x.puts(t, ref, 1, worth("one"))
	mend := x.Break(t, promise.Down)
	want(t, "put while it is down", x.Store.Put(t.Context(), ref, 2, worth("two")), connector.ErrUnreachable)
	if _, err := x.Store.Current(t.Context(), ref); err == nil || errors.Is(err, deliver.ErrNotFound) {
		t.Errorf("current while it is down: %v", err)
	}
	if _, err := x.Store.Get(t.Context(), ref, 2); err == nil || errors.Is(err, deliver.ErrNotFound) {
		t.Errorf("get while it is down: %v", err)
	}
	mend()
	x.inForce(t, ref, 1, worth("one"))
}
