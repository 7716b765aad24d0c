package demo

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/auth"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/server"
	"github.com/lessor-iam/lessor/internal/web"
)

// face is one of the people the demo lets anybody be.
type face struct{ ID, Name, Does string }

// signIn lets whoever is on this machine be anybody of the example company, by
// one click. It is made here and handed to the server: a server that is not the
// demo's has no such route.
func signIn(c *config.Config) server.Local {
	people := faces(c)
	return func(sessions *auth.Sessions) (http.Handler, error) {
		sheets, err := web.NewSheets()
		if err != nil {
			return nil, err
		}
		mux := http.NewServeMux()
		mux.HandleFunc("GET /sign-in", func(w http.ResponseWriter, r *http.Request) {
			if err := sheets.Show(w, r, http.StatusOK, "Sign in", chooseWho(people, web.Next(r))); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
		mux.HandleFunc("POST /sign-in", func(w http.ResponseWriter, r *http.Request) {
			who := r.PostFormValue("who")
			if !slices.ContainsFunc(people, func(f face) bool { return f.ID == who }) {
				http.NotFound(w, r)
				return
			}
			if err := sessions.Begin(w, r, who, ""); err != nil {
				http.Error(w, err.Error(), http.StatusForbidden)
				return
			}
			http.Redirect(w, r, web.Next(r), http.StatusSeeOther)
		})
		return loopbackOnly(mux), nil
	}
}

// loopbackOnly refuses a name that is not this machine's own: a page elsewhere
// whose name was made to point here is another origin and must not get in.
func loopbackOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		ip := net.ParseIP(strings.Trim(host, "[]"))
		if host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// faces are the company's people, with what each is there.
func faces(c *config.Config) (list []face) {
	dir := c.Directory
	for _, id := range dir.Identities() {
		i, _ := dir.Identity(id)
		if i.Kind != access.Person {
			continue
		}
		var does []string
		switch {
		case i.External:
			does = append(does, "external")
		default:
			does = append(does, i.Department)
		}
		manages, owns := 0, 0
		for _, other := range dir.Identities() {
			if o, _ := dir.Identity(other); o.Manager == id {
				manages++
			}
		}
		for _, e := range dir.Entitlements() {
			if ent, _ := dir.Entitlement(e); slices.Contains(ent.Owners, id) {
				owns++
			}
		}
		if manages > 0 {
			does = append(does, "manages people")
		}
		if owns > 0 {
			does = append(does, "owns access")
		}
		list = append(list, face{id, i.Name, strings.Join(does, ", ")})
	}
	slices.SortFunc(list, func(a, b face) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
