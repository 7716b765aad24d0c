package openssh

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/openssh/host"
)

// conn is one connection that is ours alone while we use it, so that it can be
// closed under a request whose time is up without ending another's.
type conn struct {
	*ssh.Client
	since time.Time // idle since
}

// dial opens a connection as a user; nothing was asked yet.
func (s *settings) dial(ctx context.Context, address, user string, key ssh.Signer) (*ssh.Client, error) {
	line, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { _ = line.Close() })()
	c, channels, requests, err := ssh.NewClientConn(line, address, &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)},
		HostKeyCallback: s.isHost, HostKeyAlgorithms: s.algorithms(), ClientVersion: "SSH-2.0-Lessor",
	})
	if err != nil {
		_ = line.Close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), nil
}

// turnedAway says that sshd itself answered: not with this key. The library has
// no other sign of it than its words.
func turnedAway(err error) bool {
	return err != nil && strings.Contains(err.Error(), "ssh: unable to authenticate")
}

// open gives a channel that runs the host's program, on a connection that rested
// or a new one. One that rested may have died unnoticed; nothing was asked yet.
func (c *Connector) open(ctx context.Context) (*conn, *ssh.Session, error) {
	for {
		c.mu.Lock()
		n := len(c.idle)
		if n == 0 {
			c.mu.Unlock()
			break
		}
		one := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		if time.Since(one.since) < idleFor {
			if session, err := one.session(ctx); err == nil {
				return one, session, nil
			}
		}
		_ = one.Close()
	}
	key, err := signer("private key", c.key)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", connector.ErrUnreachable, err)
	}
	client, err := c.dial(ctx, c.address, c.user, key)
	if err != nil {
		kind := connector.ErrUnreachable
		if turnedAway(err) {
			kind = connector.ErrRefused
		}
		return nil, nil, fmt.Errorf("%w: connect to %s as %q: %w", kind, c.address, c.user, err)
	}
	one := &conn{Client: client}
	session, err := one.session(ctx)
	if err != nil {
		_ = one.Close()
		return nil, nil, fmt.Errorf("%w: %s: a channel: %w", connector.ErrUnreachable, c.address, err)
	}
	return one, session, nil
}

// session opens a channel within the context's time.
func (c *conn) session(ctx context.Context) (*ssh.Session, error) {
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	return c.NewSession()
}

// rest keeps a connection for the next request.
func (c *Connector) rest(one *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if one.since = time.Now(); len(c.idle) < idleConns && c.closed.Err() == nil {
		c.idle = append(c.idle, one)
		return
	}
	_ = one.Close()
}

// ask sends one request and gives the whole answer. An error that is neither
// refused nor unreachable leaves open whether it was done.
func (c *Connector) ask(ctx context.Context, q host.Request) (a host.Answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	defer context.AfterFunc(c.closed, cancel)()
	if ctx.Err() != nil || c.closed.Err() != nil {
		return a, fmt.Errorf("%w: nothing was sent: %w", connector.ErrUnreachable, errors.Join(ctx.Err(), c.closed.Err()))
	}
	until, _ := ctx.Deadline()
	q.Within = max(1, time.Until(until).Milliseconds())
	text, err := json.Marshal(q)
	if err != nil {
		return a, fmt.Errorf("%w: %w", connector.ErrRefused, err)
	}
	// 1. The program waits for the end of its input before it does anything.
	one, session, err := c.open(ctx)
	if err != nil {
		return a, err
	}
	stop := context.AfterFunc(ctx, func() { _ = one.Close() })
	var out, complaints limited
	out.most, complaints.most = maxAnswer, 2000
	session.Stdout, session.Stderr = &out, &complaints
	in, err := session.StdinPipe()
	if err == nil {
		err = session.Start("lessor-openssh-host serve") // whatever is said here, the forced command runs
	}
	if err != nil {
		stop()
		_ = one.Close()
		return a, fmt.Errorf("%w: %s: start the host's program: %w", connector.ErrUnreachable, c.address, errors.Join(err, ctx.Err()))
	}
	// 2. From here on it may be done.
	_, err = in.Write(text)
	err = errors.Join(err, in.Close())
	if ended := session.Wait(); err == nil || errors.Is(err, io.EOF) {
		err = ended
	}
	if !stop() || err != nil {
		_ = one.Close()
	} else {
		c.rest(one)
	}
	return answer(out, complaints, errors.Join(err, ctx.Err()))
}

// answer reads what came; whether it came whole it says itself.
func answer(out, complaints limited, err error) (a host.Answer, _ error) {
	switch bad := json.Unmarshal(out.Bytes(), &a); {
	case out.over:
		return a, fmt.Errorf("%w: the answer is longer than %d bytes", connector.ErrUnanswered, maxAnswer)
	case err != nil || bad != nil || !a.Done:
		if err == nil {
			err = errors.New("what the host's program said is no whole answer")
		}
		if said := strings.TrimSpace(strings.ToValidUTF8(complaints.String(), "?")); said != "" {
			err = fmt.Errorf("%w: it says %q", err, said)
		}
		return host.Answer{}, fmt.Errorf("%w: %w", connector.ErrUnanswered, err)
	case a.Error != nil:
		return a, meaning(a.Error)
	}
	return a, nil
}

// meaning words a failure of the host's.
func meaning(f *host.Failure) error {
	kind := connector.ErrUnanswered
	switch f.Kind {
	case host.NoObject:
		kind = connector.ErrNoObject
	case host.Refused:
		kind = connector.ErrRefused
	}
	return fmt.Errorf("%w: %s", kind, f.Message)
}

// limited keeps so many bytes and throws the rest away.
type limited struct {
	bytes.Buffer
	most int
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	if room := l.most - l.Len(); len(p) > room {
		l.over = true
		_, _ = l.Buffer.Write(p[:max(0, room)]) // a buffer takes everything
		return len(p), nil
	}
	return l.Buffer.Write(p)
}
