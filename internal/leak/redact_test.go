package leak_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/leak"
)

// The secrets are put together here, so that no scanner takes this file for a leak.
var (
	aws    = "AKIA" + "IOSFODNN7EXAMPLE"
	jwt    = "eyJhbGciOiJIUzI1NiJ9" + "." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0" + "." + "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9"
	github = "ghp_" + strings.Repeat("a1B2", 9)
	pem    = "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEpAIBAAKCAQEA1\nabc\n-----END RSA PRIVATE " + "KEY-----"
	jira   = "ATATT3" + "xFfGF0abcdefghijklmnopqrstuvwxyz=12345"
	slack  = "xoxb" + "-123456789012-abcdefABCDEF"
	random = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1"
)

func TestAB13SecretsAreTakenOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in, secret string
		kind       leak.Kind
	}{
		{"my key is " + aws + ", thanks", aws, leak.CloudKey},
		{"here:\n" + pem + "\nregards", "MIIEpAIBAAKCAQEA1", leak.PrivateKey},
		{"cut off: " + pem[:60], "MIIEpAIBA", leak.PrivateKey},
		{"token " + jwt, jwt, leak.WebToken},
		{"use " + github, github, leak.Token},
		{"use " + jira + ".", jira, leak.Token},
		{"bot " + slack, slack, leak.Token},
		{"password=hunter2", "hunter2", leak.Password},
		{"DB_PASSWORD = 'correct horse'", "correct horse", leak.Password},
		{"Password: swordfish", "swordfish", leak.Password},
		{`{"password": "x y z"}`, "x y z", leak.Password},
		{"API_TOKEN=abc", "abc", leak.Password},
		{"client_secret: 7f3k", "7f3k", leak.Password},
		{"pwd:Tr0ub4dor&3 ok", "Tr0ub4dor&3", leak.Password},
		{"my password is Tr0ub4dor today", "Tr0ub4dor", leak.Password},
		{"user | ann\npassword | Tr0ub4dor", "Tr0ub4dor", leak.Password},
		{"Authorization: Bearer abcdef123456", "abcdef123456", leak.Header},
		{"curl -H 'Authorization: Basic YW5uOnB3'", "YW5uOnB3", leak.Header},
		{"header bearer 0123456789abcdef0123", "0123456789abcdef0123", leak.Header},
		{"postgres://app:s3cret@db.example/x", "s3cret", leak.InURL},
		{"the aws secret for it (" + random + ")", random, leak.Random},
		{"AK\u200bIA" + aws[4:], aws, leak.CloudKey},
		{"password=hunter22 and again hunter22", "hunter22", leak.Password},
	} {
		got, found := leak.Redact(c.in)
		if strings.Contains(got, c.secret) || !slices.Contains(found, c.kind) || !strings.Contains(got, "[redacted "+string(c.kind)+"]") {
			t.Errorf("%q: %q, found %q", c.in, got, found)
		}
	}
	got, found := leak.Redact("first " + aws + ", password=abc, then " + aws)
	if got != "first [redacted cloud key], password=[redacted password], then [redacted cloud key]" || len(found) != 2 {
		t.Errorf("%q %q", got, found)
	}
}

func TestOrdinarySentencesStay(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"",
		"I need read access to prod-db for the quarterly audit until Friday.",
		"I forgot my password. Password reset needed, please.",
		"My password is expired and the token was revoked.",
		"Password: required. Secret: none. Token: n/a",
		"password: ********",
		"Please add me to the secret-santa group; the key contact is Ann.",
		"The token service is slow, see ACC-41 and https://wiki.example.com/x/y?z=1.",
		"Key: the one from the safe, not the car's.",
		"Rotation of the API key is due on 2026-11-30 at 10:15.",
		"Digest sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08 in the bundle",
		"commit 9fceb02d0ae598e95dc970b74767f19372d61af8 broke the login page",
		"Ask basic questions of the authorization team before the bearer arrives.",
		"Request for customfield_10026 on HELPDESK-1 by qm:a713c8ea-1075-4e30-9d96-891a7d181739.",
		"mail ann@example.com about http://host:8080/path@home",
		"Role arn:aws:iam::123456789012:role/ReadOnly for two hours",
		"token | purpose\npassword | reset at 10:15",
		"passport: renewed; compass: north",
		"The secretary needs keyboard tokens for the cafeteria.",
		"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
		"[redacted password]",
	} {
		if got, found := leak.Redact(s); got != s || len(found) > 0 {
			t.Errorf("%q became %q, found %q", s, got, found)
		}
	}
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{aws, pem, jwt, github, "password=x", "token: [redacted token] password=[redacted", "Authorization: " + random, "a://b:c@d", "pwd: pwd: pwd: pwd", "secret=secret=secret"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		clean, found := leak.Redact(s)
		if again, more := leak.Redact(clean); again != clean || len(more) > 0 {
			t.Fatalf("%q became %q, in which there is still %q: %q", s, clean, more, again)
		}
		if (clean != leak.Clean(s)) != (len(found) > 0) {
			t.Fatalf("%q became %q, found %q", s, clean, found)
		}
		// Whatever stands around a secret of a known form, it is gone.
		for _, known := range []string{aws, github, jira, slack, jwt} {
			if out, _ := leak.Redact(s + " " + known + " " + s); strings.Contains(out, known) {
				t.Fatalf("%q between %q: %q", known, s, out)
			}
		}
	})
}
