package openssh

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

const aHostKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6RdO3CfYx0pEjZ1ZOQcGRqmZkzCiEbLpFAzC8bHj2d"

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		change func(*Config)
		says   string // "": it is right
	}{
		"the least":   {func(*Config) {}, ""},
		"all":         {func(c *Config) { c.Address, c.Timeout = "[::1]:2222", time.Second }, ""},
		"IPv6":        {func(c *Config) { c.Address = "::1" }, ""},
		"two keys":    {func(c *Config) { c.HostKeys = "# old\n" + aHostKey + " root@web\n\n" + aHostKey + "\n" }, ""},
		"no address":  {func(c *Config) { c.Address = "" }, "Address"},
		"no port":     {func(c *Config) { c.Address = "web:0" }, "Address"},
		"a user":      {func(c *Config) { c.Address = "root@web" }, "Address"},
		"a URL":       {func(c *Config) { c.Address = "ssh://web" }, "Address"},
		"no user":     {func(c *Config) { c.User = "" }, "User"},
		"an option":   {func(c *Config) { c.User = "-oX=y" }, "User"},
		"no key":      {func(c *Config) { c.Key = nil }, "Key"},
		"no CA":       {func(c *Config) { c.CA = nil }, "CA"},
		"no host key": {func(c *Config) { c.HostKeys = "# none\n" }, "HostKeys"},
		"a bad one":   {func(c *Config) { c.HostKeys = "web " + aHostKey }, "HostKeys"},
		"no time":     {func(c *Config) { c.Timeout = -1 }, "Timeout"},
	} {
		cfg := Config{Address: "web.example.org", User: "lessor", Key: func() string { return "" }, CA: func() string { return "" }, HostKeys: aHostKey}
		x.change(&cfg)
		c, err := New(cfg)
		switch {
		case x.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case x.says != "" && (err == nil || !strings.Contains(err.Error(), x.says)):
			t.Errorf("%s: %v, want an error about %q", name, err, x.says)
		}
		if c != nil {
			_ = c.Close()
		}
	}
}

// Who we are and whom we speak to is checked before anything is sent, and what is
// said of it names no secret.
func TestWhoIsWho(t *testing.T) {
	t.Parallel()
	w := open(t)
	other := w.KeyGen(t, "other")
	for name, x := range map[string]struct {
		change func(*Config)
		want   error
		says   string
	}{
		"another host's key": {func(c *Config) { c.HostKeys = w.Read(t, "other.pub") }, connector.ErrUnreachable, "another key"},
		"not our key":        {func(c *Config) { c.Key = func() string { return other } }, connector.ErrRefused, w.Admin},
		"no key":             {func(c *Config) { c.Key = func() string { return "" } }, connector.ErrUnreachable, "no private key"},
		"half a key":         {func(c *Config) { c.Key = func() string { return other[:200] } }, connector.ErrUnreachable, "private key"},
		"nobody there":       {func(c *Config) { c.Address = "127.0.0.1:1" }, connector.ErrUnreachable, "127.0.0.1:1"},
		"another user":       {func(c *Config) { c.User = "nobody-there" }, connector.ErrRefused, "nobody-there"},
	} {
		cfg := w.config()
		x.change(&cfg)
		err := connect(t, cfg).Apply(t.Context(), []connector.Change{remove("ann", "deploy")})[0].Err
		if !errors.Is(err, x.want) || !strings.Contains(err.Error(), x.says) || strings.Contains(err.Error(), other[100:120]) {
			t.Errorf("%s: %v, want %q and %q", name, err, x.want, x.says)
		}
	}
	cfg := w.config()
	cfg.CA = func() string { return "" }
	if s := connect(t, cfg).Look(t.Context(), []connector.Ref{ref("ann", "deploy")})[0]; s.Err == nil {
		t.Errorf("without the CA's key a door was tried: %+v", s)
	}
}

func FuzzPrincipal(f *testing.F) {
	for _, s := range []string{"ann", "a#b", "a b", "%23", "%2f", "é", "", "%", "%zz", "a\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		p := Principal(name)
		if strings.ContainsAny(p, " \t\r\n#,\"\x00*?!") || account(p) != name {
			t.Errorf("%q is written %q and read %q", name, p, account(p))
		}
		if back := account(name); Principal(back) != name && back != name {
			t.Errorf("%q is nobody's, and read as %q", name, back)
		}
	})
}
