package evidence

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/tlog"
)

// BundleFormat is the first line of every bundle: which rules it is read by.
const BundleFormat = "lessor-evidence-bundle/v1"

// Bundle is one file that proves a story offline: its records, the salt and
// place of each, the hashes that lead from there to the root, and the root as
// the log signed it.
type Bundle struct {
	Format     string `json:"format"`     // BundleFormat
	Subject    string `json:"subject"`    // what the story is of, e.g. a grant's id
	Checkpoint string `json:"checkpoint"` // the signed note, with the log's signature alone
	// Keys are the statements by which keys of the log followed one another: whoever trusts
	// one of them can verify what another signed. There are none where none did.
	Keys    []string `json:"keys,omitempty"`
	Records []Record `json:"records"` // in the order of the log
}

// Record is one record of the story.
type Record struct {
	Index int64           `json:"index"` // its place in the log
	Body  json.RawMessage `json:"body"`  // the exact bytes committed to: JSON without insignificant space
	Salt  []byte          `json:"salt"`
	Proof []tlog.Hash     `json:"proof"` // from ProveInclusion, at the checkpoint's size
}

// Encode writes a bundle: the same bundle always gives the same bytes. Each
// body stands on one line exactly as it was committed to, so that the file can
// be read by people and its bytes taken without a JSON library. Encode refuses
// a bundle that could not be read back; it does not verify the proofs.
func Encode(b Bundle) ([]byte, error) {
	if err := errors.Join(b.checkFormat(), b.check()); err != nil {
		return nil, fmt.Errorf("encode bundle: %w", err)
	}
	return b.write(), nil
}

// write is Encode for a bundle that was checked.
func (b Bundle) write() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "{\n  \"format\": %s,\n  \"subject\": %s,\n  \"checkpoint\": %s,\n",
		quote(b.Format), quote(b.Subject), quote(b.Checkpoint))
	for i, says := range b.Keys {
		out.WriteString([]string{"  \"keys\": [", ","}[min(i, 1)])
		fmt.Fprintf(&out, "\n    %s", quote(says))
		if i == len(b.Keys)-1 {
			out.WriteString("\n  ],\n")
		}
	}
	out.WriteString("  \"records\": [")
	for i, r := range b.Records {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "\n    {\n      \"index\": %d,\n      \"body\": %s,\n      \"salt\": %s,\n      \"proof\": [",
			r.Index, r.Body, strconv.Quote(base64.StdEncoding.EncodeToString(r.Salt)))
		for j, h := range r.Proof {
			if j > 0 {
				out.WriteByte(',')
			}
			fmt.Fprintf(&out, "\n        %q", h.String())
		}
		if len(r.Proof) > 0 {
			out.WriteString("\n      ")
		}
		out.WriteString("]\n    }")
	}
	out.WriteString("\n  ]\n}\n")
	return out.Bytes()
}

// quote writes a JSON string without HTML escapes.
func quote(s string) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// checkFormat comes before anything else: other formats have other rules.
func (b Bundle) checkFormat() error {
	if b.Format != BundleFormat {
		return fmt.Errorf("format %q is not known; expected %q", b.Format, BundleFormat)
	}
	return nil
}

// check refuses what is no bundle, whatever the log says. It reports every
// problem of every record.
func (b Bundle) check() error {
	if !utf8.ValidString(b.Subject) || !utf8.ValidString(b.Checkpoint) {
		return errors.New("subject or checkpoint is not valid UTF-8")
	}
	for i, says := range b.Keys {
		if _, err := OpenSuccession(says); err != nil {
			return fmt.Errorf("key %d: %w", i+1, err)
		}
	}
	if b.Subject == "" {
		return errors.New("no subject")
	}
	if len(b.Records) == 0 {
		return errors.New("no records: nothing is proven")
	}
	var errs []error
	last, named := int64(-1), false
	for i, r := range b.Records {
		if r.Index >= 0 && r.Index <= last {
			errs = append(errs, r.errorf(i, "comes after log index %d: records stand in the order of the log, each once", last))
		}
		last = max(last, r.Index)
		if err := r.check(); err != nil {
			errs = append(errs, r.errorf(i, "%w", err))
			continue
		}
		named = named || names(r.Body, b.Subject)
	}
	if !named && len(errs) == 0 {
		errs = append(errs, fmt.Errorf("subject %q: no record names it", b.Subject))
	}
	return errors.Join(errs...)
}

// check refuses a record whose body has more than one writing or reading.
func (r Record) check() error {
	if r.Index < 0 {
		return errors.New("its log index is negative")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, r.Body); err != nil {
		return fmt.Errorf("its body is not JSON: %w", err)
	}
	if !utf8.Valid(r.Body) || !bytes.Equal(compact.Bytes(), r.Body) {
		return errors.New("its body is not JSON in valid UTF-8 without insignificant space")
	}
	if key, twice := duplicateKey(r.Body); twice {
		return fmt.Errorf("its body has the key %q twice in one object", key)
	}
	return nil
}

// errorf names the record as people count, from one, and where the log has it.
func (r Record) errorf(i int, format string, args ...any) error {
	return fmt.Errorf("record %d (log index %d): %w", i+1, r.Index, fmt.Errorf(format, args...))
}

// names tells whether subject is a whole string value anywhere in body. The
// subject itself is not in the log; this binds it to what is.
func names(body []byte, subject string) bool {
	var tree any
	if json.Unmarshal(body, &tree) != nil {
		return false
	}
	var in func(any) bool
	in = func(v any) bool {
		switch v := v.(type) {
		case string:
			return v == subject
		case []any:
			return slices.ContainsFunc(v, in)
		case map[string]any:
			for _, e := range v {
				if in(e) {
					return true
				}
			}
		}
		return false
	}
	return in(tree)
}
