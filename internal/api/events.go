package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-json-experiment/json"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/news"
)

// How a stream of events is kept.
const (
	beatEvery  = 15 * time.Second // so often it says that it is there
	writeTime  = 10 * time.Second // who takes nothing for so long is cut
	mostBack   = 20_000           // how many events somebody who comes again may have missed
	comeAgain  = 2 * time.Second
	eventsName = "events"
)

// Listen asks for a stream of events.
type Listen struct {
	Last string `header:"Last-Event-ID" maxLength:"400" doc:"the id of the last event that was heard: the stream goes on after it; left out, it begins now"`
}

func (d *door) events(h verbs) {
	schema := h.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[engine.Change](), true, "Change")
	huma.Register(h.API, huma.Operation{OperationID: eventsName, Method: http.MethodGet, Path: "/api/v1/events",
		Summary: "What changes that you may know of, as it happens",
		Responses: map[string]*huma.Response{"200": {Description: "Server-sent events. The data of each is one change; id is what to go on after.",
			Content: map[string]*huma.MediaType{"text/event-stream": {Schema: schema}}}}},
		told(h, eventsName, d.listen))
}

// listen begins a stream. What is wrong is said before it begins.
func (d *door) listen(ctx context.Context, in *Listen) (*huma.StreamResponse, error) {
	if err := d.Engine.MayLook(by(ctx)); err != nil {
		return nil, err
	}
	key, err := d.Engine.DoorKey(ctx, "cursor")
	if err != nil {
		return nil, err
	}
	s := &stream{door: d, ctx: ctx, still: still(ctx), key: key}
	// 1. One place more is listened at, before it is asked how far the log is: nothing falls between.
	if s.ear, err = d.News.Join(by(ctx).Identity); err != nil {
		return nil, huma.ErrorWithHeaders(huma.Error429TooManyRequests(err.Error()), http.Header{"Retry-After": {"10"}})
	}
	_, s.head, err = d.Engine.Pulse(ctx)
	s.at = s.head
	if err == nil && in.Last != "" {
		err = s.goOn(in.Last)
	}
	if err != nil {
		s.ear.Leave()
		return nil, err
	}
	return &huma.StreamResponse{Body: s.run}, nil
}

// stream is one listener's.
type stream struct {
	*door
	ctx   context.Context
	still func(time.Time) (access.Actor, bool)
	key   []byte
	ear   *news.Ear
	at    int64 // the place in the log up to which everything was told
	head  int64 // … up to which there was something to tell when it began
	out   http.ResponseWriter
	c     *http.ResponseController
}

// goOn has a stream begin where an earlier one of the same reader was.
func (s *stream) goOn(last string) error {
	text, err := s.place(s.ctx, Page{Cursor: last})
	if err != nil {
		return fmt.Errorf("%w: this Last-Event-ID is none that was given to you; leave it out to begin now", access.ErrInvalid)
	}
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil || at < 0 || at > s.at {
		return fmt.Errorf("%w: this Last-Event-ID is of another log", access.ErrInvalid)
	}
	if s.at-at > mostBack {
		return fmt.Errorf("%w: more than %d events were missed: look at the lists with since=…, and leave Last-Event-ID out", access.ErrGone, mostBack)
	}
	s.at = at
	return nil
}

// run tells until the reader has gone or is too slow, its token is good no longer,
// or the server stops.
func (s *stream) run(hc huma.Context) {
	defer s.ear.Leave()
	r, w := humago.Unwrap(hc)
	s.out, s.c = w, http.NewResponseController(w)
	s.News.EndWith(r)
	_ = s.c.SetReadDeadline(time.Time{}) // where the server has none, there is nothing to lift
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // or a proxy keeps them until there are many
	w.WriteHeader(http.StatusOK)
	var first bytes.Buffer
	fmt.Fprintf(&first, "retry: %d\n", comeAgain.Milliseconds())
	s.mark(&first)
	if !s.send(first.Bytes()) {
		return
	}
	alive := time.NewTicker(s.Alive)
	defer alive.Stop()
	// 1. What was missed.
	if !s.back(s.head) {
		return
	}
	// 2. What happens.
	for {
		select {
		case <-r.Context().Done():
			return
		case <-alive.C:
			var b bytes.Buffer
			b.WriteString(": here\n")
			s.mark(&b)
			if _, good := s.still(s.Now()); !good || !s.send(b.Bytes()) {
				return
			}
		case b, goes := <-s.ear.Beats():
			if !goes {
				return
			}
			if !s.back(b.From) || !s.tell(b.News) { // the first beat may be of later than the beginning
				return
			}
		}
	}
}

// back tells what lies between where the stream is and a place.
func (s *stream) back(to int64) bool {
	for s.at < to {
		list, err := s.News.Back(s.ctx, s.at, to)
		if err != nil {
			s.Log.WarnContext(s.ctx, "events", "error", err.Error())
			return false // they come again
		}
		if len(list) == 0 {
			return true
		}
		if !s.tell(list) {
			return false
		}
	}
	return true
}

// tell says what of some events the reader may know of now. An event of which
// there is more than one change to tell has its id at the last: who was cut
// before it hears all of it again.
func (s *stream) tell(list []engine.News) bool {
	if len(list) == 0 {
		return true
	}
	reader, good := s.still(s.Now())
	if !good {
		return false
	}
	var b bytes.Buffer
	var bad error
	s.News.Turn(func() {
		for _, n := range list {
			if n.Seq < s.at {
				continue
			}
			changes := s.Engine.Hears(reader, n)
			s.at = n.Seq + 1
			for i, c := range changes {
				if i == len(changes)-1 {
					s.id(&b)
				}
				raw, err := json.Marshal(c)
				bad = errors.Join(bad, err)
				fmt.Fprintf(&b, "data: %s\n\n", raw)
			}
		}
	})
	if bad != nil {
		s.Log.ErrorContext(s.ctx, "events", "error", bad.Error())
		return false
	}
	return b.Len() == 0 || s.send(b.Bytes())
}

// id is what to come again with.
func (s *stream) id(b *bytes.Buffer) {
	place := strconv.FormatInt(s.at, 10)
	fmt.Fprintf(b, "id: %s\n", base64.RawURLEncoding.EncodeToString(append(proofBy(s.key, s.ctx, place), place...)))
}

// mark says how far the stream is, and nothing else: who may know of little does
// not come again with a place long ago.
func (s *stream) mark(b *bytes.Buffer) {
	s.id(b)
	b.WriteByte('\n')
}

// send writes, for as long as that may take.
func (s *stream) send(raw []byte) bool {
	_ = s.c.SetWriteDeadline(time.Now().Add(writeTime)) // where there is none, nobody can be slow
	_, err := s.out.Write(raw)
	return err == nil && s.c.Flush() == nil
}
