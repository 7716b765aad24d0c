package jirasim

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle []byte

// choice is one option of a select.
type choice struct {
	ID, Name, Kind string
	Chosen         bool
}

// input is one field of a form.
type input struct {
	ID, Label, Value     string
	Required, Many, Long bool
	Choices              []choice
}

type formType struct {
	Project, Name, Help string
	Fields              []input
}

type row struct{ Key, Summary, Status, Reporter string }

type view struct {
	Title, As, Who, Refused string
	People                  []choice
	Tickets                 []row
	Types                   []formType

	Key, Summary, Status, Reporter, Assignee, Channel string
	Exits                                             []struct{ ID, Name, To string }
	MayAnswer                                         bool
	Projects                                          []string
	Approvals                                         []Approval
	Fields                                            []input
	Comments                                          []Note
	Links                                             []Link
	Changes                                           []Change
}

// page is what a person sees and does, as any user they choose: there is no
// login here, since everything here is made up.
func (s *Sim) page(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	s.mu.Lock()
	down := s.outage
	s.mu.Unlock()
	key, ticket := strings.CutPrefix(r.URL.Path, "/browse/")
	switch {
	case down:
		http.Error(w, "Jira is down.", http.StatusServiceUnavailable)
	case r.Method == http.MethodGet && r.URL.Path == "/":
		s.show(w, "list", func(c *call, v *view) int { return c.listView(v) }, r.URL.Query())
	case r.Method == http.MethodGet && r.URL.Path == "/page.css":
		h.Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(pageStyle)
	case r.Method == http.MethodGet && ticket:
		s.show(w, "ticket", func(c *call, v *view) int { return c.ticketView(v, key) }, r.URL.Query())
	case r.Method == http.MethodPost && r.URL.Path == "/act":
		s.actPage(w, r)
	default:
		http.NotFound(w, r)
	}
}

// show renders a page for the chosen user, the first one if none is.
func (s *Sim) show(w http.ResponseWriter, name string, fill func(*call, *view) int, q url.Values) {
	s.mu.Lock()
	u := s.user(q.Get("as"))
	if u == nil && len(s.users) > 0 {
		u = s.users[0]
	}
	v, status := &view{Refused: q.Get("refused")}, http.StatusNotFound
	if u != nil {
		v.As, v.Who = u.AccountID, u.Name
		for _, o := range s.users {
			if !o.Gone && !o.Inactive {
				v.People = append(v.People, choice{o.AccountID, o.Name, string(o.Kind), o == u})
			}
		}
		status = fill(&call{s: s, who: u, v: 2, now: s.now()}, v)
	}
	s.mu.Unlock()
	if status != http.StatusOK {
		v.Refused, name = "There is no such ticket, or it is hidden from "+v.Who+".", "list"
	}
	t, err := template.New("").Parse(pageText)
	var out bytes.Buffer
	if err == nil {
		err = t.ExecuteTemplate(&out, name, v)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(out.Bytes())
}

// actPage does one deed and goes back to where it shows.
func (s *Sim) actPage(w http.ResponseWriter, r *http.Request) {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		http.Error(w, "That form was not ours.", http.StatusForbidden)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "The form cannot be read.", http.StatusBadRequest)
		return
	}
	f := r.PostForm
	h, key := s.As(f.Get("as")), f.Get("key")
	var err error
	switch f.Get("do") {
	case "raise":
		var t Ticket
		t, err = h.Raise(f.Get("project"), f.Get("type"), s.given(f))
		key = t.Key
	case "edit":
		err = h.Edit(key, s.given(f))
	case "comment":
		err = h.Comment(key, f.Get("text"), f.Get("internal") == "")
	case "transition":
		err = h.Transition(key, f.Get("exit"))
	case "approve":
		err = h.Approve(key)
	case "decline":
		err = h.Decline(key)
	case "move":
		err = h.Move(key, f.Get("project"))
	case "delete":
		err, key = h.Delete(key), ""
	default:
		err = errors.New("nothing to do")
	}
	to, q := "/", url.Values{"as": {f.Get("as")}}
	if key != "" {
		to = "/browse/" + url.PathEscape(key)
	}
	if err != nil {
		q.Set("refused", err.Error())
	}
	http.Redirect(w, r, to+"?"+q.Encode(), http.StatusSeeOther)
}

// given are the fields of a form, in short.
func (s *Sim) given(f url.Values) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]any{}
	for name, values := range f {
		id, is := strings.CutPrefix(name, "f.")
		fd := s.field(id)
		if !is || fd == nil {
			continue
		}
		values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
		switch {
		case kinds[fd.Kind].typ == "array" && fd.Kind == Labels:
			out[id] = strings.Fields(strings.Join(values, " "))
		case kinds[fd.Kind].typ == "array":
			out[id] = values
		case len(values) > 0:
			out[id] = values[0]
		default:
			out[id] = nil
		}
	}
	return out
}
