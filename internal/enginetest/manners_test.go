package enginetest

import (
	"strings"
	"testing"

	"github.com/lessor-iam/lessor/internal/store"
)

// What must not be beside a submit or a vote is named: the verb, the table and its manner.
func TestManners(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		m    store.Manner
		x    touched
		says string // nothing: it may be
	}{
		"decides by what is noted":                 {store.Noted, touched{read: []string{"grants", "halt"}, wrote: []string{"request"}}, ""},
		"decides by what nothing is said of":       {store.Noted, touched{read: []string{"ticket"}}, "decides by ticket"},
		"writes what nothing is said of":           {store.Noted, touched{wrote: []string{"handover"}}, "decides by handover"},
		"apart, it may":                            {store.Apart, touched{read: []string{"ticket"}, wrote: []string{"handover", "halt", "finding"}}, ""},
		"beside, it halts":                         {store.Beside, touched{wrote: []string{"halt"}}, "writes halt, and is Beside"},
		"in no manner, it halts":                   {store.Serial, touched{wrote: []string{"halt"}}, "writes halt, and is Serial"},
		"in no manner, it writes what is noted":    {store.Serial, touched{wrote: []string{"grants"}}, "writes grants, and is Serial"},
		"noted itself, it says who is away":        {store.Noted, touched{wrote: []string{"absence"}}, "writes absence, and is Noted"},
		"beside, decides by what a submit writes":  {store.Beside, touched{read: []string{"place"}}, "decides by place, and is Beside"},
		"beside, decides by what it writes itself": {store.Beside, touched{read: []string{"grants", "receipt"}, wrote: []string{"grants"}}, ""},
		"beside, opens a finding that decides":     {store.Beside, touched{wrote: []string{"finding"}, kinds: []string{"account_made_anew"}}, "kind account_made_anew"},
	} {
		got := c.x.wrong("Verb", c.m)
		if c.says == "" && len(got) > 0 || c.says != "" && (len(got) != 1 || !strings.Contains(got[0], "Verb ") || !strings.Contains(got[0], c.says)) {
			t.Errorf("%s: %q, want %q", what, got, c.says)
		}
	}
	for table, r := range rests {
		if only := len(r.by) == 1 && r.by[0] == store.Apart; (r.why == "") != only {
			t.Errorf("%s: why it is enough that %v write it is to be said where others than Apart do, and nowhere else", table, r.by)
		}
	}
}
