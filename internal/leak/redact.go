package leak

import (
	"cmp"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Kind is a kind of secret found in a text written for people.
type Kind string

const (
	CloudKey   Kind = "cloud key"       // of AWS or Google
	PrivateKey Kind = "private key"     // a PEM block, whole or cut
	WebToken   Kind = "web token"       // a JWT
	Token      Kind = "token"           // of a known maker, by its prefix
	Header     Kind = "authorization"   // what follows Authorization:
	Password   Kind = "password"        // what follows a word for it
	InURL      Kind = "password in URL" // scheme://user:password@host
	Random     Kind = "random string"   // what looks drawn, near a word for a secret
)

// shape is one way a secret is written: group 1 is the secret, else all of it.
type shape struct {
	kind  Kind
	hints string // one of these words is in every text (in small letters) that has it: looked for first
	at    *regexp.Regexp
	holds func(string) bool // whether what was found is one; nil: it is
}

// shapes are looked for in this order.
var shapes = []shape{
	{PrivateKey, "-----begin", regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----(?:.*?-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|.*)`), nil},
	{WebToken, "eyj", regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){0,3}`), nil},
	{CloudKey, "akia asia abia acca aiza", regexp.MustCompile(`\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{35}`), nil},
	{Token, "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_ glpat- xox xapp- hooks.slack.com atatt atctt atbb sk_ rk_ npm_ pypi- sk- hvs. hvb.", regexp.MustCompile(`\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}` +
		`|\bxox[a-z]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}|hooks\.slack\.com/services/[A-Za-z0-9/]{10,}` +
		`|\bAT(?:ATT|CTT)[A-Za-z0-9_=-]{20,}|\bATBB[A-Za-z0-9]{20,}` +
		`|\b[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[A-Za-z0-9_-]{30,}|\bsk-[A-Za-z0-9_-]{20,}|\bhv[sb]\.[A-Za-z0-9_-]{20,}`), nil},
	{InURL, "://", regexp.MustCompile(`\b[A-Za-z][A-Za-z0-9+.-]+://[^\s/:@]*:([^\s/@]+)@[A-Za-z0-9\[]`), nil},
	{Header, "authorization", regexp.MustCompile(`(?i)\bauthorization["']?\s{0,3}[:=]\s{0,3}["']?(?:(?:basic|bearer|digest|token|negotiate)\s{1,3})?([^\s"',]{6,})`), nil},
	{Header, "bearer basic", regexp.MustCompile(`(?i)\b(?:bearer|basic)\s{1,3}([A-Za-z0-9+/_.~=-]{16,})`), mixed},
	{Password, wordHints, regexp.MustCompile(`(?i)` + words + `["']?\s{0,3}(?:=|:=|=>)\s{0,3}(?:"([^"\n]+)"|'([^'\n]+)'|([^\s"',;&<>]+))`), nil},
	{Password, wordHints, regexp.MustCompile(`(?i)` + words + `["']?\s{0,3}:\s{0,3}(?:"([^"\n]+)"|'([^'\n]+)'|([^\s"',;<>]{3,}))`), notProse},
	{Password, wordHints, regexp.MustCompile(`(?i)` + words + `\s{0,3}\|\s{0,3}([^\s|]{4,})`), drawn}, // in a table
	{Password, "passw passphrase pwd pin passcode kennwort", regexp.MustCompile(`(?i)\b(?:passwords?|passwd|passphrase|pwd|pin|passcode|kennwort|passwort)\s{1,3}(?:is|was|are|ist|will be|of)\s{1,3}(?:now\s)?["']?([^\s"',;<>]{4,})`), drawn},
	{Random, "secret token key credential passw pwd signature login", regexp.MustCompile(`(?i)\b(?:secret|token|key|credentials?|password|passwd|pwd|signature|login)\b[^\n]{0,24}?[\s:="'` + "`" + `(]([A-Za-z0-9+/_=.-]{20,})`), highEntropy},
}

// words name a secret, alone or at the end of a name such as DB_PASSWORD.
const words = `(?:password|passwd|passphrase|passcode|passwort|kennwort|\bpwd|_pwd|\bpass|_pass|secret|token|(?:api|access|secret|private|encryption|signing|ssh)[ _-]?key|credentials?)`

const wordHints = "pass kennwort pwd secret token key credential"

// prose are words that follow "password:" in sentences.
var prose = strings.Fields(`a an and any are as at be been by can change changed changes complexity did do does expire
	expired expires field for forgot forgotten from has have help how i if in is it its kein keine length locked lost
	management manager missing must my need needed never new no none not of old on one only optional or our please policy
	prompt required requirements reset resets rotate rotated rotation rules same see self-service should that the their
	there these they this to too tbd unknown update updated use user via wait was we what when where which who why will
	with without wrong you your n/a na yes true false null <none>`)

// Redact takes secrets out of a text that people wrote, before it is stored or
// shown. What is found once is taken out wherever else it stands. Found names the
// kinds, each once, in no way what was found. It is a net, not a proof: a secret
// that looks like a word, in a sentence that does not name it, passes.
func Redact(text string) (clean string, found []Kind) {
	clean = Clean(text)
	// What one pass uncovers the next may find.
	for pass := 0; ; pass++ {
		next, kinds := redactOnce(clean)
		if len(kinds) == 0 {
			return clean, found
		}
		if clean = next; pass == 8 { // made to be found for ever: nothing of it is kept
			clean = mark(kinds[0])
		}
		for _, k := range kinds {
			if !slices.Contains(found, k) {
				found = append(found, k)
			}
		}
	}
}

type span struct {
	from, to int
	kind     Kind
}

func redactOnce(text string) (string, []Kind) {
	spots := find(text)
	sought := map[string]bool{}
	for _, s := range spots {
		secret := text[s.from:s.to]
		if len(secret) < 8 || sought[secret] || strings.Contains(mark(s.kind), secret) {
			continue
		}
		sought[secret] = true
		for at := 0; ; {
			i := strings.Index(text[at:], secret)
			if i < 0 {
				break
			}
			spots = append(spots, span{at + i, at + i + len(secret), s.kind})
			at += i + len(secret)
		}
	}
	slices.SortStableFunc(spots, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to))
	})
	var out strings.Builder
	var kinds []Kind
	done := 0
	for _, s := range spots {
		if s.to <= done {
			continue
		}
		out.WriteString(text[done:max(done, s.from)])
		if s.from >= done { // else it goes on from the one before
			out.WriteString(mark(s.kind))
		}
		done = s.to
		kinds = append(kinds, s.kind)
	}
	out.WriteString(text[done:])
	return out.String(), kinds
}

func mark(k Kind) string { return "[redacted " + string(k) + "]" }

// find gives where secrets stand, in no order; what was already taken out is not one.
func find(text string) []span {
	var spots []span
	lower := strings.ToLower(text)
	for _, sh := range shapes {
		if !slices.ContainsFunc(strings.Fields(sh.hints), func(hint string) bool { return strings.Contains(lower, hint) }) {
			continue
		}
		for _, m := range sh.at.FindAllStringSubmatchIndex(text, -1) {
			from, to := m[0], m[1]
			for g := 2; g < len(m); g += 2 {
				if m[g] >= 0 {
					from, to = m[g], m[g+1]
				}
			}
			s := text[from:to]
			if strings.HasPrefix(s, "[redacted") || strings.TrimSpace(s) == "" || strings.Trim(s, "*•.xX-_?") == "" {
				continue
			}
			if sh.holds == nil || sh.holds(s) {
				spots = append(spots, span{from, to, sh.kind})
			}
		}
	}
	return spots
}

func notProse(s string) bool {
	return !slices.Contains(prose, strings.ToLower(strings.Trim(s, ".,;:!?()[]*")))
}

// drawn says that s has what a word of a sentence has not: a digit, a sign in it,
// or a capital after a small letter.
func drawn(s string) bool {
	small := false
	for _, r := range strings.TrimRight(s, ".,;:!?)") {
		switch {
		case unicode.IsDigit(r), strings.ContainsRune("!@#$%^&*+=_~|\\", r):
			return notProse(s)
		case unicode.IsUpper(r) && small:
			return true
		}
		small = small || unicode.IsLower(r)
	}
	return false
}

// mixed says that s has letters and digits.
func mixed(s string) bool {
	return strings.ContainsFunc(s, unicode.IsDigit) && strings.ContainsFunc(s, unicode.IsLetter)
}

// highEntropy says that s looks drawn at random: letters and digits, no name made
// of words, and nearly as many different characters as chance gives.
func highEntropy(s string) bool {
	s = strings.Trim(s, "=.-_/")
	if len(s) < 20 || !mixed(s) {
		return false
	}
	counts, digits, turns := map[rune]int{}, 0, 0
	var last rune
	for i, r := range s {
		counts[r]++
		if unicode.IsDigit(r) {
			digits++
		}
		if i > 0 && unicode.IsDigit(r) != unicode.IsDigit(last) {
			turns++
		}
		last = r
	}
	bits, n := 0.0, float64(len(s))
	for _, c := range counts {
		p := float64(c) / n
		bits -= p * math.Log2(p)
	}
	return bits >= 3.2 && digits >= 2 && turns >= 3
}
