package host

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

// note is one certificate about which a process of sshd has asked.
type note struct {
	User       string
	Principals []string
	KeyID      string
	Serial     uint64
	At         time.Time
}

// Principals answers sshd: who may log in as the user. Who asked about which
// certificate is noted first, and without the note nobody is let in: a session
// that nobody can tell whose it is could not be ended. One process may ask about
// several; then its session is everybody's whom they name.
func (h *Host) Principals(user, certificate string, out io.Writer) error {
	// 1. Whose certificate is it? sshd has checked that a CA it trusts signed it.
	wire, err := base64.StdEncoding.DecodeString(certificate)
	if err != nil {
		return fmt.Errorf("the certificate is no base64: %w", err)
	}
	key, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return err
	}
	cert, ok := key.(*ssh.Certificate)
	if !ok {
		return fmt.Errorf("%s is no certificate", key.Type())
	}
	// 2. Who may log in?
	root, err := h.principals()
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	file, there, err := load(root, user)
	if err != nil || !there {
		return err
	}
	// 3. The note, then the answer. Who will be turned away has no session.
	named := func(l Line) bool { return slices.Contains(valid(cert.ValidPrincipals), l.Principal) }
	if !Harmless(cert) && slices.ContainsFunc(read(file), named) {
		asks, err := process(os.Getppid())
		if err != nil {
			return err
		}
		if err := h.note(asks, note{user, valid(cert.ValidPrincipals), cert.KeyId, cert.Serial, time.Now()}); err != nil {
			return err
		}
		// Read again: a line that was removed before the note was there lets nobody in
		// whom a list of sessions has missed.
		if file, _, err = load(root, user); err != nil {
			return err
		}
	}
	_, err = out.Write(file)
	return err
}

// valid spells names as [read] gives them.
func valid(names []string) []string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = strings.ToValidUTF8(n, "\ufffd")
	}
	return list
}

// Nothing is what a certificate runs with which nobody is to do anything.
const Nothing = "/bin/false"

// Harmless tells of a certificate with which a look tries the door: it can run
// nothing, have no terminal and forward nothing.
func Harmless(c *ssh.Certificate) bool {
	return c.CriticalOptions["force-command"] == Nothing && len(c.Extensions) == 0
}

// note appends to the notes of one process. Those of processes that are gone go.
func (h *Host) note(p proc, n note) error {
	if err := os.MkdirAll(h.Run, 0o700); err != nil {
		return err
	}
	line, err := json.Marshal(n)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(h.Run, p.id()), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	_, _, _ = h.open() // another's note that cannot be read locks nobody out
	return errors.Join(err, f.Close())
}

// open gives the processes there are notes of that still run, by their id.
func (h *Host) open() (map[string]proc, map[string][]note, error) {
	entries, err := os.ReadDir(h.Run)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	procs, notes := map[string]proc{}, map[string][]note{}
	for _, e := range entries {
		id, name := e.Name(), filepath.Join(h.Run, e.Name())
		pid, _, _ := strings.Cut(id, "-")
		n, notPID := strconv.Atoi(pid)
		p, gone := process(n)
		if notPID != nil || gone != nil || p.id() != id {
			if gone := os.Remove(name); !errors.Is(gone, fs.ErrNotExist) {
				err = errors.Join(err, gone)
			}
			continue
		}
		text, unread := os.ReadFile(name)
		if unread != nil {
			err = errors.Join(err, unread)
			continue
		}
		procs[id] = p
		for line := range bytes.Lines(text) {
			var n note
			if bad := json.Unmarshal(line, &n); bad != nil {
				err = errors.Join(err, fmt.Errorf("%s: %w", name, bad))
				continue
			}
			notes[id] = append(notes[id], n)
		}
	}
	return procs, notes, err
}

func concerns(notes []note, q Request) bool {
	asked := func(principal string) bool { return slices.Contains(q.Principals, principal) }
	return slices.ContainsFunc(notes, func(n note) bool { return n.User == q.Object && slices.ContainsFunc(n.Principals, asked) })
}

// sessions lists the connections of a user that came with a certificate for one of
// the principals.
func (h *Host) sessions(q Request) (a Answer, err error) {
	procs, notes, err := h.open()
	for id := range procs {
		if concerns(notes[id], q) {
			a.Sessions = append(a.Sessions, Session{ID: id})
		}
	}
	slices.SortFunc(a.Sessions, func(x, y Session) int { return strings.Compare(x.ID, y.ID) })
	return a, err
}

// dying is how long a session has to end by itself once it is told to.
const dying = 500 * time.Millisecond

// end ends one connection and every process that descends from it, if it is still
// that principal's. What has left its session on purpose goes on.
func (h *Host) end(ctx context.Context, q Request) error {
	procs, notes, err := h.open()
	if err != nil {
		return err
	}
	p, there := procs[q.Session]
	if !there || !concerns(notes[q.Session], q) {
		return nil
	}
	family, err := descent(p)
	if err != nil {
		return err
	}
	for _, one := range family {
		_ = one.signal(syscall.SIGTERM) // sshd notes the log-out
	}
	for until := time.Now().Add(dying); time.Now().Before(until) && anyRuns(family); {
		if err := pause(ctx); err != nil {
			break
		}
	}
	// Who was born meanwhile is found by its parents and their session.
	if late, err := descent(family...); err == nil {
		family = late
	}
	for _, one := range family {
		err = errors.Join(err, one.signal(syscall.SIGKILL))
	}
	for anyRuns(family) && pause(ctx) == nil {
		continue
	}
	return err
}

func anyRuns(family []proc) bool { return slices.ContainsFunc(family, proc.runs) }

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Millisecond):
		return nil
	}
}
