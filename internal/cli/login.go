package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
)

func (a *app) loginCommand() *cobra.Command {
	return &cobra.Command{Use: "login", Short: "Sign in at a server as yourself: type a code at its portal", Args: takes(cobra.NoArgs),
		Long: `Sign in at a server as yourself. It shows a code; type it at the server's
portal, where you sign in as you always do. The token it gets is kept in a file
that only you can read, ends by itself, and does nothing that needs a stronger
sign-in: those things are done at the portal.`,
		RunE: func(c *cobra.Command, _ []string) error {
			base, err := a.base()
			if err != nil {
				return err
			}
			file, err := a.loginFile(base)
			if err != nil {
				return err
			}
			server := a.client(base, "")
			w, err := server.AskLogin(c.Context(), "lessor on "+here())
			if err != nil {
				return err
			}
			fmt.Fprintf(a.err, "open %s and type the code %s\n", plain(w.Page), plain(w.Code))
			l, err := server.Collect(c.Context(), w)
			if err != nil {
				return err
			}
			if err := keepLogin(file, kept{Server: base, Login: l}); err != nil {
				return errors.Join(err, a.client(base, l.Token).Logout(c.Context())) // a token that nobody can find is nobody's to end
			}
			return a.done(map[string]any{"server": base, "identity": l.Identity, "end": l.End}, "signed in at %s as %s until %s", base, l.Identity, stamp(l.End))
		}}
}

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{Use: "logout", Short: "End what login began, at the server and here", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			base, err := a.base()
			if err != nil {
				return err
			}
			file, err := a.loginFile(base)
			if err != nil {
				return err
			}
			was, err := readLogin(file)
			if err != nil {
				return err
			}
			if was.Token == "" {
				return fmt.Errorf("%w: nobody is signed in at %s", access.ErrNotFound, base)
			}
			// At the server first: a file that is gone leaves a token that nobody can end.
			if err := a.client(base, was.Token).Logout(c.Context()); err != nil && !errors.Is(err, access.ErrDenied) {
				return err
			}
			if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return a.done(map[string]string{"server": base, "done": "signed out"}, "signed out of %s", base)
		}}
}

// here is what a person at the portal reads of this machine. Nothing proves it.
func here() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		return "a machine without a name"
	}
	return plain(name)
}

// kept is a login as it is kept in a file.
type kept struct {
	Server string `json:"server"`
	client.Login
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// loginFile is where the login at a server is kept: one file a server.
func (a *app) loginFile(base string) (string, error) {
	dir := a.env("XDG_CONFIG_HOME")
	if dir == "" {
		home := a.env("HOME")
		if home == "" {
			return "", fmt.Errorf("%w: there is no place to keep a login: set HOME or XDG_CONFIG_HOME", errUsage)
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "lessor", "logins", unfit.ReplaceAllString(base, "_")+".json"), nil
}

// keepLogin writes a login for its owner's eyes, in place of the one before, whole.
func keepLogin(file string, k kept) error {
	raw, err := json.Marshal(k)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), "login-*") // for its owner alone from the first byte
	if err != nil {
		return err
	}
	_, err = f.Write(append(raw, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// readLogin reads one; that there is none is no error.
func readLogin(file string) (k kept, err error) {
	st, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return k, nil
	case err != nil:
		return k, err
	case st.Mode().Perm()&0o077 != 0:
		return k, fmt.Errorf("%w: %s may be read by others: take that away (chmod 600), and sign in anew if somebody has", access.ErrDenied, file)
	}
	raw, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(raw, &k)
	}
	if err != nil {
		return k, fmt.Errorf("%w: %s is not what login wrote: %w", access.ErrInvalid, file, err)
	}
	return k, nil
}

// loggedIn is the token that login keeps for a server; empty where there is none.
func (a *app) loggedIn(base string) (string, error) {
	file, err := a.loginFile(base)
	if err != nil {
		return "", nil //nolint:nilerr // without a home nobody has signed in
	}
	k, err := readLogin(file)
	switch {
	case err != nil:
		return "", err
	case k.Token != "" && k.Server != base:
		return "", fmt.Errorf("%w: %s is of %s, not of %s: sign in anew with lessor login", access.ErrInvalid, file, k.Server, base)
	case k.Token != "" && !time.Now().Before(k.End):
		return "", fmt.Errorf("%w: the sign-in at %s has ended: lessor login", access.ErrDenied, base)
	}
	return k.Token, nil
}
