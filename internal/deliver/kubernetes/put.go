package kubernetes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/connector/call"
	"github.com/lessor-iam/lessor/internal/deliver"
)

// Put writes the generation and its worth into the Secret that consumers have, once the
// one before it is kept in the second. If we stop in between, consumers have the old
// one, and the next Put begins anew.
func (s *Store) Put(ctx context.Context, ref string, number int64, worth connector.Worth) error {
	at, err := parse(ref)
	if err != nil {
		return err
	}
	if err := deliver.Fit(number, worth); err != nil {
		return err
	}
	for range tries {
		err := s.put(ctx, at, number, worth)
		if !errors.Is(err, errChanged) {
			return err
		}
	}
	return errBusy()
}

func errBusy() error {
	return fmt.Errorf("%w: others wrote to it all the time: nothing was changed", connector.ErrRefused)
}

func (s *Store) put(ctx context.Context, at place, number int64, worth connector.Worth) error {
	// 1. What is there. The second Secret is read first: whoever puts a newer generation
	// and forgets this one has then written to it after we read it, and step 2 cannot
	// bring back what was forgotten.
	earlier, err := s.read(ctx, at.earlier())
	if err != nil {
		return call.Unsent(err)
	}
	is, err := s.read(ctx, at.inForce())
	if err != nil {
		return call.Unsent(err)
	}
	was, err := is.number(at.key)
	switch {
	case err != nil:
		return err
	case was > number:
		return fmt.Errorf("%w: %d is put, %d is in force", deliver.ErrOlder, number, was)
	case was == number && bytes.Equal(is.data[at.key], worth):
		return nil // an earlier call that went unanswered, most likely
	}
	// 2. The one before, to be read back until it is forgotten.
	if was > 0 && was < number {
		if err := s.keep(ctx, earlier, kept(at.key, was), is.data[at.key]); err != nil {
			return err
		}
	}
	// 3. The new one, in the place of that version of the object and no other.
	is.set(at.key, worth)
	if is.annotations == nil {
		is.annotations = map[string]string{}
	}
	is.annotations[generation+at.key] = strconv.FormatInt(number, 10)
	return s.write(ctx, is)
}

func (s *Store) keep(ctx context.Context, earlier secret, key string, worth []byte) error {
	if has, ok := earlier.data[key]; ok && bytes.Equal(has, worth) {
		return nil
	}
	earlier.set(key, worth)
	return s.write(ctx, earlier)
}

func (o *secret) set(key string, worth []byte) {
	if o.data == nil {
		o.data = map[string][]byte{}
	}
	o.data[key] = worth
}

// Get looks at what consumers have, and then at what they had.
func (s *Store) Get(ctx context.Context, ref string, number int64) (connector.Worth, error) {
	at, err := parse(ref)
	if err != nil {
		return nil, err
	}
	is, err := s.read(ctx, at.inForce())
	if err != nil {
		return nil, err
	}
	has, err := is.number(at.key)
	if err != nil {
		return nil, err
	}
	if has == number && has > 0 {
		return is.data[at.key], nil
	}
	// A Put between the two reads has kept it before.
	earlier, err := s.read(ctx, at.earlier())
	if err != nil {
		return nil, err
	}
	if worth, ok := earlier.data[kept(at.key, number)]; ok {
		return worth, nil
	}
	return nil, fmt.Errorf("%w: %d of %s", deliver.ErrNotFound, number, ref)
}

// Current reads the annotation of what consumers have.
func (s *Store) Current(ctx context.Context, ref string) (int64, error) {
	at, err := parse(ref)
	if err != nil {
		return 0, err
	}
	is, err := s.read(ctx, at.inForce())
	if err != nil {
		return 0, err
	}
	return is.number(at.key)
}

// Forget takes a generation out of the second Secret. That stays, if empty: one that was
// made anew would have no version by which a late write is told.
func (s *Store) Forget(ctx context.Context, ref string, number int64) error {
	at, err := parse(ref)
	if err != nil {
		return err
	}
	for range tries {
		err := s.forget(ctx, at, number)
		if !errors.Is(err, errChanged) {
			return err
		}
	}
	return errBusy()
}

func (s *Store) forget(ctx context.Context, at place, number int64) error {
	is, err := s.read(ctx, at.inForce())
	if err != nil {
		return call.Unsent(err)
	}
	switch has, err := is.number(at.key); {
	case err != nil:
		return err
	case has == number && has > 0:
		return fmt.Errorf("%w: %d of %s/%s", deliver.ErrCurrent, number, at.namespace, at.name)
	}
	earlier, err := s.read(ctx, at.earlier())
	if err != nil {
		return call.Unsent(err)
	}
	key := kept(at.key, number)
	if _, ok := earlier.data[key]; !ok {
		return nil
	}
	delete(earlier.data, key)
	return s.write(ctx, earlier)
}
