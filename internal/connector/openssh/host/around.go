package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// around asks sshd how it is set up for a user: whether it goes by our file at
// all, and who else it lets in. From where somebody comes may matter to sshd, and
// is nobody's here: what stands behind Match Address is not seen.
func (h *Host) around(ctx context.Context, user string) (*Around, error) {
	cmd := exec.CommandContext(ctx, h.SSHD, "-T", "-f", h.Config, "-C", "user="+user+",host=nobody.invalid,addr=192.0.2.1,laddr=192.0.2.2,lport=22")
	var says, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &says, &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s -T: %w: %s", h.SSHD, err, strings.TrimSpace(complaints.String()))
	}
	set := map[string]string{}
	for line := range strings.Lines(says.String()) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		set[key] = value
	}
	a := &Around{}
	var err error
	if a.Problem, err = h.problem(set, a); err != nil {
		return nil, err
	}
	if c := set["authorizedkeyscommand"]; c != "" && c != "none" {
		a.Notes = append(a.Notes, "sshd asks "+c+" for keys, too")
	}
	return a, h.authorized(ctx, user, set["authorizedkeysfile"], a)
}

// problem says why what we read is not what sshd goes by; "" if it is.
func (h *Host) problem(set map[string]string, a *Around) (string, error) {
	command := strings.Fields(set["authorizedprincipalscommand"])
	n := len(command)
	if n < 4 || !slices.Equal(command[n-3:], []string{"principals", "%u", "%k"}) ||
		!slices.ContainsFunc(command, func(w string) bool { return filepath.Base(w) == h.Self }) {
		return "sshd does not ask " + h.Self + " principals %u %k (AuthorizedPrincipalsCommand)", nil
	}
	if f := set["authorizedprincipalsfile"]; f != "none" {
		return "sshd reads AuthorizedPrincipalsFile " + f + " too, and of those it lets in nobody can be told apart later: set it to none", nil
	}
	ours, err := keys(filepath.Join(h.Dir, "ca.pub"))
	if err != nil {
		return "", err
	}
	trusted, err := keys(set["trustedusercakeys"])
	if err != nil {
		return "", err
	}
	for _, k := range ours {
		if !slices.ContainsFunc(trusted, func(t ssh.PublicKey) bool { return bytes.Equal(t.Marshal(), k.Marshal()) }) {
			return "sshd does not trust a key of ca.pub (TrustedUserCAKeys)", nil
		}
	}
	if more := len(trusted) - len(ours); more > 0 {
		a.Notes = append(a.Notes, fmt.Sprintf("sshd trusts %d more CAs: a certificate of theirs that names the principal of another line lets in, too", more))
	}
	krl := filepath.Join(h.Dir, "krl")
	if _, err := os.Stat(krl); err == nil && set["revokedkeys"] != krl {
		return "sshd does not read " + krl + " (RevokedKeys)", nil
	}
	return "", nil
}

// keys reads public keys, one a line.
func keys(file string) (list []ssh.PublicKey, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		if k, _, _, _, err := ssh.ParseAuthorizedKey(line); err == nil {
			list = append(list, k)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("there is no key in %s", file)
	}
	return list, nil
}

// authorized adds the user's own list of keys, which lets in without a principal.
func (h *Host) authorized(ctx context.Context, user, files string, a *Around) error {
	for _, pattern := range strings.Fields(files) {
		if pattern == "none" {
			continue
		}
		path, err := expand(ctx, pattern, user)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || path == "" {
			continue
		}
		if err != nil {
			return err
		}
		n := 0
		for line := range bytes.Lines(text) {
			n++
			key, comment, options, _, err := ssh.ParseAuthorizedKey(line)
			if err != nil {
				continue // a comment, or what sshd cannot read either
			}
			k := authorizedKey(fmt.Sprintf("%s:%d", path, n), comment, options)
			k.Print = ssh.FingerprintSHA256(key)
			a.Keys = append(a.Keys, k)
		}
	}
	return nil
}

func authorizedKey(where, comment string, options []string) Key {
	k := Key{Where: where, Comment: strings.ToValidUTF8(comment, "\ufffd")}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		switch strings.ToLower(name) {
		case "cert-authority":
			k.CA = true
		case "principals":
			k.Principals = strings.Split(strings.Trim(value, `"`), ",")
		case "expiry-time":
			if ends := expiry(strings.Trim(value, `"`)); k.Ends == 0 || ends < k.Ends {
				k.Ends = ends
			}
		}
	}
	return k
}

// expiry reads a moment as sshd does: by the host's clock, unless a Z says otherwise.
// By what is none sshd lets nobody in: it is long over.
func expiry(s string) int64 {
	zone := time.Local
	if rest, utc := strings.CutSuffix(strings.ToUpper(s), "Z"); utc {
		s, zone = rest, time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return t.Unix()
		}
	}
	return 1
}

// expand puts the user into a pattern of AuthorizedKeysFile. The path is "" for a
// user whom the host does not know.
func expand(ctx context.Context, pattern, user string) (string, error) {
	home, uid := "", ""
	if !filepath.IsAbs(pattern) || strings.Contains(pattern, "%h") || strings.Contains(pattern, "%U") {
		said, err := exec.CommandContext(ctx, "getent", "passwd", user).Output()
		fields := strings.Split(strings.TrimSpace(string(said)), ":")
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 2 {
			return "", nil
		}
		if err != nil || len(fields) < 7 {
			return "", fmt.Errorf("getent passwd %s: %w, and %d fields", user, err, len(fields))
		}
		uid, home = fields[2], fields[5]
	}
	path := strings.NewReplacer("%%", "%", "%h", home, "%u", user, "%U", uid).Replace(pattern)
	if !filepath.IsAbs(path) {
		path = filepath.Join(home, path)
	}
	return path, nil
}
