package abuse

import (
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/store"
)

// What is not yours takes as long as what is not there: nobody finds out by the
// clock which ids there are. The two are asked in turn, each first as often as the
// other, with no network between, so that whatever else the machine does falls on both
// alike; the slowest tenth, which the machine made slow and not the answer, is left out
// of both. A difference that is there is there each time it is measured.
func TestAB68_AsLongAsWhatIsNotThere(t *testing.T) {
	t.Parallel()
	d := open(t, store.SQLite)
	r := d.ask("eve", engine.Ask{Entitlements: []string{"dir:wiki"}})
	g := d.granted("eve", engine.Ask{Entitlements: []string{"dir:reports"}}, "mia")
	pairs := 200
	if os.Getenv("LESSOR_TEST_LONG") != "" {
		pairs = 12_500 // with three measurings of two paths, and both of each, over 10^5
	}
	other := func(id string) string { return id[:len(id)-6] + "000000" } // as long, of the same moment, and nobody's
	for _, c := range []struct{ what, there, not string }{
		{"a request", "/api/v1/requests/" + r.ID, "/api/v1/requests/" + other(r.ID)},
		{"a grant", "/api/v1/grants/" + g.ID, "/api/v1/grants/" + other(g.ID)},
	} {
		apart := 0
		for range 3 {
			stat, by := d.compared(c.there, c.not, pairs)
			t.Logf("%s: %d samples each, t = %.2f, %s apart", c.what, pairs, stat, by)
			if math.Abs(stat) < 4.5 {
				break
			}
			apart++
		}
		if apart == 3 {
			t.Errorf("%s that is there and not bob's does not take as long as one that is not", c.what)
		}
	}
}

// compared is how far apart the answers to somebody who may see neither are.
func (d *door) compared(there, not string, pairs int) (stat float64, apart time.Duration) {
	d.t.Helper()
	var took [2][]float64
	for n := range 2 * pairs {
		which := (n + n/2) % 2               // 0 1, 1 0, …
		d.Clock.Pass(100 * time.Millisecond) // or it would be too much at once
		req := httptest.NewRequestWithContext(d.t.Context(), http.MethodGet, []string{there, not}[which], nil)
		req.Header.Set("Authorization", "Bearer "+secretOf("bob"))
		w := httptest.NewRecorder()
		began := time.Now()
		d.handler.ServeHTTP(w, req)
		took[which] = append(took[which], float64(time.Since(began)))
		if w.Code != http.StatusNotFound {
			d.t.Fatalf("%s: %d %s", req.URL, w.Code, w.Body)
		}
	}
	return welch(kept(took[0]), kept(took[1]))
}

// kept are the samples without the slowest tenth.
func kept(list []float64) []float64 {
	list = slices.Sorted(slices.Values(list))
	return list[:len(list)*9/10]
}

// welch is Welch's t of two samples, and how far their means are apart.
func welch(a, b []float64) (stat float64, apart time.Duration) {
	mean := func(list []float64) (m, v float64) {
		for _, x := range list {
			m += x
		}
		m /= float64(len(list))
		for _, x := range list {
			v += (x - m) * (x - m)
		}
		return m, v / float64(len(list)-1)
	}
	ma, va := mean(a)
	mb, vb := mean(b)
	return (ma - mb) / math.Sqrt(va/float64(len(a))+vb/float64(len(b))), time.Duration(ma - mb)
}
