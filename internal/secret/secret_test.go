package secret

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const text = "hunter2-Ünïcode"

func TestValueNeverPrints(t *testing.T) {
	t.Parallel()
	v := New(text)
	inside := struct {
		Open   Value
		hidden Value
		Ptr    *Value
		Map    map[string]Value
		List   []Value
	}{v, v, &v, map[string]Value{"k": v}, []Value{v}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%20s", "%-5q", "%w"} {
		for _, arg := range []any{v, &v, inside, &inside, []any{v}, map[any]any{"a": v}, error(fmt.Errorf("x: %v", v))} {
			refuse(t, verb, fmt.Sprintf(verb, arg))
		}
	}
	if got := fmt.Sprintf("%v|%+v|%#v|%s|%q", v, v, v, v, v); got != strings.Repeat("|"+Shown, 5)[1:] {
		t.Errorf("printed %s", got)
	}
	refuse(t, "Sprint", fmt.Sprint(v, &v, inside))
	for _, arg := range []any{v, inside, map[string]any{"a": v}} {
		out, err := json.Marshal(arg)
		if err != nil || !bytes.Contains(out, []byte(Shown)) {
			t.Errorf("json of %T: %s, %v", arg, out, err)
		}
		refuse(t, "json", string(out))
	}
	keyed, err := json.Marshal(map[Value]int{v: 1})
	if err != nil {
		t.Error(err)
	}
	refuse(t, "json key", string(keyed))
	type named struct{ V Value }
	out, err := xml.Marshal(named{v})
	if err != nil {
		t.Error(err)
	}
	refuse(t, "xml", string(out))
}

func TestValueNeverLogged(t *testing.T) {
	t.Parallel()
	v := New(text)
	var out bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("m", "v", v, "p", &v, "in", struct{ V, w Value }{v, v}, slog.Group("g", "v", v), "l", []Value{v})
	}
	refuse(t, "slog", out.String())
	if n := strings.Count(out.String(), Shown); n < 8 {
		t.Errorf("shown %d times: %s", n, out.String())
	}
}

func TestValueReveal(t *testing.T) {
	t.Parallel()
	var zero Value
	if New(text).Reveal() != text || zero.Reveal() != "" || !zero.IsZero() || New(text).IsZero() || !New("").IsZero() {
		t.Error("reveal")
	}
	if got := fmt.Sprint(zero); got != Shown {
		t.Errorf("zero value printed %q", got)
	}
}

func refuse(t *testing.T, how, out string) {
	t.Helper()
	hex := fmt.Sprintf("%x", text)
	for _, bad := range []string{"hunter2", "Ünïcode", hex, strings.ToUpper(hex), "104 117 110"} {
		if strings.Contains(out, bad) {
			t.Errorf("%s shows the secret: %s", how, out)
		}
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	env := map[string]string{"TOKEN": text, "EMPTY": "", "_x9": "y"}
	files := map[string]struct {
		body string
		mode fs.FileMode
	}{
		"/s/ok": {text, 0o600}, "/s/newline": {text + "\n", 0o640}, "/s/crlf": {text + "\r\n", 0o600},
		"/s/two": {text + "\n\n", 0o600}, "/s/world": {text, 0o644}, "/s/writable": {text, 0o602},
		"/s/empty": {"\n", 0o600}, "/s/full": {strings.Repeat("a", LongestFile), 0o600},
		"/s/long": {strings.Repeat("a", LongestFile+1), 0o600}, "/s/dir": {"", fs.ModeDir | 0o700},
		"/s/with:colon": {"c", 0o400}, "/s/ sp ace": {" s ", 0o400},
	}
	for _, c := range []struct{ ref, want, err string }{
		{"env:TOKEN", text, ""},
		{"env:_x9", "y", ""},
		{"env:EMPTY", "", "secret env:EMPTY: the environment variable is empty"},
		{"env:UNSET", "", "secret env:UNSET: the environment variable is not set"},
		{"file:/s/ok", text, ""},
		{"file:/s/newline", text, ""},
		{"file:/s/crlf", text, ""},
		{"file:/s/two", text + "\n", ""},
		{"file:/s/with:colon", "c", ""},
		{"file:/s/ sp ace", " s ", ""},
		{"file:/s/full", strings.Repeat("a", LongestFile), ""},
		{"file:/s/long", "", "secret file:/s/long: longer than 65536 bytes"},
		{"file:/s/world", "", "secret file:/s/world: other users of the machine may open it: chmod o-rwx it first"},
		{"file:/s/writable", "", "secret file:/s/writable: other users of the machine may open it: chmod o-rwx it first"},
		{"file:/s/empty", "", "secret file:/s/empty: the file is empty"},
		{"file:/s/dir", "", "secret file:/s/dir: not a regular file"},
		{"file:/s/none", "", "secret file:/s/none: file does not exist"},
	} {
		got, err := Resolve(c.ref, func(n string) (string, bool) { s, ok := env[n]; return s, ok },
			func(n string) ([]byte, fs.FileMode, error) {
				f, ok := files[n]
				if !ok {
					return nil, 0, fs.ErrNotExist
				}
				return []byte(f.body), f.mode, nil
			})
		if (err == nil) != (c.err == "") || (err != nil && err.Error() != c.err) || got.Reveal() != c.want {
			t.Errorf("%s: %d bytes, %v; want %s", c.ref, len(got.Reveal()), err, c.err)
		}
	}
}

func TestLiteralIsRefusedUnread(t *testing.T) {
	t.Parallel()
	never := func(string) (string, bool) { t.Error("looked up"); return "", false }
	read := func(string) ([]byte, fs.FileMode, error) { t.Error("read"); return nil, 0, nil }
	for _, ref := range []string{
		"", "hunter2", "password:hunter2", "env:", "file:", "ENV:TOKEN", " env:TOKEN", "env:hunter2!", "env:hunter2 ",
		"env: hunter2", "env:9hunter2", "file:hunter2\x00", "file:/a\nhunter2", "env:hünter2", "https://hunter2@host",
		"env:A\nhunter2", "vault:hunter2", ":hunter2", "env", "file",
	} {
		_, err := Resolve(ref, never, read)
		if !errors.Is(err, ErrLiteral) || !errors.Is(Check(ref), ErrLiteral) {
			t.Errorf("%q: %v", ref, err)
			continue
		}
		for _, want := range []string{"env:NAME", "file:PATH"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: does not show %s: %v", ref, want, err)
			}
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "hünter2") {
			t.Errorf("echoed: %v", err)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Setenv("LESSOR_TEST_SECRET", text)
	dir := t.TempDir()
	write := func(name string, mode fs.FileMode, size int) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytes.Repeat([]byte("a"), size), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return "file:" + path
	}
	if err := os.Symlink(filepath.Join(dir, "good"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{
		"env:LESSOR_TEST_SECRET": "", write("good", 0o600, 9): "", "file:" + filepath.Join(dir, "link"): "",
		write("world", 0o604, 9): "chmod", write("big", 0o600, LongestFile+9): "longer than", "file:" + dir: "not a regular file",
		"file:" + filepath.Join(dir, "none"): "no such file", "file:/dev/zero": "not a regular file",
	} {
		v, err := Open(ref)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) || (err == nil) == v.IsZero() {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{"env:A", "file:/x", "env:", "hunter2", "file:\x00", "env:A:B", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		if err := Check(ref); err != nil && err.Error() != ErrLiteral.Error() {
			t.Errorf("%q: %v", ref, err)
		}
	})
}
