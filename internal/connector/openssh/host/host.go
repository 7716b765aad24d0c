// Package host is the part of the connector to OpenSSH that runs on the host, as
// the program lessor-openssh-host. sshd starts it in two places:
//
//	AuthorizedPrincipalsCommand  lessor-openssh-host principals %u %k
//	ForceCommand                 lessor-openssh-host serve
//
// The first tells sshd who may log in as a user, and notes which process of sshd
// asked about which certificate: only so is it known later whose session is whose,
// by a file that no user of the host can write. The second answers one request of
// the connector: to read principals files, to change lines of them, to list and to
// end sessions.
//
// It never runs a shell, never makes or deletes a principals file, lets in nobody
// who is not in the list of people, and takes no path from a request: the host's
// owner decides with those files how far the connector's account can ever reach.
package host

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

const (
	maxRequest = 16 << 20
	longest    = time.Minute // for one request, whatever it says
)

// Host is where things lie.
type Host struct {
	Dir    string // principals/, people, ca.pub and, where certificates are revoked, krl
	Run    string // notes of which process of sshd is whose
	SSHD   string // the program, to ask how it is set up
	Config string // its configuration
	KeyGen string // ssh-keygen, which writes the krl
	Page   int    // lines in one answer, but for the last object's
	Self   string // how this program is called in sshd's configuration
}

// Main is the program.
func Main(args []string, in io.Reader, out, complaints io.Writer) int {
	h := Host{Self: "lessor-openssh-host"}
	flags := flag.NewFlagSet("lessor-openssh-host", flag.ContinueOnError)
	flags.SetOutput(complaints)
	flags.StringVar(&h.Dir, "dir", "/etc/ssh/lessor", "folder with principals/, people, ca.pub and krl")
	flags.StringVar(&h.Run, "run", "/run/lessor-openssh", "folder for notes of whose sessions are open")
	flags.StringVar(&h.SSHD, "sshd", "/usr/sbin/sshd", "the program sshd")
	flags.StringVar(&h.Config, "config", "/etc/ssh/sshd_config", "its configuration")
	flags.StringVar(&h.KeyGen, "keygen", "/usr/bin/ssh-keygen", "the program ssh-keygen")
	flags.IntVar(&h.Page, "page", 20000, "lines of principals files in one answer")
	if flags.Parse(args) != nil {
		return 2
	}
	var err error
	switch rest := flags.Args(); {
	case len(rest) == 3 && rest[0] == "principals":
		err = h.Principals(rest[1], rest[2], out)
	case len(rest) == 1 && rest[0] == "serve":
		err = h.Serve(in, out)
	default:
		err = errors.New("say principals %u %k, as sshd's AuthorizedPrincipalsCommand, or serve, as its ForceCommand")
	}
	if err != nil {
		fmt.Fprintln(complaints, "lessor-openssh-host:", err)
		return 1
	}
	return 0
}

// Serve answers one request. An error means that there is no answer.
func (h *Host) Serve(in io.Reader, out io.Writer) error {
	text, err := io.ReadAll(io.LimitReader(in, maxRequest+1))
	if err != nil {
		return err
	}
	var q Request
	switch err := json.Unmarshal(text, &q); {
	case len(text) > maxRequest:
		return fmt.Errorf("the request is longer than %d bytes", maxRequest)
	case err != nil:
		return fmt.Errorf("the request is no JSON: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(longest, max(time.Second, time.Duration(q.Within)*time.Millisecond)))
	defer cancel()
	var a Answer
	switch q.Verb {
	case "read":
		a, err = h.read(ctx, q)
	case "change":
		a, err = h.change(ctx, q)
	case "sessions":
		a, err = h.sessions(q)
	case "end":
		err = h.end(ctx, q)
	default:
		err = fmt.Errorf("there is no verb %q", q.Verb)
	}
	if err != nil {
		a = Answer{Error: failure(err)}
	}
	a.Done = true
	return json.NewEncoder(out).Encode(a)
}

// no is a failure as an error on its way to the answer.
type no struct{ Failure }

func (n *no) Error() string { return n.Message }

func refuse(kind, format string, args ...any) error {
	return &no{Failure{kind, fmt.Sprintf(format, args...)}}
}

func failure(err error) *Failure {
	var n *no
	switch {
	case err == nil:
		return nil
	case errors.As(err, &n):
		return &n.Failure
	}
	return &Failure{Refused, err.Error()}
}
