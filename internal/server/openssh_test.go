package server_test

import (
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/server"
)

// The host's key is said beforehand, and both private keys are references.
func TestOpenSSHSettings(t *testing.T) {
	t.Parallel()
	const (
		host = "      address: web1.example.org\n      user: lessor\n"
		keys = "      key_ref: env:HOME\n      ca_ref: env:HOME\n"
		key  = "      host_keys: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6RdO3CfYx0pEjZ1ZOQcGRqmZkzCiEbLpFAzC8bHj2d\n"
	)
	for settings, want := range map[string]string{
		host + keys + key:                                           "",
		host + keys + key + "      timeout: 5s\n":                   "",
		host + keys:                                                 `"host_keys" is needed`,
		host + key + "      ca_ref: env:HOME\n":                     `"key_ref" is needed`,
		host + key + "      key_ref: env:HOME\n":                    `"ca_ref" is needed`,
		keys + key:                                                  `"address" is needed`,
		host + keys + key + "      port: 22\n":                      `has no setting "port"`,
		host + keys + "      host_keys: SHA256:abcdef\n":            "HostKeys",
		strings.Replace(host, "web1", "ssh://web1", 1) + keys + key: "is not host or host:port",
	} {
		_, _, _, err := server.Check(connected(t, "openssh", settings))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", settings, err, want)
		}
	}
}
