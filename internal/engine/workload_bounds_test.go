package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
)

// A contract that is widened, right before asking perhaps, is told to those who answer
// for what may be held then, and to security; one that is narrowed is not.
func TestAWiderContractIsTold(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		narrow := func(w *engine.NewWorkload) { w.Contract.Entitlements = []string{"dir:wiki"} }
		if _, err := f.Engine.RegisterWorkload(t.Context(), f.As("eve"), newBot("wiki-bot", narrow)); err != nil {
			t.Fatal(err)
		}
		before := len(f.Notices())
		wide := whole()
		wide.Environment = "production"
		if err := f.Engine.ChangeContract(t.Context(), f.As("eve"), "wiki-bot", wide, "it does more"); err != nil {
			t.Fatal(err)
		}
		told := f.Notices()[before:]
		if len(told) != 1 || !slices.Equal(told[0].To, []string{"otto", "owen", "security"}) || !strings.Contains(told[0].Text, "dir:root") || !strings.Contains(told[0].Text, "production") {
			t.Errorf("told: %+v", told)
		}
		wide.Entitlements = []string{"dir:wiki"}
		if err := f.Engine.ChangeContract(t.Context(), f.As("eve"), "wiki-bot", wide, "it does less"); err != nil {
			t.Fatal(err)
		}
		if n := len(f.Notices()); n != before+1 {
			t.Errorf("%d notices of a narrower one", n-before-1)
		}
	})
}

// What somebody writes down has bounds, says nothing of other people's accounts, and
// floods nobody.
func TestWhatIsRegisteredIsBounded(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		for says, change := range map[string]func(*engine.NewWorkload){
			"control character": func(w *engine.NewWorkload) { w.Contract.Consumers = []string{"x\x1b]8;;http://evil\x07"} },
			"at most 1000":      func(w *engine.NewWorkload) { w.Contract.Consumers = slices.Repeat([]string{"a"}, 1001) },
			"less than nothing": func(w *engine.NewWorkload) { w.Contract.RotateEvery = -hour },
		} {
			_, err := f.Engine.RegisterWorkload(t.Context(), f.As("eve"), newBot("wiki-bot", change))
			refused(t, says, err, access.ErrInvalid, says)
		}
		for _, account := range []string{"bob", "nobody-s"} { // somebody's, and nobody's: the same answer
			_, err := f.Engine.RegisterWorkload(t.Context(), f.As("eve"), newBot("wiki-bot", func(w *engine.NewWorkload) { w.Accounts = map[string]string{"dir": account} }))
			refused(t, account, err, access.ErrDenied, "not yours")
		}
		to := func(w *engine.NewWorkload) { w.Owner = "ada" }
		for n := range 20 {
			if _, err := f.Engine.RegisterWorkload(t.Context(), f.As("eve"), newBot(fmt.Sprintf("bot-%d", n), to)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := f.Engine.RegisterWorkload(t.Context(), f.As("eve"), newBot("bot-21", to))
		refused(t, "one too many", err, access.ErrDenied, "no more than 20")
		if _, err := f.Engine.RegisterWorkload(t.Context(), f.As("bob"), newBot("bot-21", to)); err != nil {
			t.Errorf("another's: %v", err)
		}
	})
}

// What an agent still awaits for a task is taken back when that is closed: nobody
// grants it afterwards.
func TestTaskClosedBeforeTheAnswer(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		f.Granted("eve", engine.Ask{Entitlements: []string{"dir:wiki"}, Term: 4 * hour}, "mia")
		r := f.Ask("pilot", task(hour, "dir:wiki"))
		mine := f.Ask("eve", engine.Ask{Entitlements: []string{"dir:reports"}, Reason: "for the task", Ticket: "jira:ACC-7", Term: hour})
		ticket, err := f.Engine.KeepTicket(t.Context(), access.Ticket{ID: "jira:acme:10041", Key: "ACC-7", State: access.Invalid}, "read")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Engine.TaskClosed(t.Context(), ticket.ID, "ticket ACC-7 was closed"); err != nil {
			t.Fatal(err)
		}
		if r, mine = f.Request(r.ID), f.Request(mine.ID); r.State != access.Cancelled || mine.State != access.Pending {
			t.Errorf("the agent's is %s, the person's %s", r.State, mine.State)
		}
		f.Work()
		f.CheckQuiet()
	})
}
