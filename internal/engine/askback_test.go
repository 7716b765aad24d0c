package engine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/enginetest"
)

// Whoever is asked back is told, and whoever remarked when the answer comes: of the
// request, and not of what was said.
func TestAskedBackIsTold(t *testing.T) {
	each(t, func(t *testing.T, f *enginetest.Fixture) {
		r := f.Ask("eve", ask("dir:wiki"))
		told := len(f.Notices())
		for _, step := range []struct {
			by   string
			to   []string
			says string
		}{
			{"eve", nil, ""},                                      // nobody has asked her
			{"anna", nil, ""},                                     // who may look and not answer asks nobody
			{"mia", []string{"eve"}, "asked back"},                //
			{"eve.2", []string{"anna", "mia"}, "answered"},        // herself, by another name
			{"mia.2", []string{"eve"}, "asked back"},              //
			{"eve", []string{"anna", "mia", "mia.2"}, "answered"}, //
		} {
			if err := f.Engine.Comment(t.Context(), f.As(step.by), r.ID, "SECRET-WORDS"); err != nil {
				t.Fatalf("%s: %v", step.by, err)
			}
			list := f.Notices()[told:]
			told += len(list)
			if step.to == nil {
				if len(list) != 0 {
					t.Errorf("%s remarks: %+v", step.by, list)
				}
				continue
			}
			if len(list) != 1 || !slices.Equal(list[0].To, step.to) || !strings.Contains(list[0].Subject, step.says) || !strings.Contains(list[0].Subject, r.ID) {
				t.Errorf("%s remarks: %+v; want to %v, %s", step.by, list, step.to, step.says)
				continue
			}
			if strings.Contains(list[0].Text+list[0].Subject, "SECRET-WORDS") {
				t.Errorf("a notice tells what was said: %+v", list[0])
			}
		}
		if _, err := vote(t, f, "mia", r); err != nil {
			t.Fatal(err)
		}
		if err := f.Engine.Comment(t.Context(), f.As("mia"), r.ID, "granted"); err != nil {
			t.Fatal(err)
		}
		if list := f.Notices()[told:]; len(list) != 0 {
			t.Errorf("it waits no longer: %+v", list)
		}
	})
}
