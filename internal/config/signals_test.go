package config

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func TestSignals(t *testing.T) {
	t.Parallel()
	folder := company(t)
	folder[signalsFile] = &fstest.MapFile{Mode: 0o640, Data: []byte(`
receive:
  - id: idp
    issuer: https://idp.example
    audience: https://lessor.example
    jwks_url: https://idp.example/keys
    token_sha256: "` + strings.Repeat("ab", 32) + `"
    subjects: [{format: iss_sub, at: dir}, {format: email}]
    heeds: [account-disabled, account-enabled]
    finds: [identifier-recycled]
    hourly: 5
  - {id: hr, issuer: "https://hr.example", audience: us, keys_file: hr.json, delivery: poll, endpoint: "https://hr.example/poll", token_ref: "file:hr.token",
     subjects: [{format: account, at: dir, domain: example.com}], heeds: [session-revoked]}
send:
  issuer: https://lessor.example
  key_ref: file:signals.key
  receivers:
    - {id: app, audience: app, url: "https://app.example/events", token_ref: "env:APP", events: [session-revoked], subjects: [{format: iss_sub, at: dir}]}
    - {id: siem, audience: siem, delivery: poll, token_sha256: "` + strings.Repeat("cd", 32) + `", events: [account-disabled], subjects: [{format: opaque, at: dir}]}
`)}
	c, err := LoadFS(folder, "/etc/lessor")
	if err != nil {
		t.Fatal(err)
	}
	s := c.Signals
	if len(s.Transmitters) != 2 || len(s.Receivers) != 2 || s.KeyRef != "file:/etc/lessor/signals.key" || s.Transmitters[1].KeysFile != "/etc/lessor/hr.json" {
		t.Fatalf("%+v", s)
	}
	idp, hr := s.Transmitters[0], s.Transmitters[1]
	if idp.Poll != "" || idp.Token[0] != 0xab || idp.Hourly != 5 || idp.Subjects[0] != (access.SubjectRule{Format: "iss_sub", At: "dir", Issuer: "https://idp.example"}) {
		t.Errorf("%+v", idp)
	}
	if hr.Poll != "https://hr.example/poll" || hr.Every != 30*time.Second || hr.TokenRef != "file:/etc/lessor/hr.token" {
		t.Errorf("%+v", hr)
	}
	known := s.Known()
	if r := known.Receivers; r[0].Polls || !r[1].Polls || r[0].Subjects[0].Issuer != "https://lessor.example" || len(known.Transmitters) != 2 {
		t.Errorf("%+v", known)
	}
	if (*Signals)(nil).Known().Transmitters != nil {
		t.Error("without a file somebody is heard")
	}
}
