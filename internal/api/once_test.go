package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/enginetest"
	"github.com/lessor-iam/lessor/internal/store"
)

// We stopped between a deed and the noting of its answer; then something else comes
// under its key. What that is answered is not the answer to the deed.
func TestAnAnswerIsToItsOwnDeed(t *testing.T) {
	t.Parallel()
	enginetest.Each(t, func(t *testing.T, kind store.Dialect) {
		d := open(t, kind)
		r := d.Ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
		note := func(text string) answer {
			return d.send(http.MethodPost, "/api/v1/requests/"+r.ID+"/comments", "eve", `{"note":"`+text+`"}`, "Idempotency-Key", "k")
		}
		if a := note("one"); a.status != http.StatusNoContent {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if err := d.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.ExecContext(t.Context(), `update answered set status = 0, body = ''`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if a := note("two"); a.status != http.StatusConflict || !strings.Contains(a.body, "used for something else") {
			t.Errorf("something else: %d %s", a.status, a.body)
		}
		if a := note("one"); a.status != http.StatusConflict || !strings.Contains(a.body, "it was done at") {
			t.Errorf("the same again: %d %s", a.status, a.body)
		}
	})
}
