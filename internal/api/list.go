package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

// Page asks for a part of a list. Where it goes on, the answer says so in its header
// Link, as RFC 8288 has it. A page may hold fewer than asked for and still not be the last.
type Page struct {
	Cursor string `query:"cursor" maxLength:"400" doc:"of the page before, out of its header Link; good for the same list, filters and reader only"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

// Listed is a page of a list.
type Listed[T any] struct {
	Link string `header:"Link" doc:"the next page, rel=\"next\"; absent after the last"`
	Body []T
}

// macBytes is how much of the proof a cursor carries.
const macBytes = 16

// proof of a cursor is over the list, its filters, its reader and the place.
func (d *door) proof(ctx context.Context, place string) ([]byte, error) {
	key, err := d.Engine.DoorKey(ctx, "cursor")
	if err != nil {
		return nil, err
	}
	return proofBy(key, ctx, place), nil
}

func proofBy(key []byte, ctx context.Context, place string) []byte {
	of := at(ctx)
	query := of.Query()
	query.Del("cursor")
	query.Del("limit")
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%q %q %q %q", of.Path, by(ctx).Identity, query.Encode(), place)
	return mac.Sum(nil)[:macBytes]
}

// place reads where a cursor says that the page begins.
func (d *door) place(ctx context.Context, p Page) (string, error) {
	if p.Cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err == nil && len(raw) > macBytes {
		want, err := d.proof(ctx, string(raw[macBytes:]))
		if err != nil {
			return "", err
		}
		if hmac.Equal(want, raw[:macBytes]) {
			return string(raw[macBytes:]), nil
		}
	}
	return "", fmt.Errorf("%w: this is no cursor of this list with these filters; leave it out to begin anew", access.ErrInvalid)
}

// listed answers with a page, and says where the list goes on.
func listed[T any](ctx context.Context, d *door, list []T, next string, err error) (*Listed[T], error) {
	if err != nil || next == "" {
		return &Listed[T]{Body: list}, err
	}
	mac, err := d.proof(ctx, next)
	if err != nil {
		return nil, err
	}
	to := at(ctx)
	query := to.Query()
	query.Set("cursor", base64.RawURLEncoding.EncodeToString(append(mac, next...)))
	link := url.URL{Path: to.Path, RawQuery: query.Encode()}
	return &Listed[T]{Link: "<" + link.String() + `>; rel="next"`, Body: list}, nil
}

// pageOf reads a page as the engine does.
func pageOf[T any](ctx context.Context, d *door, p Page, read func(engine.Page) ([]T, string, error)) (*Listed[T], error) {
	before, err := d.place(ctx, p)
	if err != nil {
		return nil, err
	}
	list, next, err := read(engine.Page{Before: before, Limit: p.Limit})
	return listed(ctx, d, list, next, err)
}

// Narrowed are the filters that requests and grants have in common.
type Narrowed struct {
	System      string    `query:"system" maxLength:"200"`
	Entitlement string    `query:"entitlement" maxLength:"200"`
	Since       time.Time `query:"since" doc:"asked or granted then or later"`
}

func (n Narrowed) only() engine.Only {
	return engine.Only{System: n.System, Entitlement: n.Entitlement, Since: n.Since}
}

func (d *door) lists(h verbs) {
	op(h, http.MethodGet, "/requests", "list-requests", "Requests you may know of, newest first",
		func(ctx context.Context, in *struct {
			Page
			Narrowed
			State    access.RequestState `query:"state" enum:"submitted,pending,approved,denied,cancelled,expired"`
			Identity string              `query:"identity" maxLength:"200" doc:"who asked, or for whom"`
			Mine     bool                `query:"mine"`
		}) (*Listed[access.Request], error) {
			only := in.only()
			only.State, only.Identity, only.Mine = string(in.State), in.Identity, in.Mine
			return pageOf(ctx, d, in.Page, func(p engine.Page) ([]access.Request, string, error) {
				return d.Engine.Requests(ctx, by(ctx), only, p)
			})
		})
	op(h, http.MethodGet, "/desk", "desk", "Requests that wait for your vote, newest first",
		func(ctx context.Context, in *struct {
			Page
			Narrowed
			Identity string `query:"identity" maxLength:"200" doc:"who asked, or for whom"`
		}) (*Listed[access.Request], error) {
			only := in.only()
			only.Identity = in.Identity
			return pageOf(ctx, d, in.Page, func(p engine.Page) ([]access.Request, string, error) {
				return d.Engine.Waits(ctx, by(ctx), only, p)
			})
		})
	op(h, http.MethodGet, "/grants", "list-grants", "Grants beside what was last seen, newest first",
		func(ctx context.Context, in *struct {
			Page
			Narrowed
			Identity string            `query:"identity" maxLength:"200" doc:"empty: yourself, with your workloads and agents"`
			Open     bool              `query:"open" doc:"leave out the ended ones"`
			State    access.GrantState `query:"state" enum:"scheduled,live,ended"`
		}) (*Listed[engine.Holding], error) {
			only := in.only()
			only.Identity, only.State = in.Identity, grantState(in.State, in.Open)
			return pageOf(ctx, d, in.Page, func(p engine.Page) ([]engine.Holding, string, error) {
				return d.Engine.Held(ctx, by(ctx), only, p)
			})
		})
	op(h, http.MethodGet, "/register", "register", "Everybody's grants: of one entitlement to its owners, of all to security and auditors",
		func(ctx context.Context, in *struct {
			Page
			Narrowed
			Identity string            `query:"identity" maxLength:"200" doc:"who holds"`
			Open     bool              `query:"open" doc:"leave out the ended ones"`
			State    access.GrantState `query:"state" enum:"scheduled,live,ended"`
		}) (*Listed[engine.Holding], error) {
			only := in.only()
			only.Identity, only.State = in.Identity, grantState(in.State, in.Open)
			return pageOf(ctx, d, in.Page, func(p engine.Page) ([]engine.Holding, string, error) {
				return d.Engine.Registered(ctx, by(ctx), only, p)
			})
		})
	op(h, http.MethodGet, "/entitlements", "list-entitlements", "What can be asked for, in order of id",
		func(ctx context.Context, in *struct {
			Page
			Words  string `query:"q" maxLength:"200" doc:"words of its id or name, all of them"`
			System string `query:"system" maxLength:"200"`
			Class  string `query:"class" maxLength:"100"`
		}) (*Listed[access.Entitlement], error) {
			return pageOf(ctx, d, in.Page, func(p engine.Page) ([]access.Entitlement, string, error) {
				return d.Engine.Offered(ctx, by(ctx), in.Words, in.System, in.Class, p.Before, p.Limit)
			})
		})
	op(h, http.MethodGet, "/findings", "list-findings", "What is not as it should be, newest first",
		func(ctx context.Context, in *struct {
			Page
			Closed  bool      `query:"closed" doc:"the closed ones too"`
			Kind    string    `query:"kind" maxLength:"100"`
			Subject string    `query:"subject" maxLength:"400"`
			Owner   string    `query:"owner" maxLength:"200"`
			Since   time.Time `query:"since" doc:"opened then or later"`
		}) (*Listed[access.Finding], error) {
			return pageOf(ctx, d, in.Page, func(p engine.Page) ([]access.Finding, string, error) {
				return d.Engine.Found(ctx, by(ctx), engine.OnlyFindings{Closed: in.Closed, Kind: in.Kind, Subject: in.Subject, Owner: in.Owner, Since: in.Since}, p)
			})
		})
}

// grantState is what a list of grants is narrowed to.
func grantState(state access.GrantState, open bool) string {
	if state == "" && open {
		return "open"
	}
	return string(state)
}
