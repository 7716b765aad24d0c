package config

import (
	"net/url"
	"strings"

	"github.com/lessor-iam/lessor/internal/secret"
)

// settings reads a system's settings. What they mean is the connector's to say;
// here only secrets are kept out: a key that ends in _ref is a reference to one,
// and a key that sounds like one must be written so. References to files, and
// keys that end in _file, are paths from the folder. No message repeats a value.
func (d *files) settings(f fields) map[string]string {
	v, ok := f.value("settings")
	if !ok || v.kind == nullKind {
		return nil
	}
	if v.kind != mapKind {
		f.problem("settings", "settings must be a mapping of names to texts, not %s", v.kind)
		return nil
	}
	out := make(map[string]string, len(v.keys))
	for i := range v.keys {
		e := &v.keys[i]
		if !keyForm.MatchString(e.key) {
			f.r.problem(mark{f.file, e.line, e.col}, "a setting's name must be a-z, 0-9 and underscore")
			continue
		}
		text, ok := f.setting(e)
		switch {
		case !ok:
			continue
		case strings.HasSuffix(e.key, "_ref"):
			text = d.absoluteRef(text)
		case strings.HasSuffix(e.key, "_file") && text != "":
			text = d.path(text)
		}
		out[e.key] = text
	}
	return out
}

func (f fields) setting(e *entry) (string, bool) {
	at := mark{f.file, e.value.line, e.value.col}
	if e.value.kind == numberKind || e.value.kind == boolKind { // a port or a switch; the connector reads it
		return e.value.text, true
	}
	text, ok := f.r.textOf(f.file, e.key, &e.value)
	switch {
	case !ok:
		return "", false
	case strings.HasSuffix(e.key, "_ref"):
		if err := secret.Check(text); err != nil {
			f.r.problem(at, "%s: %v", e.key, err)
		}
	case soundsSecret(e.key):
		f.r.problem(at, "a secret does not belong in this file: write %s_ref: env:NAME or %s_ref: file:PATH", e.key, e.key)
	case carriesPassword(text):
		f.r.problem(at, "%s carries a password: a secret does not belong in this file", e.key)
	}
	return text, true
}

func soundsSecret(key string) bool {
	for _, end := range []string{"password", "passwd", "passphrase", "secret", "token", "api_key", "private_key", "access_key", "dsn"} {
		if key == end || strings.HasSuffix(key, "_"+end) {
			return true
		}
	}
	return false
}

func carriesPassword(text string) bool {
	if !strings.Contains(text, "://") {
		return false
	}
	u, err := url.Parse(text)
	if err != nil {
		return strings.Contains(text, "@") // no telling what stands before it
	}
	_, set := u.User.Password()
	return set
}
