package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strconv"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

// What is ours of an object: the label says by whom it was made, the annotation which
// generation its key holds.
const (
	labelBy    = "app.kubernetes.io/managed-by"
	generation = "lessor-iam.github.io/generation."
)

var (
	// errChanged: it is not the version that was to be replaced, or is there although it was not.
	errChanged = errors.New("changed meanwhile")
	reasonForm = regexp.MustCompile(`^[A-Za-z]{1,40}$`)
)

// secret is a Secret, with all that is not ours as it came.
type secret struct {
	namespace, name string
	there           bool
	whole, meta     map[string]json.RawMessage
	annotations     map[string]string
	data            map[string][]byte
}

func (p place) inForce() secret { return secret{namespace: p.namespace, name: p.name} }
func (p place) earlier() secret { return secret{namespace: p.namespace, name: p.name + earlierEnd} }

// Names and namespaces are of letters, digits, dots and hyphens: they need no escaping.
func (o secret) list() string { return "/api/v1/namespaces/" + o.namespace + "/secrets" }

// read fills an object; there is false where there is none.
func (s *Store) read(ctx context.Context, o secret) (secret, error) {
	_, err := s.line.Do(ctx, http.MethodGet, o.list()+"/"+o.name, nil, &o.whole)
	switch {
	case errors.Is(err, connector.ErrNoObject):
		return o, nil
	case err != nil:
		return o, err
	}
	// Errors of encoding/json can hold numbers that were read; nothing of them is told.
	for field, into := range map[string]any{"metadata": &o.meta, "data": &o.data} {
		if raw, ok := o.whole[field]; ok && json.Unmarshal(raw, into) != nil {
			return o, fmt.Errorf("%w: GET %s/%s: its %s is not a Secret's", connector.ErrRefused, o.list(), o.name, field)
		}
	}
	if raw, ok := o.meta["annotations"]; ok && json.Unmarshal(raw, &o.annotations) != nil {
		return o, fmt.Errorf("%w: GET %s/%s: its annotations are not a Secret's", connector.ErrRefused, o.list(), o.name)
	}
	o.there = o.meta["resourceVersion"] != nil
	if !o.there {
		return o, fmt.Errorf("%w: GET %s/%s: not an API server's answer", connector.ErrRefused, o.list(), o.name)
	}
	return o, nil
}

// write replaces the version that was read, or creates what was not there.
func (s *Store) write(ctx context.Context, o secret) error {
	whole, meta := maps.Clone(o.whole), maps.Clone(o.meta)
	if !o.there {
		whole = map[string]json.RawMessage{"apiVersion": json.RawMessage(`"v1"`), "kind": json.RawMessage(`"Secret"`), "type": json.RawMessage(`"Opaque"`)}
		meta = map[string]json.RawMessage{"name": encode(o.name), "labels": encode(map[string]string{labelBy: "lessor"})}
	}
	meta["annotations"] = encode(o.annotations)
	whole["metadata"], whole["data"] = encode(meta), encode(o.data)
	method, path := http.MethodPost, o.list()
	if o.there {
		method, path = http.MethodPut, o.list()+"/"+o.name
	}
	_, err := s.line.Do(ctx, method, path, whole, nil)
	return err
}

// encode writes what cannot fail to be written: texts, and mappings of them.
func encode(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return raw
}

// number is the generation that a key of the object holds; 0: none of ours.
func (o secret) number(key string) (int64, error) {
	text, ok := o.annotations[generation+key]
	if _, has := o.data[key]; !ok || !has {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%w: the annotation %s%s of %s/%s is not a generation: it is Lessor's to write", connector.ErrRefused, generation, key, o.namespace, o.name)
	}
	return n, nil
}

// kept is the key under which the second Secret holds an earlier generation. No key of a
// reference is so long that two can be taken for one another: the number is its end.
func kept(key string, n int64) string { return key + "." + strconv.FormatInt(n, 10) }

// refusal turns a status other than 2xx into what it means. Only what a read was
// answered is ever quoted: a server may repeat of a write what it did not like in it.
func refusal(resp *http.Response, raw []byte) error {
	var said struct {
		Kind, Reason, Message string
		Details               struct{ Name string }
	}
	own := json.Unmarshal(raw, &said) == nil && said.Kind == "Status"
	reads := resp.Request.Method == http.MethodGet
	what := call.Meaning(resp.StatusCode)
	// A 404 that does not name what is missing is a gateway's page.
	if own && reads && resp.StatusCode == http.StatusNotFound && said.Reason == "NotFound" && said.Details.Name != "" {
		what = connector.ErrNoObject
	}
	err := fmt.Errorf("%w: %s %s: %d %s", what, resp.Request.Method, resp.Request.URL.Path, resp.StatusCode, http.StatusText(resp.StatusCode))
	if !own {
		return err
	}
	switch {
	case !reads && (said.Reason == "Conflict" || said.Reason == "AlreadyExists"):
		return fmt.Errorf("%w: %w", errChanged, err)
	case reads && said.Message != "":
		return fmt.Errorf("%w (%s)", err, call.Quote(said.Message, resp.Request, 300))
	case reasonForm.MatchString(said.Reason):
		return fmt.Errorf("%w (%s)", err, said.Reason)
	}
	return err
}
