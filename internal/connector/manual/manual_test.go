package manual

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// desk is a connector, its two files and a clock.
type desk struct {
	*Connector
	t   *testing.T
	now time.Time
}

func open(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, now: noon}
	dir := t.TempDir()
	c, err := New(Config{Asked: filepath.Join(dir, "asked.jsonl"), Holdings: filepath.Join(dir, "holdings.csv"), MaxAge: 24 * time.Hour, Now: func() time.Time { return d.now }})
	if err != nil {
		t.Fatal(err)
	}
	d.Connector = c
	return d
}

// reads puts a file of holdings in place, as somebody who has looked does.
func (d *desk) reads(rows ...string) {
	d.t.Helper()
	if err := os.WriteFile(d.Holdings, []byte("account,object,seen_at,by\n"+strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) asks(account, object string, want bool) error {
	d.t.Helper()
	return d.Apply(d.t.Context(), []connector.Change{{Ref: connector.Ref{Account: account, Object: object}, Want: want}})[0].Err
}

func (d *desk) sees(account, object string) connector.Seen {
	d.t.Helper()
	return d.Look(d.t.Context(), []connector.Ref{{Account: account, Object: object}})[0]
}

func (d *desk) list() string {
	raw, _ := os.ReadFile(d.Asked)
	return string(raw)
}

// The whole life of one holding: nothing that is older than what was asked, and
// nothing that anybody says, makes it so.
func TestLife(t *testing.T) {
	t.Parallel()
	d := open(t)
	unknown := func(what, why string) {
		t.Helper()
		if s := d.sees("ann", "safe"); s.Err == nil || !strings.Contains(s.Err.Error(), why) || s.Direct || s.Effective {
			t.Errorf("%s: %+v, want an error that says %q", what, s, why)
		}
	}
	known := func(what string, held bool) {
		t.Helper()
		s := d.sees("ann", "safe")
		if s.Err != nil || s.Direct != held || s.Effective != held || !strings.Contains(s.Path, `seen by "nora" at 2026-11-25T`) || s.At.IsZero() {
			t.Errorf("%s: %+v, want held %t", what, s, held)
		}
	}
	unknown("no file", "nobody has looked")
	d.reads(",safe,2026-11-25T11:00:00Z,nora")
	known("read before", false)
	err := d.asks("ann", "safe", true)
	if !errors.Is(err, connector.ErrUnanswered) || !strings.Contains(err.Error(), `a person must add "ann" to "safe"`) {
		t.Errorf("add: %v", err)
	}
	unknown("asked after the reading", "before it was asked for")
	d.now = noon.Add(time.Hour)
	if err := d.asks("ann", "safe", true); !errors.Is(err, connector.ErrUnanswered) || !strings.Contains(d.list(), `"asked_at":"2026-11-25T12:00:00Z"`) {
		t.Errorf("asked again: %v; the list is %s", err, d.list())
	}
	d.reads("ann,safe,2026-11-25T12:00:00Z,nora")
	unknown("read in the moment of asking", "before it was asked for")
	d.reads("ann,safe,2026-11-25T12:30:00Z,nora", "bob,safe,2026-11-25T12:30:00Z,nora")
	if err := d.asks("ann", "safe", true); err != nil {
		t.Errorf("asked for what is seen: %v", err)
	}
	known("done", true)
	if d.list() != "" {
		t.Errorf("still on the list: %s", d.list())
	}
	if err := d.asks("ann", "safe", false); !errors.Is(err, connector.ErrUnanswered) || !strings.Contains(err.Error(), `remove "ann" from "safe"`) {
		t.Errorf("remove: %v", err)
	}
	unknown("removal asked after the reading", "before it was asked for")
	d.now = noon.Add(2 * time.Hour)
	d.reads("bob,safe,2026-11-25T13:59:00+00:00,nora")
	known("removed", false)
	d.now = noon.Add(27 * time.Hour)
	unknown("a day later", "old, more than 24h")
}

// Whoever holds it is not the one to say so.
func TestOwnWord(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.reads("bob,safe,2026-11-25T11:00:00Z,ann")
	if s := d.sees("ann", "safe"); s.Err == nil || !strings.Contains(s.Err.Error(), "says nothing about") {
		t.Errorf("%+v", s)
	}
	if s := d.sees("bob", "safe"); s.Err != nil || !s.Direct {
		t.Errorf("%+v", s)
	}
}

// One wrong line, and the file says nothing at all.
func TestBadFile(t *testing.T) {
	t.Parallel()
	good := "bob,safe,2026-11-25T11:00:00Z,nora\n"
	for why, text := range map[string]string{
		"the first line must be":       good,
		"wrong number of fields":       "account,object,seen_at,by\n" + good + "ann,safe\n",
		"is not a time":                "account,object,seen_at,by\n" + good + "ann,safe,yesterday,nora\n",
		"yet to come":                  "account,object,seen_at,by\n" + good + "ann,vault,2026-11-25T12:00:01Z,nora\n",
		"must not be empty":            "account,object,seen_at,by\n" + good + "ann,vault,2026-11-25T11:00:00Z,\n",
		":3: \"safe\" was seen at":     "account,object,seen_at,by\n" + good + "ann,safe,2026-11-25T11:00:01Z,nora\n",
		"all lines of an object":       "account,object,seen_at,by\n" + good + "ann,safe,2026-11-25T11:00:00Z,nick\n",
		"ends in the middle of a line": "account,object,seen_at,by\n" + good + "ann,sa",
		"is not UTF-8":                 "account,object,seen_at,by\n" + good + "\xff,safe,2026-11-25T11:00:00Z,nora\n",
		"\"":                           "account,object,seen_at,by\n" + good + "\"ann,safe,2026-11-25T11:00:00Z,nora\n",
	} {
		d := open(t)
		if err := os.WriteFile(d.Holdings, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if s := d.sees("bob", "safe"); s.Err == nil || s.Direct || !strings.Contains(s.Err.Error(), why) {
			t.Errorf("%+v, want an error that says %q", s, why)
		}
		if err := d.Observe(t.Context(), nil, func(connector.Holding) error { return nil }); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("Observe: %v, want %q", err, why)
		}
	}
}

// The list is ours; where it cannot be read nothing is asked, and nothing seen.
func TestBadList(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.reads("ann,safe,2026-11-25T11:00:00Z,nora")
	for _, text := range []string{"done\n", `{"do":"done","account":"a","object":"b","asked_at":"2026-11-25T11:00:00Z"}` + "\n", `{"do":"add","account":"a","object":"b"}` + "\n"} {
		if err := os.WriteFile(d.Asked, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := d.asks("ann", "safe", false); !errors.Is(err, connector.ErrUnreachable) {
			t.Errorf("%s: %v", text, err)
		}
		if s := d.sees("ann", "safe"); s.Err == nil || s.Direct {
			t.Errorf("%s: %+v", text, s)
		}
		if d.list() != text {
			t.Errorf("overwritten: %s", d.list())
		}
	}
}

// A system is read whole or not at all, and only as far as nothing is under way.
func TestObserve(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.reads("bob,safe,2026-11-25T11:00:00Z,nora", "ann,safe,2026-11-25T11:00:00Z,nora", ",vault,2026-11-25T10:00:00Z,nick", `"x, ""y""",=1+1,2026-11-25T10:00:00Z,nick`)
	read := func(objects ...string) (got []string, err error) {
		err = d.Observe(t.Context(), objects, func(h connector.Holding) error { got = append(got, h.Account+" in "+h.Object); return nil })
		return got, err
	}
	if got, err := read(); err != nil || !slices.Equal(got, []string{`x, "y" in =1+1`, "ann in safe", "bob in safe"}) {
		t.Errorf("all: %q, %v", got, err)
	}
	if got, err := read("vault"); err != nil || len(got) != 0 {
		t.Errorf("vault: %q, %v", got, err)
	}
	if got, err := read("safe", "attic"); err == nil || len(got) != 0 || !strings.Contains(err.Error(), `no reading of "attic"`) {
		t.Errorf("attic: %q, %v", got, err)
	}
	_ = d.asks("ann", "safe", false)
	if got, err := read("safe"); err == nil || len(got) != 0 || !strings.Contains(err.Error(), "older than what was asked") {
		t.Errorf("under way: %q, %v", got, err)
	}
	if _, err := read("vault"); err != nil {
		t.Errorf("vault, while safe is under way: %v", err)
	}
	stop := errors.New("enough")
	if err := d.Observe(t.Context(), []string{"=1+1"}, func(connector.Holding) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("stopped: %v", err)
	}
}

// Two connectors keep one list, as two replicas do, and lose nothing of it.
func TestOneList(t *testing.T) {
	t.Parallel()
	d := open(t)
	other, err := New(d.Config)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 40 {
		c := []*Connector{d.Connector, other}[i%2]
		wg.Go(func() {
			c.Apply(t.Context(), []connector.Change{{Ref: connector.Ref{Account: "ann", Object: string(rune('A' + i))}, Want: true}})
		})
	}
	wg.Wait()
	if n := strings.Count(d.list(), "\n"); n != 40 {
		t.Errorf("%d of 40 on the list", n)
	}
}

// What cannot be asked or seen any more says so.
func TestOver(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.reads("ann,safe,2026-11-25T11:00:00Z,nora")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Apply(cancelled, []connector.Change{{Ref: connector.Ref{Account: "ann", Object: "safe"}}})[0].Err; !errors.Is(err, connector.ErrUnreachable) {
		t.Error(err)
	}
	if err := d.asks("", "safe", true); !errors.Is(err, connector.ErrRefused) {
		t.Error(err)
	}
	_ = d.Close()
	if s := d.sees("ann", "safe"); s.Err == nil {
		t.Errorf("%+v", s)
	}
	if err := d.asks("ann", "safe", false); !errors.Is(err, connector.ErrUnreachable) || d.list() != "" {
		t.Errorf("%v; the list is %q", err, d.list())
	}
	for want, cfg := range map[string]Config{
		"both required": {Asked: "x"}, "one file": {Asked: "x", Holdings: "./x"}, "negative": {Asked: "x", Holdings: "y", MaxAge: -1},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
