package backup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

func placed(from, n int64) (list []store.Event) {
	for i := from; i < from+n; i++ {
		list = append(list, store.Event{ID: fmt.Sprint(i), Seq: i, Salt: []byte{1, byte(i)}, Body: fmt.Appendf(nil, `{"id":"ev-%d","note":"<ö & \u2028>"}`, i)})
	}
	return list
}

func read(t *testing.T, dir string, from int64) (list []Event) {
	t.Helper()
	if err := Events(os.DirFS(dir), from, func(e Event) error { list = append(list, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

// What is appended is read back letter by letter, over files, after a line was cut off
// at any place, and never with a gap.
func TestLogGrows(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "copy")
	l, err := OpenLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	l.max = 200
	if _, ok, err := l.End(); ok || err != nil {
		t.Errorf("an empty copy ends somewhere: %v", err)
	}
	for from := int64(0); from < 12; from += 3 {
		if err := l.Append(placed(from, 3)); err != nil {
			t.Fatal(err)
		}
	}
	if files, _ := eventFiles(os.DirFS(dir)); len(files) < 3 {
		t.Errorf("all in %v", files)
	}
	if err := l.Append(placed(13, 1)); !errors.Is(err, access.ErrConflict) {
		t.Errorf("a gap was written: %v", err)
	}
	if err := l.Append(placed(11, 1)); !errors.Is(err, access.ErrConflict) {
		t.Errorf("an event was written twice: %v", err)
	}
	files, _ := eventFiles(os.DirFS(dir))
	name := filepath.Join(dir, files[len(files)-1])
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for cut := 1; cut < 60; cut++ {
		if err := os.WriteFile(name, whole[:len(whole)-cut], 0o600); err != nil {
			t.Fatal(err)
		}
		if last, ok, err := l.End(); err != nil || !ok || last.Seq != 10 {
			t.Fatalf("%d bytes short it ends at %+v, %v, %v", cut, last, ok, err)
		}
		if err := l.Append(placed(11, 1)); err != nil {
			t.Fatalf("%d bytes short: %v", cut, err)
		}
		if again, err := os.ReadFile(name); err != nil || string(again) != string(whole) {
			t.Fatalf("%d bytes short it is now %s, %v", cut, again, err)
		}
	}
	for from := range int64(13) {
		got, want := read(t, dir, from), placed(from, 12-from)
		if len(got) != len(want) {
			t.Fatalf("from %d on there are %d", from, len(got))
		}
		for i, e := range got {
			if e.Seq != want[i].Seq || e.Body != string(want[i].Body) || string(e.Salt) != string(want[i].Salt) {
				t.Errorf("%+v was %+v", e, want[i])
			}
		}
	}
	// What no head counts is taken away, and it goes on from there; or all is set aside.
	for _, from := range []int64{11, 7, 6} {
		if err := l.CutBack(from); err != nil {
			t.Fatal(err)
		}
		if last, ok, err := l.End(); err != nil || !ok || last.Seq != from-1 {
			t.Errorf("cut back to %d it ends at %+v, %v, %v", from, last, ok, err)
		}
	}
	if err := l.Append(placed(6, 6)); err != nil {
		t.Fatal(err)
	}
	// A file that is missing is a gap.
	if err := os.Remove(filepath.Join(dir, files[1])); err != nil {
		t.Fatal(err)
	}
	if err := Events(os.DirFS(dir), 0, func(Event) error { return nil }); !errors.Is(err, access.ErrInvalid) {
		t.Errorf("a missing file is not told: %v", err)
	}
}
