package abuse

import (
	"bytes"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/cli"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

// badTerms are no terms, as text.
var badTerms = []string{
	"-1", "-1s", "-1h", "-0h", "0", "0s", "0h", "PT0S", "P0D", "00:00", "00:00:01", "1:00", "NaN", "nan", "Inf", "+Inf", "1e309", "1e3h", "1e3", "0x8h", "0b1h", "1_000s", "1,5h", "1.5h", ".5h", "½h",
	"P1000Y", "P1Y", "P1M", "P1W", "P", "PT", "P1", "PT1", "P1H", "PT1D", "P1DT", "PT8H30", "-PT8H", "P-1D", "pt8h", "9223372036854775807s", "9223372036854775808s", "18446744073709551616s", "99999999999999999999999999h",
	"9223372036s", "106751d", "367d", "8784h1s", "366d1s", "31622401s", "８h", "٨h", "८h", "8ｈ", "8 h", "8h ", " 8h", "8h\n", "8h\x00", "8h\u200b", "\ufeff8h", "8H", "8hours", "8 hours", "h", "hh", "8", "8h8h", "1m1h", "1s1d", "8h-1s", "8h+1d",
	"--8h", "+8h", "8h;9h", "8h/9h", "forever", "never", "permanent", "null", "true", "1d12", "1d 12h", "1µs", "1ms", "1ns", "8h0", "١d",
}

// rawTerms are no terms, as JSON that is not text.
var rawTerms = []string{"-1", "0", "1", "28800", "28800000000000", "1e309", "-1e309", "1e3", "0.5", "NaN", "Infinity", "null", "true", `["8h"]`, `{"hours":8}`, "9223372036854775807", "9223372036854775808", "18446744073709551615", "0x10", "08", `"8h"+"1h"`, `""`}

func TestAB41_TermsThatAreNone(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Term: 4 * hour})
	g := d.granted("bob", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 4 * hour}, "mia")
	terms := append([]string(nil), rawTerms...)
	for _, s := range badTerms {
		terms = append(terms, string(mustJSON(t, s)))
	}
	before := d.stored()
	for _, term := range terms {
		d.Clock.Pass(500 * time.Millisecond)
		for what, path := range map[string]string{
			`{"entitlements":["dir:wiki"],"reason":"x","term":%s}`:                                 "POST /requests",
			`{"entitlements":["dir:wiki"],"reason":"x","term":"1h","answer_within":%s}`:            "POST /requests ",
			`{"extends":"` + g.ID + `","beneficiary":"bob","reason":"x","term":%s}`:                "POST /requests  ",
			`{"entitlements":["dir:wiki"],"reason":"x","term": %s}`:                                "POST /preview",
			`{"entitlements":["dir:reports"],"reason":"x","term":%s}`:                              "PUT /requests/" + r.ID + "?digest=" + r.Digest,
			`{"request":"` + r.ID + `","digest":"` + r.Digest + `","verdict":"approve","term":%s}`: "POST /requests/" + r.ID + "/votes",
		} {
			method, path, _ := strings.Cut(strings.TrimSpace(path), " ")
			who := map[bool]string{true: "mia", false: "eve"}[strings.HasSuffix(path, "/votes")]
			if strings.Contains(what, "extends") {
				who = "bob"
			}
			if (term == `""` || term == "null") && (strings.Contains(what, "answer_within") || strings.Contains(what, "verdict")) {
				continue // where a term may be left out, nothing is as good as not written
			}
			a := d.send(method, "/api/v1"+path, who, fmt.Sprintf(what, term))
			if a.status < 400 || a.status >= 500 || a.status == http.StatusTooManyRequests {
				t.Errorf("%s %s with term %s: %d %.200s", method, path, term, a.status, a.body)
			}
		}
	}
	if after := d.stored(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("stored %v, before %v", after, before)
	}
}

func TestAB41_TermsThatAreNoneOnTheCommandLine(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
	before := d.stored()
	for _, term := range badTerms {
		if strings.ContainsRune(term, 0) {
			continue // no argument of a process holds a NUL
		}
		for _, args := range [][]string{
			{"request", "dir:wiki", "--reason", "x", "--term=" + term},
			{"request", "dir:wiki", "--reason", "x", "--term=8h", "--answer-within=" + term},
			{"edit", r.ID, "dir:wiki", "--reason", "x", "--term=" + term},
			{"extend", "gr-x", "--reason", "x", "--term=" + term},
			{"approve", r.ID, "--term=" + term},
		} {
			if code, _, errs := d.run("eve", args...); code != 2 {
				t.Errorf("lessor %q: exit code %d, want 2: %s", args, code, errs)
			}
		}
	}
	if after := d.stored(); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("stored %v, before %v", after, before)
	}
}

// What is asked beyond a limit is refused, and never cut down to it in silence;
// an approver may shorten and not stretch.
func TestAB41_LongerThanAllowed(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		for term, want := range map[access.Term]access.RequestState{24 * hour: access.Pending, 24*hour + access.Term(time.Second): access.Denied, access.LongestTerm: access.Denied} {
			r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: term, Reason: term.String()})
			if r.State != want || r.Term != term || r.Items[0].Term != term {
				t.Errorf("%s: %s for %s, want %s and the term as asked", term, r.State, r.Items[0].Term, want)
			}
		}
		r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Term: 2 * hour})
		for _, term := range []access.Term{2*hour + access.Term(time.Second), 24 * hour, access.LongestTerm} {
			_, err := d.as("mia").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve, Term: term})
			wantStatus(t, "stretched to "+term.String(), err, http.StatusBadRequest)
		}
		if _, err := d.as("mia").Vote(t.Context(), engine.Ballot{Request: r.ID, Digest: r.Digest, Verdict: access.Approve, Term: hour}); err != nil {
			t.Fatal(err)
		}
		d.Advance(time.Minute)
		if g := d.Grant(d.Request(r.ID).Items[0].Grant); g.End.Sub(g.Seen) != time.Hour {
			t.Errorf("granted for %s, approved for 1h", g.End.Sub(g.Seen))
		}
		d.Advance(2 * time.Hour)
		d.CheckQuiet()
	})
}

// exactTerm says by other means what a term is.
var exactTerm = regexp.MustCompile(`^(?:P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?)?|(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?)$`)

func meant(s string) (seconds *big.Int, ok bool) {
	m := exactTerm.FindStringSubmatch(s)
	if m == nil || strings.HasSuffix(s, "T") {
		return nil, false
	}
	sum := new(big.Int)
	for i, size := range []int64{86400, 3600, 60, 1, 86400, 3600, 60, 1} {
		if n, some := new(big.Int).SetString(m[i+1], 10); some {
			sum.Add(sum, n.Mul(n, big.NewInt(size)))
		}
	}
	return sum, sum.Sign() > 0 && sum.Cmp(big.NewInt(int64(access.LongestTerm.D()/time.Second))) <= 0
}

// A million texts: each is refused, or is exactly what it says by big numbers.
func TestAB41_AMillionTerms(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(41, 41))
	pieces := []string{"P", "T", "d", "h", "m", "s", "D", "H", "M", "S", "Y", "W", "-", "+", ".", " ", "0", "00", "1", "7", "8", "12", "59", "366", "367", "8784", "2147483647", "2147483648", "9223372036854775807", "٣", "e"}
	numbers, units := pieces[16:29], []string{"d", "h", "m", "s"}
	accepted := 0
	for range 1_000_000 {
		var b strings.Builder
		if rng.IntN(2) == 0 { // anything
			for range 1 + rng.IntN(6) {
				b.WriteString(pieces[rng.IntN(len(pieces))])
			}
		} else { // nearly right
			iso := rng.IntN(2) == 0
			if iso {
				b.WriteString("P")
			}
			for i, u := range units {
				if iso && i == 1 && rng.IntN(4) > 0 {
					b.WriteString("T")
				}
				if rng.IntN(3) == 0 {
					if iso {
						u = strings.ToUpper(u)
					}
					b.WriteString(numbers[rng.IntN(len(numbers))] + u)
				}
			}
		}
		s := b.String()
		got, err := access.ParseTerm(s)
		want, ok := meant(s)
		switch {
		case (err == nil) != ok:
			t.Fatalf("%q: %s, %v; meant %v (%t)", s, got, err, want, ok)
		case ok && int64(got.D()/time.Second) != want.Int64():
			t.Fatalf("%q: %s, and it says %s seconds", s, got, want)
		case ok:
			accepted++
		case got != 0:
			t.Fatalf("%q: refused, and yet %s", s, got)
		}
	}
	if accepted < 50_000 {
		t.Errorf("only %d of a million were terms at all", accepted)
	}
}

// Two reasons for the same access: it stays until the last of them ends, also
// where one ends in the very second in which another begins.
func TestAB44_OverlappingGrants(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		first := d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 2 * hour, Reason: "first"}, "mia")
		d.Work()
		d.Advance(time.Hour)
		second := d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 3 * hour, Reason: "second"}, "mia")
		d.Work()
		holds := func(when string, want bool) {
			t.Helper()
			if d.Targets["dir"].Holds("eve", "wiki") != want {
				t.Errorf("%s: held is %t, want %t", when, !want, want)
			}
			d.CheckQuiet()
		}
		d.Advance(90 * time.Minute)
		if g := d.Grant(first.ID); g.State != access.Ended {
			t.Errorf("the first is %s after its end", g.State)
		}
		holds("after the first end", true)
		if err := d.as("owen").Revoke(t.Context(), second.ID, "no longer needed"); err != nil {
			t.Fatal(err)
		}
		d.Work()
		holds("after the last end", false)
		for _, c := range d.Targets["dir"].Log()[1:] {
			if c.Want {
				t.Errorf("added more than once: %v", d.Targets["dir"].Log())
			}
		}
	})
}

func TestAB44_EndAndStartInTheSameInstant(t *testing.T) {
	each(t, func(t *testing.T, d *door) {
		noon := d.Clock.Now()
		window := func(n, m int) access.Grant {
			return d.granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Start: noon.Add(time.Duration(n) * time.Hour), Term: access.Term(m-n) * hour, Fixed: true,
				Reason: fmt.Sprintf("%d to %d", n, m)}, "mia")
		}
		window(1, 2)
		window(2, 3)
		window(3, 4)
		for minute := range 5 * 60 {
			d.Advance(time.Minute)
			at := noon.Add(time.Duration(minute+1) * time.Minute)
			want := !at.Before(noon.Add(time.Hour)) && at.Before(noon.Add(4*time.Hour))
			if got := d.Targets["dir"].Holds("eve", "wiki"); got != want {
				t.Fatalf("at %s: held is %t, want %t", at.Format("15:04"), got, want)
			}
		}
		if calls := d.Targets["dir"].Log(); len(calls) != 2 {
			t.Errorf("access was touched %d times between the windows: %v", len(calls), calls)
		}
		d.CheckQuiet()
	})
}

// run runs one command of the command line against the door.
func (d *door) run(who string, args ...string) (code int, out, errs string) {
	d.t.Helper()
	var o, e bytes.Buffer
	code = cli.Main(d.t.Context(), args, strings.NewReader(""), &o, &e, func(key string) string {
		return map[string]string{"LESSOR_SERVER": d.url, "LESSOR_TOKEN": secretOf(who)}[key]
	})
	return code, o.String(), e.String()
}
