package postgres

import (
	"strings"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		change func(*Config)
		says   string // "": it is right
	}{
		"the least": {func(*Config) {}, ""},
		"all": {func(c *Config) {
			c.URL, c.Timeout, c.Connections = "postgresql://db.example.org:6432/hr", time.Second, 8
		}, ""},
		"IPv6":             {func(c *Config) { c.URL = "postgres://[::1]:5432" }, ""},
		"plain, loopback":  {func(c *Config) { c.URL, c.Plain = "postgres://localhost", true }, ""},
		"plain, elsewhere": {func(c *Config) { c.Plain = true }, "loopback only"},
		"no URL":           {func(c *Config) { c.URL = "" }, "postgres://"},
		"no host":          {func(c *Config) { c.URL = "postgres:///hr" }, "one host"},
		"two hosts":        {func(c *Config) { c.URL = "postgres://a,b/hr" }, "one host"},
		"a socket":         {func(c *Config) { c.URL = "postgres:///tmp/hr" }, "one host"},
		"a password":       {func(c *Config) { c.URL = "postgres://u:secret-1@db/hr" }, "alone"},
		"parameters":       {func(c *Config) { c.URL = "postgres://db/hr?sslmode=disable" }, "alone"},
		"another scheme":   {func(c *Config) { c.URL = "https://db" }, "postgres://"},
		"no port":          {func(c *Config) { c.URL = "postgres://db:0" }, "port"},
		"a path":           {func(c *Config) { c.URL = "postgres://db/a/b" }, "database"},
		"no user":          {func(c *Config) { c.User = "" }, "User"},
		"a NUL":            {func(c *Config) { c.User = "a\x00b" }, "User"},
		"no password":      {func(c *Config) { c.Password = nil }, "Password"},
		"no time":          {func(c *Config) { c.Timeout = -1 }, "Timeout"},
		"many connections": {func(c *Config) { c.Connections = 65 }, "Connections"},
	} {
		cfg := Config{URL: "postgres://db.example.org", User: svc, Password: func() string { return svcSecret }}
		x.change(&cfg)
		c, err := New(cfg)
		switch {
		case x.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case x.says != "" && (err == nil || !strings.Contains(err.Error(), x.says)):
			t.Errorf("%s: %v, want %q in it", name, err, x.says)
		case err != nil && strings.Contains(err.Error(), "secret-1"):
			t.Errorf("%s: the password stands in %v", name, err)
		}
		if c != nil {
			_ = c.Close()
		}
	}
}
