package kubernetes

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/lessor-iam/lessor/internal/leak"
)

// podSpec is what we read of a pod's specification.
type podSpec struct {
	Account    string      `json:"serviceAccountName"`
	Automount  *bool       `json:"automountServiceAccountToken"`
	Containers []container `json:"containers"`
	First      []container `json:"initContainers"`
	Later      []container `json:"ephemeralContainers"`
	Volumes    []struct {
		ConfigMap nameOf `json:"configMap"`
		Projected struct {
			Sources []struct {
				ConfigMap nameOf `json:"configMap"`
			} `json:"sources"`
		} `json:"projected"`
	} `json:"volumes"`
}

type nameOf struct {
	Name string `json:"name"`
}

type container struct {
	Name    string   `json:"name"`
	Command []string `json:"command"`
	Args    []string `json:"args"`
	Env     []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
		From  struct {
			ConfigMap nameOf `json:"configMapKeyRef"`
		} `json:"valueFrom"`
	} `json:"env"`
	EnvFrom []struct {
		ConfigMap nameOf `json:"configMapRef"`
	} `json:"envFrom"`
}

type configMap struct {
	Metadata meta              `json:"metadata"`
	Data     map[string]string `json:"data"`
}

// account is as whom it acts.
func (p podSpec) account() string {
	if p.Account == "" {
		return "default"
	}
	return p.Account
}

func (p podSpec) containers() []container { return slices.Concat(p.First, p.Containers, p.Later) }

// configMaps are those that it reads, each once.
func (p podSpec) configMaps() (names []string) {
	for _, v := range p.Volumes {
		names = append(names, v.ConfigMap.Name)
		for _, s := range v.Projected.Sources {
			names = append(names, s.ConfigMap.Name)
		}
	}
	for _, c := range p.containers() {
		for _, e := range c.Env {
			names = append(names, e.From.ConfigMap.Name)
		}
		for _, e := range c.EnvFrom {
			names = append(names, e.ConfigMap.Name)
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(slices.Compact(names), func(name string) bool { return name == "" })
}

// cloudKeys are variables by which programs sign in at a cloud with a key that does not
// end by itself, wherever it stands; each cloud takes the service account's token instead.
var cloudKeys = []string{"AWS_SECRET_ACCESS_KEY", "ARM_CLIENT_SECRET", "AZURE_CLIENT_SECRET"}

// plain says what of it gives something away. What a secret is worth is in none of it.
func (p podSpec) plain() (what []string) {
	for _, c := range p.containers() {
		for _, e := range c.Env {
			if kind := inPlain(e.Name, e.Value); kind != "" {
				what = append(what, fmt.Sprintf("a %s stands in plain in the variable %s of container %s", kind, e.Name, c.Name))
			} else if slices.Contains(cloudKeys, e.Name) {
				what = append(what, fmt.Sprintf("container %s signs in at a cloud by a key that does not end by itself, %s", c.Name, e.Name))
			}
		}
		if kind := shaped(strings.Join(slices.Concat(c.Command, c.Args), "\n")); kind != "" {
			what = append(what, fmt.Sprintf("a %s stands in plain in what container %s is called with", kind, c.Name))
		}
	}
	return what
}

func (m configMap) plain() (what []string) {
	for _, key := range slices.Sorted(maps.Keys(m.Data)) {
		if kind := inPlain(key, m.Data[key]); kind != "" {
			what = append(what, fmt.Sprintf("a %s stands in plain in %s of ConfigMap %s", kind, key, m.Metadata.Name))
		}
	}
	return what
}

var (
	// passwordNames are names of which only a secret is the value; of the others a name or a
	// place may be as well, so their values must look drawn.
	passwordNames = regexp.MustCompile(`(?i)(?:^|[_.-])(?:password|passwd|passphrase|pwd)$`)
	secretNames   = regexp.MustCompile(`(?i)(?:^|[_.-])(?:secret|token|credentials?|(?:api|access|secret|private|encryption|signing)[_.-]?key)$`)
	// elsewhere is where a value is put in by something else.
	elsewhere = regexp.MustCompile(`\$\{[^}]*\}|\$\([^)]*\)|\{\{[^}]*\}\}|<[^<>\s]*>|%[A-Za-z_]+%`)
	// inScripts is how a shell has it.
	inScripts = regexp.MustCompile(`\$[A-Za-z_][A-Za-z0-9_]*`)
)

// inPlain says which kind of secret a value is that stands under a name; empty: none that
// can be told.
func inPlain(name, value string) (kind string) {
	if kind := shaped(value); kind != "" {
		return kind
	}
	value = strings.TrimSpace(elsewhere.ReplaceAllString(value, ""))
	switch {
	case len(value) < 4, strings.ContainsAny(value, "\n\x00"), slices.Contains([]string{"true", "false", "none", "null"}, strings.ToLower(value)), place(value):
		return ""
	case passwordNames.MatchString(name):
		return "password"
	case secretNames.MatchString(name) && (len(value) >= 8 && drawn(value)):
		return "secret"
	}
	return ""
}

// place says that a value is where something is, and not what it is.
func place(value string) bool {
	scheme, rest, _ := strings.Cut(value, ":")
	return strings.HasPrefix(value, "/") || strings.HasPrefix(value, "./") || strings.HasPrefix(rest, "//") ||
		slices.Contains([]string{"env", "file", "vault", "secret", "arn", "ref"}, strings.ToLower(scheme)) && rest != ""
}

// drawn says that it has letters and digits, as what is made at random has.
func drawn(value string) bool {
	return strings.ContainsFunc(value, unicode.IsDigit) && strings.ContainsFunc(value, unicode.IsLetter)
}

// shaped says which kind of secret stands in a text that cannot be anything else.
func shaped(text string) (kind string) {
	_, found := leak.Redact(inScripts.ReplaceAllString(elsewhere.ReplaceAllString(text, ""), ""))
	for _, k := range found {
		switch k {
		case leak.PrivateKey, leak.WebToken, leak.CloudKey, leak.Token, leak.InURL:
			return string(k)
		}
	}
	return ""
}
