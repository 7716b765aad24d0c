package server

import (
	"net/http"

	"github.com/lessor-iam/lessor/internal/web"
)

// mine shows the programs that somebody has let in.
func (i *signIn) mine(w http.ResponseWriter, r *http.Request) { i.showMine(w, r, "") }

func (i *signIn) showMine(w http.ResponseWriter, r *http.Request, said string) {
	who, name, ok := i.atDoor(w, r, "/sign-in/mine")
	if !ok {
		return
	}
	tokens, err := i.logins.Of(r.Context(), who.Identity)
	if err != nil {
		i.mineFailed(w, r, err)
		return
	}
	var list []web.Held
	for _, t := range tokens {
		list = append(list, web.Held{ID: t.ID, Says: t.Program, Since: t.Began, Till: t.End})
	}
	i.show(w, r, http.StatusOK, "Where you are signed in", web.MinePage(name, list, said))
}

// endMine ends one of them, or everything.
func (i *signIn) endMine(w http.ResponseWriter, r *http.Request) {
	who, _, ok := i.atDoor(w, r, "/sign-in/mine")
	if !ok {
		return
	}
	id := r.PostFormValue("end")
	if id == "all" {
		n, err := i.sessions.EndAll(r.Context(), who.Identity)
		if err != nil {
			i.mineFailed(w, r, err)
			return
		}
		i.log.InfoContext(r.Context(), "signed out everywhere", "by", who.Identity, "ended", n)
		http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
		return
	}
	if err := i.logins.EndOf(r.Context(), who.Identity, id); err != nil {
		i.mineFailed(w, r, err)
		return
	}
	i.log.InfoContext(r.Context(), "program shut out", "by", who.Identity)
	i.showMine(w, r, "That program acts as you no longer.")
}

func (i *signIn) mineFailed(w http.ResponseWriter, r *http.Request, err error) {
	i.log.ErrorContext(r.Context(), "where you are signed in", "error", err.Error())
	i.note(w, r, http.StatusInternalServerError, "Something failed here", "It is not your doing. The server's log says what it was.", "Try again", "/sign-in/mine")
}
