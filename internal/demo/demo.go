// Package demo plays the whole product on one machine: an example company, a
// real SCIM service as the target, and the same server, doors and connector as
// in production. Its story is told through the API by tokens of the people in
// it; it reaches around no rule, and what it claims of the target it has read
// from the target itself.
package demo

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/connector/scimtarget"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/setup"
)

//go:embed company
var companyFiles embed.FS

const targetToken = "example-target-token" // of a service in this process, on loopback, gone with it

// Options say how the demo is played.
type Options struct {
	Listen string // loopback address; empty: a free port
	Once   bool   // play the story and stop
	Out    string // where to write an evidence bundle of each grant, if anywhere
	Stdout io.Writer
	Log    *slog.Logger

	more func(dir string) error // what else is written before the server begins
}

// Play runs the demo until the story is told (Once) or the context ends. It
// fails if any step of the story did not hold.
func Play(ctx context.Context, o Options) (err error) {
	// 1. The company at work.
	c, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = errStopped // whatever failed, failed by it
		}
	}()
	// 2. The story.
	t := &tale{out: o.Stdout, base: c.base, dir: c.dir, target: c.target, queue: c.queue, server: c.server, people: map[string]*client.Client{}}
	t.say("Meridian Freight, an example company, on %s; its workspace is a SCIM service on %s, its ticket queue a stand-in for Jira on %s", t.base, c.targetURL, c.queue.URL())
	if err := t.story(ctx); err != nil {
		return err
	}
	last, err := t.proof(ctx, o.Out)
	if err != nil {
		return err
	}
	if err := t.closes(ctx); err != nil {
		return err
	}
	if o.Once {
		t.say("%s", last)
		return nil
	}
	t.whereToLook()
	t.say("%s", last)
	<-ctx.Done()
	t.say("\nStopped; %s and all that is in it is removed.", t.dir)
	return nil
}

// errStopped: somebody did not want to hear the rest.
var errStopped = errors.New("stopped before the story was told to its end")

// company is the example company at work.
type company struct {
	dir, base, targetURL string
	target               *scimtarget.Target
	queue                *queue
	server               *server.Server
	unplug               func()         // takes the target away
	stops                []func() error // in the order they were begun
}

// open makes the company and lets it work.
func open(ctx context.Context, o Options) (c *company, err error) {
	c = &company{}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	// 1. A folder like any other, and a target.
	if c.dir, err = os.MkdirTemp("", "lessor-demo-"); err != nil {
		return c, err
	}
	c.later(func() error { return os.RemoveAll(c.dir) })
	if c.target, c.targetURL, c.unplug, err = startTarget(); err != nil {
		return c, err
	}
	c.later(func() error { c.unplug(); return nil })
	q, stopQueue, err := writeCompany(c.dir, c.targetURL)
	if err != nil {
		return c, err
	}
	c.queue = q
	c.later(func() error { stopQueue(); return nil })
	if err := fill(c.target, c.dir); err != nil {
		return c, err
	}
	if o.more != nil {
		if err := o.more(c.dir); err != nil {
			return c, err
		}
	}
	// 2. The server as it always is, but for who may come in.
	settings, err := config.Load(c.dir)
	if err != nil {
		return c, err
	}
	if c.server, err = server.New(ctx, c.dir, o.Log, server.SignInBy(signIn(settings))); err != nil {
		return c, err
	}
	c.later(c.server.Close)
	l, err := c.server.Listen(cmp.Or(o.Listen, "127.0.0.1:0"))
	if err != nil {
		return c, err
	}
	work, end := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- c.server.Run(work, l) }()
	c.later(func() error { end(); return <-served })
	c.base = "http://" + l.Addr().String()
	return c, q.post(work, c.base)
}

func (c *company) later(stop func() error) { c.stops = append(c.stops, stop) }

// close ends everything, the last begun first.
func (c *company) close() error {
	var errs []error
	for _, stop := range slices.Backward(c.stops) {
		errs = append(errs, stop())
	}
	return errors.Join(errs...)
}

// startTarget serves a SCIM 2.0 service provider on a free loopback port.
func startTarget() (t *scimtarget.Target, url string, stop func(), err error) {
	if t, err = scimtarget.New(scimtarget.Config{Token: targetToken}); err != nil {
		return nil, "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", nil, err
	}
	h := &http.Server{Handler: t, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = h.Serve(l) }() // ends with Close
	return t, "http://" + l.Addr().String() + "/v2", func() { _ = h.Close() }, nil
}

// writeCompany writes the example company, with the target's and the queue's
// addresses in it, and a token for everybody; and it starts the queue.
func writeCompany(dir, targetURL string) (q *queue, stop func(), err error) {
	sub, err := fs.Sub(companyFiles, "company")
	if err != nil {
		return nil, nil, err
	}
	if err := setup.Folder(dir, sub, "log.meridian.example/lessor"); err != nil {
		return nil, nil, err
	}
	for name, secret := range map[string]string{"target.token": targetToken, "queue.token": queueToken, "queue.webhook": queueHook} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600); err != nil {
			return nil, nil, err
		}
	}
	if err := replaceIn(filepath.Join(dir, "catalog.yaml"), "http://127.0.0.1:1/v2", targetURL); err != nil {
		return nil, nil, err
	}
	c, err := config.Load(dir)
	if err != nil {
		return nil, nil, err
	}
	if q, stop, err = startQueue(c); err != nil {
		return nil, nil, err
	}
	if err := errors.Join(replaceIn(filepath.Join(dir, "jira.yaml"), "http://127.0.0.1:2", q.URL()), tokens(dir, c)); err != nil {
		stop()
		return nil, nil, err
	}
	return q, stop, nil
}

func replaceIn(file, old, with string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(strings.Replace(string(text), old, with, 1)), 0o600)
}

// tokens makes a token for everybody.
func tokens(dir string, c *config.Config) error {
	for _, id := range c.Directory.Identities() {
		who, _ := c.Directory.Identity(id)
		scopes := []string{"request", "view", "revoke"}
		if who.Kind == access.Person {
			scopes = append(scopes, "approve")
		}
		if _, err := setup.AddToken(dir, setup.Token{Name: id, Identity: id, Scopes: scopes, Expires: time.Now().Add(24 * time.Hour)}); err != nil {
			return err
		}
	}
	return nil
}

// fill makes every account and group of the company at the target; nobody is in any group.
func fill(target *scimtarget.Target, dir string) error {
	c, err := config.Load(dir)
	if err != nil {
		return err
	}
	for _, id := range c.Directory.Identities() {
		who, _ := c.Directory.Identity(id)
		if account := who.Accounts["workspace"]; account != "" {
			if _, err := target.AddUser(account); err != nil {
				return err
			}
		}
	}
	for _, id := range c.Directory.Entitlements() {
		e, _ := c.Directory.Entitlement(id)
		if _, err := target.AddGroup(e.Object); err != nil {
			return err
		}
	}
	return nil
}

func (t *tale) whereToLook() {
	t.say("")
	t.say("The portal is on %s: open it and be Ann, who asks; Mia, her manager; Nora, who owns payroll; or anybody else.", t.base)
	t.say("The server stays up (healthz, api/openapi.json, log/checkpoint). Try, in another terminal:")
	t.say("  export LESSOR_SERVER=%s LESSOR_DIR=%s", t.base, t.dir)
	for _, line := range []string{"list entitlements --as ann", "request workspace:wiki --term 10m --reason \"notes\" --as ann", "list requests --waiting --as mia",
		"approve REQUEST --as mia", "list grants --as ann", "policy explain --by ann --entitlement workspace:db-admin --term 1h", "verify --store"} {
		t.say("  go run ./cmd/lessor %s", line)
	}
	t.say("The ticket queue is on %s: what anybody does there, agents and administrators too, grants nothing.", t.queue.URL())
	t.say("Everybody's token is in %s; stop with Ctrl-C.", filepath.Join(t.dir, "tokens"))
}

func (t *tale) say(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }
