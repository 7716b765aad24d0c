package kubernetes

import (
	"strings"
	"testing"
)

// What stands in plain is told from where it stands, from names of things, and from
// what is put in by something else.
func TestInPlain(t *testing.T) {
	t.Parallel()
	jwt := "eyJhbGciOiJIUzI1NiJ9" + "." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9"
	for _, c := range []struct{ name, value, kind string }{
		{"DB_PASSWORD", "swordfish", "password"},
		{"db.password", "correct horse", "password"},
		{"spring-datasource-password", "x1y2", "password"},
		{"PWD", "/home/app", ""},
		{"DB_PASSWORD", "", ""},
		{"DB_PASSWORD", "$(DB_PASSWORD_OF_STORE)", ""},
		{"DB_PASSWORD", "{{ .Values.password }}", ""},
		{"DB_PASSWORD", "/run/secrets/db", ""},
		{"DB_PASSWORD", "vault:secret/data/db#password", ""},
		{"DB_PASSWORD_FILE", "/run/secrets/db", ""},
		{"PASSWORD_MIN_LENGTH", "12", ""},
		{"COMPASSWORDS", "hunter22", ""},
		{"API_TOKEN", "9f86d081884c7d65", "secret"},
		{"API_KEY", "0a1b2c3d4e5f", "secret"},
		{"API_KEY_HEADER", "x-api-key-1", ""},
		{"TLS_SECRET", "web-tls", ""}, // the name of one
		{"CSRF_TOKEN", "true", ""},
		{"TOKEN_URL", "https://id.example.org/token", ""},
		{"DB_URL", "postgres://app:s3cret@db/shop", "password in URL"},
		{"DB_URL", "postgres://app:$(PASS)@db/shop", ""},
		{"DB_URL", "postgres://app:${PASS}@db/shop", ""},
		{"DB_URL", "postgres://db/shop", ""},
		{"ANYTHING", jwt, "web token"},
		{"aws", "AKIA" + "IOSFODNN7EXAMPLE", "cloud key"},
		{"git", "ghp_" + strings.Repeat("a1B2", 9), "token"},
		{"tls.key", "-----BEGIN EC PRIVATE " + "KEY-----\nMHcC\n-----END EC PRIVATE " + "KEY-----", "private key"},
		{"ca.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----", ""},
		{"application.yaml", "spring:\n  datasource:\n    password: ${DB_PASSWORD}\n    url: jdbc:postgresql://db/shop\n", ""},
		{"nginx.conf", "proxy_set_header Authorization $http_authorization;\nlimit_req_zone key=10;\n", ""},
	} {
		if kind := inPlain(c.name, c.value); kind != c.kind {
			t.Errorf("%s=%s is %q, want %q", c.name, c.value, kind, c.kind)
		}
	}
}
