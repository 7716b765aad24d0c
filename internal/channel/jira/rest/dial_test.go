package rest

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestWhereASiteMayBe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, ip string
		may      bool
	}{
		{"jira.example.org", "10.1.2.3", true},
		{"jira.example.org", "203.0.113.7", true},
		{"jira.example.org", "2001:db8::1", true},
		{"jira.example.org", "127.0.0.1", false},
		{"jira.example.org", "::1", false},
		{"jira.example.org", "::ffff:127.0.0.1", false},
		{"jira.example.org", "169.254.169.254", false},
		{"jira.example.org", "::ffff:169.254.169.254", false},
		{"jira.example.org", "fe80::1", false},
		{"jira.example.org", "0.0.0.0", false},
		{"jira.example.org", "::", false},
		{"jira.example.org", "224.0.0.1", false},
		{"localhost", "127.0.0.1", true},
		{"127.0.0.1", "127.0.0.1", true},
	} {
		if got := mayDial(netip.MustParseAddr(c.ip), c.host); got != c.may {
			t.Errorf("%s at %s: %t", c.host, c.ip, got)
		}
	}
}

// A name that leads to this machine is found out when it is dialled, whatever it
// led to before.
func TestRebinding(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	t.Cleanup(server.Close)
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	base, err := url.Parse("https://jira.example.org")
	if err != nil {
		t.Fatal(err)
	}
	tr := transport(base, Config{})
	// The dialler is handed the name; here an address stands for what it leads to.
	base.Host = "127.0.0.1:" + port
	conn, err := tr.DialContext(context.Background(), "tcp", base.Host)
	if err != nil {
		t.Fatalf("a proxy on this machine is allowed: %v", err)
	}
	conn.Close()
	odd := transport(&url.URL{Scheme: "https", Host: "0.0.0.0"}, Config{})
	if conn, err := odd.DialContext(context.Background(), "tcp", "0.0.0.0:"+port); err == nil {
		conn.Close()
		t.Error("0.0.0.0 was dialled")
	} else if !strings.Contains(err.Error(), "no Jira") {
		t.Errorf("%v", err)
	}
}
