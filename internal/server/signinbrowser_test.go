package server_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/lessor-iam/lessor/internal/testserver"
)

// In a real browser, with its own mind about cookies and content policies, and
// with the provider at another site: sign in, let a program in, sign out.
func TestSignInInABrowser(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("chromium")
	if err != nil {
		testserver.Missing(t, "chromium")
	}
	address := fmt.Sprintf("http://localhost:%d", testserver.Port(t)) // the provider is at 127.0.0.1
	op := testserver.OIDC(t, address, "corp", people)
	g := openGate(t, address, fmt.Sprintf("providers:\n  - {id: corp, name: Example Corp, issuer: %q, client_id: lessor, client_secret_ref: \"file:corp.secret\"}\n", op.Issuer))
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()))
	alloc, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), opts...)
	t.Cleanup(stop)
	tab, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	if err := chromedp.Do(tab); err != nil { // a browser lives as long as the context that it was first asked in
		t.Fatalf("start chromium: %v", err)
	}
	const patience = 2 * time.Minute
	look := func(expression string) (bool, error) {
		ctx, cancel := context.WithTimeout(tab, patience)
		defer cancel()
		return chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
	}
	read := func() (string, error) {
		ctx, cancel := context.WithTimeout(tab, patience)
		defer cancel()
		return chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	}
	says := func(want string) {
		t.Helper()
		testserver.Await(t, want, patience, func() error {
			text, err := read()
			if err == nil && !strings.Contains(text, want) { // an error is a page that is being left
				err = fmt.Errorf("the page says:\n%s", text)
			}
			return err
		})
	}
	press := func(text string) {
		t.Helper()
		says(text)
		if _, err := look(fmt.Sprintf(`([...document.querySelectorAll("button, a")].find(e => e.innerText.trim().startsWith(%q)).click(), true)`, text)); err != nil {
			t.Fatal(err)
		}
	}
	fill := func(name, text string) {
		t.Helper()
		if ok, err := look(fmt.Sprintf(`(document.querySelector("[name=" + %q + "]").value = %q, true)`, name, text)); !ok || err != nil {
			t.Fatal(err)
		}
	}
	open := func(path string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(tab, patience)
		defer cancel()
		if err := chromedp.Do(ctx, chromedp.Navigate(address+path)); err != nil {
			t.Fatal(err)
		}
	}
	open("/requests")
	press("Sign in with Example Corp")
	says("Go") // the provider's page
	fill("login", "s-ann")
	press("Go")
	says("Ann Archer")
	if ok, err := look(`location.href === ` + fmt.Sprintf("%q", address+"/requests") + ` && document.cookie === ""`); !ok || err != nil {
		t.Errorf("where it is, or what script can read of it: %v", err)
	}
	l := laptop{g, t.TempDir()}
	_, code, end := l.login()
	open("/sign-in/cli")
	fill("code", code)
	press("Go on")
	says("Is this yours?")
	press("Let it in")
	says("It is let in")
	if n, said := end(); n != 0 {
		t.Errorf("login: %d %s", n, said)
	}
	open("/access")
	press("Sign out")
	says("Sign in with Example Corp")
	press("Sign out of Example Corp")
	says("Yes, sign me out")
	press("Yes, sign me out")
	says("Sign in with Example Corp")
}
