package inventory_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/connector"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/inventory"
	"github.com/lessor-iam/lessor/internal/store"
)

// spoken is a target that tells what its objects are.
type spoken struct {
	*enginetest.Target
	objects []connector.Object
	asked   []string
	err     error
}

// Objects implements [connector.Objects].
func (s *spoken) Objects(_ context.Context, objects []string, yield func(connector.Object) error) error {
	s.asked = objects
	for _, o := range s.objects {
		if err := yield(o); err != nil {
			return err
		}
	}
	return s.err
}

// A whole reading reads what the objects are, too. One that is cut short tells nothing of
// them, and a target that has nothing to say any more has said nothing.
func TestObjectsAreRead(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, d store.Dialect) {
		f := enginetest.Open(t, d)
		s := &spoken{Target: f.Targets["dir"], err: errors.New("cut short"),
			objects: []connector.Object{{Name: "wiki", Description: "a wiki", Powers: []string{"admin"}, Why: "SUPERUSER"}}}
		r := inventory.New(inventory.Config{Door: f.Engine, System: "dir", Connector: s, Now: f.Now,
			Directory: func() *access.Directory { return f.WorldAt(f.Now()).Directory }, Log: slog.New(slog.DiscardHandler)})
		if _, err := r.Read(t.Context()); err == nil || !strings.Contains(err.Error(), "read dir: objects: cut short") {
			t.Errorf("%v", err)
		}
		if !slices.Contains(s.asked, "wiki") || finding(f, "label_understates").ID != "" {
			t.Errorf("asked of %v; findings are %+v", s.asked, f.Findings(true))
		}
		s.err = nil
		f.Clock.Pass(time.Minute)
		read(t, r)
		if one := finding(f, "label_understates"); one.Subject != "dir:wiki" || !strings.Contains(one.Text, "as dir itself says: SUPERUSER") {
			t.Errorf("finding is %+v", one)
		}
		s.err = errors.ErrUnsupported
		f.Clock.Pass(time.Minute)
		read(t, r)
		for _, one := range f.Findings(true) {
			if one.Kind == "label_understates" {
				t.Errorf("finding is %+v", one)
			}
		}
		f.Check()
	})
}
