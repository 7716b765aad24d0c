package server_test

import (
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/server"
)

func TestGiteaSettings(t *testing.T) {
	t.Parallel()
	const rest = "      url: https://git.example.org\n      token_ref: env:HOME\n"
	for settings, want := range map[string]string{
		rest:                                             "",
		rest + "      lingers: 1h\n":                     "",
		rest + "      no_lfs: true\n":                    "",
		rest + "      timeout: 5s\n":                     "",
		rest + "      reader_token_ref: env:HOME\n":      "",
		"      url: https://git.example.org\n":           `"token_ref" is needed`,
		"      token_ref: env:HOME\n":                    `"url" is needed`,
		rest + "      plain: true\n":                     `has no setting "plain"`,
		rest + "      ca_file: /there/is/none\n":         "ca_file",
		strings.Replace(rest, "https:", "http:", 1):      "must begin with https://",
		strings.Replace(rest, ".org", ".org/api/v1", 1):  "without /api/v1",
		rest + "      lingers: 1h\n      no_lfs: true\n": "one of the two, not both",
	} {
		_, _, _, err := server.Check(connected(t, "gitea", settings))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", settings, err, want)
		}
	}
}
