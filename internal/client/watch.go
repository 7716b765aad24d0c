package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
)

// Heard is one change as it was heard, and what to go on after it with. Where one
// event is more than one change, all but the last have the id of the event before.
type Heard struct {
	engine.Change
	ID string `json:"id"`
}

// How a stream is followed.
const (
	silence   = time.Minute // without even a sign of life it is taken for dead
	soonest   = time.Second // to come again
	latest    = 30 * time.Second
	longestSS = 64 << 10 // a line
)

// Watch yields what changes from now on, or after an id heard before. It comes
// again by itself, from where it was, when the stream ends or the server is away,
// until ctx is over. It ends with the error where coming again is no use: at the
// first call, and where the server refuses.
func (c *Client) Watch(ctx context.Context, after string) iter.Seq2[Heard, error] {
	return func(yield func(Heard, error) bool) {
		for pause, begun := soonest, false; ; {
			told, done, err := c.follow(ctx, &after, func() bool { return true }, yield)
			if done || ctx.Err() != nil {
				return
			}
			if p := (*Problem)(nil); err != nil && (!begun && !told || errors.As(err, &p) && p.Status < 500 && p.Status != http.StatusTooManyRequests) {
				yield(Heard{ID: after}, err)
				return
			}
			if begun = begun || told; told {
				pause = soonest
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
				pause = min(2*pause, latest)
			}
		}
	}
}

// Place is the id of now: what happens from here on is after it.
func (c *Client) Place(ctx context.Context) (id string, err error) {
	_, done, err := c.follow(ctx, &id, func() bool { return false }, func(Heard, error) bool { return false })
	if done {
		return id, nil
	}
	return "", err
}

// follow reads one stream until it ends; told: it began. done: no more is wanted,
// as marked or yield said: the one after each sign of how far it is, the other of each change.
func (c *Client) follow(ctx context.Context, after *string, marked func() bool, yield func(Heard, error) bool) (told, done bool, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	dead := time.AfterFunc(silence, stop)
	defer dead.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/api/v1/events", nil)
	if err != nil {
		return false, false, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if *after != "" {
		req.Header.Set("Last-Event-ID", *after)
	}
	patient := *c.http
	patient.Timeout = 0 // a stream is as long as it is; silence ends it
	res, err := patient.Do(req)
	if err != nil {
		return false, false, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		raw, err := io.ReadAll(io.LimitReader(res.Body, longestSS))
		if err != nil {
			return false, false, fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		return false, false, problemOf(res, raw)
	}
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, longestSS)
	for id, text := *after, ""; lines.Scan(); {
		dead.Reset(silence)
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			*after = id
			if text == "" {
				if !marked() {
					return true, true, nil
				}
				continue
			}
			h := Heard{ID: id}
			if err := json.Unmarshal([]byte(text), &h.Change); err != nil {
				return true, false, fmt.Errorf("the server's answer: %w", err)
			}
			if text = ""; !yield(h, nil) {
				return true, true, nil
			}
		case name == "id":
			id = value
		case name == "data":
			text += value
		}
	}
	return true, false, fmt.Errorf("%w: %w", ErrUnreachable, errors.Join(lines.Err(), io.EOF))
}
