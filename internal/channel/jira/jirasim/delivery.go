package jirasim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"
)

// Delivery is one body on its way to one URL.
type Delivery struct {
	ID      string // the same across retries
	Event   string
	URL     string
	Secret  string // signs the body; empty means unsigned
	Body    []byte
	Due     time.Time
	Attempt int
	Status  int // of the last try; 0 when there was no answer

	bare bool // automation's "Send web request"
	hook *hook
}

// Post is how badly deliveries travel, from when it is set. Each function is
// asked once for every delivery that is queued, and must not call the Sim.
type Post struct {
	Lose     func(Delivery) bool          // never arrives
	Copies   func(Delivery) int           // how often it arrives; less than 1 is once
	Late     func(Delivery) time.Duration // how long after the event
	Secret   func(Delivery) string        // signed by another key; empty means unsigned
	Shuffled bool                         // due ones arrive in any order
}

// SetPost says how deliveries travel from now on.
func (s *Sim) SetPost(p Post) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mail = p
}

// post queues a delivery as the post has it.
func (s *Sim) post(h *hook, body []byte, name string) {
	d := &Delivery{ID: fmt.Sprintf("%08x-%04d", s.rand.Uint32(), s.next("delivery", 1)), Event: name, URL: h.URL, Secret: h.Secret, Body: body, Due: s.now(), hook: h}
	s.enqueue(d)
}

func (s *Sim) enqueue(d *Delivery) {
	if s.mail.Lose != nil && s.mail.Lose(*d) {
		return
	}
	if s.mail.Late != nil {
		d.Due = d.Due.Add(s.mail.Late(*d))
	}
	if s.mail.Secret != nil && d.Secret != "" {
		d.Secret = s.mail.Secret(*d)
	}
	copies := 1
	if s.mail.Copies != nil {
		copies = max(1, s.mail.Copies(*d))
	}
	for range copies {
		one := *d
		s.queue = append(s.queue, &one)
	}
	s.wake()
}

func (s *Sim) wake() {
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// Deliveries are those that wait, in the order they were queued.
func (s *Sim) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Delivery{}
	for _, d := range s.queue {
		out = append(out, *d)
	}
	return out
}

// DropDeliveries forgets all that wait.
func (s *Sim) DropDeliveries() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = nil
}

// Deliver sends up to n deliveries that are due and gives them with the status
// each was answered with. One answered with 408, 409, 425, 429, 5xx or not at
// all is queued again, up to five times; another refusal loses it for ever.
func (s *Sim) Deliver(ctx context.Context, n int) ([]Delivery, error) {
	if s.send == nil {
		return nil, errors.New("jirasim: Config.Send is needed to deliver webhooks")
	}
	out := []Delivery{}
	for range n {
		d := s.takeDue()
		if d == nil {
			break
		}
		d.Status = s.carry(ctx, d)
		s.settle(d)
		out = append(out, *d)
	}
	return out, ctx.Err()
}

// takeDue takes the next due delivery out of the queue.
func (s *Sim) takeDue() *Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.outage {
		return nil
	}
	now, due := s.now(), []int{}
	for n, d := range s.queue {
		if !d.Due.After(now) {
			due = append(due, n)
		}
	}
	if len(due) == 0 {
		return nil
	}
	n := due[0]
	if s.mail.Shuffled {
		n = due[s.rand.IntN(len(due))]
	}
	d := s.queue[n]
	s.queue = slices.Delete(s.queue, n, n+1)
	return d
}

// carry sends one delivery and gives the status of the answer, 0 for none.
func (s *Sim) carry(ctx context.Context, d *Delivery) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.URL, bytes.NewReader(d.Body))
	if err != nil {
		return 0
	}
	req.Header = d.headers()
	resp, err := s.send(req)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	_ = resp.Body.Close()
	return resp.StatusCode
}

const maxAttempts = 5

func (s *Sim) settle(d *Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case d.Status >= 200 && d.Status < 300:
	case (d.Status == 0 || d.Status >= 500 || slices.Contains([]int{408, 409, 425, 429}, d.Status)) && d.Attempt < maxAttempts && !d.bare:
		again := *d
		again.Attempt++
		again.Due = s.now().Add(time.Duration(60+s.rand.IntN(300)) * time.Second)
		s.queue = append(s.queue, &again)
		s.wake()
	default:
		one := *d
		s.failed = append(s.failed, &one)
	}
}

// Replay queues a delivery once more, as it was: whoever saw it go by can.
func (s *Sim) Replay(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.Due = s.now()
	s.queue = append(s.queue, &d)
	s.wake()
}

// Automation queues what an automation rule's "Send web request" would send to
// a URL about an issue: never signed, its ids are numbers, and it says neither
// event nor user nor time.
func (s *Sim) Automation(url, issueRef string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.lookup(issueRef)
	if i == nil {
		return refuse(404, notFound)
	}
	c := &call{s: s, who: &User{}, v: 2, now: s.now()}
	bean := c.eventIssue(event{issue: i}, false)
	bean["id"] = i.id
	body, _ := json.Marshal(bean)
	s.enqueue(&Delivery{ID: fmt.Sprintf("automation-%d", s.next("delivery", 1)), URL: url, Body: body, Due: s.now(), bare: true})
	return nil
}

// Run delivers what becomes due until ctx ends. It is for a demo: tests take
// deliveries with Deliver.
func (s *Sim) Run(ctx context.Context) error {
	for {
		if _, err := s.Deliver(ctx, 100); err != nil {
			return err
		}
		wait := time.Minute
		s.mu.Lock()
		for _, d := range s.queue {
			wait = min(wait, d.Due.Sub(s.now()))
		}
		if s.outage {
			wait = time.Minute
		}
		s.mu.Unlock()
		t := time.NewTimer(max(wait, time.Millisecond))
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-s.woken:
			t.Stop()
		case <-t.C:
		}
	}
}
