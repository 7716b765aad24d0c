package config

import (
	"strings"
	"testing"
)

func TestMetricsAndTraces(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"metrics: {listen: \"127.0.0.1:9317\"}":                                       "",
		"metrics: {listen: \"[::1]:0\"}":                                              "",
		"metrics: {listen: \"0.0.0.0:9317\", token_ref: env:SCRAPE}":                  "",
		"metrics: {token_ref: env:SCRAPE}":                                            "",
		"metrics: {listen: \"0.0.0.0:9317\"}":                                         "write token_ref, or listen on 127.0.0.1",
		"metrics: {}":                                                                 "metrics needs listen, token_ref or both",
		"metrics: {listen: \"localhost:9317\"}":                                       "listen must be an address of this machine",
		"metrics: {listen: \"127.0.0.1\"}":                                            "listen must be an address of this machine",
		"metrics: {listen: \"127.0.0.1:9317\", token: secret}":                        "token",
		"metrics: {listen: \"127.0.0.1:9317\", token_ref: secret}":                    "token_ref",
		"traces: {endpoint: \"http://127.0.0.1:4318\"}":                               "",
		"traces: {endpoint: \"https://otel.example.org/in\", token_ref: env:COLLECT}": "",
		"traces: {}": "traces needs endpoint",
		"traces: {endpoint: \"http://otel.example.org\"}":                   "must begin with https://",
		"traces: {endpoint: \"https://otel.example.org\", headers: {a: b}}": "headers",
	} {
		_, err := LoadFS(glassFolder(text+"\n"), "/etc/lessor")
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}
