package report_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/report"
)

// told is a record's event, to be told otherwise.
type told map[string]any

func (e told) after() map[string]any { return e["after"].(map[string]any) }

// lie rewrites the records of a bundle; whoever has the log's key can sign the
// result, so the story itself must not hold together.
func lie(t *testing.T, b evidence.Bundle, tell func(kind string, e told) bool) evidence.Bundle {
	t.Helper()
	records := b.Records
	b.Records = nil
	changed := false
	for _, r := range records {
		var e told
		if err := json.Unmarshal(r.Body, &e); err != nil {
			t.Fatal(err)
		}
		keep := tell(e["kind"].(string), e)
		body, err := access.Canonical(e)
		if err != nil {
			t.Fatal(err)
		}
		changed = changed || !keep || string(body) != string(r.Body)
		if r.Body = body; keep {
			b.Records = append(b.Records, r)
		}
	}
	if !changed {
		t.Fatal("nothing was told otherwise")
	}
	return b
}

// A log signed by its own key, whose story contradicts itself.
func TestAStoryMustHoldTogether(t *testing.T) {
	t.Parallel()
	p := live(t)
	file := p.bundle(t, p.ended.ID)
	isVote := func(kind string) bool { return kind == "vote.cast" }
	isGrant := func(kind string) bool { return strings.HasPrefix(kind, "grant.") }
	in := func(t time.Time, d time.Duration) string { return t.Add(d).Format(time.RFC3339Nano) }
	set := func(of func(string) bool, key string, value any) func(string, told) bool {
		return func(kind string, e told) bool {
			if of(kind) {
				e.after()[key] = value
			}
			return true
		}
	}
	for _, tc := range []struct {
		name string
		tell func(kind string, e told) bool
		want string
	}{
		{"the beneficiary voted", set(isVote, "voter", "eve"), "is by somebody the request is for"},
		{"under a second identity", set(isVote, "person", "eve"), "is by somebody the request is for"},
		{"one person voted twice", set(isVote, "person", "mia"), "mia voted twice"},
		{"votes for another stage", set(isVote, "stage", "sponsor"), "stage manager has 0 of 1 votes"},
		{"votes on another revision", set(isVote, "digest", "sha256:other"), "is not an approval of what was granted"},
		{"votes on another entitlement", set(isVote, "entitlement", "dir:wiki"), "is not an approval of what was granted"},
		{"votes against", set(isVote, "verdict", "deny"), "is not an approval of what was granted"},
		{"votes without a basis", set(isVote, "basis", map[string]any{"question": "approve", "allow": false, "rules": nil, "why": "", "policy": "", "facts": "", "at": in(p.ended.At, 0)}), "has no basis"},
		{"votes after the grant", set(isVote, "at", in(p.ended.At, time.Second)), "was cast after the grant it is a reason for"},
		{"votes for less", set(isVote, "term", "10m"), "is for 10m, and the grant for 1h"},
		{"votes withdrawn before the grant", func(kind string, e told) bool {
			if isVote(kind) && e.after()["voter"] == "mia" {
				e["kind"] = "vote.withdrawn"
			}
			return true
		}, "is not in the bundle"},
		{"another reason", func(kind string, e told) bool {
			if strings.HasPrefix(kind, "request.") && e["after"] != nil {
				e.after()["reason"] = "something else"
			}
			return true
		}, "does not give its digest"},
		{"no request", func(kind string, _ told) bool { return !strings.HasPrefix(kind, "request.") }, "no record tells of the request content that grant"},
		{"no grant", func(kind string, _ told) bool { return !isGrant(kind) }, "no record tells of grant"},
		{"a grant for somebody else", set(isGrant, "identity", "bob"), "the grant is for bob, and the request for eve"},
		{"a grant of something else", set(isGrant, "entitlement", "dir:wiki"), "the request does not ask for dir:wiki"},
		{"a grant of another revision", set(isGrant, "digest", "sha256:other"), "no record tells of the request content"},
		{"a grant for longer than asked", set(isGrant, "term", "3h"), "the term 3h of the grant is longer than was asked (2h)"},
		{"a grant nobody let be held", set(isGrant, "hold", map[string]any{"question": "hold", "allow": false, "rules": nil, "why": "no", "policy": "", "facts": "", "at": in(p.ended.At, 0)}), "policy did not let the grant be held: no"},
		{"an end that moved later", func(kind string, e told) bool {
			if kind == "grant.ended" {
				e.after()["end"] = in(p.ended.End, time.Hour)
			}
			return true
		}, "the end of the grant moved later"},
		{"an end past the term", set(isGrant, "end", in(p.ended.End, time.Minute)), "more than its term of 1h after access was seen"},
		{"a noun that is none", func(kind string, e told) bool {
			if kind == "grant.ended" {
				e["after"] = "gone"
			}
			return true
		}, "does not hold what it tells of"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			lied := relogged(t, lie(t, parts(t, file), tc.tell), p.Signer)
			v, err := evidence.OpenBundle(lied, p.Signer.VerifierKey())
			if err != nil {
				t.Fatalf("a liar's log must open, or this proves nothing: %v", err)
			}
			if _, err := report.Tell(v); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v\nwant %q", err, tc.want)
			}
		})
	}
}

// The end is claimed only as far as it was seen.
func TestAnEndIsWhatWasSeen(t *testing.T) {
	t.Parallel()
	p := live(t)
	file := p.bundle(t, p.ended.ID)
	looked := func(kind string, e told) (gone, ok bool) {
		return kind == "assignment.seen" && e["to"] == "seen absent", kind == "assignment.seen"
	}
	for _, tc := range []struct {
		name     string
		tell     func(kind string, e told) bool
		complete bool
		last     string
		claim    string // among what is not proved
	}{
		{"not seen gone", func(kind string, e told) bool { gone, _ := looked(kind, e); return !gone }, false,
			"not proved: access has not been seen gone", "no look in this file saw it gone"},
		{"seen gone only before the end", func(kind string, e told) bool {
			if gone, _ := looked(kind, e); gone {
				e.after()["at"] = p.ended.EndedAt.Add(-time.Minute).Format(time.RFC3339Nano)
			}
			return true
		}, false, "not proved: access has not been seen gone", "no look in this file saw it gone"},
		{"not settled", func(kind string, _ told) bool { return kind != "assignment.absent" }, false, "not proved", "no look in this file saw it gone"},
		{"never seen", func(kind string, e told) bool { _, look := looked(kind, e); return !look }, true,
			"no look ever saw it held", "That the access was ever there"},
		{"not ended", func(kind string, _ told) bool { return kind != "grant.ended" }, false, "the grant has not ended", "That the access has ended"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v, s := open(t, relogged(t, lie(t, parts(t, file), tc.tell), p.Signer), p.Signer.VerifierKey())
			if s.Complete != tc.complete || !strings.Contains(s.Lines[len(s.Lines)-1], tc.last) {
				t.Errorf("complete=%v: %s; want %q", s.Complete, s.Lines[len(s.Lines)-1], tc.last)
			}
			if c := report.Claim(v, s); !strings.Contains(strings.Join(c.Not, "\n"), tc.claim) || strings.Contains(strings.Join(c.Proved, "\n"), "saw the access gone") {
				t.Errorf("claims %+v; want %q not proved", c, tc.claim)
			}
		})
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	p := live(t)
	key := p.Signer.VerifierKey()
	for _, tc := range []struct {
		grant       access.Grant
		proved, not []string
	}{
		{p.ended, []string{`The log "log.example.com/test", at`, "dir:root was granted to eve", "stands on 2 approvals, each by another person who is neither requester nor beneficiary",
			"saw the access held", "(expired), and a look at the target saw the access gone"}, []string{"did not come back after that look", "left out of the file", "never rewritten"}},
		{p.live, []string{"dir:wiki was granted to eve", "stands on 1 approval, by another person"}, []string{"the grant stands, until"}},
		{p.first, []string{"The grant ended"}, []string{"grant " + p.second.ID + " is a reason for it too, and it stays"}},
	} {
		v, s := open(t, p.bundle(t, tc.grant.ID), key)
		c := report.Claim(v, s)
		for said, wants := range map[string][]string{strings.Join(c.Proved, "\n"): tc.proved, strings.Join(c.Not, "\n"): tc.not} {
			for _, want := range wants {
				if !strings.Contains(said, want) {
					t.Errorf("grant of %s: %q is not in:\n%s", tc.grant.Entitlement, want, said)
				}
			}
		}
		if slices.ContainsFunc(append(c.Proved, c.Not...), func(s string) bool { return strings.ContainsAny(s, "\n\x1b") }) {
			t.Error("a claim is more than a line")
		}
	}
}
