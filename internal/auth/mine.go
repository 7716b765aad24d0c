package auth

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/store"
)

// Mine is one of somebody's own sessions, as they are shown it.
type Mine struct {
	ID string // names it to its owner, and opens nothing
	store.Session
	This bool // the one that asks
}

// idOf is what names a session on a page: not the hash that it is found by.
func idOf(v store.Session) string { return hash("named " + v.Hash)[:16] }

// Of lists the sessions that still stand of whoever is at the door, the newest first.
func (s *Sessions) Of(r *http.Request) ([]Mine, error) {
	me, err := s.find(r, false)
	if err != nil {
		return nil, err
	}
	now := s.Now().UTC().Truncate(time.Microsecond)
	all, err := s.Shelf.SessionsOf(r.Context(), me.Identity)
	if err != nil {
		return nil, err
	}
	var list []Mine
	for _, v := range all {
		good, err := s.good(v, now)
		if err != nil {
			return nil, err
		}
		if good {
			list = append(list, Mine{idOf(v), fresh(v, now), v.Hash == me.Hash})
		}
	}
	return list, nil
}

// EndOne ends one of the sessions of whoever is at the door; one that is not
// theirs is not there.
func (s *Sessions) EndOne(r *http.Request, id string) error {
	list, err := s.Of(r)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(list, func(m Mine) bool { return m.ID == id })
	if i < 0 {
		return fmt.Errorf("%w: no browser of yours is signed in by that name; it may have ended already", access.ErrNotFound)
	}
	return s.Shelf.EndSession(r.Context(), list[i].Hash)
}

// EndOthers ends all of them but the one that asks, and says how many.
func (s *Sessions) EndOthers(r *http.Request) (n int, err error) {
	list, err := s.Of(r)
	if err != nil {
		return 0, err
	}
	for _, m := range list {
		if m.This {
			continue
		}
		if err := s.Shelf.EndSession(context.WithoutCancel(r.Context()), m.Hash); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// browser is what kind of browser a request says that it comes from, in a few words
// that are ours: enough to know one's own by, and nothing that could be somebody's text.
// The order is that in which they pass for one another.
func browser(agent string) string {
	pick := func(of ...[2]string) string {
		for _, one := range of {
			if strings.Contains(agent, one[0]) {
				return one[1]
			}
		}
		return ""
	}
	kind := pick([2]string{"Firefox/", "Firefox"}, [2]string{"FxiOS/", "Firefox"}, [2]string{"Edg", "Edge"}, [2]string{"OPR/", "Opera"}, [2]string{"CriOS/", "Chrome"},
		[2]string{"Chrome/", "Chrome"}, [2]string{"Safari/", "Safari"})
	on := pick([2]string{"Android", "Android"}, [2]string{"iPhone", "iPhone"}, [2]string{"iPad", "iPad"}, [2]string{"Windows", "Windows"}, [2]string{"CrOS", "ChromeOS"},
		[2]string{"Mac OS X", "macOS"}, [2]string{"Linux", "Linux"})
	switch {
	case kind == "" && on == "":
		return ""
	case on == "":
		return kind
	case kind == "":
		return "a browser on " + on
	}
	return kind + " on " + on
}
