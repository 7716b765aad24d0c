package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
)

func (d *door) rest(h verbs) {
	op(h, http.MethodPost, "/findings/audited", "audited", "Say what an audit of a ticket queue saw: its findings open, change and close by it",
		func(ctx context.Context, in *struct{ Body engine.AuditRun }) (*body[engine.Audited], error) {
			return answer(d.Engine.Audited(ctx, by(ctx), in.Body))
		})
	op(h, http.MethodGet, "/tickets", "list-tickets", "Tickets and what came of each, for auditors and security",
		func(ctx context.Context, in *struct {
			After string `query:"after" maxLength:"200" doc:"ids above this one"`
			Limit int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
		}) (*body[[]engine.TicketStory], error) {
			return answer(d.Engine.TicketStories(ctx, by(ctx), in.After, in.Limit))
		})
	op(h, http.MethodPost, "/tickets/confirm", "confirm-ticket", "Say that a ticket which came by an unproven way is yours",
		func(ctx context.Context, in *struct {
			Body struct {
				Ticket string `json:"ticket" minLength:"1" maxLength:"200"`
			}
		}) (*done, error) {
			return nothing(d.Engine.Confirm(ctx, by(ctx), in.Body.Ticket))
		})
	op(h, http.MethodGet, "/status", "status", "How the server is doing",
		func(ctx context.Context, in *struct{}) (*body[Status], error) {
			if err := d.Engine.MayLook(by(ctx)); err != nil {
				return nil, err
			}
			return answer(d.Status(ctx))
		})
	op(h, http.MethodPost, "/reload", "reload", "Read rules, directory and catalog anew",
		func(ctx context.Context, in *struct {
			Confirm string `query:"confirm" maxLength:"80" doc:"digest of the files, from the second person where a change of them needs one"`
		}) (*done, error) {
			if err := d.Engine.MayTakeFiles(by(ctx), in.Confirm); err != nil {
				return nil, err
			}
			d.Log.InfoContext(ctx, "reload", "by", by(ctx).Identity, "token", tokenOf(ctx))
			return nothing(d.Reload(ctx, by(ctx), in.Confirm))
		})
	op(h, http.MethodGet, "/files", "list-files", "The files that were in force or asked for, newest first: for security, auditors and administrators",
		func(ctx context.Context, in *struct {
			Before string `query:"before" maxLength:"200" doc:"ids below this one"`
			Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
		}) (*body[[]access.Files], error) {
			list, err := d.Engine.FilesTaken(ctx, by(ctx), in.Before, in.Limit)
			if list == nil {
				list = []access.Files{}
			}
			return answer(list, err)
		})
}

// The log is public: it holds salted commitments and nothing else.

func (d *door) checkpoint(w http.ResponseWriter, r *http.Request) {
	head, err := d.Proof.Checkpoint(r.Context())
	if err == nil && head == "" {
		err = access.ErrNotFound
	}
	d.raw(w, r, "text/plain; charset=utf-8", []byte(head), err)
}

func (d *door) tile(w http.ResponseWriter, r *http.Request) {
	tile, err := d.Proof.Tile(r.Context(), strings.TrimPrefix(r.URL.Path, "/log/"))
	d.raw(w, r, "application/octet-stream", tile, err)
}

func (d *door) raw(w http.ResponseWriter, r *http.Request, kind string, content []byte, err error) {
	switch {
	case errors.Is(err, access.ErrNotFound):
		http.NotFound(w, r)
	case err != nil:
		d.Log.ErrorContext(r.Context(), "log", "path", r.URL.Path, "error", err.Error())
		http.Error(w, "the log cannot be read", http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", kind)
		_, _ = io.Copy(w, strings.NewReader(string(content))) // whoever asked has gone if this fails
	}
}
