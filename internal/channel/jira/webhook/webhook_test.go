package webhook_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/channel/jira/webhook"
	"github.com/lessor-iam/lessor/internal/secret"
)

var key = secret.New("a site's secret")

func sign(k string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(k))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func signed(values ...string) http.Header {
	h := http.Header{}
	for _, v := range values {
		h.Add("X-Hub-Signature", v)
	}
	return h
}

// The vectors Atlassian and its users have published.
func TestSignatureVectors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ key, body, sum string }{
		{"It's a Secret to Everybody", "Hello World!", "a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"},
		{"my-super-secret", `{"field1":1,"field2":"one"}`, "e8cbe6198cf83d3793b420b7c1b87b4946f566ab85b4326db21b4912a4917593"},
	} {
		_, err := webhook.Read(secret.New(c.key), signed("sha256="+c.sum), []byte(c.body))
		if errors.Is(err, webhook.ErrSignature) || (c.body[0] != '{') != errors.Is(err, webhook.ErrShape) {
			t.Errorf("%s: %v", c.key, err)
		}
		_, err = webhook.Read(secret.New(c.key), signed("sha256="+c.sum), []byte(c.body+" "))
		if !errors.Is(err, webhook.ErrSignature) {
			t.Errorf("%s: another body passed: %v", c.key, err)
		}
	}
}

func TestAB01OnlyTheSiteItselfNudges(t *testing.T) {
	t.Parallel()
	body := []byte(`{"webhookEvent":"jira:issue_created","issue":{"id":"10010"}}`)
	good := sign(key.Reveal(), body)
	old := hmac.New(sha1.New, []byte(key.Reveal()))
	old.Write(body)
	other := signed(good)
	other["X-Hub-Signature-256"] = []string{good}
	other.Del("X-Hub-Signature")
	for name, h := range map[string]http.Header{
		"missing":                      {},
		"no headers at all":            nil,
		"empty":                        signed(""),
		"sha1":                         signed("sha1=" + hex.EncodeToString(old.Sum(nil))),
		"sha1 under the other name":    signed("sha256=" + hex.EncodeToString(old.Sum(nil))),
		"another key":                  signed(sign("another", body)),
		"an empty key":                 signed(sign("", body)),
		"of another body":              signed(sign(key.Reveal(), []byte(`{"issue":{"id":"10011"}}`))),
		"two headers, the first good":  signed(good, sign("another", body)),
		"two headers, the second good": signed(sign("another", body), good),
		"the same header twice":        signed(good, good),
		"two in one header":            signed(good + ", " + good),
		"no algorithm":                 signed(strings.TrimPrefix(good, "sha256=")),
		"cut short":                    signed(good[:len(good)-2]),
		"longer":                       signed(good + "00"),
		"no hex":                       signed("sha256=" + strings.Repeat("z", 64)),
		"zeros":                        signed("sha256=" + strings.Repeat("0", 64)),
		"another header's name":        other,
	} {
		n, err := webhook.Read(key, h, body)
		if !errors.Is(err, webhook.ErrSignature) || n != (webhook.Nudge{}) {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
		if err != nil && strings.Contains(err.Error(), good[7:]) {
			t.Errorf("%s: the error tells what would be right: %v", name, err)
		}
	}
	if n, err := webhook.Read(key, signed(good), body); err != nil || n.Issue != "10010" || !n.Signed {
		t.Errorf("the good one: %+v, %v", n, err)
	}
	if _, err := webhook.Read(secret.Value{}, signed(sign("", body)), body); !errors.Is(err, webhook.ErrNoSecret) {
		t.Errorf("without a secret: %v", err)
	}
	large := append(body, make([]byte, webhook.MaxBody)...)
	if _, err := webhook.Read(key, signed(sign(key.Reveal(), large)), large); !errors.Is(err, webhook.ErrTooLarge) {
		t.Errorf("a large body: %v", err)
	}
}

func TestShapes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		want       webhook.Nudge
	}{
		{"automation, its own format", `{"self":"https://x/rest/api/2/issue/11111","id":11111,"key":"SP-53","changelog":{"histories":null},"fields":{"issuetype":{"id":22222}}}`,
			webhook.Nudge{Kind: webhook.Woken, Issue: "11111"}},
		{"automation, Jira's format", `{"issue":{"self":"x","id":11111,"key":"SP-53","fields":{}}}`, webhook.Nudge{Kind: webhook.Woken, Issue: "11111"}},
		{"legacy automation of Server", `{"issue":{"id":"18001","key":"IT-4"},"timestamp":1462941258113}`,
			webhook.Nudge{Kind: webhook.Woken, Issue: "18001", At: time.UnixMilli(1462941258113).UTC()}},
		{"a property", `{"webhookEvent":"issue_property_set","issue":{"id":"7"},"property":{"key":"k"}}`, webhook.Nudge{Kind: webhook.Other, Event: "issue_property_set", Issue: "7"}},
		{"a comment without an issue", `{"webhookEvent":"comment_updated","comment":{"id":"5","self":"https://h/rest/api/3/issue/77/comment/5"},"issue":null}`,
			webhook.Nudge{Kind: webhook.Commented, Event: "comment_updated", Issue: "77", Comment: "5"}},
		{"an envelope's own id is none", `{"id":2,"webhookEvent":"x_y"}`, webhook.Nudge{Kind: webhook.Other, Event: "x_y"}},
		{"no id", `{"id":"SP-53","key":"SP-53"}`, webhook.Nudge{Kind: webhook.Other}},
		{"an id in a dress", `{"issue":{"id":"10010/../../myself"}}`, webhook.Nudge{Kind: webhook.Other}},
		{"an id that is no whole number", `{"issue":{"id":1e4}}`, webhook.Nudge{Kind: webhook.Other}},
		{"a negative id", `{"issue":{"id":-5}}`, webhook.Nudge{Kind: webhook.Other}},
		{"an event that would spoil a log", `{"webhookEvent":"jira:issue_created\nlevel=INFO","issue":{"id":1}}`, webhook.Nudge{Kind: webhook.Woken, Issue: "1"}},
		{"odd types everywhere", `{"webhookEvent":7,"timestamp":{},"issue":[],"comment":"x","id":{},"key":[]}`, webhook.Nudge{Kind: webhook.Other}},
		{"an empty object", ` {}`, webhook.Nudge{Kind: webhook.Other}},
	} {
		n, err := webhook.ReadUnsigned([]byte(c.body))
		c.want.Digest = sha256.Sum256([]byte(c.body))
		if err != nil || n != c.want {
			t.Errorf("%s: %+v, %v", c.name, n, err)
		}
		c.want.Signed = true
		n, err = webhook.Read(key, signed(sign(key.Reveal(), []byte(c.body))), []byte(c.body))
		if err != nil || n != c.want {
			t.Errorf("%s, signed: %+v, %v", c.name, n, err)
		}
	}
	for _, bad := range []string{"", "null", "[]", `"x"`, "7", "{", `{}{}`, strings.Repeat("[", 1<<16)} {
		if n, err := webhook.ReadUnsigned([]byte(bad)); !errors.Is(err, webhook.ErrShape) || n != (webhook.Nudge{}) {
			t.Errorf("%.9q: %+v, %v", bad, n, err)
		}
	}
}

// samples finds the genuine bodies, which are not part of the project.
func samples(t testing.TB) map[string][]byte {
	t.Helper()
	folder := os.Getenv("LESSOR_JIRA_CONTRACT")
	if folder == "" {
		folder = filepath.Join("..", "..", "..", "..", "..", "shared", "jira")
	}
	files, err := filepath.Glob(filepath.Join(folder, "webhook-samples", "*.json"))
	if err != nil || len(files) == 0 {
		return nil
	}
	out := map[string][]byte{}
	for _, f := range files {
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = body
	}
	return out
}

func TestGenuineBodies(t *testing.T) {
	t.Parallel()
	bodies := samples(t)
	if bodies == nil {
		t.Skip("skipped: no webhook-samples in LESSOR_JIRA_CONTRACT or ../shared/jira: the genuine bodies were not read")
	}
	for name, want := range map[string]webhook.Nudge{
		"crystalvjohnston-dc-issue_updated-status.json":       {Kind: webhook.Updated, Event: "jira:issue_updated", Issue: "86228", At: time.UnixMilli(1569283453773)},
		"jenkins-cloud-comment_created.json":                  {Kind: webhook.Commented, Event: "comment_created", Issue: "10023", Comment: "10021", At: time.UnixMilli(1524205492300)},
		"jenkins-server-issue_updated-status.json":            {Kind: webhook.Updated, Event: "jira:issue_updated", Issue: "10010", At: time.UnixMilli(1452812797049)},
		"jenkins-server-issue_updated-with-comment.json":      {Kind: webhook.Updated, Event: "jira:issue_updated", Issue: "10003", Comment: "10000", At: time.UnixMilli(1450638298448)},
		"mattermost-cloud-comment_created.json":               {Kind: webhook.Commented, Event: "comment_created", Issue: "10040", Comment: "10019", At: time.UnixMilli(1550286678321)},
		"mattermost-cloud-issue_created-many-fields.json":     {Kind: webhook.Created, Event: "jira:issue_created", Issue: "10509", At: time.UnixMilli(1566935004475)},
		"mattermost-cloud-issue_created-security-level.json":  {Kind: webhook.Created, Event: "jira:issue_created", Issue: "10040", At: time.UnixMilli(1550286113023)},
		"mattermost-cloud-issue_deleted.json":                 {Kind: webhook.Deleted, Event: "jira:issue_deleted", Issue: "10303", At: time.UnixMilli(1562177136176)},
		"mattermost-cloud-issue_updated-empty-changelog.json": {Kind: webhook.Updated, Event: "jira:issue_updated", Issue: "10001", At: time.UnixMilli(1724179662935)},
		"mattermost-server-issue_updated-resolved.json":       {Kind: webhook.Updated, Event: "jira:issue_updated", Issue: "10300", At: time.UnixMilli(1565652182025)},
		"mobitel-server-comment_deleted.json":                 {Kind: webhook.Commented, Event: "comment_deleted", Issue: "11961", Comment: "10757"},
		"mobitel-server-project_created.json":                 {Kind: webhook.Other, Event: "project_created"},
		"skyhook-comment_created-docs-shape.json":             {Kind: webhook.Commented, Event: "comment_created", Issue: "99291", Comment: "252789", At: time.UnixMilli(1525698237764)},
		"skyhook-comment_created-no-issue-no-user.json":       {Kind: webhook.Commented, Event: "comment_created", Issue: "17334", Comment: "18977", At: time.UnixMilli(1615150687039)},
	} {
		body, ok := bodies[name]
		if !ok {
			t.Errorf("no %s among the samples", name)
			continue
		}
		n, err := webhook.Read(key, signed(sign(key.Reveal(), body)), body)
		want.Signed, want.Digest = true, sha256.Sum256(body)
		if !want.At.IsZero() {
			want.At = want.At.UTC()
		}
		if err != nil || n != want {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, body := range samples(f) {
		f.Add(body, sign(key.Reveal(), body))
	}
	f.Add([]byte(`{"issue":{"id":1}}`), "sha256=00")
	f.Fuzz(func(t *testing.T, body []byte, sig string) {
		n, err := webhook.Read(key, signed(sig), body)
		if right := sign(key.Reveal(), body); err == nil && !strings.EqualFold(sig, right) {
			t.Fatalf("passed with %q, right is %q: %+v", sig, right, n)
		}
		n, err = webhook.ReadUnsigned(body)
		if n.Signed || err != nil && n != (webhook.Nudge{}) {
			t.Fatalf("%+v, %v", n, err)
		}
		for _, id := range []string{n.Issue, n.Comment} {
			if strings.Trim(id, "0123456789") != "" || len(id) > 19 {
				t.Fatalf("not an id: %q", id)
			}
		}
	})
}

// A repeat has the digest of the first, whatever its unsigned headers say, and
// another moment another one: so repeats can be told by it (AB-02).
func TestRepeatsHaveOneDigest(t *testing.T) {
	t.Parallel()
	body := []byte(`{"timestamp":1724179662935,"webhookEvent":"jira:issue_updated","issue":{"id":"10010"}}`)
	first, err := webhook.Read(key, signed(sign(key.Reveal(), body)), body)
	if err != nil {
		t.Fatal(err)
	}
	for _, retry := range []string{"", "1", "5"} {
		h := signed(sign(key.Reveal(), body))
		h.Set("X-Atlassian-Webhook-Retry", retry)
		h.Set("X-Atlassian-Webhook-Identifier", "another-"+retry)
		if again, err := webhook.Read(key, h, body); err != nil || again != first {
			t.Errorf("retry %q: %+v %v", retry, again, err)
		}
	}
	later := []byte(strings.Replace(string(body), "1724179662935", "1724179662936", 1))
	if other, err := webhook.Read(key, signed(sign(key.Reveal(), later)), later); err != nil || other.Digest == first.Digest {
		t.Errorf("another event: %+v %v", other, err)
	}
}
