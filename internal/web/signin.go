package web

import (
	"net/http"
	"net/url"
	"time"

	"github.com/a-h/templ"
)

// Way is one way to sign in.
type Way struct{ Name, Link, Out string } // Out signs out at the provider too; empty: it cannot

// Onward is [Next] of what somebody kept elsewhere than in an address.
func Onward(next string) string { return Next(&http.Request{Form: url.Values{"next": {next}}}) }

// stronger is where somebody who is signed in shows more, and comes back from.
func stronger(strength, back string) templ.SafeURL {
	return templ.SafeURL("/sign-in/stronger?" + url.Values{"strength": {strength}, "next": {back}}.Encode())
}

// SignInPage lists the ways to sign in; said is what just happened.
func SignInPage(ways []Way, said string) templ.Component { return signInPage(ways, said) }

// Note is a page with one thing to say, and one way on.
func Note(title, text, word, link string) templ.Component { return note(title, text, word, link) }

// Program is a program that waits to be let in, as the person sees it.
type Program struct {
	Code, Says  string
	Asked, Till time.Time // Till: how long it could act
}

// CodePage asks for the code that a program shows; wrong says what was wrong with the last.
func CodePage(who, wrong string) templ.Component { return codePage(who, wrong) }

// ProgramPage asks whether a program is to act in somebody's name.
func ProgramPage(who string, p Program) templ.Component { return programPage(who, p) }

// Held is a program that may act in somebody's name.
type Held struct {
	ID, Says    string
	Since, Till time.Time
}

// MinePage lists the programs that somebody has let in; said is what just happened.
func MinePage(who string, list []Held, said string) templ.Component {
	return minePageOf(who, list, said)
}
