package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
)

// The page of a thing shows what its system itself says of it, and what of that the
// catalog leaves out.
func TestWhatASystemSaysIsShown(t *testing.T) {
	t.Parallel()
	p := open(t)
	say := func(seen ...engine.ObjectSeen) {
		t.Helper()
		p.Advance(time.Minute)
		if _, err := p.Engine.ObservedObjects(t.Context(), "dir", p.Now(), seen); err != nil {
			t.Fatal(err)
		}
	}
	eve := p.as("eve")
	eve.goTo("/entitlements?id=dir:wiki")
	if strings.Contains(eve.words(), "itself says") {
		t.Error("something is said")
	}
	say(engine.ObjectSeen{Object: "wiki", Description: "<b>Pages</b> of all", Powers: []string{"read", "admin", "grant"}, Why: "SUPERUSER"}, engine.ObjectSeen{Object: "pay"})
	eve.goTo("/entitlements?id=dir:wiki")
	eve.is(http.StatusOK, "itself says", "<b>Pages</b> of all", "It lets one admin, read hand out access SUPERUSER",
		"The catalog does not say admin and grant. Requests are decided by it all the same.")
	if strings.Contains(eve.page, "<b>Pages") {
		t.Error("a target's words are read as a page")
	}
	eve.goTo("/entitlements?id=dir:pay")
	eve.is(http.StatusOK, "itself says nothing of it but that it is there")
	say()
	eve.goTo("/entitlements?id=dir:wiki")
	if strings.Contains(eve.words(), "itself says") {
		t.Error("what is gone is said")
	}
}
