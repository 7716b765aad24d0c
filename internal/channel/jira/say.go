package jira

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/adf"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
)

// said is the memory of what was said, kept with the issue itself: a property
// that travels with it, and that a restored database cannot forget.
type said struct {
	Facts   []string `json:"facts"`
	Saying  []string `json:"saying,omitempty"`  // what a comment under way says; it may have been posted
	Marker  string   `json:"marker,omitempty"`  // … under this name
	Request string   `json:"request,omitempty"` // with its digests, for whoever reads the issue by program
	Digest  string   `json:"digest,omitempty"`
	Policy  string   `json:"policy,omitempty"`
}

// saidKey is the issue property that holds it.
const saidKey = "lessor"

const (
	mostSaid   = 30_000 // bytes of the memory; Jira takes 32 kB
	mostPast   = 100    // facts remembered that the ticket would not say any more
	mostFacts  = 30     // in one comment
	mostLetter = 8000   // characters of one comment, unless one fact alone is longer
	longFact   = 16_000 // of one fact; Jira takes 32 kB of a comment
)

// speakTime is the longest that one telling goes on, and landTime the longest
// after its end that a call of its may still take effect in Jira.
const (
	speakTime = 40 * time.Second
	landTime  = 80 * time.Second
)

// speaking does something while no other replica speaks in the ticket. Where the
// answer to a write was lost, nobody speaks until it has landed or never will:
// looked for before that, it would not be found, and be said again.
func (c *Channel) speaking(ctx context.Context, ticket string, do func(context.Context) error) error {
	word, until, err := c.Door.Speak(ctx, ticket, speakTime+landTime)
	switch {
	case errors.Is(err, access.ErrNotFound):
		return nil // nothing was ever read of it
	case err != nil:
		return err
	case word == "":
		return &rest.Error{Kind: rest.ErrConflict, Call: "speak in " + ticket, Wait: max(until.Sub(c.Now()), time.Second), Messages: []string{"another telling is not over"}}
	}
	limited, cancel := context.WithTimeout(ctx, speakTime)
	defer cancel()
	if err := do(limited); err != nil {
		if errors.Is(err, rest.ErrUnanswered) {
			return err
		}
		return errors.Join(err, c.Door.Spoke(context.WithoutCancel(ctx), ticket, word))
	}
	return c.Door.Spoke(context.WithoutCancel(ctx), ticket, word)
}

// prune forgets what there is no more need to remember: of what the ticket would
// not say any more, all but the latest. live are the ids of all that it would say.
func (s *said) prune(live map[string]bool) {
	past := 0
	for _, id := range s.Facts {
		if !live[id] {
			past++
		}
	}
	s.Facts = slices.DeleteFunc(s.Facts, func(id string) bool {
		if live[id] || past <= mostPast {
			return false
		}
		past--
		return true
	})
}

// remember reads what was said, and settles a comment that may have been posted
// when an earlier telling stopped.
func (l *telling) remember(ctx context.Context) error {
	raw, err := l.Rest.Property(ctx, l.issue.ID, saidKey)
	if err != nil && !errors.Is(err, rest.ErrMissing) {
		return err
	}
	if err == nil && json.Unmarshal(raw, &l.said) != nil {
		l.said = said{} // somebody wrote over it: better said twice than not at all
	}
	if l.said.Marker == "" {
		return nil
	}
	_, posted, err := l.Rest.Marked(ctx, l.issue.ID, l.said.Marker)
	if err != nil && !errors.Is(err, rest.ErrInvalid) { // invalid: somebody wrote over it, and it is no marker of ours
		return err
	}
	if posted {
		l.said.Facts = append(l.said.Facts, l.said.Saying...)
	}
	l.said.Saying, l.said.Marker = nil, ""
	return l.note(ctx)
}

func (l *telling) note(ctx context.Context) error {
	if l.linked {
		l.said.Request, l.said.Digest, l.said.Policy = l.s.Request.ID, l.s.Request.Digest, l.s.Request.Policy
	}
	for raw, err := json.Marshal(l.said); err == nil && len(raw) > mostSaid && len(l.said.Facts) > 0; raw, err = json.Marshal(l.said) {
		l.said.Facts = l.said.Facts[1:] // better said twice than nothing ever again
	}
	return l.Rest.SetProperty(ctx, l.issue.ID, saidKey, l.said)
}

// sayAll says the news in as few comments as it takes: one for those who asked,
// one for those who work the queue, and more only where they would be too long.
func (l *telling) sayAll(ctx context.Context, news []Fact) error {
	for _, public := range []bool{true, false} {
		var some []Fact
		for _, f := range news {
			if f.Public == public {
				some = append(some, f)
			}
		}
		for len(some) > 0 {
			n := letter(some)
			if err := l.say(ctx, some[:n], public); err != nil {
				return err
			}
			some = some[n:]
		}
	}
	return nil
}

// letter tells how many of the facts go into one comment: at least one.
func letter(some []Fact) int {
	size := 0
	for n, f := range some {
		for _, line := range f.Lines {
			size += length(line)
		}
		if n > 0 && (n == mostFacts || size > mostLetter) {
			return n
		}
	}
	return len(some)
}

func length(line []adf.Span) int { return len(new(adf.Doc).Paragraph(line...).Wiki()) }

// brief are a fact's lines as far as a comment takes them.
func (f Fact) brief() [][]adf.Span {
	size := 0
	for n, line := range f.Lines {
		if size += length(line); n > 0 && size > longFact {
			return append(slices.Clone(f.Lines[:n]), []adf.Span{adf.Text("… and more, in Lessor.")})
		}
	}
	return f.Lines
}

// say posts one comment: what it will say is noted before it is posted, so that
// a repeat looks for it first.
func (l *telling) say(ctx context.Context, some []Fact, public bool) error {
	d := &adf.Doc{}
	for _, f := range some {
		for _, line := range f.brief() {
			d.Paragraph(line...)
		}
		l.said.Saying = append(l.said.Saying, f.ID)
	}
	l.said.Marker = "LSR" + short(l.t.ID+strings.Join(l.said.Saying, " "))
	if err := l.note(ctx); err != nil {
		return err
	}
	d.Paragraph(adf.Mono(l.said.Marker))
	c := rest.NewComment{For: l.audience(public), Body: rest.Body{ADF: d.ADF(), Wiki: d.Wiki()}, Marker: l.said.Marker}
	_, err := l.Rest.Comment(ctx, l.issue.ID, c)
	if errors.Is(err, rest.ErrMissing) && c.For != rest.Everyone {
		// It was moved away and back, and is no request any more: nothing there is
		// internal. What is for the desk waits until it is one.
		if !public {
			l.said.Saying, l.said.Marker = nil, ""
			return l.note(ctx)
		}
		c.For = rest.Everyone
		_, err = l.Rest.Comment(ctx, l.issue.ID, c)
	}
	if err != nil {
		return err
	}
	l.said.Facts, l.said.Saying, l.said.Marker = append(l.said.Facts, l.said.Saying...), nil, ""
	return l.note(ctx)
}

func (l *telling) audience(public bool) rest.Audience {
	switch {
	case !l.project.Desk:
		return rest.Everyone
	case public:
		return rest.Customer
	}
	return rest.Agents
}
