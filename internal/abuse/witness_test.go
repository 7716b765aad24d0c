package abuse

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/testserver"
)

// watch has the log's heads shown to a witness, of which one must have seen them.
func (s *site) watch(w *testserver.WitnessServer) {
	s.t.Helper()
	text := "quorum: 1\nwithin: 2s\nwitnesses:\n  - {id: outside, url: \"" + w.URL + "\", key: \"" + w.Key + "\"}\n"
	if err := os.WriteFile(filepath.Join(s.dir, "witnesses.yaml"), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// vkey is the log's public key.
func (s *site) vkey() string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "log.pub"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// checkpoint is the head of the log as anybody is handed it.
func (s *site) checkpoint() string {
	s.t.Helper()
	resp, err := http.Get(s.url + "/log/checkpoint")
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || (resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound) {
		s.t.Fatalf("%s: %v", resp.Status, err)
	}
	return string(text)
}

// copied is the folder as it is now, database and key and all, before the same target.
func (s *site) copied() *site {
	s.t.Helper()
	c := &site{t: s.t, dir: filepath.Join(s.t.TempDir(), "copy"), target: s.target, log: &lines{}, stop: func() {}}
	if err := os.CopyFS(c.dir, os.DirFS(s.dir)); err != nil {
		s.t.Fatal(err)
	}
	err := filepath.WalkDir(c.dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Chmod(path, 0o600)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.halt() })
	return c
}

// forked waits until the log is fenced and returns the finding.
func (s *site) forked() (id string) {
	s.t.Helper()
	s.soon("the log is fenced", func() bool {
		list, err := s.as("sam").Findings(s.t.Context(), false, 100)
		if err != nil && status(err) != http.StatusTooManyRequests { // who looks so often is told to wait
			s.t.Fatal(err)
		}
		for _, f := range list {
			if f.Kind == "log_forked" {
				id = f.ID
			}
		}
		return id != ""
	})
	return id
}

// A copy of the folder runs beside the server and signs with the same key. A real
// witness signs for one of the two alone; the other one is fenced, and the copy of
// what was published stays as it was.
func TestAB64_TwoCopiesThatBothSign(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.watch(testserver.Witness(t, "witness.example.com/outside", "log.example.com/abuse", s.vkey()))
	s.run()
	s.grants()
	g := s.granted("ann", engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit"})
	s.soon("ann is seen there, once the witness has seen why", func() bool { return s.state("ann", g.ID) == access.Held })
	s.soon("the head that is served bears its cosignature", func() bool { return strings.Contains(s.checkpoint(), "— witness.example.com/outside ") })
	s.halt()
	other := s.copied()
	// 1. The original goes on, and the witness with it: what the copy takes to be held is over.
	s.run()
	if err := s.as("ann").Return(t.Context(), g.ID, ""); err != nil {
		t.Fatal(err)
	}
	s.soon("ann is seen gone", func() bool { return s.state("ann", g.ID) == access.Absent })
	b := s.granted("bob", engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit"})
	s.soon("bob is seen there, once the witness has seen why", func() bool { return s.state("bob", b.ID) == access.Held })
	// 2. The copy tells another story, and is fenced: it grants nothing and signs nothing.
	other.run()
	fork := other.forked()
	other.soon("the copy misses ann", func() bool { return other.state("ann", g.ID) == access.Adding })
	stands := other.checkpoint()
	if _, err := other.as("ann").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit"})); err == nil {
		t.Error("the copy grants")
	}
	if _, err := other.as("ann").Evidence(t.Context(), g.ID); err == nil || other.checkpoint() != stands {
		t.Errorf("the copy signs on: %v", err)
	}
	// 3. Who lets it be without having stopped it gets it back at once.
	if err := other.as("sam").Accept(t.Context(), engine.Remedy{Finding: fork, Reason: "I see nothing wrong"}); err != nil {
		t.Fatal(err)
	}
	other.soon("it is fenced again", func() bool { return other.forked() != fork })
	// 4. The original is as it was, and so is the target.
	if s.holds("ann", "lobby") {
		t.Error("the copy gave back what was over")
	}
	if _, err := s.as("ann").Evidence(t.Context(), g.ID); err != nil {
		t.Error(err)
	}
}

// A copy that reaches no witness has nobody to tell it that it is one. It says so, and
// gives nothing back.
func TestAB64_CopyThatNoWitnessAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := testserver.Witness(t, "witness.example.com/outside", "log.example.com/abuse", s.vkey())
	s.watch(w)
	s.run()
	s.grants()
	g := s.granted("ann", engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit"})
	s.soon("ann is seen there, once the witness has seen why", func() bool { return s.state("ann", g.ID) == access.Held })
	s.soon("the head it is copied with has been signed", func() bool { return strings.Contains(s.checkpoint(), "— witness.example.com/outside ") })
	s.halt()
	other := s.copied()
	// 1. The original gets its answer for the head that was signed before, and goes on.
	s.run()
	if err := s.as("ann").Return(t.Context(), g.ID, ""); err != nil {
		t.Fatal(err)
	}
	s.soon("ann is seen gone", func() bool { return s.state("ann", g.ID) == access.Absent })
	s.grants()
	// 2. The copy misses ann, and waits.
	other.edit("witnesses.yaml", w.URL, fmt.Sprintf("http://127.0.0.1:%d", testserver.Port(t)))
	other.run()
	other.soon("the copy misses ann", func() bool { return other.state("ann", g.ID) == access.Adding })
	list, err := other.as("sam").Halts(t.Context())
	if err != nil || len(list) == 0 || !slices.ContainsFunc(list, func(h access.Halt) bool {
		return h.Reason == access.HaltWitness && strings.Contains(h.Text, "0 of 1 witnesses have signed")
	}) {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := other.as("bob").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit"})); err == nil {
		t.Error("the copy grants")
	}
	other.soon("it was asked for again", func() bool { return strings.Count(other.log.all(), "nothing is granted yet") > 2 })
	if s.holds("ann", "lobby") {
		t.Error("the copy gave back what was over")
	}
}

// grants waits until the witnesses have answered, and nothing is held up any more.
func (s *site) grants() {
	s.t.Helper()
	s.soon("it may grant", func() bool {
		list, err := s.as("sam").Halts(s.t.Context())
		return err == nil && len(list) == 0
	})
}

// A database put back from an older copy, whoever's file of its head went with it: the
// witness has seen more.
func TestAB63_PutBackIsSeenByTheWitness(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.watch(testserver.Witness(t, "witness.example.com/outside", "log.example.com/abuse", s.vkey()))
	s.run()
	s.grants()
	g := s.granted("ann", engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit"})
	s.soon("ann is seen there", func() bool { return s.state("ann", g.ID) == access.Held })
	s.halt()
	old := s.copied()
	s.run()
	s.grants()
	g = s.granted("bob", engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit"})
	s.soon("bob is seen there, so the witness has seen why", func() bool { return s.state("bob", g.ID) == access.Held })
	s.halt()
	old.run()
	old.forked()
}

// No witness answers: nothing new is brought about, what is held ends all the same, and
// as soon as one answers everything goes on.
func TestAB65_NoWitnessAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run()
	s.grants()
	held := s.granted("ann", engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit"})
	s.soon("ann is seen there", func() bool { return s.state("ann", held.ID) == access.Held })
	w, answer := testserver.WitnessOn(t, "witness.example.com/outside", "log.example.com/abuse", s.vkey())
	s.watch(w)
	if err := s.as("adam").Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	// 1. Granted in the moment before anybody has noticed, and not brought about.
	var g access.Grant
	if r, err := s.as("bob").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit"})); err == nil {
		g.ID = r.Items[0].Grant
	}
	// Security is told once that is committed.
	s.soon("nothing is granted any more", func() bool { return strings.Contains(s.log.all(), "halt: witness") })
	if _, err := s.as("bob").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit"})); err == nil || !strings.Contains(err.Error(), "witness") {
		t.Errorf("granted: %v", err)
	}
	if s.holds("bob", "lobby") {
		t.Error("brought about though no witness has seen it")
	}
	// 2. What ends, ends.
	if err := s.as("ann").Return(t.Context(), held.ID, ""); err != nil {
		t.Fatal(err)
	}
	s.soon("ann is seen gone", func() bool { return s.state("ann", held.ID) == access.Absent })
	// 3. It answers.
	answer()
	s.soon("it goes on", func() bool {
		if g.ID == "" {
			r, err := s.as("bob").Submit(t.Context(), filled(engine.Ask{Entitlements: []string{"work:lobby"}, Reason: "to sit"}))
			if err != nil {
				return false
			}
			g.ID = r.Items[0].Grant
		}
		return s.holds("bob", "lobby")
	})
	s.soon("bob is seen there", func() bool { return s.state("bob", g.ID) == access.Held })
}
