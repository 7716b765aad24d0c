package channeltest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// door is one way to say what the conversation says. What fails, fails the test.
type door interface {
	// check asks what policy would say; nothing may come of it.
	check(who, entitlement, term, reason string)
	// ask asks and returns the request's id.
	ask(who, entitlement, term, reason string) string
	comment(who, request, text string)
	cancel(who, request, note string)
	vote(who, request string, verdict access.Verdict, note string)
	giveBack(who, grant, note string)
}

// What is said. A ticket that is gone says why by itself, so the others say it in
// the same words; and what a ticket is asked for is its summary.
const (
	wiki   = "dir:wiki"
	term   = "8h"
	reason = "month end figures"
	gone   = "the ticket no longer asks for this"
)

// converse has the conversation through a door, and returns what it left in the log.
func converse(f *enginetest.Fixture, d door) []string {
	// 1. Asked, remarked on, and taken back.
	d.check("eve", wiki, term, reason)
	first := d.ask("eve", wiki, term, reason)
	f.Advance(time.Minute)
	d.comment("mia", first, "for the whole week?")
	d.cancel("eve", first, gone)
	f.Advance(time.Minute)
	// 2. Asked again, and denied.
	second := d.ask("eve", wiki, term, reason)
	d.vote("mia", second, access.Deny, "not this month")
	f.Advance(time.Minute)
	// 3. Asked again, approved, seen, given back, and seen gone.
	third := d.ask("eve", wiki, term, reason)
	d.vote("mia", third, access.Approve, "")
	f.Advance(time.Minute)
	grant := f.Request(third).Items[0].Grant
	if grant != "" {
		d.giveBack("eve", grant, "done with it")
	}
	f.Advance(time.Hour)
	return left(f, first, second, third)
}

// own is what a door may write in its own way, such as by what name it knows an
// ask; what is said with a vote (an answer in a ticket has no words); and moments.
var own = regexp.MustCompile(`"(at|id|channel|strength|reference|ticket|note|digests?|policy|facts|answer_by|start|end|seen|chain_start|ended_at|due_at|since|until|hold|votes|basis|decision|receipt|seen_at)":`)

// left reads what a conversation left in the log, each event in a line, without
// what differs from one conversation to the next.
func left(f *enginetest.Fixture, requests ...string) (lines []string) {
	seen := map[string]bool{}
	for n, id := range requests {
		grant, assignment := "", ""
		if it := f.Request(id).Items[0]; it.Grant != "" {
			grant, assignment = it.Grant, f.Grant(it.Grant).Assignment
		}
		for _, ev := range f.Events(id, grant, assignment) {
			if seen[ev.ID] || strings.HasPrefix(ev.Kind, "ticket.") { // what is kept of a ticket is the queue's alone
				continue
			}
			seen[ev.ID] = true
			var body access.Event
			if err := json.Unmarshal(ev.Body, &body); err != nil {
				panic(err)
			}
			after, err := json.Marshal(plain(body.After))
			if err != nil {
				panic(err)
			}
			lines = append(lines, fmt.Sprintf("%d %s by %s: %s -> %s %q %s", n+1, ev.Kind, body.Actor.Identity, body.From, body.To, ids.ReplaceAllString(body.Note, "$1"), ids.ReplaceAllString(string(after), "$1")))
		}
	}
	return lines
}

var ids = regexp.MustCompile(`\b(rq|gr|as|vo|rc|ev|fi)-[0-9a-v]+`)

// plain leaves out of a noun what is a door's own.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, inner := range v {
			if !own.MatchString(`"` + k + `":`) {
				out[k] = plain(inner)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = plain(v[i])
		}
		return out
	}
	return v
}

// Every door leaves the same: its own name apart, nothing in the log tells by
// which a request came, was answered and came to its end.
func TestEveryDoorIsTheSameDoor(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
		var want []string
		for _, c := range []struct {
			channel string
			open    func(t *testing.T, kind store.Dialect) (*enginetest.Fixture, door)
		}{{"api", openAPI}, {"api", openCLI}, {"portal", openPortal}, {"jira", openJira}} {
			f, d := c.open(t, kind)
			got := converse(f, d)
			if want == nil {
				want = got
				holds(t, want)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%T leaves\n%s\nand the API\n%s", d, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			channels(t, f, c.channel)
			f.CheckQuiet()
		}
	})
}

// holds fails unless the conversation said what it was to say: else all doors
// could be the same by saying nothing.
func holds(t *testing.T, lines []string) {
	t.Helper()
	all := strings.Join(lines, "\n")
	for _, want := range []string{"1 request.submitted by eve", "1 request.commented by mia", `1 request.cancelled by eve: pending -> cancelled "` + gone, "2 vote.cast by mia:  -> deny", "2 request.denied by mia",
		"3 vote.cast by mia:  -> approve", "3 request.approved by mia", "3 grant.scheduled", "3 assignment.held", `3 grant.ended by eve: live -> ended "done with it`, "3 assignment.absent"} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing says %q:\n%s", want, all)
		}
	}
}

// channels fails unless the requests came by that door.
func channels(t *testing.T, f *enginetest.Fixture, want string) {
	t.Helper()
	if err := f.DB.Read(t.Context(), func(tx *store.Tx) error {
		list, err := tx.Requests(t.Context(), "", "", "", 10)
		for _, r := range list {
			if !strings.HasPrefix(r.Channel, want) {
				t.Errorf("a request came by %q, not by %q", r.Channel, want)
			}
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
