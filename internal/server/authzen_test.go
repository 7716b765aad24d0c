package server

import (
	"testing"

	"github.com/lessor-iam/lessor/internal/config"
)

// An address is a ticket's only where it is an issue's page at a configured site.
func TestTicketAt(t *testing.T) {
	t.Parallel()
	sites := []config.JiraSite{{ID: "acme", URL: "https://acme.atlassian.net"}, {ID: "own", URL: "https://jira.example/tracker"}}
	for address, want := range map[string]string{
		"https://acme.atlassian.net/browse/ACC-41":              "jira:ACC-41",
		"https://ACME.atlassian.net/browse/ACC-41?focused=1#c":  "jira:ACC-41",
		"https://jira.example/tracker/browse/OPS-7":             "jira:OPS-7",
		"https://jira.example/browse/OPS-7":                     "",
		"https://jira.example/other/tracker/browse/OPS-7":       "",
		"http://acme.atlassian.net/browse/ACC-41":               "",
		"https://evil.example/browse/ACC-41":                    "",
		"https://acme.atlassian.net.evil.example/browse/ACC-41": "",
		"https://acme.atlassian.net@evil.example/browse/ACC-41": "",
		"https://user@acme.atlassian.net/browse/ACC-41":         "",
		"https://acme.atlassian.net/browse/ACC-41/../../x":      "",
		"https://acme.atlassian.net/x?y=/browse/ACC-41":         "",
		"https://acme.atlassian.net/browse/acc-41":              "",
		"https://acme.atlassian.net/browse/ACC-41%0aX":          "",
		"https://acme.atlassian.net:8443/browse/ACC-41":         "",
		"javascript:alert(1)//acme.atlassian.net/browse/ACC-41": "",
		"": "",
	} {
		if got := ticketAt(sites, address); got != want {
			t.Errorf("%s is %q, want %q", address, got, want)
		}
	}
}
