package jirasim

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func (r *room) get(path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w
}

func (r *room) submit(as string, form url.Values) *httptest.ResponseRecorder {
	form.Set("as", as)
	req := httptest.NewRequest("POST", "/act", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

func TestAPersonActsOnThePage(t *testing.T) {
	t.Parallel()
	r := setup(t)
	w := r.submit(ExamplePerson, url.Values{"do": {"raise"}, "project": {"ACC"}, "type": {"Get access"}, "f.summary": {"Tables, please"},
		"f." + r.FieldID("Entitlements"): {r.OptionID("Entitlements", "prod-db:read")}, "f." + r.FieldID("Term"): {r.OptionID("Term", "1 day")}, "f." + r.FieldID("Approvers"): {ExampleOwner}})
	want(t, "raised", w.Code, http.StatusSeeOther)
	want(t, "where it shows", w.Header().Get("Location"), "/browse/ACC-1?as="+ExamplePerson)
	if page := r.get("/browse/ACC-1?as=" + ExampleOwner).Body.String(); !strings.Contains(page, ">Approve<") || !strings.Contains(page, "Tables, please") {
		t.Errorf("the approver's page: %s", page)
	}
	if page := r.get("/browse/ACC-1?as=" + ExamplePerson).Body.String(); strings.Contains(page, ">Approve<") {
		t.Error("the person may approve on the page")
	}
	r.submit(ExampleAgent, url.Values{"do": {"edit"}, "key": {"ACC-1"}, "f.labels": {"one two"}})
	r.submit(ExampleAgent, url.Values{"do": {"comment"}, "key": {"ACC-1"}, "text": {"between us"}, "internal": {"yes"}})
	r.submit(ExampleOwner, url.Values{"do": {"approve"}, "key": {"ACC-1"}})
	r.submit(ExampleAgent, url.Values{"do": {"transition"}, "key": {"ACC-1"}, "exit": {"Activate"}})
	tk, _ := r.Ticket("ACC-1")
	want(t, "status", tk.Status, "Active")
	want(t, "votes", tk.Approvals[0].Votes[ExampleOwner], "approved")
	if len(tk.Comments) != 1 || tk.Comments[0].Public || len(tk.Fields["labels"].([]any)) != 2 {
		t.Errorf("ticket: %+v", tk)
	}
	if page := r.get("/browse/ACC-1?as=" + ExamplePerson).Body.String(); !strings.Contains(page, "between us") {
		t.Error("a licensed person who may browse the project sees internal comments, and does not here")
	}
	r.submit(ExampleAgent, url.Values{"do": {"move"}, "key": {"ACC-1"}, "project": {"OPS"}})
	w = r.submit(ExampleAgent, url.Values{"do": {"delete"}, "key": {"OPS-1"}})
	if to := w.Header().Get("Location"); !strings.Contains(to, "refused=") {
		t.Errorf("an agent deleted it: %s", to)
	}
	r.submit(ExampleAdmin, url.Values{"do": {"delete"}, "key": {"OPS-1"}})
	want(t, "after deletion", r.get("/browse/OPS-1").Code, 404)
	want(t, "the list", r.get("/").Code, 200)
}

func TestThePageIsInert(t *testing.T) {
	t.Parallel()
	r := setup(t)
	evil := `<script>alert(1)</script><img src=x onerror=alert(2)>`
	if _, err := r.As(ExamplePerson).Raise("ACC", "Ask by mail", map[string]any{"summary": evil, "description": evil}); err != nil {
		t.Fatal(err)
	}
	if err := r.As(ExampleAgent).Comment("ACC-1", evil, true); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/", "/browse/ACC-1", "/?refused=" + url.QueryEscape(evil)} {
		w := r.get(path + map[bool]string{true: "&", false: "?"}[strings.Contains(path, "?")] + "as=" + ExampleAgent)
		if strings.Contains(w.Body.String(), "<script") || strings.Contains(w.Body.String(), "<img") {
			t.Errorf("%s is not escaped", path)
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %q", path, csp)
		}
	}
	req := httptest.NewRequest("POST", "/act", strings.NewReader("do=delete&key=ACC-1&as="+ExampleAdmin))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Origin", "https://evil.example")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	want(t, "a form from elsewhere", w.Code, 403)
}
