package config

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

const witnessesFile = "witnesses.yaml"

// Witnesses is who outside sees the log's heads, and how many of them must.
type Witnesses struct {
	List   []Witness
	Quorum int // 0: nothing waits for them
	Within time.Duration
}

// Witness is one that speaks c2sp.org/tlog-witness.
type Witness struct {
	ID  string
	URL string
	Key string // its public key: NAME+HASH+KEY
}

var (
	witnessesSections = []string{"quorum", "within", "witnesses"}
	witnessKeys       = []string{"id", "url", "key"}
	witnessKeyForm    = regexp.MustCompile(`^[^\s+]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*$`)
)

// mostWitnesses bounds how many are asked of each head.
const mostWitnesses = 16

// readWitnesses reads witnesses.yaml.
func (d *files) readWitnesses(c *Config, text []byte) {
	f, ok := d.sections(witnessesFile, text, witnessesSections)
	if !ok {
		return
	}
	if f.none("witnesses") {
		f.r.problem(f.here(), "there is no witness: write whom the log's heads are shown to, or take the file away")
	}
	keys, ids := map[string]bool{}, map[string]bool{}
	each(f, "witnesses", "a witness", witnessKeys, func(f fields) {
		const what = "a witness"
		w := Witness{ID: f.required("id", what), URL: f.required("url", what), Key: f.required("key", what)}
		if u, err := url.Parse(w.URL); w.URL != "" && (err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil) {
			f.problem("url", "url must be http or https, without a password, such as https://witness.example.org/")
		}
		if w.Key != "" && !witnessKey(w.Key) {
			f.problem("key", "key must be the witness' public key for cosignatures (Ed25519), NAME+HASH+KEY, as its operator publishes it")
		}
		if ids[w.ID] {
			f.problem("id", "two witnesses are called %q", access.Brief(w.ID))
		}
		if keys[w.Key] {
			f.problem("key", "two witnesses have this key: one of them counted twice would be no quorum")
		}
		ids[w.ID], keys[w.Key] = true, true
		c.Witnesses.List = append(c.Witnesses.List, w)
	})
	n := len(c.Witnesses.List)
	c.Witnesses.Quorum = f.count("quorum", 0, mostWitnesses)
	c.Witnesses.Within = f.duration("within", time.Minute, time.Second, day)
	switch {
	case n > mostWitnesses:
		f.problem("witnesses", "there are %d witnesses; %d are enough", n, mostWitnesses)
	case c.Witnesses.Quorum > n:
		f.problem("quorum", "quorum is %d and there are %d witnesses: nothing would ever be granted", c.Witnesses.Quorum, n)
	}
}

// witnessKey tells whether a text can be such a key; that it is whole is held where it is used.
func witnessKey(text string) bool {
	if !witnessKeyForm.MatchString(text) {
		return false
	}
	raw, err := base64.StdEncoding.DecodeString(strings.SplitN(text, "+", 3)[2])
	return err == nil && len(raw) == 33 && raw[0] == 0x04
}
