package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed assets
var assetFiles embed.FS

// kinds are the files a page may load, and what they are.
var kinds = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// asset is one file, ready to be sent.
type asset struct {
	kind          string
	plain, packed []byte
	hash          string
}

// assets are the files of every page, by name. Each is served under its own
// hash, so that it may be kept for ever and never be the wrong one.
type assets map[string]asset

func readAssets() (assets, error) {
	a := assets{}
	files, err := fs.ReadDir(assetFiles, "assets")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		kind, ok := kinds[path.Ext(f.Name())]
		if !ok {
			continue // a licence
		}
		plain, err := assetFiles.ReadFile("assets/" + f.Name())
		if err != nil {
			return nil, err
		}
		var packed bytes.Buffer
		z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			return nil, err
		}
		if _, err := z.Write(plain); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(plain)
		a[f.Name()] = asset{kind, plain, packed.Bytes(), hex.EncodeToString(sum[:8])}
	}
	return a, nil
}

// at is where a file is.
func (a assets) at(name string) string { return "/assets/" + a[name].hash + "/" + name }

// ServeHTTP implements [http.Handler].
func (a assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	hash, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/assets/"), "/")
	f, ok := a[name]
	if !ok || f.hash != hash {
		http.NotFound(w, r)
		return
	}
	h, body := w.Header(), f.plain
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	if packs(r) {
		h.Set("Content-Encoding", "gzip")
		body = f.packed
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = io.Copy(w, bytes.NewReader(body)) // whoever asked has gone if this fails
}
