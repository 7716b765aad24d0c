package table

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lessor-iam/lessor/internal/access"
)

func hr(change ...func(*access.Feed)) access.Feed {
	f := access.Feed{ID: "hr", Kind: "csv", Key: "Number", Columns: map[string]string{"user": "Login", "boss_mail": "Boss's mail", "account:dir": "Dir"}}
	for _, do := range change {
		do(&f)
	}
	return f
}

func TestWhatAFileSays(t *testing.T) {
	t.Parallel()
	text := "\xef\xbb\xbfNumber;Login;name;groups;active;external;start;end;Boss's mail;Dir;manager\r\n" +
		"007;ann;\"Ann\nof \"\"it\"\"\";Staff|All;true;no;2026-01-01;2026-12-31;boss@example.com;ann.dir;001\r\n" +
		"008;=cmd|'/c calc'!A1;+Bob;;FALSE;1;;;;;\r\n"
	got, err := Parse(hr(), []byte(strings.ReplaceAll(text, "Ann\nof", "Ann of")))
	if err != nil {
		t.Fatal(err)
	}
	want := []access.Record{
		{Key: "007", User: "ann", Name: `Ann of "it"`, Groups: []string{"All", "Staff"}, Manager: "001", Accounts: map[string]string{"dir": "ann.dir"},
			More: map[string]string{"boss_mail": "boss@example.com"}, Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)},
		{Key: "008", User: "=cmd|'/c calc'!A1", Name: "+Bob", External: true, Inactive: true},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	// A quoted line break within a name is a problem with the line it begins at; not a row of its own.
	if _, err := Parse(hr(), []byte(text)); err == nil || !strings.Contains(err.Error(), "line 2: name of") {
		t.Errorf("%v", err)
	}
}

func TestEverythingWrongIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Parse(hr(), []byte("Number,Login,active,end,Dir\n1,a,perhaps,2026-13-01,\n1,b,,,\n,c,,,\n2,d\n"))
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{`line 5: `, "wrong number of fields"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	_, err = Parse(hr(), []byte("Number,Login,active,end,Dir\n1,a,perhaps,2026-13-01,\n1,b,,,\n,c,,,\n"))
	for _, want := range []string{`no column "Boss's mail" for boss_mail`, "line 2: active must be true or false", "line 2: end must be a date", `line 3: the key "1" is that of line 2`, `line 4: the key "Number" is empty`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	for text, want := range map[string]string{"": "no column", "Number,Number,Login,Dir,Boss's mail\n": "twice", "Login\nx\n": `no column "Number"`, "Number\n\xff": "UTF-8", "Number,\"Login\nx": "line 1"} {
		if _, err := Parse(hr(), []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

func TestYAML(t *testing.T) {
	t.Parallel()
	f := hr(func(f *access.Feed) { f.Kind, f.Columns = "yaml", nil })
	got, err := Parse(f, []byte("- Number: 7\n  user: ann\n  groups: [Staff, All]\n  active: false\n  account:dir: ann\n"))
	if err != nil || len(got) != 1 || got[0].Key != "7" || !got[0].Inactive || len(got[0].Groups) != 2 || got[0].Accounts["dir"] != "ann" {
		t.Errorf("%+v, %v", got, err)
	}
	for text, want := range map[string]string{"- Number: 7\n- Number: 7\n": "too", "- Number: 7\n  user: {a: b}\n": "list", "x: 1\n": "", "- user: a\n": "no column"} {
		if _, err := Parse(f, []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
	}
}

func TestReadIsWholeOrNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "people.csv")
	s, err := New(hr(func(f *access.Feed) { f.Settings, f.Columns = map[string]string{"people_file": file}, nil }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context()); err == nil {
		t.Error("read a file that is not there")
	}
	if err := os.WriteFile(file, []byte("Number,user\n7,ann\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := s.Read(t.Context()); err != nil || len(list) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := s.Read(ended); err == nil {
		t.Error("read after its time")
	}
	if _, err := New(access.Feed{Kind: "csv"}); err == nil {
		t.Error("a feed without a file")
	}
}
