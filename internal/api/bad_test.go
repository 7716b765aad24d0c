package api_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

const good = `{"entitlements":["dir:wiki"],"reason":"to do my work","term":"1h"}`

// bodies are asks that nobody could mean, and none of which may be guessed right.
var bodies = map[string]string{
	"nothing":                    "",
	"a space":                    " ",
	"null":                       "null",
	"a list":                     "[" + good + "]",
	"a text":                     `"dir:wiki"`,
	"a number":                   "1",
	"two objects":                good + good,
	"garbage behind":             good + "x",
	"a comment":                  good[:len(good)-1] + "/* */}",
	"a comma too many":           good[:len(good)-1] + ",}",
	"single quotes":              strings.ReplaceAll(good, `"`, `'`),
	"cut off":                    good[:len(good)-3],
	"a key twice":                `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","term":"24h"}`,
	"a key twice, escaped":       `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","\u0074erm":"24h"}`,
	"a key twice, further in":    `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","items":[{"a":1,"a":2}]}`,
	"a key in another case":      `{"entitlements":["dir:wiki"],"reason":"x","Term":"1h"}`,
	"a key in both cases":        `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","TERM":"24h"}`,
	"an unknown key":             good[:len(good)-1] + `,"state":"approved"}`,
	"__proto__":                  good[:len(good)-1] + `,"__proto__":{"term":"9h"}}`,
	"an empty key":               good[:len(good)-1] + `,"":1}`,
	"invalid UTF-8 in a value":   "{\"entitlements\":[\"dir:wiki\"],\"reason\":\"\xff\xfe\",\"term\":\"1h\"}",
	"invalid UTF-8 in a key":     "{\"entitlements\":[\"dir:wiki\"],\"reason\":\"x\",\"term\":\"1h\",\"\xc0\xaf\":1}",
	"an overlong NUL":            "{\"entitlements\":[\"dir:wiki\"],\"reason\":\"\xc0\x80\",\"term\":\"1h\"}",
	"half a surrogate":           `{"entitlements":["dir:wiki"],"reason":"\ud800","term":"1h"}`,
	"UTF-16":                     "\xff\xfe{\x00}\x00",
	"a byte order mark":          "\xef\xbb\xbf" + good,
	"a raw control character":    "{\"entitlements\":[\"dir:wiki\"],\"reason\":\"a\x01b\",\"term\":\"1h\"}",
	"an escaped NUL":             `{"entitlements":["dir:wiki"],"reason":"a\u0000b","term":"1h"}`,
	"an escape sequence":         `{"entitlements":["dir:wiki"],"reason":"\u001b[2J\u009b","term":"1h"}`,
	"a bidi override":            `{"entitlements":["dir:wiki"],"reason":"abc\u202edef","term":"1h"}`,
	"no reason":                  `{"entitlements":["dir:wiki"],"term":"1h"}`,
	"a reason of spaces":         `{"entitlements":["dir:wiki"],"reason":"  \n ","term":"1h"}`,
	"no term":                    `{"entitlements":["dir:wiki"],"reason":"x"}`,
	"no entitlement":             `{"reason":"x","term":"1h"}`,
	"an empty list":              `{"entitlements":[],"reason":"x","term":"1h"}`,
	"an empty name":              `{"entitlements":[""],"reason":"x","term":"1h"}`,
	"entitlements as a text":     `{"entitlements":"dir:wiki","reason":"x","term":"1h"}`,
	"entitlements as an object":  `{"entitlements":{"0":"dir:wiki"},"reason":"x","term":"1h"}`,
	"a null in the list":         `{"entitlements":[null],"reason":"x","term":"1h"}`,
	"a number in the list":       `{"entitlements":[1],"reason":"x","term":"1h"}`,
	"one that is not there":      `{"entitlements":["dir:nothing"],"reason":"x","term":"1h"}`,
	"one of two not there":       `{"entitlements":["dir:wiki","dir:nothing"],"reason":"x","term":"1h"}`,
	"another letter case":        `{"entitlements":["DIR:WIKI"],"reason":"x","term":"1h"}`,
	"a Cyrillic look-alike":      `{"entitlements":["dir:wіki"],"reason":"x","term":"1h"}`,
	"full width":                 `{"entitlements":["ｄｉｒ：ｗｉｋｉ"],"reason":"x","term":"1h"}`,
	"a zero-width space":         `{"entitlements":["dir:\u200bwiki"],"reason":"x","term":"1h"}`,
	"a space behind":             `{"entitlements":["dir:wiki "],"reason":"x","term":"1h"}`,
	"a path":                     `{"entitlements":["dir:../root"],"reason":"x","term":"1h"}`,
	"a wildcard":                 `{"entitlements":["*"],"reason":"x","term":"1h"}`,
	"an injection":               `{"entitlements":["dir:wiki') or ('1'='1"],"reason":"x","term":"1h"}`,
	"too many":                   `{"entitlements":["dir:` + strings.Repeat(`","dir:`, 60) + `"],"reason":"x","term":"1h"}`,
	"a bundle that is not there": `{"bundle":"nothing","reason":"x","term":"1h"}`,
	"nobody known":               `{"entitlements":["dir:wiki"],"beneficiary":"nobody","reason":"x","term":"1h"}`,
	"somebody who looks alike":   `{"entitlements":["dir:wiki"],"beneficiary":"еve","reason":"x","term":"1h"}`,
	"a beneficiary as a list":    `{"entitlements":["dir:wiki"],"beneficiary":["eve"],"reason":"x","term":"1h"}`,
	"a reason too long":          `{"entitlements":["dir:wiki"],"reason":"` + strings.Repeat("x", 5000) + `","term":"1h"}`,
	"a reference too long":       `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","reference":"` + strings.Repeat("x", 201) + `"}`,
	"a ticket with a line break": `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","ticket":"jira:1\r\nX: y"}`,
	"a start that is no time":    `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","start":"tomorrow"}`,
	"a start as a number":        `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","start":1772452800}`,
	"a start in the past":        `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","start":"2020-01-01T00:00:00Z"}`,
	"a start beyond all years":   `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","start":"99999-01-01T00:00:00Z"}`,
	"a start far away":           `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","start":"9999-12-31T23:59:59Z"}`,
	"a window without a start":   `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","fixed":true}`,
	"fixed as a text":            `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","fixed":"true"}`,
	"a grant nobody has":         `{"extends":"gr-none","reason":"x","term":"1h"}`,
	"deep lists":                 `{"entitlements":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `,"reason":"x","term":"1h"}`,
	"deep objects":               strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000),
	"deep and not closed":        strings.Repeat("[", 100_000),
	"a number of many digits":    `{"entitlements":["dir:wiki"],"reason":"x","term":` + strings.Repeat("9", 100_000) + `}`,
	"a number with an exponent":  `{"entitlements":["dir:wiki"],"reason":"x","term":1e999999999}`,
}

func TestBadBodies(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	if a := d.send(http.MethodPost, "/api/v1/preview", "eve", good); a.status != http.StatusOK {
		t.Fatalf("the good body: %d %s", a.status, a.body)
	}
	for name, body := range bodies {
		d.Clock.Pass(time.Second) // nobody is refused for asking too often
		before := d.stored()
		d.refused(name, d.send(http.MethodPost, "/api/v1/requests", "eve", body), before)
		d.refused("preview of "+name, d.send(http.MethodPost, "/api/v1/preview", "eve", body), before)
		for _, path := range []string{"/requests/rq-none/votes", "/requests/rq-none/cancel", "/grants/gr-none/revoke"} {
			d.refused(name+" to "+path, d.send(http.MethodPost, "/api/v1"+path, "eve", body), before)
		}
	}
}

func TestBadKindsOfContent(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	for _, kind := range []string{"text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/cbor", "image/png", "a/b/c", "*/*"} {
		before := d.stored()
		d.refused("content as "+kind, d.send(http.MethodPost, "/api/v1/requests", "eve", good, "Content-Type", kind), before)
	}
	before := d.stored()
	form := url.Values{"reason": {"x"}, "term": {"1h"}, "entitlements": {"dir:wiki"}}
	d.refused("a form", d.send(http.MethodPost, "/api/v1/requests", "eve", form.Encode()), before)
	for _, accept := range []string{"text/html", "application/xml", "application/cbor;q=1"} {
		d.refused("answers as "+accept, d.send(http.MethodPost, "/api/v1/requests", "", good, "Accept", accept), before)
	}
	d.refused("a compressed body", d.send(http.MethodPost, "/api/v1/requests", "eve", "\x1f\x8b\x08\x00", "Content-Encoding", "gzip"), before)
}

// A page elsewhere can make a browser send what needs no preflight; without a
// token in the header it opens nothing.
func TestCrossSiteSendsNothing(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	before := d.stored()
	a := d.send(http.MethodPost, "/api/v1/requests", "", good, "Content-Type", "text/plain", "Origin", "https://evil.example", "Cookie", "token=token of eve")
	d.refused("from another site", a, before)
	for _, h := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Set-Cookie"} {
		if a.header.Get(h) != "" {
			t.Errorf("the answer says %s: %s", h, a.header.Get(h))
		}
	}
	pre := d.send(http.MethodOptions, "/api/v1/requests", "", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST")
	d.refused("a preflight", pre, before)
}

func TestBadPathsAndQueries(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	r := d.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
	long := strings.Repeat("a", 9000)
	for _, id := range []string{"%2e%2e", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%2f..", "%00", r.ID + "%00", r.ID + "%20", "%20" + r.ID, r.ID + "%0d%0aX:y", r.ID + "%2f", "%ff%fe", "%c0%af", "*", "%25", "rq-%",
		"'%20or%20'1'='1", "%22", "null", "undefined", "-1", "0", "1e9", strings.ToUpper(r.ID), strings.Replace(r.ID, "rq", "rԛ", 1), strings.Replace(r.ID, "q", "%EF%BD%91", 1), r.ID[:len(r.ID)-1], r.ID + "0", "gr" + r.ID[2:], long} {
		if _, err := url.PathUnescape(id); err != nil {
			id = url.PathEscape(id)
		}
		d.Clock.Pass(2 * time.Second)
		before := d.stored()
		for method, path := range map[string]string{"GET": "/requests/%s", "POST": "/requests/%s/cancel", "PUT": "/requests/%s?digest=x", "DELETE": "/requests/%s/votes/x"} {
			body := ""
			switch method {
			case "POST":
				body = "{}"
			case "PUT":
				body = good
			}
			d.refused(method+" of "+path+" with "+id, d.send(method, "/api/v1"+fmt.Sprintf(path, id), "eve", body), before)
		}
		d.refused("grant "+id, d.send("GET", "/api/v1/grants/"+id, "eve", ""), before)
		d.refused("evidence "+id, d.send("GET", "/api/v1/grants/"+id+"/evidence", "eve", ""), before)
	}
	before := d.stored()
	for _, q := range []string{"/requests?unknown=1", "/requests?limit=0", "/requests?limit=-1", "/requests?limit=501", "/requests?limit=1e3", "/requests?limit=9223372036854775808", "/requests?limit=٣",
		"/requests?limit=1&limit=2&no=1", "/requests?state=anything", "/requests?state=PENDING", "/requests?mine=maybe", "/requests?cursor=" + long, "/requests?Limit=5", "/requests?%00=1",
		"/requests/" + r.ID + "/explain?question=everything", "/grants?open=2", "/findings?limit=x", "/status?verbose=1", "/entitlements?klass=standard"} {
		d.Clock.Pass(time.Second)
		d.refused(q, d.send("GET", "/api/v1"+q, "eve", ""), before)
	}
	for _, p := range []string{"/", "/api", "/api/v1", "/api/v2/requests", "/api/v1/requests/" + r.ID + "/approve", "/debug/pprof/", "/metrics", "/docs", "/api/v1/requests/" + r.ID + "/votes/x/y", "/schemas/Ask.json"} {
		a := d.send("GET", p, "eve", "")
		d.refused(p, a, before)
		if a.status != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", p, a.status)
		}
	}
	for _, method := range []string{"DELETE", "PATCH", "PUT", "TRACE", "CONNECT"} {
		a := d.send(method, "/api/v1/requests", "eve", "")
		d.refused(method, a, before)
		if a.status != http.StatusMethodNotAllowed || !strings.Contains(a.header.Get("Allow"), "POST") {
			t.Errorf("%s: %d, allowed %q", method, a.status, a.header.Get("Allow"))
		}
	}
}

// endless is a body without an end, or nearly.
type endless struct {
	left int64
	read atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := int64(len(p))
	if n > e.left {
		n = e.left
	}
	for i := range p[:n] {
		p[i] = 'x'
	}
	e.left -= n
	e.read.Add(n)
	return int(n), nil
}

const gigabyte = 1 << 30

// A gigabyte is refused after a quarter of a megabyte, whatever its length says.
func TestBodyOfAGigabyte(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	base := d.serve()
	for name, declared := range map[string]int64{"declared": gigabyte, "chunked": -1} {
		for _, who := range []string{"eve", ""} {
			before := d.stored()
			body := &endless{left: gigabyte}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, base+"/api/v1/requests", io.MultiReader(strings.NewReader(`{"reason":"`), body))
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = declared
			req.Header.Set("Content-Type", "application/json")
			if who != "" {
				req.Header.Set("Authorization", "Bearer token of "+who)
			}
			var was, is runtime.MemStats
			runtime.ReadMemStats(&was)
			res, err := http.DefaultClient.Do(req)
			if err != nil { // the server may close while we still write
				if !strings.Contains(err.Error(), "reset") && !strings.Contains(err.Error(), "broken pipe") {
					t.Errorf("%s: %v", name, err)
				}
			} else {
				raw, _ := io.ReadAll(res.Body)
				res.Body.Close()
				d.refused(name+" by "+who, answer{res.StatusCode, res.Header.Get("Content-Type"), string(raw), res.Header}, before)
				if want := map[bool]int{true: http.StatusRequestEntityTooLarge, false: http.StatusUnauthorized}[who != "" || declared > 0]; res.StatusCode != want {
					t.Errorf("%s by %q: %d, want %d", name, who, res.StatusCode, want)
				}
			}
			runtime.ReadMemStats(&is)
			if read := body.read.Load(); read > 32<<20 { // what the socket and the client took, of a thousand times that
				t.Errorf("%s: %d bytes were taken", name, read)
			}
			if grown := int64(is.TotalAlloc) - int64(was.TotalAlloc); grown > 200<<20 { // of everything that runs beside it
				t.Errorf("%s: %d bytes were allocated", name, grown)
			}
		}
	}
	exact := `{"entitlements":["dir:wiki"],"reason":"x","term":"1h","ticket":"` + strings.Repeat("x", 256<<10)
	before := d.stored()
	d.refused("a byte too long", d.send(http.MethodPost, "/api/v1/requests", "eve", exact), before)
}

// Headers beyond the server's bound are refused before the door.
func TestHugeHeaders(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: d, MaxHeaderBytes: 32 << 10, ReadHeaderTimeout: 5 * time.Second} // as the program has it
	go func() { _ = s.Serve(l) }()                                                              // ends with Close
	t.Cleanup(func() { _ = s.Close() })
	before := d.stored()
	for name, set := range map[string]func(http.Header){
		"one": func(h http.Header) { h.Set("X-Long", strings.Repeat("x", 1<<20)) },
		"key": func(h http.Header) { h.Set("Idempotency-Key", strings.Repeat("x", 64<<10)) },
		"many": func(h http.Header) {
			for i := range 20_000 {
				h.Set(fmt.Sprintf("X-%d", i), "x")
			}
		},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+l.Addr().String()+"/api/v1/requests", strings.NewReader(good))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer token of eve")
		set(req.Header)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue // the connection was closed on it
		}
		res.Body.Close()
		if res.StatusCode < 400 || res.StatusCode >= 500 {
			t.Errorf("%s: %d", name, res.StatusCode)
		}
	}
	if after := d.stored(); after["request"] != before["request"] {
		t.Errorf("stored %v", after)
	}
	a := d.send(http.MethodPost, "/api/v1/requests", "eve", good, "Idempotency-Key", strings.Repeat("k", 201))
	d.refused("a key too long", a, before)
}

// Each sentinel has its status, and what is none of them tells nothing.
func TestWhatWentWrong(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	r := d.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
	done := d.Ask("eve", engine.Ask{Entitlements: []string{"dir:lobby"}, Reference: "once"})
	ballot := func(r access.Request, digest string) string {
		return fmt.Sprintf(`{"request":%q,"digest":%q,"verdict":"approve"}`, r.ID, digest)
	}
	for _, c := range []struct {
		name, method, path, who, body string
		want                          int
	}{
		{"invalid", "POST", "/requests", "eve", `{"entitlements":["dir:none"],"reason":"x","term":"1h"}`, http.StatusBadRequest},
		{"not found", "GET", "/requests/rq-none", "eve", "", http.StatusNotFound},
		{"denied", "POST", "/requests/" + r.ID + "/votes", "eve", ballot(r, r.Digest), http.StatusForbidden},
		{"conflict", "POST", "/requests/" + r.ID + "/votes", "mia", ballot(r, "sha256:00"), http.StatusConflict},
		{"gone", "POST", "/requests/" + done.ID + "/cancel", "eve", "{}", http.StatusGone},
	} {
		before := d.stored()
		a := d.send(c.method, "/api/v1"+c.path, c.who, c.body)
		if a.status != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, a.status, c.want, a.body)
		}
		before["event"] = d.stored()["event"] // a refused vote leaves its trace
		d.refused(c.name, a, before)
	}
	for _, c := range []struct{ method, path, secret string }{
		{"POST", "/reload", "/etc/secret"},
		{"GET", "/grants/" + done.Items[0].Grant + "/evidence", "/var/lib"},
	} {
		a := d.send(c.method, "/api/v1"+c.path, "eve", "{}")
		if c.method == "GET" {
			a = d.send(c.method, "/api/v1"+c.path, "eve", "")
		}
		if a.status != http.StatusInternalServerError || a.kind != "application/problem+json" || strings.Contains(a.body, c.secret) || strings.Contains(a.body, "error\"") {
			t.Errorf("%s: %d as %s tells too much: %s", c.path, a.status, a.kind, a.body)
		}
		if !strings.Contains(d.log.all(), c.secret) {
			t.Errorf("%s: the log does not say what failed:\n%s", c.path, d.log.all())
		}
	}
	a := d.send("GET", "/log/checkpoint", "", "")
	if a.status != http.StatusInternalServerError || strings.Contains(a.body, "/var/lib") {
		t.Errorf("log: %d %s", a.status, a.body)
	}
}

// One identity has a burst and then what time gives back; nobody else notices.
func TestHowMuchOneMaySend(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	refused, last := 0, answer{}
	for range 250 {
		if a := d.send("GET", "/api/v1/entitlements", "eve", ""); a.status != http.StatusOK {
			refused, last = refused+1, a
		}
	}
	if refused != 50 || last.status != http.StatusTooManyRequests || last.header.Get("Retry-After") != "1" {
		t.Errorf("%d of 250 refused, the last with %d", refused, last.status)
	}
	before := d.stored()
	d.refused("too many", d.send("POST", "/api/v1/requests", "eve", good), before)
	if a := d.send("GET", "/api/v1/entitlements", "bob", ""); a.status != http.StatusOK {
		t.Errorf("bob is refused for what eve sends: %d", a.status)
	}
	d.Clock.Pass(time.Second)
	ok := 0
	for range 40 {
		if d.send("GET", "/api/v1/entitlements", "eve", "").status == http.StatusOK {
			ok++
		}
	}
	if ok != 20 {
		t.Errorf("after a second %d go through, want 20", ok)
	}
}
