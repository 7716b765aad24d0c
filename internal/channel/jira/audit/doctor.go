package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/channel/jira/rest"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/secret"
)

// Mark is what one check came to.
type Mark string

const (
	Fine    Mark = "ok"
	Missing Mark = "missing" // something does not work without it
	Wrong   Mark = "wrong"   // it is there, and not as it should be
	Excess  Mark = "excess"  // more than is needed
	Note    Mark = "note"    // to be known, or to be looked up by hand
	Failed  Mark = "failed"  // it could not be looked at
)

// Check is one thing that was looked at.
type Check struct {
	About string `json:"about"`
	Mark  Mark   `json:"mark"`
	What  string `json:"what"`
	Mend  string `json:"mend,omitempty"` // what to do, by hand
}

// Checkup is all that was looked at in one site.
type Checkup struct {
	Site    string    `json:"site"`
	At      time.Time `json:"at"`
	Account string    `json:"account,omitempty"` // whose token it is
	Checks  []Check   `json:"checks"`
}

// Ailing counts the checks that must be mended before the site works as configured.
func (c Checkup) Ailing() int { return c.count(Missing, Wrong, Failed) }

// Overfed counts what the token could do and need not.
func (c Checkup) Overfed() int { return c.count(Excess) }

func (c Checkup) count(marks ...Mark) (n int) {
	for _, k := range c.Checks {
		if slices.Contains(marks, k.Mark) {
			n++
		}
	}
	return n
}

// Doctor examines one site with the token it is configured with. Every field is needed.
type Doctor struct {
	Site      config.JiraSite
	Rest      rest.Site
	Directory *access.Directory
	Secret    func(ref string) (secret.Value, error)
	Now       func() time.Time
}

// exam is one examination under way.
type exam struct {
	Doctor
	found Checkup
	self  rest.User
}

func (x *exam) say(about string, mark Mark, mend, format string, args ...any) {
	x.found.Checks = append(x.found.Checks, Check{About: about, Mark: mark, What: fmt.Sprintf(format, args...), Mend: mend})
}

// fails says that something could not be looked at, and why.
func (x *exam) fails(about, what string, err error) {
	why, mend := plainly(err)
	x.say(about, Failed, mend, "%s: %s", what, why)
}

// Examine looks at everything that can be looked at. It changes nothing in Jira.
func (d Doctor) Examine(ctx context.Context) Checkup {
	x := &exam{Doctor: d, found: Checkup{Site: d.Site.ID, At: d.Now().UTC()}}
	// 1. Who we are there; without that nothing else can be seen.
	if !x.token(ctx) {
		return x.found
	}
	x.server(ctx)
	// 2. What the token may do and need not.
	x.permissions(ctx)
	// 3. Whether what the mapping names is there.
	projects, err := d.Rest.Projects(ctx)
	if err != nil {
		x.fails("projects", "the site's projects cannot be listed", err)
	}
	for _, p := range d.Site.Projects {
		i := slices.IndexFunc(projects, func(there rest.Project) bool { return there.Key == p.Key })
		switch {
		case i >= 0:
			x.project(ctx, p, projects[i])
		case err == nil:
			x.say("project "+p.Key, Missing, "check the key; give the token's account the permission Browse Projects there", "there is no project %s, or the token may not see it", p.Key)
		}
	}
	// 4. How Jira's word comes to us, and whose word counts.
	x.webhook()
	x.accounts(ctx)
	return x.found
}

func (x *exam) token(ctx context.Context) bool {
	if v, err := x.Secret(x.Site.TokenRef); err != nil {
		x.say("token", Missing, "put the token where token_ref says, readable by the server alone", "the token cannot be read: %v", err)
		return false
	} else if strings.TrimSpace(v.Reveal()) == "" {
		x.say("token", Missing, "put the token where token_ref says", "the token is empty")
		return false
	}
	self, err := x.Rest.Myself(ctx)
	if err != nil {
		x.fails("token", "Jira does not say whose token this is", err)
		return false
	}
	x.self = self
	x.found.Account = fmt.Sprintf("%s (%s)", self.Name, self.ID)
	x.say("token", Fine, "", "it is %s's, an account of the type %q", x.found.Account, orNone(self.Account))
	if who, mapped := x.Directory.ByAccount(x.Site.ID, self.ID); mapped {
		x.say("token", Wrong, "give Lessor an account of its own, which is nobody's in the directory", "its account is that of %s in the directory: what Lessor does would pass for what they do", who)
	}
	return true
}

// skew is how far two clocks may be apart before times in tickets mislead.
const skew = time.Minute

func (x *exam) server(ctx context.Context) {
	before := x.Now()
	s, err := x.Rest.Server(ctx)
	if err != nil {
		x.fails("site", "it says nothing of itself", err)
		return
	}
	x.say("site", Fine, "", "%s, %s %s", s.Base, orNone(s.Deployment), s.Version)
	if cloud := strings.EqualFold(s.Deployment, "cloud"); s.Deployment != "" && cloud != (x.Site.Kind == config.JiraCloud) {
		x.say("site", Wrong, "set kind in jira.yaml", "it is %s, and kind is %s", s.Deployment, x.Site.Kind)
	}
	off := s.Time.Sub(before)
	switch {
	case s.Time.IsZero():
		x.say("clock", Note, "", "the site does not tell its time")
	case off.Abs() > skew:
		x.say("clock", Wrong, "set both by NTP: answers older than an edit are not counted, by Jira's clock", "Jira's clock and ours are %s apart", off.Abs().Round(time.Second))
	default:
		x.say("clock", Fine, "", "Jira's clock and ours agree within %s", skew)
	}
}

func (x *exam) webhook() {
	if x.Site.WebhookSecretRef == "" {
		x.say("webhook", Missing, "set webhook_secret_ref, and the same secret in Jira", "no secret is set: no webhook is accepted, and changes are seen only every %s", x.Site.Poll)
		return
	}
	v, err := x.Secret(x.Site.WebhookSecretRef)
	switch {
	case err != nil:
		x.say("webhook", Missing, "put the secret where webhook_secret_ref says", "its secret cannot be read: %v", err)
	case len(v.Reveal()) < 16:
		x.say("webhook", Wrong, "make one with: openssl rand -hex 32", "its secret is shorter than 16 characters")
	default:
		x.say("webhook", Fine, "", "its secret is set here")
	}
	x.say("webhook", Note, "look under System > WebHooks, or wait for the first delivery in the server's log", "whether Jira sends any, and with that secret, no token can read")
}

// mostAccounts bounds how many accounts are looked up, one call each.
const mostAccounts = 1000

// accounts looks up every account the directory names there: an identity whose
// account is unknown or inactive asks and votes in vain.
func (x *exam) accounts(ctx context.Context) {
	asked, good := 0, 0
	for _, id := range x.Directory.Identities() {
		who, _ := x.Directory.Identity(id)
		account := who.Accounts[x.Site.ID]
		if account == "" || !who.ActiveAt(x.Now()) {
			continue
		}
		if asked++; asked > mostAccounts {
			x.say("accounts", Note, "", "only the first %d were looked up", mostAccounts)
			break
		}
		ok, err := x.account(ctx, id, account)
		if err != nil {
			x.fails("accounts", "the accounts of the directory cannot be looked up", err)
			return
		}
		if ok {
			good++
		}
	}
	if asked == 0 {
		x.say("accounts", Missing, "write accounts: {"+x.Site.ID+": ACCOUNT} for whoever asks or votes there", "nobody in the directory has an account there, so nobody's ticket or answer counts")
		return
	}
	x.say("accounts", Fine, "", "%d of %d accounts in the directory are there and active", good, min(asked, mostAccounts))
}

func (x *exam) account(ctx context.Context, id, account string) (ok bool, err error) {
	if _, sole := x.Directory.ByAccount(x.Site.ID, account); !sole {
		x.say("accounts", Wrong, "give each person an account of their own", "account %s is that of several people: it counts as nobody's", account)
		return false, nil
	}
	u, err := x.Rest.User(ctx, account)
	switch {
	case errors.Is(err, rest.ErrMissing), errors.Is(err, rest.ErrInvalid), err == nil && !u.Known():
		x.say("accounts", Wrong, "correct or remove it in the directory", "Jira does not know account %s of %s", account, id)
	case err != nil:
		return false, err
	case strings.EqualFold(u.Account, "app"):
		x.say("accounts", Wrong, "remove it: apps never ask or vote", "account %s of %s is an app's", account, id)
	case !u.Active:
		x.say("accounts", Wrong, "mark the identity inactive, or correct its account", "account %s of %s is inactive in Jira", account, id)
	default:
		return true, nil
	}
	return false, nil
}

// plainly says why a call failed, and what helps.
func plainly(err error) (why, mend string) {
	var e *rest.Error
	if !errors.As(err, &e) {
		return err.Error(), ""
	}
	said := ""
	if len(e.Messages) > 0 {
		said = " (" + strings.Join(e.Messages, "; ") + ")"
	}
	switch {
	case errors.Is(err, rest.ErrLimited):
		return fmt.Sprintf("Jira asks to be left alone for %s", e.Wait.Round(time.Second)), "try again then"
	case errors.Is(err, rest.ErrDenied) && e.Status == 403:
		return "the token may not do that" + said, "give its account the permission, or leave it and look by hand"
	case errors.Is(err, rest.ErrDenied):
		return "the token is not accepted" + said, "check user and token; make a new token if it has run out"
	case errors.Is(err, rest.ErrMissing):
		return "it is not there, or the token may not see it" + said, ""
	case errors.Is(err, rest.ErrNoCall):
		return "this kind of Jira has no call for it" + said, ""
	case errors.Is(err, rest.ErrUnreachable):
		if e.Cause != nil {
			said += ": " + e.Cause.Error()
		}
		return "Jira cannot be reached" + said, "check url, proxy and firewall"
	case errors.Is(err, rest.ErrStrange):
		return "what answers is no Jira" + said, "check url: it is the site's base, without /rest"
	}
	return err.Error(), ""
}

func orNone(s string) string {
	if s == "" {
		return "unsaid"
	}
	return s
}
