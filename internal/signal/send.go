package signal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

const (
	mostAtOnce = 100              // signals in one answer, or one job
	waitsFor   = 20 * time.Second // how long somebody who fetches may wait for something
	looksEvery = time.Second
)

// receiver finds one that is sent to, or one that fetches.
func (r *Room) receiver(id string) (Receiver, bool) {
	n := slices.IndexFunc(r.Receivers, func(x Receiver) bool { return x.ID == id })
	if n < 0 {
		return Receiver{}, false
	}
	return r.Receivers[n], true
}

// Send sends a receiver what waits for it, in order, until it does not take one. What
// it was sent and did not say that it has, it is sent again: the same token, so that
// it can tell. more says that there is more than one call of this sends.
func (r *Room) Send(ctx context.Context, id string) (more bool, err error) {
	to, ok := r.receiver(id)
	if !ok {
		return false, nil // it is no receiver of ours any more
	}
	list, err := r.Door.SignalsDue(ctx, id, mostAtOnce)
	if err != nil {
		return false, err
	}
	if to.URL == "" { // it comes for them, or does not
		return false, r.Door.SignalsLate(ctx, id, "it has not come for them")
	}
	for _, o := range list {
		if end, ok := ctx.Deadline(); ok && time.Until(end) < callTime {
			return true, nil
		}
		why, err := r.send(ctx, to, o)
		if err != nil {
			r.Log.WarnContext(ctx, "signal", "receiver", id, "jti", o.ID, "done", "not sent", "error", fmt.Sprintf("%.300s", err))
			return false, errors.Join(fmt.Errorf("receiver %s: %w", id, err), r.Door.SignalsLate(ctx, id, err.Error()))
		}
		if err := r.Door.SignalsHad(ctx, id, []access.SignalAnswer{{ID: o.ID, Error: why}}); err != nil {
			return false, err
		}
		r.Log.InfoContext(ctx, "signal", "receiver", id, "jti", o.ID, "event", o.Event, "done", "sent", "refused", why)
	}
	return len(list) == mostAtOnce, nil
}

// send sends one. refused says why the receiver will never take this one; an error says
// that it is to be sent again.
func (r *Room) send(ctx context.Context, to Receiver, o access.SignalOut) (refused string, err error) {
	set, err := r.Signer.set(o, to.Audience)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, strings.NewReader(set))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", setType)
	req.Header.Set("Accept", "application/json")
	if err := authorize(req, to.Access); err != nil {
		return "", err
	}
	res, err := r.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10)) // only what it says of a refusal is read
	switch {
	case res.StatusCode == http.StatusAccepted || res.StatusCode == http.StatusOK || res.StatusCode == http.StatusNoContent:
		return "", nil
	case res.StatusCode != http.StatusBadRequest:
		return "", fmt.Errorf("it answered %s", res.Status)
	}
	var said struct {
		Err string `json:"err"`
	}
	if json.Unmarshal(body, &said) == nil && said.Err == badRequest {
		return said.Err, nil // this one it never takes; what is wrong with keys, names and tokens can be mended
	}
	return "", fmt.Errorf("it answered %s %.60q", res.Status, said.Err)
}

func authorize(req *http.Request, access func() (string, error)) error {
	if access == nil {
		return nil
	}
	token, err := access()
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(token))
	return nil
}

// asked is what somebody says who fetches (RFC 8936, 2.2).
type asked struct {
	Most   *int     `json:"maxEvents,omitempty"`
	AtOnce bool     `json:"returnImmediately,omitempty"`
	Ack    []string `json:"ack,omitempty"`
	Errors map[string]struct {
		Err  string `json:"err"`
		Text string `json:"description"`
	} `json:"setErrs,omitempty"`
}

// handed is what they are given.
type handed struct {
	Sets map[string]string `json:"sets"`
	More bool              `json:"moreAvailable,omitempty"`
}

// hand hands a receiver what waits for it. What it has acknowledged comes first, and
// is durable before anything more is handed out.
func (r *Room) hand(w http.ResponseWriter, req *http.Request) {
	to, ok := r.receiver(req.PathValue("id"))
	if !ok || to.URL != "" || !bears(req, to.Token) {
		unknown(w)
		return
	}
	var a asked
	raw, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
	if err != nil || json.Unmarshal(raw, &a) != nil || (a.Most != nil && *a.Most < 0) {
		answer(w, http.StatusBadRequest, map[string]string{"err": badRequest, "description": "the body cannot be read"})
		return
	}
	var had []access.SignalAnswer
	for _, id := range a.Ack {
		had = append(had, access.SignalAnswer{ID: id})
	}
	for id, e := range a.Errors {
		had = append(had, access.SignalAnswer{ID: id, Error: fmt.Sprintf("%.60s: %.200s", e.Err, e.Text)})
	}
	most := mostAtOnce
	if a.Most != nil {
		most = min(most, *a.Most)
	}
	h := handed{Sets: map[string]string{}}
	if err = r.Door.SignalsHad(req.Context(), to.ID, had); err == nil && most > 0 {
		h, err = r.due(req.Context(), to, most, !a.AtOnce)
	}
	if err != nil {
		r.Log.WarnContext(req.Context(), "signal", "receiver", to.ID, "done", "not handed out", "error", err.Error())
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	answer(w, http.StatusOK, h)
}

// due makes the tokens of what waits; where nothing does, it may wait a while for some.
func (r *Room) due(ctx context.Context, to Receiver, most int, wait bool) (h handed, err error) {
	h.Sets = map[string]string{}
	ctx, cancel := context.WithTimeout(ctx, waitsFor)
	defer cancel()
	look := time.NewTicker(looksEvery)
	defer look.Stop()
	for {
		list, err := r.Door.SignalsDue(context.WithoutCancel(ctx), to.ID, most+1)
		if err != nil {
			return h, err
		}
		h.More = len(list) > most
		for _, o := range list[:min(most, len(list))] {
			if h.Sets[o.ID], err = r.Signer.set(o, to.Audience); err != nil {
				return h, err
			}
		}
		if len(list) > 0 || !wait {
			return h, nil
		}
		select {
		case <-ctx.Done():
			return h, nil
		case <-look.C:
		}
	}
}

// rounds bounds how often a transmitter is asked in one go.
const rounds = 20

// Fetch fetches what a transmitter has for us. Only what was taken is acknowledged: if
// we stop before, it comes again, and is taken once.
func (r *Room) Fetch(ctx context.Context, id string) (n int, err error) {
	i := slices.IndexFunc(r.Sources, func(s Source) bool { return s.ID == id && s.Endpoint != "" })
	if i < 0 {
		return 0, nil
	}
	s := &r.Sources[i]
	ask := asked{AtOnce: true}
	for range rounds {
		got, err := r.fetch(ctx, s, ask)
		if err != nil {
			return n, fmt.Errorf("transmitter %s: %w", id, err)
		}
		if len(got.Sets) == 0 {
			return n, nil
		}
		if ask, err = r.takeAll(ctx, s, got.Sets); err != nil {
			return n, err
		}
		n += len(ask.Ack)
		if len(ask.Ack)+len(ask.Errors) == 0 {
			return n, nil
		}
		if !got.More { // the last answer is given without asking for more
			none := 0
			ask.Most = &none
			_, err := r.fetch(ctx, s, ask)
			return n, err
		}
	}
	return n, nil
}

// takeAll takes what was fetched, the oldest first: an object has no order. Of two of one
// second what gives back comes first, so that what takes away stands.
func (r *Room) takeAll(ctx context.Context, s *Source, sets map[string]string) (ask asked, err error) {
	ask.AtOnce = true
	type one struct {
		jti string
		sig access.Signal
	}
	var list []one
	fail := func(jti string, e *refusal) {
		if ask.Errors == nil {
			ask.Errors = map[string]struct {
				Err  string `json:"err"`
				Text string `json:"description"`
			}{}
		}
		ask.Errors[jti] = struct {
			Err  string `json:"err"`
			Text string `json:"description"`
		}{e.code, e.text}
	}
	for jti, raw := range sets {
		sig, err := s.check(ctx, raw, r.Now())
		refused := (*refusal)(nil)
		switch {
		case errors.As(err, &refused):
			r.Log.WarnContext(ctx, "signal", "transmitter", s.ID, "done", "refused", "error", fmt.Sprintf("%.300s", err))
			fail(jti, refused)
		case err != nil:
			return ask, err
		case sig.JTI != jti:
			fail(jti, &refusal{badRequest, "it is another than it is called"})
		default:
			list = append(list, one{jti, sig})
		}
	}
	slices.SortFunc(list, func(a, b one) int {
		if c := a.sig.At.Compare(b.sig.At); c != 0 {
			return c
		}
		if back := access.SignalEnabled; (a.sig.Event == back) != (b.sig.Event == back) {
			if a.sig.Event == back {
				return -1
			}
			return 1
		}
		return strings.Compare(a.jti, b.jti)
	})
	for _, o := range list {
		did, err := r.Door.Signalled(ctx, o.sig)
		if err != nil {
			return ask, err
		}
		r.Log.InfoContext(ctx, "signal", "transmitter", s.ID, "jti", o.jti, "event", o.sig.Event, "done", did)
		ask.Ack = append(ask.Ack, o.jti)
	}
	return ask, nil
}

func (r *Room) fetch(ctx context.Context, s *Source, ask asked) (h handed, err error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return h, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Endpoint, strings.NewReader(string(body)))
	if err != nil {
		return h, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	if err := authorize(req, s.Access); err != nil {
		return h, err
	}
	res, err := r.http.Do(req)
	if err != nil {
		return h, err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, longest))
	switch {
	case err != nil:
		return h, err
	case res.StatusCode != http.StatusOK:
		return h, fmt.Errorf("it answered %s", res.Status)
	}
	return h, json.Unmarshal(raw, &h)
}
