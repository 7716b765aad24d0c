package config

import (
	"cmp"
	"net/netip"
	"net/url"
	"regexp"
	"strings"

	"github.com/lessor-iam/lessor/internal/yaml"
)

var (
	numberForm = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)
	hostForm   = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$`)
	portForm   = regexp.MustCompile(`^(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$`)
	pathForm   = regexp.MustCompile(`^(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$`) // no segment is . or ..
)

// option is one entry of a mapping whose keys are ids in Jira.
type option struct {
	id, text string
	at       mark
}

// options reads a mapping of ids in Jira to texts.
func (f fields) options(key, values string) []option {
	v, ok := f.value(key)
	switch {
	case !ok:
		return nil
	case v.Kind != yaml.Map:
		f.problem(key, "%s must be a mapping of ids in Jira to %s, not %s", key, values, v.Kind)
		return nil
	case len(v.Keys) == 0:
		f.problem(key, "%s is empty", key)
	}
	out := make([]option, 0, len(v.Keys))
	for i := range v.Keys {
		e := &v.Keys[i]
		fits := f.r.checkNumber(mark{f.file, e.Line, e.Col}, "a key of "+key, e.Key)
		text, ok := f.r.textOf(f.file, "an entry of "+key, &e.Value)
		if fits && ok {
			out = append(out, option{id: e.Key, text: text, at: mark{f.file, e.Value.Line, e.Value.Col}})
		}
	}
	return out
}

// number reads an id that Jira gives.
func (f fields) number(key string) string {
	text, ok := f.read(key)
	if !ok || !f.r.checkNumber(f.at(key), key, text) {
		return ""
	}
	return text
}

func (r *report) checkNumber(at mark, what, id string) bool {
	fits := numberForm.MatchString(id)
	if !fits {
		r.problem(at, `%s must be an id that Jira gives, such as "10041": digits, never a name`, what)
	}
	return fits
}

// address reads where a web server is, and writes it in one way only. No message
// repeats what was written, which may hold a password.
func (f fields) address(key string) string {
	text, ok := f.read(key)
	if !ok {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Opaque != "" {
		f.problem(key, "%s must be https://HOST or https://HOST/PATH", key)
		return ""
	}
	host, port, path := strings.ToLower(u.Hostname()), u.Port(), strings.TrimSuffix(u.EscapedPath(), "/")
	if why := unfitAddress(u, host, path); why != "" || strings.ContainsAny(text, "?#") {
		f.problem(key, "%s %s", key, cmp.Or(why, "must end with the host or a path: nothing after ? or #"))
		return ""
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && u.Scheme+port != "https443" && u.Scheme+port != "http80" {
		host += ":" + port
	}
	return u.Scheme + "://" + host + path
}

// unfitAddress says why a token must not be sent there: never in the clear, and
// never where it takes more than a glance to see who gets it.
func unfitAddress(u *url.URL, host, path string) string {
	ip, err := netip.ParseAddr(host)
	switch {
	case u.User != nil:
		return "must not hold a name or a password"
	case u.Scheme != "https" && u.Scheme != "http":
		return "must begin with https://"
	case u.Scheme == "http" && host != "localhost" && (err != nil || !ip.IsLoopback()):
		return "must begin with https://: http is for this machine's own loopback alone"
	case err == nil && ip.Zone() != "", err != nil && !hostForm.MatchString(host):
		return "must hold a host name of a-z, 0-9, dot and hyphen, or an address"
	case strings.HasSuffix(u.Host, ":"), u.Port() != "" && !portForm.MatchString(u.Port()):
		return "must hold a port from 1 to 65535, or none"
	case !pathForm.MatchString(path):
		return "must hold a path of plain words between slashes, or none"
	}
	return ""
}
