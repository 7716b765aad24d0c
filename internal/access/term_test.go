package access_test

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lessor-iam/lessor/internal/access"
)

func TestParseTerm(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{
		"1s": time.Second, "90m": 90 * time.Minute, "8h": 8 * time.Hour, "1d": 24 * time.Hour, "1d12h": 36 * time.Hour, "366d": 366 * 24 * time.Hour,
		"1d2h3m4s": 26*time.Hour + 3*time.Minute + 4*time.Second, "0d8h": 8 * time.Hour, "007h": 7 * time.Hour,
		"PT8H": 8 * time.Hour, "P1D": 24 * time.Hour, "P1DT12H": 36 * time.Hour, "PT90M": 90 * time.Minute, "PT1H30M5S": 90*time.Minute + 5*time.Second,
	} {
		if got, err := access.ParseTerm(s); err != nil || got.D() != want {
			t.Errorf("%q: %s, %v; want %s", s, got, err, want)
		}
	}
}

// AB-41: nothing is clamped, guessed or rounded; everything else is an error.
func TestAB41_TermsThatAreNone(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", " ", "-1", "-1h", "0", "0s", "0h", "PT0S", "NaN", "nan", "Inf", "+Inf", "1e309", "1e3s", "1.5h", "1,5h", "h", "8", "8 h", " 8h", "8h ", "8h\n",
		"P", "PT", "P1", "P1000Y", "P1Y", "P1M", "P1W", "PT1Y", "P8H", "PT1D", "P1DT", "PTT8H", "P1DTT1H", "PT8H8H", "p1d", "PT8h1", "P-1D", "-P1D", "PT1.5H", "P1D1H",
		"1h1d", "1h1h", "1m1h", "1H", "1D", "8ho", "8hours", "8h8", "1d-1h", "+8h", "0x8h", "1_000s", "8h;", "8h\x00", "1y", "1w", "1M", "1ms", "1us", "1ns",
		"367d", "366d1s", "8785h", "9223372036854775807s", "9223372036854775808s", "99999999999999999999999999s", "18446744073709551617s", "153722867280912931m",
		"00:00", "08:00", "08:00:00", "8h00", "٨h", "８h", "८h", "8ｈ", "8һ", "\u202e8h", "8h\u200b", "infinite", "forever", "none", "null", "true", "1h/../..",
		strings.Repeat("9", 10_000) + "s", strings.Repeat("1s", 1000), "0d0h0m0s", "P0D", "P366DT1S",
	} {
		if got, err := access.ParseTerm(s); !errors.Is(err, access.ErrInvalid) || got != 0 {
			t.Errorf("%.40q: %s, %v; want an error and nothing", s, got, err)
		} else if len(err.Error()) > 400 {
			t.Errorf("%.40q: the error has %d bytes", s, len(err.Error()))
		}
	}
}

var termForm = regexp.MustCompile(`^(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?$`)
var isoForm = regexp.MustCompile(`^P(?:([0-9]+)D)?(?:T(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?)?$`)

// inSeconds reads a term with numbers of any size; nil where the form is wrong.
func inSeconds(s string) *big.Int {
	parts := termForm.FindStringSubmatch(s)
	if strings.HasPrefix(s, "P") {
		if parts = isoForm.FindStringSubmatch(s); strings.HasSuffix(s, "T") {
			return nil
		}
	}
	if parts == nil {
		return nil
	}
	total := new(big.Int)
	for i, size := range []int64{86400, 3600, 60, 1} {
		if n, ok := new(big.Int).SetString(parts[i+1], 10); ok {
			total.Add(total, n.Mul(n, big.NewInt(size)))
		}
	}
	return total
}

// A million inputs, near the right form and far from it: what is read is what
// numbers of any size give, or an error; never more, never less, never negative.
func TestParseTermAgreesWithBigNumbers(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	numbers := []string{"0", "1", "8", "24", "59", "60", "366", "367", "527040", "31622400", "31622401", "2147483647", "2147483648", "9223372036854775807", "-1", "٨", "1.5", ""}
	units := []string{"d", "h", "m", "s", "D", "H", "M", "S", "P", "T", "PT", "Y", "W", " ", "e9", "ns", "\x00"}
	pick := func(list []string) string { return list[r.IntN(len(list))] }
	most, accepted := big.NewInt(int64(access.LongestTerm.D()/time.Second)), 0
	for range 1_000_000 {
		var b strings.Builder
		if r.IntN(3) == 0 {
			b.WriteString(pick([]string{"P", "PT", "T", "-", "+", "p"}))
		}
		for range r.IntN(5) {
			b.WriteString(pick(numbers))
			b.WriteString(pick(units[:4+r.IntN(len(units)-4)]))
		}
		s := b.String()
		got, err := access.ParseTerm(s)
		want := inSeconds(s)
		ok := want != nil && want.Sign() > 0 && want.Cmp(most) <= 0
		switch {
		case ok != (err == nil):
			t.Fatalf("%q: %s, %v; in seconds it is %v", s, got, err, want)
		case ok && int64(got.D()/time.Second) != want.Int64(), ok && got.D()%time.Second != 0, !ok && got != 0:
			t.Fatalf("%q: %s; want %v seconds", s, got, want)
		case ok:
			accepted++
		}
	}
	if accepted < 10_000 {
		t.Errorf("only %d of a million were terms: the inputs are too far off", accepted)
	}
	t.Logf("%d of a million were terms", accepted)
}

// Every term is written so that it is read back, in text and in JSON.
func TestTermThereAndBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := access.Term(time.Duration(rapid.Int64Range(1, int64(access.LongestTerm.D()/time.Second)).Draw(t, "seconds")) * time.Second)
		got, err := access.ParseTerm(want.String())
		if err != nil || got != want {
			t.Fatalf("%s is read as %s, %v", want, got, err)
		}
		b, err := want.MarshalText()
		var back access.Term
		if err2 := back.UnmarshalText(b); err != nil || err2 != nil || back != want {
			t.Fatalf("%s: %q, %v, %v", want, b, err, err2)
		}
	})
	rapid.Check(t, func(t *rapid.T) { // never a panic, never out of bounds
		s := rapid.String().Draw(t, "s")
		if got, err := access.ParseTerm(s); err == nil && (got <= 0 || got > access.LongestTerm) {
			t.Fatalf("%q is %s", s, got)
		}
	})
	for _, odd := range []access.Term{math.MaxInt64, math.MinInt64, -1, 1, 0} {
		if odd.String() == "" {
			t.Errorf("%d is written as nothing", odd)
		}
	}
}

func FuzzParseTerm(f *testing.F) {
	for _, s := range []string{"8h", "P1DT12H", "-1", "9223372036854775807s", "٨h", "P1000Y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := access.ParseTerm(s)
		want := inSeconds(s)
		ok := want != nil && want.Sign() > 0 && want.Cmp(big.NewInt(int64(access.LongestTerm.D()/time.Second))) <= 0
		if ok != (err == nil) || (ok && int64(got.D()/time.Second) != want.Int64()) {
			t.Errorf("%q: %s, %v; in seconds %v", s, got, err, want)
		}
	})
}

func TestShorter(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]access.Term{{0, 0, 0}, {0, 5, 5}, {5, 0, 5}, {3, 5, 3}, {5, 3, 3}, {4, 4, 4}} {
		if got := access.Shorter(c[0], c[1]); got != c[2] {
			t.Errorf("Shorter(%d, %d) = %d, want %d", c[0], c[1], got, c[2])
		}
	}
}
