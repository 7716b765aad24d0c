package report_test

import (
	"bytes"
	"cmp"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/report"
	"github.com/lessor-iam/lessor/internal/store"
)

func TestBundleProvesOffline(t *testing.T) {
	t.Parallel()
	p := live(t)
	v, s := open(t, p.bundle(t, p.ended.ID), p.Signer.VerifierKey())
	if !s.Complete || s.Grant.ID != p.ended.ID || s.SeenGone.Before(p.ended.EndedAt) || s.SeenHeld.IsZero() || s.Grant.Term != hour {
		t.Errorf("the story is not whole: %+v", s)
	}
	told := strings.Join(s.Lines, "\n")
	for _, want := range []string{
		`eve asked for dir:root for eve, for 2h: "to do my work"`,
		"policy on dir:root: Privileged access is for hours, with manager and owner; it needs manager, owner. [ask-privileged]",
		"mia said approve to dir:root as manager: The voter is the manager of the beneficiary. [approve-manager]",
		"otto said approve to dir:root as owner: The voter owns the entitlement. [approve-owner]",
		"granted: eve may hold dir:root until 2026-03-02 14:00:00 UTC at the latest",
		"the grant ended: expired",
		"proved: access was asked for, decided, approved, seen, ended, and seen gone",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("the story lacks %q:\n%s", want, told)
		}
	}
	if again := p.bundle(t, p.ended.ID); !bytes.Equal(again, p.bundle(t, p.ended.ID)) {
		t.Error("the same bundle is written in two ways")
	}
	if len(v.Records) < 12 || v.Subject != p.ended.ID {
		t.Errorf("%d records of %s", len(v.Records), v.Subject)
	}
	for _, of := range []struct {
		grant    access.Grant
		last     string
		complete bool
	}{
		{p.live, "the grant has not ended in this part of the log", false},
		{p.first, "access stays: grant " + p.second.ID + " is a reason too", false},
		{p.second, "the grant has not ended in this part of the log", false},
	} {
		_, s := open(t, p.bundle(t, of.grant.ID), p.Signer.VerifierKey())
		if s.Complete != of.complete || s.Lines[len(s.Lines)-1] != of.last {
			t.Errorf("grant %s: complete=%v, %q; want %q", of.grant.ID, s.Complete, s.Lines[len(s.Lines)-1], of.last)
		}
	}
}

func TestBundleRefusesWhatIsNotInTheLogYet(t *testing.T) {
	t.Parallel()
	p := live(t)
	if _, err := report.Bundle(t.Context(), p.DB, "gr-nowhere"); !errors.Is(err, access.ErrNotFound) {
		t.Errorf("a grant nobody knows: %v", err)
	}
	if err := p.Engine.Return(t.Context(), p.As("eve"), p.live.ID, "done"); err != nil {
		t.Fatal(err)
	}
	if _, err := report.Bundle(t.Context(), p.DB, p.live.ID); !errors.Is(err, access.ErrConflict) || !strings.Contains(err.Error(), "has no place in the signed log yet") {
		t.Errorf("an event without a place: %v", err)
	}
	p.place(t)
	open(t, p.bundle(t, p.live.ID), p.Signer.VerifierKey())
}

// Any one byte that is changed, in any way that matters, is refused, and the
// refusal names the part. All bytes, not a sample.
func TestEveryChangedByteIsRefused(t *testing.T) {
	t.Parallel()
	p := &past{Fixture: enginetest.Open(t, store.SQLite)}
	g := p.Granted("eve", engine.Ask{Entitlements: []string{"dir:lobby"}}) // which needs nobody: a short story
	p.place(t)
	file := p.bundle(t, g.ID)
	open(t, file, p.Signer.VerifierKey())
	named := regexp.MustCompile(`^(not an evidence bundle: |record \d+ \(log index -?\d+\): |the checkpoint|subject |no subject|no record|the proofs hold, but the file is not written as this format is)`)
	spoiled := slices.Clone(file)
	for i := range file {
		spoiled[i] ^= 1
		if _, err := evidence.OpenBundle(spoiled, p.Signer.VerifierKey()); err == nil {
			t.Fatalf("byte %d of %d changed from %q to %q, and nobody noticed", i, len(file), file[i], spoiled[i])
		} else if !named.MatchString(err.Error()) {
			t.Errorf("byte %d: the refusal names no part: %v", i, err)
		}
		spoiled[i] = file[i]
	}
	for n := 0; n < len(file)-1; n += 7 { // without its last line end it is edited, not cut
		if _, err := evidence.OpenBundle(file[:n], p.Signer.VerifierKey()); err == nil || !strings.HasPrefix(err.Error(), "not an evidence bundle") {
			t.Fatalf("cut short to %d of %d: %v", n, len(file), err)
		}
	}
}

// What an editor of the file can do who has no key.
func TestEditedBundleIsRefused(t *testing.T) {
	t.Parallel()
	p := live(t)
	file := p.bundle(t, p.ended.ID)
	stranger := signer(t, "another key")
	isVote := func(r evidence.Record) bool { return bytes.Contains(r.Body, []byte(`"kind":"vote.cast"`)) }
	for _, tc := range []struct {
		name string
		edit func(*evidence.Bundle)
		key  string
		want string
	}{
		{"the wrong key", func(*evidence.Bundle) {}, stranger.VerifierKey(), "which is none of the keys given"},
		{"a vote left out", func(b *evidence.Bundle) { b.Records = without(b.Records, isVote, 1) }, "", ", which the grant stands on, is not in the bundle"},
		{"all votes left out", func(b *evidence.Bundle) { b.Records = without(b.Records, isVote, 9) }, "", "stage manager has 0 of 1 votes"},
		{"the removal left out", func(b *evidence.Bundle) {
			b.Records = without(b.Records, func(r evidence.Record) bool { return bytes.Contains(r.Body, []byte("seen absent")) }, 9)
		}, "", "INCOMPLETE"},
		{"the grant left out", func(b *evidence.Bundle) {
			b.Records = without(b.Records, func(r evidence.Record) bool { return bytes.Contains(r.Body, []byte(`"kind":"grant.`)) }, 9)
		}, "", "no record tells of grant " + p.ended.ID},
		{"a vote of the beneficiary put in", func(b *evidence.Bundle) {
			i := slices.IndexFunc(b.Records, isVote)
			forged := b.Records[i]
			forged.Body = bytes.ReplaceAll(forged.Body, []byte(`"mia"`), []byte(`"eve"`))
			b.Records[i] = forged
		}, "", "its content is not the one the log committed to"},
		{"two records change places", func(b *evidence.Bundle) { b.Records[3], b.Records[4] = b.Records[4], b.Records[3] }, "", "records stand in the order of the log, each once"},
		{"two bodies change places", func(b *evidence.Bundle) {
			b.Records[3].Body, b.Records[4].Body = b.Records[4].Body, b.Records[3].Body
		}, "", "record 4 (log index"},
		{"the same record twice", func(b *evidence.Bundle) { b.Records = slices.Insert(b.Records, 2, b.Records[1]) }, "", "record 3 (log index"},
		{"a subject of another story", func(b *evidence.Bundle) { b.Subject = p.live.ID }, "", `subject "` + p.live.ID + `": no record names it`},
		{"a checkpoint of an older log", func(b *evidence.Bundle) { b.Checkpoint = p.heads(t)[0] }, "", "record 1 (log index"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := parts(t, file)
			tc.edit(&b)
			got := refusal(t, b, cmp.Or(tc.key, p.Signer.VerifierKey()))
			if !strings.Contains(got, tc.want) {
				t.Errorf("got %s\nwant %q", got, tc.want)
			}
		})
	}
}

// without leaves the first n records out that are so.
func without(records []evidence.Record, so func(evidence.Record) bool, n int) (kept []evidence.Record) {
	for _, r := range records {
		if n > 0 && so(r) {
			n--
			continue
		}
		kept = append(kept, r)
	}
	return kept
}

// refusal says why a bundle, encoded or not, proves nothing, or not its end.
func refusal(t *testing.T, b evidence.Bundle, key string) string {
	t.Helper()
	file, err := evidence.Encode(b)
	if err != nil {
		return err.Error()
	}
	v, err := evidence.OpenBundle(file, key)
	if err != nil {
		return err.Error()
	}
	s, err := report.Tell(v)
	if err != nil {
		return err.Error()
	}
	if !s.Complete {
		return "INCOMPLETE: " + s.Lines[len(s.Lines)-1]
	}
	return ""
}
