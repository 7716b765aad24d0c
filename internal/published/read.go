package published

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/evidence"
)

// longest bounds one file: a full file of records may have some large ones.
const longest = 64 << 20

// Folder reads a copy of the log from a folder.
func Folder(dir string) evidence.Fetch {
	return func(_ context.Context, path string) ([]byte, error) {
		if !filepath.IsLocal(filepath.FromSlash(path)) {
			return nil, fmt.Errorf("%q: %w", path, evidence.ErrNoTile)
		}
		raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", path, evidence.ErrNoTile)
		}
		return raw, err
	}
}

// webTime bounds one answer.
const webTime = 30 * time.Second

// Web reads one over http or https, below a URL. Client may be nil.
func Web(base *url.URL, client *http.Client) evidence.Fetch {
	if client == nil {
		client = &http.Client{Timeout: webTime}
	}
	return func(ctx context.Context, path string) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath(path).String(), nil)
		if err != nil {
			return nil, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusOK:
		case http.StatusNotFound, http.StatusGone:
			return nil, fmt.Errorf("%s: %w", path, evidence.ErrNoTile)
		default:
			return nil, fmt.Errorf("%s: the answer is %s", req.URL.Redacted(), resp.Status)
		}
		raw, err := io.ReadAll(io.LimitReader(resp.Body, longest+1))
		if err == nil && len(raw) > longest {
			err = fmt.Errorf("%s: longer than %d bytes", req.URL.Redacted(), longest)
		}
		return raw, err
	}
}

// At reads one from wherever a person says: a folder, or an http or https URL.
func At(where string) (evidence.Fetch, error) {
	if !strings.Contains(where, "://") {
		return Folder(where), nil
	}
	u, err := url.Parse(where)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" {
		return nil, fmt.Errorf("a copy of the log is in a folder or below an http or https URL, not at %q", where)
	}
	return Web(u, nil), nil
}
