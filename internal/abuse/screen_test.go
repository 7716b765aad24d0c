package abuse

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/api"
	"github.com/lessor-iam/lessor/internal/cli"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/store"
)

// hostile is what a text may try on a terminal: colours, the cursor, a link that
// shows another address, the title, the clipboard, a line of its own, the other
// direction, and nothing to be seen.
const hostile = "a\x1b[2J\x1b[31m\x1b]8;;https://evil.example\x1b\\ok\x1b]8;;\x07\x1b]0;t\x07\x1b]52;c;ZXZpbA==\x07\u009b1A\r\nFORGED approved\n\tFORGED\x08\x7f\x00\u202eevil\u2066\u200b\u200f\ufeff\u2028FORGED\u2029\U000e0041z"

// oneLine is the same where line breaks are the writer's own to make: the
// arguments of a command, and the words of the server itself.
var oneLine = strings.NewReplacer("\r", "", "\n", " ").Replace(hostile)

// poison writes it into every text of a value, however deep.
func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(hostile)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				poison(f)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		poison(v.Index(0))
	}
}

func poisoned[T any]() any {
	var v T
	poison(reflect.ValueOf(&v).Elem())
	return v
}

// lyingServer answers every call of the API with texts that attack whoever shows them.
func lyingServer(t *testing.T, refuses bool) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, "/api/v1")
		var v any
		switch {
		case refuses:
			w.WriteHeader(http.StatusForbidden)
			v = map[string]any{"status": 403, "detail": oneLine, "errors": []any{map[string]string{"message": oneLine, "location": oneLine}}}
		case r.Method == "GET" && strings.HasSuffix(path, "/explain"):
			v = poisoned[policy.Explanation]()
		case r.Method == "GET" && (path == "/requests" || path == "/desk"):
			v = poisoned[[]access.Request]()
		case r.Method == "GET" && strings.HasPrefix(path, "/requests/"):
			v = poisoned[engine.Story]()
		case path == "/preview":
			v = poisoned[[]access.Item]()
		case path == "/grants":
			v = poisoned[[]engine.Holding]()
		case r.Method == "GET" && strings.HasPrefix(path, "/grants/"):
			v = poisoned[api.Sight]()
		case path == "/entitlements":
			v = poisoned[[]access.Entitlement]()
		case path == "/findings":
			v = poisoned[[]access.Finding]()
		case path == "/status":
			v = poisoned[api.Status]()
		case strings.HasSuffix(path, "/votes") || r.Method == "PUT" || path == "/requests":
			v = poisoned[access.Request]()
		default:
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// harmless fails the test where a text would do anything on a terminal but stand there.
func harmless(t *testing.T, what, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "FORGED") {
			t.Errorf("%s: a line of its own: %q", what, line)
		}
		for _, c := range strings.TrimSuffix(line, "\n") {
			if unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || c == 0x2028 || c == 0x2029 {
				t.Errorf("%s: %U in %q", what, c, line)
				break
			}
		}
	}
}

var shown = [][]string{
	{"list", "requests"}, {"list", "requests", "--waiting"}, {"list", "grants"}, {"list", "entitlements"}, {"list", "findings"}, {"show", "rq-x"}, {"show", "gr-x"}, {"status"},
	{"approve", "rq-x"}, {"deny", "rq-x", "--note", "no"}, {"request", "a:b", "--term", "1h", "--reason", "x"}, {"request", "a:b", "--term", "1h", "--reason", "x", "--dry-run"},
	{"edit", "rq-x", "a:b", "--term", "1h", "--reason", "x"}, {"extend", "gr-x", "--term", "1h", "--reason", "x"}, {"policy", "explain", "rq-x", "--all"}, {"policy", "who-can-approve", "rq-x"},
	{"show", oneLine}, {"cancel", oneLine}, {"approve", "rq-x", "--output", oneLine}, {oneLine}, {"request", oneLine, "--term", oneLine}, {"verify", oneLine, "--key", oneLine}, {"check", "--dir", oneLine},
}

// Whatever a server, a target or a person wrote, the command line shows it and obeys none of it.
func TestAB14_TerminalIsNotObeyed(t *testing.T) {
	t.Parallel()
	for _, refuses := range []bool{false, true} {
		base := lyingServer(t, refuses)
		for _, format := range []string{"table", "json"} {
			for _, args := range shown {
				what := format + " of " + strings.Join(args[:min(2, len(args))], " ")
				var out, errs bytes.Buffer
				code := cli.Main(t.Context(), append([]string{"-o", format}, args...), strings.NewReader(""), &out, &errs, func(key string) string {
					return map[string]string{"LESSOR_SERVER": base, "LESSOR_TOKEN": "t"}[key]
				})
				if format == "table" && out.Len()+errs.Len() == 0 {
					t.Errorf("%s says nothing (exit code %d)", what, code)
				}
				harmless(t, what+" on the output", out.String())
				harmless(t, what+" on the error output", errs.String())
				if format == "table" || code != 0 {
					continue
				}
				dec := json.NewDecoder(&out)
				for {
					var v any
					if err := dec.Decode(&v); err == io.EOF {
						break
					} else if err != nil {
						t.Errorf("%s is not JSON: %v", what, err)
						break
					}
				}
			}
		}
	}
}

// What JSON shows is still what was written: read back, every text is as it was.
func TestAB14_JSONKeepsTheText(t *testing.T) {
	t.Parallel()
	base := lyingServer(t, false)
	var out, errs bytes.Buffer
	if code := cli.Main(t.Context(), []string{"-o", "json", "list", "findings"}, strings.NewReader(""), &out, &errs, func(key string) string {
		return map[string]string{"LESSOR_SERVER": base, "LESSOR_TOKEN": "t"}[key]
	}); code != 0 {
		t.Fatal(errs.String())
	}
	var list []access.Finding
	if err := json.Unmarshal(out.Bytes(), &list); err != nil || len(list) != 1 || list[0].Text != hostile {
		t.Errorf("%v: %q", err, out.String())
	}
}

// What is written into a request cannot attack at all: it is refused at the door.
func TestAB14_RequestsTakeNoControlCharacters(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
	d.unstored("control characters", func() {
		for _, c := range []string{"\x1b", "\u009b", "\x00", "\x07", "\x08", "\r", "\x7f", "\u202e", "\u2066", "\u200f"} {
			text := string(mustJSON(t, "a"+c+"b"))
			for path, body := range map[string]string{
				"/requests": `{"entitlements":["dir:wiki"],"term":"1h","reason":` + text + `}`, "/requests/": `{"entitlements":["dir:wiki"],"term":"1h","reason":"x","ticket":` + text + `}`,
				"/requests/" + r.ID + "/comments": `{"note":` + text + `}`, "/requests/" + r.ID + "/votes": `{"request":"` + r.ID + `","digest":"` + r.Digest + `","verdict":"approve","note":` + text + `}`,
			} {
				if a := d.send("POST", "/api/v1"+strings.TrimSuffix(path, "/"), map[bool]string{true: "mia", false: "eve"}[strings.HasSuffix(path, "votes")], body); a.status != http.StatusBadRequest {
					t.Errorf("%s with %q: %d %s", path, c, a.status, a.body)
				}
			}
			if a := d.send("POST", "/api/v1/requests/"+r.ID+"/cancel", "eve", `{"note":`+text+`}`); a.status != http.StatusBadRequest {
				t.Errorf("cancel with %q: %d", c, a.status)
			}
		}
	})
}

// A log line is one JSON object, whatever is in it.
func TestAB14_LogLinesAreOne(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	forged := "%0d%0a%7b%22level%22%3a%22INFO%22%2c%22msg%22%3a%22FORGED%22%7d"
	for _, who := range []string{"eve", "", "unknown"} {
		d.send("GET", "/api/v1/requests/"+forged, who, "")
		d.send("GET", "/api/v1/grants/x%0aFORGED%1b%5b2J%e2%80%a8", who, "")
		d.send("POST", "/api/v1/requests", who, `{"entitlements":["a\n{\"msg\":\"FORGED\"}"],"reason":"a\n{\"msg\":\"FORGED\"}\n","term":"1h"}`)
		d.send("GET", "/log/tile/"+forged, who, "")
	}
	d.log.eachIsOne(t)
	for line := range strings.Lines(d.log.all()) {
		if strings.HasPrefix(line, `{"level":"INFO","msg":"FORGED"`) {
			t.Errorf("forged: %s", line)
		}
	}
}
