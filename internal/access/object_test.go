package access

import (
	"slices"
	"testing"
)

func TestUnsaid(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ declared, said, want []string }{
		{nil, nil, nil},
		{nil, []string{"write", "read"}, nil},
		{nil, []string{"grant", "admin", "write"}, []string{"admin", "grant"}},
		{[]string{"read"}, []string{"write", "read"}, []string{"write"}},
		{[]string{"write"}, []string{"read"}, nil},
		{[]string{"grant"}, []string{"read", "grant"}, []string{"read"}},
		{[]string{"admin"}, []string{"write", "read", "admin", "grant"}, []string{"grant"}},
		{[]string{"admin", "grant"}, nil, nil},
	} {
		if got := (Entitlement{Powers: c.declared}).Unsaid(c.said); !slices.Equal(got, c.want) {
			t.Errorf("declared %v, said %v: %v, want %v", c.declared, c.said, got, c.want)
		}
	}
}
