package cli

import (
	"io"
	"strings"
	"testing"
)

// The catalogs that are shipped understate nothing.
func TestDemoCatalogHasNoGap(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if code := Main(t.Context(), []string{"powers", "--gaps", "--dir", "../demo/company"}, strings.NewReader(""), &out, io.Discard, func(string) string { return "" }); code != 0 || out.String() != "nothing\n" {
		t.Errorf("code %d: %s", code, out.String())
	}
}
