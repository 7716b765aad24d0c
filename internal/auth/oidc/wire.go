package oidc

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// wire bounds what a provider can do to us: how much it may say, and, where every
// is set, how often it is asked.
type wire struct {
	next  http.RoundTripper
	every time.Duration
	now   func() time.Time

	mu   sync.Mutex
	last time.Time
}

var errOften = errors.New("its keys were read a moment ago, and have none that fits")

// RoundTrip implements [http.RoundTripper].
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.every > 0 {
		w.mu.Lock()
		now := w.now()
		often := now.Sub(w.last) < w.every
		if !often {
			w.last = now
		}
		w.mu.Unlock()
		if often {
			return nil, errOften
		}
	}
	res, err := w.next.RoundTrip(r)
	if err == nil {
		res.Body = bounded{io.LimitReader(res.Body, longestBody), res.Body}
	}
	return res, err
}

type bounded struct {
	io.Reader
	io.Closer
}

// client follows no redirect: it would carry a code or a secret to a place that
// the provider's own description does not name.
func client(w *wire) *http.Client {
	return &http.Client{Transport: w, Timeout: callTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}
