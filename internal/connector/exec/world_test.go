package exec

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// What the test's process tells the program to do instead of printing a line.
const (
	exitNow = "!exit"
	hangNow = "!hang"
	lives   = "lives\n"
)

const worldVar = "LESSOR_TEST_WORLD"

// TestMain lets the test's own binary be the program: it passes every line on to
// the world in the test's process, and prints what comes back.
func TestMain(m *testing.M) {
	if address := os.Getenv(worldVar); address != "" {
		beProgram(address)
	}
	os.Exit(m.Run())
}

func beProgram(address string) {
	life, err := net.Dial("unix", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the world is gone:", err)
		os.Exit(4)
	}
	fmt.Fprintln(life, "life")
	// It hears of nothing before the world knows it: a program that the world has
	// no line to says no hello, and one that has said hello can be killed.
	if _, err := io.ReadFull(life, make([]byte, len(lives))); err != nil {
		os.Exit(5)
	}
	go func() { _, _ = io.Copy(io.Discard, life); os.Exit(5) }()
	var printing sync.Mutex
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			os.Exit(0)
		}
		go func() {
			conn, err := net.Dial("unix", address)
			if err != nil {
				os.Exit(4)
			}
			_, _ = conn.Write(line)
			for out := bufio.NewReader(conn); ; {
				said, err := out.ReadBytes('\n')
				switch {
				case err != nil || string(said) == hangNow+"\n":
					return
				case string(said) == exitNow+"\n":
					os.Exit(6)
				}
				printing.Lock()
				_, _ = os.Stdout.Write(said)
				printing.Unlock()
			}
		}()
	}
}

// world is a target in memory, the line to it, and the wits of the program.
type world struct {
	address string
	hello   hello

	mu       sync.Mutex
	accounts map[string]bool
	objects  map[string]*thing
	fault    string
	manner   string   // how the program fails where it can choose: says, dies, silent
	held     []func() // writes that wait for the line to be mended
	mended   chan struct{}
	lives    map[net.Conn]bool // one for each program
	sessions map[string]string // id -> account
	numbers  map[string]string // account -> id
	number   int
	follows  map[chan string]bool // what is printed for each that follows
	asked    []string             // verbs, in their order
	answers  func(req request, right string) string
}

type thing struct {
	holders map[string]bool
	inner   []string
}

func newWorld(t *testing.T, manner string) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "w") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	w := &world{address: filepath.Join(dir, "s"), manner: manner, accounts: map[string]bool{}, objects: map[string]*thing{},
		mended: make(chan struct{}), lives: map[net.Conn]bool{}, sessions: map[string]string{}, numbers: map[string]string{}, follows: map[chan string]bool{},
		hello: hello{Protocol: Protocol, Name: "world", Batch: 50, InFlight: 16, Effective: true}}
	l, err := net.Listen("unix", w.address)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go w.serve(conn)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); _ = os.RemoveAll(dir) })
	return w
}

func (w *world) serve(conn net.Conn) {
	line, err := bufio.NewReaderSize(conn, 1<<20).ReadBytes('\n')
	switch {
	case err != nil:
		_ = conn.Close()
		return
	case string(line) == "life\n":
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.fault == "down" && w.manner == "dies" {
			_ = conn.Close()
			return
		}
		w.lives[conn] = true
		_, _ = io.WriteString(conn, lives)
		return
	}
	defer conn.Close()
	var req request
	if err := json.Unmarshal(line, &req, json.RejectUnknownMembers(true)); err != nil {
		fmt.Fprintln(conn, "not a request:", err)
		return
	}
	w.mu.Lock()
	w.asked = append(w.asked, req.Verb)
	bend := w.answers
	w.mu.Unlock()
	if req.Verb == "follow" && bend == nil {
		w.follow(conn, req)
		return
	}
	text := w.answer(req)
	if bend != nil {
		text = bend(req, text)
	}
	_, _ = io.WriteString(conn, text)
}

// killAll ends every program, as a power cut would.
func (w *world) killAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for conn := range w.lives {
		_ = conn.Close()
	}
	clear(w.lives)
}

// said counts how often a verb was asked.
func (w *world) said(verb string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range w.asked {
		if v == verb {
			n++
		}
	}
	return n
}

func line(id uint64, part string, v any) string {
	raw, err := json.Marshal(v, json.Deterministic(true)) // tests bend the text
	if err != nil {
		return err.Error() + "\n"
	}
	return fmt.Sprintf("{\"id\":%d,%q:%s}\n", id, part, raw)
}

// fail is an error of the protocol; the kind may carry a wait.
func fail(kind string) map[string]any {
	return map[string]any{"kind": kind, "message": "the test wants it"}
}

func (w *world) answer(req request) string {
	switch req.Verb {
	case "hello":
		h := w.hello
		raw := map[string]any{"protocol": h.Protocol, "name": h.Name, "batch": h.Batch, "in_flight": h.InFlight, "effective": h.Effective,
			"sessions": h.Sessions, "fences": h.Fences, "lingers_ms": h.Lingers,
			"accounts": h.Accounts, "authors": h.Authors, "traces": h.Traces, "credentials": h.Credentials, "follows": h.Follows}
		return line(req.ID, "hello", raw)
	case "ping":
		return line(req.ID, "ok", true)
	case "apply":
		return w.apply(req)
	case "look":
		return w.look(req)
	case "observe":
		return w.observe(req)
	case "list_sessions":
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.fault == "down" {
			return line(req.ID, "error", fail("unreachable"))
		}
		list := []map[string]any{}
		for id, account := range w.sessions {
			if account == req.Account {
				list = append(list, map[string]any{"id": id, "account": account, "until": "2030-01-02T03:04:05Z"})
			}
		}
		return line(req.ID, "sessions", list)
	case "end_session":
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case w.fault == "down":
			return line(req.ID, "error", fail("unreachable"))
		case w.sessions[req.Session] == req.Account:
			delete(w.sessions, req.Session)
		}
		return line(req.ID, "ok", true)
	case "accounts":
		return w.listAccounts(req)
	}
	return line(req.ID, "error", fail("refused"))
}

func (w *world) apply(req request) string {
	var results []map[string]any
	for _, ch := range req.Changes {
		r := map[string]any{"account": ch.Account, "object": ch.Object}
		switch kind := w.one(ch); kind {
		case "":
		case exitNow, hangNow:
			return kind + "\n"
		default:
			r["error"] = fail(kind)
		}
		results = append(results, r)
	}
	return line(req.ID, "results", results)
}

// one is one change over the line; it gives the kind of its error.
func (w *world) one(ch change) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	missing := w.objects[ch.Object] == nil || !w.accounts[ch.Account]
	switch {
	case w.fault == "down":
		return "unreachable"
	case missing && ch.Want:
		return "no_object"
	case missing:
		return ""
	}
	effect := func() {
		switch o := w.objects[ch.Object]; {
		case o == nil:
		case ch.Want:
			o.holders[ch.Account] = true
		default:
			delete(o.holders, ch.Account)
		}
		w.tell(ch.Object)
	}
	switch w.fault {
	case "lost answer":
		effect()
		return map[string]string{"says": "unanswered", "dies": exitNow, "silent": hangNow}[w.manner]
	case "lie":
		return ""
	case "refuse":
		return "refused"
	case "late":
		w.held = append(w.held, effect)
		if mended := w.mended; w.manner != "silent" {
			w.mu.Unlock()
			<-mended
			w.mu.Lock()
			return ""
		}
		return hangNow
	}
	effect()
	return ""
}

func (w *world) look(req request) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fault == "down" {
		return line(req.ID, "error", fail("unreachable"))
	}
	var seen []map[string]any
	for _, r := range req.Refs {
		direct, through := w.ways(r)
		seen = append(seen, map[string]any{"account": r.Account, "object": r.Object, "direct": direct, "effective": direct || len(through) > 0,
			"path": "memory", "residual": append([]string{}, through...)})
	}
	return line(req.ID, "seen", seen)
}

// ways says whether the account holds the object directly, and through which inner ones.
func (w *world) ways(r ref) (direct bool, through []string) {
	been := map[string]bool{r.Object: true}
	for todo := []string{r.Object}; len(todo) > 0; todo = todo[1:] {
		o := w.objects[todo[0]]
		switch {
		case o == nil:
			continue
		case o.holders[r.Account] && todo[0] == r.Object:
			direct = true
		case o.holders[r.Account]:
			through = append(through, todo[0])
		}
		for _, in := range o.inner {
			if !been[in] {
				been[in] = true
				todo = append(todo, in)
			}
		}
	}
	return direct, through
}

func (w *world) observe(req request) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fault == "down" {
		return line(req.ID, "error", fail("unreachable"))
	}
	objects := req.Objects
	if req.All {
		objects = slices.Sorted(maps.Keys(w.objects))
	}
	var all []ref
	for _, o := range objects {
		if w.objects[o] != nil {
			for _, a := range slices.Sorted(maps.Keys(w.objects[o].holders)) {
				all = append(all, ref{Account: a, Object: o})
			}
		}
	}
	var b bytes.Buffer
	for some := range slices.Chunk(all, 7) {
		b.WriteString(line(req.ID, "holdings", some))
	}
	b.WriteString(line(req.ID, "end", map[string]int{"count": len(all)}))
	return b.String()
}

// config is for a connector to a program of this world.
func (w *world) config(t *testing.T) Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Program: self, Env: map[string]string{worldVar: w.address}, Timeout: 20 * time.Second}
	cfg.Target.Effective = w.hello.Effective
	cfg.Target.Sessions = w.hello.Sessions
	cfg.Besides = w.hello.besides()
	return cfg
}

func (w *world) connect(t *testing.T, change ...func(*Config)) *Connector {
	t.Helper()
	cfg := w.config(t)
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func has(text, part string) bool { return strings.Contains(text, part) }
