package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
)

// numbers begins the name of the field that says which generation another field holds.
const numbers = "lessor_generation_"

// version is one version of a secret, as far as it could be read.
type version struct {
	number     int64 // 0: there is no secret
	generation int64 // of our field; 0: none, or the version is deleted or destroyed
	fields     map[string]json.RawMessage
}

var (
	// errChanged: the secret is no longer at the version that was to be replaced.
	errChanged = errors.New("changed meanwhile")
	// errNone: Vault itself says that there is none; a gateway's page does not.
	errNone = errors.New("none")
)

// goneError is a version that was deleted or destroyed.
type goneError struct{ number int64 }

func (g goneError) Error() string { return fmt.Sprintf("version %d is deleted", g.number) }

// refusal turns a status other than 2xx into what it means. Only what a read was
// answered is ever quoted: a server may repeat of a write what it did not like in it.
func refusal(resp *http.Response, raw []byte) error {
	var said struct {
		Errors *[]string
		Data   struct{ Metadata struct{ Version int64 } }
	}
	own := json.Unmarshal(raw, &said) == nil
	reads := resp.Request.Method == http.MethodGet
	words := ""
	if own && said.Errors != nil {
		words = strings.Join(*said.Errors, "; ")
	}
	switch {
	case own && reads && resp.StatusCode == http.StatusNotFound && said.Data.Metadata.Version > 0:
		return goneError{said.Data.Metadata.Version}
	case own && reads && resp.StatusCode == http.StatusNotFound && said.Errors != nil && words == "":
		return errNone
	}
	err := fmt.Errorf("%w: %s %s: %d %s", call.Meaning(resp.StatusCode), resp.Request.Method, resp.Request.URL.Path, resp.StatusCode, http.StatusText(resp.StatusCode))
	switch {
	case !reads && resp.StatusCode == http.StatusBadRequest && strings.Contains(words, "check-and-set parameter did not match"):
		return fmt.Errorf("%w: %w", errChanged, err)
	case reads && words != "":
		words = strings.ReplaceAll(words, resp.Request.Header.Get("X-Vault-Token"), "[token]")
		err = fmt.Errorf("%w (%s)", err, call.Quote(words, resp.Request, 300))
	}
	return err
}

// read gives one version, the newest for 0. One that is not there, deleted or destroyed
// has no fields.
func (s *Store) read(ctx context.Context, at place, number int64) (version, error) {
	path := "/" + s.Mount + "/data/" + at.path
	if number > 0 {
		path += "?version=" + strconv.FormatInt(number, 10)
	}
	var got struct {
		Data struct {
			Data     map[string]json.RawMessage
			Metadata struct{ Version int64 }
		}
	}
	_, err := s.line.Do(ctx, http.MethodGet, path, nil, &got)
	var gone goneError
	switch {
	case errors.As(err, &gone):
		return version{number: gone.number}, nil
	case errors.Is(err, errNone):
		return version{}, nil
	case err != nil:
		return version{}, err
	case got.Data.Metadata.Version < 1:
		return version{}, fmt.Errorf("%w: GET %s: not an answer of a KV version 2 engine", connector.ErrRefused, path)
	}
	v := version{number: got.Data.Metadata.Version, fields: got.Data.Data}
	if raw, ok := v.fields[numbers+at.field]; ok {
		v.generation = number64(raw)
		if v.generation < 1 {
			return version{}, fmt.Errorf("%w: version %d of %s: %s%s is not a generation: it is Lessor's to write", connector.ErrRefused, v.number, at.path, numbers, at.field)
		}
	}
	return v, nil
}

// number64 reads a number that is written as text, for those who print a secret's fields.
func number64(raw json.RawMessage) int64 {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// worth is our field's text; ok is false if it is none. What stands there is in no error.
func (v version) worth(field string) (connector.Worth, bool) {
	var text string
	if json.Unmarshal(v.fields[field], &text) != nil {
		return nil, false
	}
	return connector.Worth(text), true
}

// history lists what versions before the newest are not destroyed, newest first.
func (s *Store) history(ctx context.Context, at place) (list []int64, err error) {
	var got struct {
		Data struct {
			Current  int64 `json:"current_version"`
			Versions map[string]struct{ Destroyed bool }
		}
	}
	_, err = s.line.Do(ctx, http.MethodGet, "/"+s.Mount+"/metadata/"+at.path, nil, &got)
	switch {
	case errors.Is(err, errNone):
		return nil, nil
	case err != nil:
		return nil, err
	}
	for n := got.Data.Current - 1; n > 0; n-- {
		v, ok := got.Data.Versions[strconv.FormatInt(n, 10)]
		if !ok {
			break // older ones are gone altogether
		}
		if !v.Destroyed {
			list = append(list, n)
		}
	}
	return list, nil
}

// isKV2 asks, once, what the mount is: an engine of version 1 would take a write as that
// of another secret, and keep it.
func (s *Store) isKV2(ctx context.Context) error {
	if s.kv2.Load() {
		return nil
	}
	var got struct {
		Data struct {
			Type, Path string
			Options    map[string]any
		}
	}
	if _, err := s.line.Do(ctx, http.MethodGet, "/sys/internal/ui/mounts/"+s.Mount, nil, &got); err != nil {
		if errors.Is(err, errNone) {
			err = fmt.Errorf("%w: there is no mount %s", connector.ErrRefused, s.Mount)
		}
		return err
	}
	// Asked about a path below a mount, the server tells of that mount.
	if got.Data.Path != s.Mount+"/" || got.Data.Type != "kv" || got.Data.Options["version"] != "2" {
		return fmt.Errorf("%w: %s is no KV version 2 engine", connector.ErrRefused, s.Mount)
	}
	s.kv2.Store(true)
	return nil
}
