package demo

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
)

// stopAt is somebody who stops the demo when it says something.
type stopAt struct {
	text string
	stop func()
	said strings.Builder
}

// Write implements [io.Writer].
func (s *stopAt) Write(b []byte) (int, error) {
	if strings.Contains(string(b), s.text) {
		s.stop()
	}
	return s.said.Write(b)
}

var _ io.Writer = (*stopAt)(nil)

// Whoever stops the demo is told that it has stopped, and whether the story was told.
func TestStoppedDemoSaysSo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, at string
		long     bool
		err      error
		said     string
	}{
		{"in the story", "== It begins", false, errStopped, ""},
		{"when it stays up", "stop with Ctrl-C", true, nil, "Stopped; "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.long && testing.Short() {
				t.Skip("plays for ten seconds")
			}
			ctx, stop := context.WithCancel(t.Context())
			out := &stopAt{text: c.at, stop: stop}
			if err := Play(ctx, Options{Stdout: out, Log: slog.New(slog.DiscardHandler)}); !errors.Is(err, c.err) || !strings.Contains(out.said.String(), c.said) {
				t.Errorf("%v, want %v, after:\n%s", err, c.err, out.said.String())
			}
		})
	}
}
