package backup

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// HeadFile is the newest signed head of the log in a folder that keeps a copy of it.
const HeadFile = "log.head"

// mostInFile is how large a file of events grows before the next one begins.
const mostInFile = 64 << 20

// Event is one event of the log as a copy of it has it: a line of JSON. The body is
// kept letter by letter, because the log commits to its letters.
type Event struct {
	Seq  int64  `json:"seq"`
	Salt []byte `json:"salt"`
	Body string `json:"body"`
}

// Log is a copy of the log in a folder of its own: files events-PLACE.jsonl, each
// beginning with the event at that place, and the newest head. Several replicas may
// share it: one writes at a time.
//
// Events are written before the head that counts them. If we stop in between, the
// copy is ahead of its head by some events, and the next writing goes on from there;
// a line that was cut off is written anew.
type Log struct {
	dir string
	max int64
}

// OpenLog makes the folder if there is none.
func OpenLog(dir string) (*Log, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("copy of the log: %w", err)
	}
	return &Log{dir: dir, max: mostInFile}, nil
}

// Head is the newest signed head that was written down; empty where none was.
func (l *Log) Head() (string, error) {
	b, err := os.ReadFile(filepath.Join(l.dir, HeadFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(b), err
}

// SetHead writes a head down, whole or not at all, and durably.
func (l *Log) SetHead(note string) error {
	return ReplaceFile(filepath.Join(l.dir, HeadFile), []byte(note))
}

// End is the last event of the copy, and where it ends; ok is false if it has none.
func (l *Log) End() (last Event, ok bool, err error) {
	names, err := eventFiles(os.DirFS(l.dir))
	for _, name := range slices.Backward(names) {
		last, _, err = lastLine(filepath.Join(l.dir, name))
		if err != nil || last.Salt != nil {
			return last, last.Salt != nil, err
		}
	}
	return last, false, err
}

// Append writes events behind those there are; the first must be the next one.
// It is durable when it returns nil. Whoever comes while another replica writes
// gets [access.ErrConflict], and nothing was written.
func (l *Log) Append(events []store.Event) (err error) {
	if len(events) == 0 {
		return nil
	}
	// 1. Alone.
	lock, err := store.Lock(filepath.Join(l.dir, "log.lock"))
	if errors.Is(err, access.ErrConflict) {
		return fmt.Errorf("%w: another replica writes the copy of the log", access.ErrConflict)
	} else if err != nil {
		return fmt.Errorf("copy of the log: %w", err)
	}
	defer func() { err = errors.Join(err, store.Unlock(lock)) }()
	// 2. Where it ends; what a crash cut off goes.
	names, err := eventFiles(os.DirFS(l.dir))
	if err != nil {
		return err
	}
	next, size, name := int64(0), int64(0), ""
	if len(names) > 0 {
		name = names[len(names)-1]
		last, end, err := lastLine(filepath.Join(l.dir, name))
		if err != nil {
			return err
		}
		if size = end; last.Salt != nil {
			next = last.Seq + 1
		} else if _, err := fmt.Sscanf(name, eventFile, &next); err != nil {
			return fmt.Errorf("copy of the log: %s: %w", name, err)
		}
	}
	if events[0].Seq != next {
		return fmt.Errorf("%w: the copy of the log goes on with event #%d, and is given #%d", access.ErrConflict, next, events[0].Seq)
	}
	if name == "" || size >= l.max {
		name, size = fmt.Sprintf(eventFile, next), 0
	}
	// 3. The lines, and only then that they are there.
	return writeLines(filepath.Join(l.dir, name), size, events)
}

// CutBack takes away events from a place on, which no head counts: after a restore
// others follow there.
func (l *Log) CutBack(from int64) error {
	names, err := eventFiles(os.DirFS(l.dir))
	if err != nil {
		return err
	}
	for _, name := range slices.Backward(names) {
		path := filepath.Join(l.dir, name)
		first := int64(0)
		if _, err := fmt.Sscanf(name, eventFile, &first); err != nil {
			return fmt.Errorf("copy of the log: %s: %w", name, err)
		}
		if first >= from {
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		keep, err := bytesBefore(path, from)
		if err != nil {
			return err
		}
		return os.Truncate(path, keep)
	}
	return nil
}

// bytesBefore is how much of a file is events before a place.
func bytesBefore(name string, from int64) (keep int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for in := bufio.NewReaderSize(f, 1<<20); ; {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return keep, nil
		} else if err != nil {
			return keep, err
		}
		var ev Event
		if err := json.Unmarshal(line, &ev); err != nil {
			return keep, fmt.Errorf("%s: %w", name, err)
		}
		if ev.Seq >= from {
			return keep, nil
		}
		keep += int64(len(line))
	}
}

// SetAside moves the whole copy into a folder of that name below itself: another log
// begins here, and this one stays to be looked at.
func (l *Log) SetAside(name string) error {
	aside := filepath.Join(l.dir, name)
	if err := os.Mkdir(aside, 0o700); err != nil {
		return err
	}
	names, err := eventFiles(os.DirFS(l.dir))
	if err != nil {
		return err
	}
	for _, name := range append(names, HeadFile) {
		if err := os.Rename(filepath.Join(l.dir, name), filepath.Join(aside, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func writeLines(name string, from int64, events []store.Event) (err error) {
	var text bytes.Buffer
	lines := json.NewEncoder(&text)
	lines.SetEscapeHTML(false)
	for _, ev := range events {
		if err := lines.Encode(Event{Seq: ev.Seq, Salt: ev.Salt, Body: string(ev.Body)}); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("copy of the log: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(from); err != nil {
		return fmt.Errorf("copy of the log: %w", err)
	}
	if _, err := f.WriteAt(text.Bytes(), from); err != nil {
		return fmt.Errorf("copy of the log: %w", err)
	}
	return f.Sync()
}

const eventFile = "events-%012d.jsonl"

// eventFiles are the names of the files of events, in the order of their places.
func eventFiles(dir fs.FS) ([]string, error) {
	names, err := fs.Glob(dir, "events-*.jsonl")
	slices.Sort(names)
	return names, err
}

// lastLine is the last whole event of a file, and where that ends.
func lastLine(name string) (last Event, end int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return last, 0, err
	}
	defer f.Close()
	var line []byte
	for in := bufio.NewReaderSize(f, 1<<20); ; {
		next, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break // what has no end was cut off
		} else if err != nil {
			return last, end, err
		}
		line, end = next, end+int64(len(next))
	}
	if line == nil {
		return last, end, nil
	}
	if err := json.Unmarshal(line, &last); err != nil {
		return last, end, fmt.Errorf("%s: its last event: %w", name, err)
	}
	return last, end, nil
}

// Events hands out every event of a copy from a place on, in order and without a gap.
func Events(dir fs.FS, from int64, yield func(Event) error) error {
	names, err := eventFiles(dir)
	if err != nil {
		return err
	}
	next := int64(-1)
	for _, name := range names {
		if next, err = eventsOf(dir, name, from, next, yield); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func eventsOf(dir fs.FS, name string, from, next int64, yield func(Event) error) (int64, error) {
	f, err := dir.Open(name)
	if err != nil {
		return next, err
	}
	defer f.Close()
	for in := bufio.NewReaderSize(f, 1<<20); ; {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return next, nil
		} else if err != nil {
			return next, err
		}
		var ev Event
		if err := json.Unmarshal(line, &ev); err != nil {
			return next, err
		}
		if next >= 0 && ev.Seq != next {
			return next, fmt.Errorf("%w: event #%d follows where #%d must", access.ErrInvalid, ev.Seq, next)
		}
		if next = ev.Seq + 1; ev.Seq >= from {
			if err := yield(ev); err != nil {
				return next, err
			}
		}
	}
}

// ReplaceFile writes a file whole or not at all, durably. Each writer has a file of
// its own until then: replicas on one machine share the folder.
func ReplaceFile(name string, body []byte) error {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, filepath.Base(name)+".*.new")
	if err != nil {
		return err
	}
	_, err = f.Write(body)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(dir) // the name is durable once its folder is
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
