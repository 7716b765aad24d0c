package promise

import (
	"fmt"
	"reflect"
	"testing"
)

// What a promise finds wrong comes out as a verdict, wherever the promise ends.
func TestJudge(t *testing.T) {
	t.Parallel()
	many := make([]string, mostWrong)
	for i := range many {
		many[i] = fmt.Sprint("wrong ", i)
	}
	for name, c := range map[string]struct {
		hold func(k *kit)
		want Verdict
	}{
		"kept":      {func(*kit) {}, Verdict{Kept: true}},
		"two wrong": {func(k *kit) { k.Error("one", 1); k.Errorf("%d", 2) }, Verdict{Wrong: []string{"one 1", "2"}}},
		"fatal":     {func(k *kit) { k.Fatalf("no %s", "more"); k.Error("goes on") }, Verdict{Wrong: []string{"no more"}}},
		"skipped":   {func(k *kit) { k.Skip("has none"); k.Error("goes on") }, Verdict{Skipped: "has none"}},
		"very many": {func(k *kit) {
			for i := range mostWrong + 5 {
				k.Error("wrong", i)
			}
		}, Verdict{Wrong: append(many, "and 5 more")}},
	} {
		p := Promise{Name: name, What: "what", hold: c.hold}
		c.want.Name, c.want.What = name, "what"
		if got := p.Judge(func(T) Target { return Target{} }); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	p := Promise{Name: "no target", hold: func(k *kit) { k.Error("goes on") }}
	if got := p.Judge(func(t T) Target { t.Fatal("no target"); return Target{} }); len(got.Wrong) != 1 || got.Wrong[0] != "no target" {
		t.Errorf("no target: %+v", got)
	}
}

// Names and tags keep promises apart that share a server.
func TestPromisesAreApart(t *testing.T) {
	t.Parallel()
	names, tags := map[string]bool{}, map[string]bool{}
	for _, p := range All() {
		if p.What == "" || names[p.Name] || tags[p.tag] {
			t.Errorf("%q, %q: says nothing, or its name or tag is another's too", p.Name, p.tag)
		}
		names[p.Name], tags[p.tag] = true, true
	}
}
