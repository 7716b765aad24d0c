package jirasim

import "testing"

func TestPermissionsAreEnforced(t *testing.T) {
	t.Parallel()
	r := setup(t)
	tk := r.raised(t)
	issue := "/rest/api/3/issue/" + tk.Key
	cases := []struct {
		name, as, method, path, body string
		status                       int
	}{
		{"nobody", "", "GET", issue, "", 401},
		{"a person browses", paul, "GET", issue, "", 200},
		{"a customer has no platform", carla, "GET", issue, "", 404},
		{"a customer sees no request of others", carla, "GET", "/rest/servicedeskapi/request/" + tk.Key, "", 404},
		{"a person does not edit", paul, "PUT", issue, `{"fields":{"summary":"x"}}`, 403},
		{"an agent edits", agnes, "PUT", issue, `{"fields":{"summary":"x"}}`, 204},
		{"a person does not transition", paul, "POST", issue + "/transitions", `{"transition":{"id":"14"}}`, 400},
		{"a person does not assign", paul, "PUT", issue + "/assignee", `{"accountId":null}`, 403},
		{"an agent does not delete", agnes, "DELETE", issue, "", 403},
		{"a person makes no internal comment", paul, "POST", "/rest/servicedeskapi/request/" + tk.Key + "/comment", `{"body":"x","public":false}`, 403},
		{"a person is no administrator", paul, "GET", "/rest/api/3/auditing/record", "", 403},
		{"only apps register webhooks", ada, "POST", "/rest/api/3/webhook", `{"url":"https://x","webhooks":[]}`, 403},
		{"an administrator deletes", ada, "DELETE", issue, "", 204},
	}
	for _, c := range cases {
		if a := r.ask(t, c.as, c.method, c.path, c.body); a.status != c.status {
			t.Errorf("%s: %d, want %d: %s", c.name, a.status, c.status, a.raw)
		}
	}
}

func TestTokensBelongToTheirUser(t *testing.T) {
	t.Parallel()
	r := setup(t)
	req := r.request("", "GET", "/rest/api/3/myself", "")
	req.SetBasicAuth("ada@example.com", "token-paul")
	want(t, "another's address", r.send(t, r.ServeHTTP, req).status, 401)
	req = r.request("", "GET", "/rest/api/3/myself", "")
	req.Header.Set("Authorization", "Bearer token-paul")
	want(t, "bearer", r.send(t, r.ServeHTTP, req).at("accountId"), ExamplePerson)
	if err := r.EditUser(ExamplePerson, func(u *User) { u.Inactive = true }); err != nil {
		t.Fatal(err)
	}
	want(t, "inactive", r.ask(t, paul, "GET", "/rest/api/3/myself", "").status, 401)
}
