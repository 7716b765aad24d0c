package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/evidence"
	"github.com/lessor-iam/lessor/internal/published"
)

// publishedHead is the head of the log as it was published, in a folder or below a URL;
// empty where nothing is. Of each event only a salted commitment is published: no event
// can be read from there. But whoever has a tail that was cut short, with an older head
// that is genuine, cannot hide from it that there was more; and what is put back must be
// the beginning of it, event by event.
func publishedHead(ctx context.Context, c *config.Config, where, key string, putBack ...string) (note string, err error) {
	said := where != ""
	if !said {
		where = c.LogPublish
	}
	if where == "" {
		return "", nil
	}
	// 1. What was published, and that the log's key signed it.
	if err := trustworthy(where); err != nil {
		return "", err
	}
	fetch, err := published.At(where)
	if err != nil {
		return "", fmt.Errorf("%w: %w", access.ErrInvalid, err)
	}
	keys, err := evidence.NewKeys(key)
	if err != nil {
		return "", err
	}
	there, err := evidence.OpenCopy(ctx, fetch, keys)
	if errors.Is(err, evidence.ErrNoTile) && !said {
		return "", nil // nothing was published yet
	} else if err != nil {
		return "", fmt.Errorf("%w: what was published at %s: %w", access.ErrInvalid, where, err)
	}
	// 2. What is put back is its beginning; where it ends before, it says nothing of the rest.
	for _, head := range putBack {
		if head == "" {
			continue
		}
		h, err := evidence.OpenCheckpoint(head, key, evidence.AllowCosignatures())
		if err != nil {
			return "", fmt.Errorf("%w: a head of the log that is put back: %w", access.ErrInvalid, err)
		}
		if h.Size > there.Head().Size {
			continue
		}
		if err := there.Continues(h); err != nil {
			return "", fmt.Errorf("%w: what is put back is not what was published at %s: %w", access.ErrInvalid, where, err)
		}
	}
	return there.Note(), nil
}

// trustworthy refuses to read over a line on which anybody can leave out the newest head.
func trustworthy(where string) error {
	u, err := url.Parse(where)
	if err != nil || u.Scheme != "http" {
		return nil //nolint:nilerr // no URL: a folder
	}
	if ip, err := netip.ParseAddr(u.Hostname()); (err == nil && ip.IsLoopback()) || u.Hostname() == "localhost" {
		return nil
	}
	return fmt.Errorf("%w: %s is read over https only: who is on the way could hand out an older head", access.ErrInvalid, where)
}
