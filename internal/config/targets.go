package config

import (
	"net/url"
	"strings"

	"github.com/lessor-iam/lessor/internal/secret"
	"github.com/lessor-iam/lessor/internal/yaml"
)

// settings reads a system's settings. What they mean is the connector's to say;
// here only secrets are kept out: a key that ends in _ref is a reference to one,
// and a key that sounds like one must be written so. References to files, and
// keys that end in _file, are paths from the folder. No message repeats a value.
func (d *files) settings(f fields) map[string]string {
	v, ok := f.value("settings")
	if !ok || v.Kind == yaml.Null {
		return nil
	}
	if v.Kind != yaml.Map {
		f.problem("settings", "settings must be a mapping of names to texts, not %s", v.Kind)
		return nil
	}
	out := make(map[string]string, len(v.Keys))
	for i := range v.Keys {
		e := &v.Keys[i]
		if !keyForm.MatchString(e.Key) {
			f.r.problem(mark{f.file, e.Line, e.Col}, "a setting's name must be a-z, 0-9 and underscore")
			continue
		}
		text, ok := f.setting(e)
		switch {
		case !ok:
			continue
		case strings.HasSuffix(e.Key, "_ref"):
			text = d.absoluteRef(text)
		case strings.HasSuffix(e.Key, "_file") && text != "":
			text = d.path(text)
		}
		out[e.Key] = text
	}
	return out
}

func (f fields) setting(e *yaml.Entry) (string, bool) {
	at := mark{f.file, e.Value.Line, e.Value.Col}
	if e.Value.Kind == yaml.Number || e.Value.Kind == yaml.Bool { // a port or a switch; the connector reads it
		return e.Value.Text, true
	}
	text, ok := f.r.textOf(f.file, e.Key, &e.Value)
	switch {
	case !ok:
		return "", false
	case strings.HasSuffix(e.Key, "_ref"):
		if err := secret.Check(text); err != nil {
			f.r.problem(at, "%s: %v", e.Key, err)
		}
	case soundsSecret(e.Key):
		f.r.problem(at, "a secret does not belong in this file: write %s_ref: env:NAME or %s_ref: file:PATH", e.Key, e.Key)
	case carriesPassword(text):
		f.r.problem(at, "%s carries a password: a secret does not belong in this file", e.Key)
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
