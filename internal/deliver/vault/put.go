package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
	"github.com/lessor-iam/lessor/internal/deliver"
)

// Put writes a new version with the generation and its worth, if the secret still is at
// the version that was read before.
func (s *Store) Put(ctx context.Context, ref string, generation int64, worth connector.Worth) error {
	// 1. What certainly cannot be.
	at, err := parse(ref)
	if err != nil {
		return err
	}
	if err := deliver.Fit(generation, worth); err != nil {
		return err
	}
	if !utf8.Valid(worth) {
		return fmt.Errorf("%w: what is no UTF-8 text cannot be kept here", connector.ErrRefused)
	}
	if err := s.isKV2(ctx); err != nil {
		return call.Unsent(err)
	}
	for range tries {
		// 2. What is in force.
		is, err := s.read(ctx, at, 0)
		if err != nil {
			return call.Unsent(err)
		}
		if was, _ := is.worth(at.field); is.generation == generation && bytes.Equal(was, worth) {
			return nil // an earlier call that went unanswered, most likely
		}
		fields, err := is.with(at, generation, worth)
		if err != nil {
			return err
		}
		// 3. The new version, in the place of that one and no other.
		body := map[string]any{"options": map[string]int64{"cas": is.number}, "data": fields}
		_, err = s.line.Do(ctx, http.MethodPost, "/"+s.Mount+"/data/"+at.path, body, nil)
		if !errors.Is(err, errChanged) {
			return err
		}
	}
	return fmt.Errorf("%w: others wrote to it all the time: nothing was changed", connector.ErrRefused)
}

// with gives the fields of the version that is to follow.
func (v version) with(at place, generation int64, worth connector.Worth) (map[string]json.RawMessage, error) {
	if v.generation > generation {
		return nil, fmt.Errorf("%w: %d is put, %d is in force", deliver.ErrOlder, generation, v.generation)
	}
	fields := maps.Clone(v.fields)
	if fields == nil {
		fields = map[string]json.RawMessage{}
	}
	for name := range fields {
		// A version holds all fields, and is destroyed whole: the generations of two
		// credentials would take each other along.
		if strings.HasPrefix(name, numbers) && name != numbers+at.field {
			return nil, fmt.Errorf("%w: %s holds another credential in %s: give each a secret of its own", connector.ErrRefused, at.path, strings.TrimPrefix(name, numbers))
		}
	}
	text, err1 := json.Marshal(string(worth))
	number, err2 := json.Marshal(strconv.FormatInt(generation, 10))
	fields[at.field], fields[numbers+at.field] = text, number
	return fields, errors.Join(err1, err2)
}

// Get finds the newest version that holds the generation.
func (s *Store) Get(ctx context.Context, ref string, generation int64) (connector.Worth, error) {
	at, err := parse(ref)
	if err != nil {
		return nil, err
	}
	none := fmt.Errorf("%w: %d of %s", deliver.ErrNotFound, generation, ref)
	// 1. The version in force.
	is, err := s.read(ctx, at, 0)
	switch {
	case err != nil:
		return nil, err
	case is.number == 0 || generation < 1:
		return nil, none
	case is.generation == generation:
		return s.found(is, at, none)
	}
	// 2. Those before it; generations only grow.
	list, err := s.history(ctx, at)
	if err != nil {
		return nil, err
	}
	for _, number := range list {
		v, err := s.read(ctx, at, number)
		switch {
		case err != nil:
			return nil, err
		case v.generation == generation:
			return s.found(v, at, none)
		case 0 < v.generation && v.generation < generation:
			return nil, none
		}
	}
	return nil, none
}

func (s *Store) found(v version, at place, none error) (connector.Worth, error) {
	worth, ok := v.worth(at.field)
	if !ok {
		return nil, fmt.Errorf("%w: version %d of %s has no text in %s", none, v.number, at.path, at.field)
	}
	return worth, nil
}

// Current reads the newest version.
func (s *Store) Current(ctx context.Context, ref string) (int64, error) {
	at, err := parse(ref)
	if err != nil {
		return 0, err
	}
	is, err := s.read(ctx, at, 0)
	return is.generation, err
}

// Forget destroys every version that holds the generation: there are several where
// another field was written meanwhile. One that somebody deleted can be brought back and
// does not say what it holds: it is destroyed with its neighbours.
func (s *Store) Forget(ctx context.Context, ref string, generation int64) error {
	at, err := parse(ref)
	if err != nil {
		return err
	}
	// 1. Not the one in force.
	is, err := s.read(ctx, at, 0)
	switch {
	case err != nil:
		return call.Unsent(err)
	case is.generation == generation && generation > 0:
		return fmt.Errorf("%w: %d of %s", deliver.ErrCurrent, generation, ref)
	case is.number == 0 || generation < 1:
		return nil
	}
	// 2. Where it is, and may be.
	list, err := s.history(ctx, at)
	if err != nil {
		return call.Unsent(err)
	}
	var doomed []int64
search:
	for _, number := range list {
		v, err := s.read(ctx, at, number)
		switch {
		case err != nil:
			return call.Unsent(err)
		case v.generation == generation, v.fields == nil: // nil: deleted
			doomed = append(doomed, number)
		case v.generation > generation:
			doomed = doomed[:0] // what was deleted after it was of later generations
		case v.generation > 0:
			break search
		}
	}
	if len(doomed) == 0 {
		return nil
	}
	// 3. For good.
	_, err = s.line.Do(ctx, http.MethodPost, "/"+s.Mount+"/destroy/"+at.path, map[string]any{"versions": doomed}, nil)
	return err
}
