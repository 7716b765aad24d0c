package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/lessor-iam/lessor/internal/testserver"
)

// tabPatience is how long something on a page is waited for, on a loaded machine.
const tabPatience = 2 * time.Minute

// tab is one tab of a headless Chromium, and what it did.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string
	walk *walk

	mu      sync.Mutex
	asked   []string // addresses
	bytes   float64  // received for the page that is open
	trouble []string // errors of pages: scripts, content policy
}

// open starts a browser with an empty cache and no cookies.
func openTab(t *testing.T, base string, w *walk) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		testserver.Missing(t, "chromium")
	}
	opts := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en-GB"))
	alloc, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), opts...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, base: base, walk: w}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	for _, err := range []error{
		errOf(chromedp.Call(ctx, network.Enable, network.EnableParams{})),
		errOf(chromedp.Call(ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})),
		errOf(chromedp.Call(ctx, log.Enable, cdp.Empty{})),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.look("light", 1280)
	return b
}

func errOf[T any](_ T, err error) error { return err }

// hear notes what the browser tells by itself.
func (b *tab) hear(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *network.EventRequestWillBeSent:
		if ev.Type == network.ResourceTypeDocument {
			b.bytes = 0
		}
		if !strings.HasPrefix(ev.Request.URL, "data:") { // what the browser draws its own controls with
			b.asked = append(b.asked, ev.Request.URL)
		}
	case *network.EventLoadingFinished:
		b.bytes += ev.EncodedDataLength
	case *log.EventEntryAdded:
		if ev.Entry.Level == log.EntryLevelError && !strings.Contains(ev.Entry.Text, "422") && !strings.Contains(ev.Entry.Text, "404") { // those two are answers, and tested
			b.trouble = append(b.trouble, ev.Entry.Text+" "+ev.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		b.trouble = append(b.trouble, ev.ExceptionDetails.Text)
	}
}

func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, tabPatience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%s: %v\nthe page says:\n%s", what, err, b.text())
	}
}

// text is what the page says.
func (b *tab) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, tabPatience)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.title + "\n" + (document.querySelector("main")?.innerText ?? "")`))
	if err != nil {
		return err.Error()
	}
	return s
}

// loads is what the page has asked for last, and when: whether it was told at all
// shows in it.
func (b *tab) loads() string {
	ctx, cancel := context.WithTimeout(b.ctx, tabPatience)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string](`[document.visibilityState + ", now " + Math.round(performance.now()) + " ms, hears at " + document.querySelector("[data-live]")?.dataset.live,
		...performance.getEntriesByType("resource").slice(-30).map(e => Math.round(e.startTime) + " +" + Math.round(e.duration) + " ms " + e.responseStatus + " " + e.name)].join("\n")`))
	if err != nil {
		return err.Error()
	}
	return s
}

// goTo opens a page of the portal. A page that is still being loaded may get in its way,
// which the browser calls aborted: then it is opened once more.
func (b *tab) goTo(path string) {
	b.t.Helper()
	var err error
	for range 3 {
		ctx, cancel := context.WithTimeout(b.ctx, tabPatience)
		err = chromedp.Do(ctx, chromedp.Navigate(b.base+path))
		cancel()
		if err == nil || !strings.Contains(err.Error(), "net::ERR_ABORTED") {
			break
		}
	}
	if err != nil {
		b.t.Fatalf("open %s: %v\nthe page says:\n%s", path, err, b.text())
	}
}

// script is something about the page that is waited for: an expression that is true.
func (b *tab) script(what, expression string) {
	b.t.Helper()
	deadline := time.Now().Add(tabPatience)
	for {
		ctx, cancel := context.WithTimeout(b.ctx, tabPatience)
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		cancel()
		if ok && err == nil {
			return
		}
		if time.Now().After(deadline) { // an error meanwhile is a page that is being left
			b.t.Fatalf("%s: was not so within %s (%v)\nit loaded last:\n%s\nthe page says:\n%s", what, tabPatience, err, b.loads(), b.text())
		}
		select {
		case <-b.t.Context().Done():
			b.t.Fatal(b.t.Context().Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// says waits until an element says something.
func (b *tab) says(css, want string) {
	b.t.Helper()
	b.script(css+" says "+want, fmt.Sprintf(`[...document.querySelectorAll(%q)].some(e => e.innerText.includes(%q))`, css, want))
}

// press clicks the one button or link with that text.
func (b *tab) press(text string) {
	b.t.Helper()
	find := fmt.Sprintf(`[...document.querySelectorAll("button, a, summary")].filter(e => e.innerText.trim().startsWith(%q) && e.checkVisibility())`, text)
	b.script("a button "+text, find+".length > 0")
	b.do("press "+text, chromedp.Func(func(ctx context.Context, tg *chromedp.Target) error {
		_, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](find+`[0].click(), true`))
		return err
	}))
}

// fill types into a field, in place of what is there.
func (b *tab) fill(css, text string) {
	b.t.Helper()
	b.do("fill "+css, chromedp.WaitVisible(chromedp.CSS(css)))
	b.script("an empty field "+css, fmt.Sprintf(`(document.querySelector(%q).value = "", true)`, css))
	b.do("fill "+css, chromedp.SendKeys(chromedp.CSS(css), text))
}

func (b *tab) click(css string) {
	b.t.Helper()
	b.do("click "+css, chromedp.Click(chromedp.CSS(css)))
}

// look sets the colours and the width of the page.
func (b *tab) look(scheme string, width int64) {
	b.t.Helper()
	height := int64(900)
	if width < 600 {
		height = 844
	}
	if _, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}); err != nil {
		b.t.Fatal(err)
	}
	b.do("look", chromedp.EmulateViewport(width, height))
}

// mostFirstPaint is what any page may weigh, all it loads counted, as sent.
const mostFirstPaint = 60 << 10

// seen holds the page that is open against everything every page must be, and
// takes its pictures if they are wanted.
func (b *tab) seen(name string) {
	b.t.Helper()
	b.script(name+" is loaded", `document.readyState === "complete"`)
	b.mu.Lock()
	heavy, trouble := b.bytes, slices.Clone(b.trouble)
	for _, at := range b.asked {
		if !strings.HasPrefix(at, b.base+"/") {
			b.t.Errorf("%s: another origin was asked: %s", name, at)
		}
	}
	b.mu.Unlock()
	if heavy > mostFirstPaint {
		b.t.Errorf("%s: %.0f bytes were loaded; at most %d", name, heavy, mostFirstPaint)
	}
	if len(trouble) > 0 {
		b.t.Errorf("%s: the browser complains: %q", name, trouble)
	}
	b.t.Logf("%s: %.1f KB loaded", name, heavy/1024)
	b.walk.opened(b.t, b.location())
	// Wide and light, narrow and dark: what either could hide.
	for _, as := range []struct {
		scheme string
		width  int64
	}{{"light", 1280}, {"dark", 320}} {
		b.look(as.scheme, as.width)
		what := fmt.Sprintf("%s, %s, %d wide", name, as.scheme, as.width)
		b.accessible(what)
		b.script(what+" scrolls down alone", `document.documentElement.scrollWidth <= innerWidth`)
	}
	if os.Getenv("LESSOR_GENERATE") != "" {
		for _, as := range []struct {
			scheme, shot string
			width        int64
		}{{"light", "light", 1280}, {"dark", "dark", 1280}, {"light", "phone", 390}} {
			b.look(as.scheme, as.width)
			b.picture(name + "-" + as.shot)
		}
	}
	b.look("light", 1280)
}

// violation is what axe-core found.
type violation struct {
	ID, Impact, Help string
	Where            []string
}

// accessible runs axe-core in the page; whatever it finds fails.
func (b *tab) accessible(name string) {
	b.t.Helper()
	axe, err := os.ReadFile(filepath.Join("..", "..", ".tools", "axe", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		testserver.Missing(b.t, "axe-core (.tools/axe)")
	}
	ctx, cancel := context.WithTimeout(b.ctx, tabPatience)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](string(axe)+";true")); err != nil {
		b.t.Fatalf("%s: axe-core: %v", name, err)
	}
	raw, err := chromedp.Run(ctx, chromedp.Evaluate[string](`axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
		JSON.stringify(r.violations.map(v => ({ID: v.id, Impact: v.impact, Help: v.help, Where: v.nodes.map(n => n.target.join(" ") + " " + n.failureSummary)}))))`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: axe-core: %v", name, err)
	}
	var found []violation
	if err := json.Unmarshal([]byte(raw), &found); err != nil {
		b.t.Fatal(err)
	}
	for _, v := range found {
		b.t.Errorf("%s: %s (%s): %s: %q", name, v.ID, v.Impact, v.Help, v.Where)
	}
}

// picture keeps the page as a small PNG under docs/pictures.
func (b *tab) picture(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, tabPatience)
	defer cancel()
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Fatal(err)
	}
	full, err := png.Decode(bytes.NewReader(shot))
	if err != nil {
		b.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few(full)); err != nil {
		b.t.Fatal(err)
	}
	dir := filepath.Join("..", "..", "docs", "pictures")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "portal-"+name+".png"), out.Bytes(), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// few draws a picture with its most frequent colours alone: a page has few, and
// the rest are the edges of letters.
func few(full image.Image) image.Image {
	coarse := func(c color.Color) color.RGBA {
		r, g, b, _ := c.RGBA()
		return color.RGBA{uint8(r>>8) &^ 7, uint8(g>>8) &^ 7, uint8(b>>8) &^ 7, 255}
	}
	count, at := map[color.RGBA]int{}, full.Bounds()
	for y := at.Min.Y; y < at.Max.Y; y++ {
		for x := at.Min.X; x < at.Max.X; x++ {
			count[coarse(full.At(x, y))]++
		}
	}
	var all []color.RGBA
	for c := range count {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b color.RGBA) int { return count[b] - count[a] })
	var colors color.Palette
	for _, c := range all[:min(len(all), 250)] {
		colors = append(colors, c)
	}
	nearest := map[color.RGBA]uint8{}
	small := image.NewPaletted(at, colors)
	for y := at.Min.Y; y < at.Max.Y; y++ {
		for x := at.Min.X; x < at.Max.X; x++ {
			c := coarse(full.At(x, y))
			i, ok := nearest[c]
			if !ok {
				i = uint8(colors.Index(c))
				nearest[c] = i
			}
			small.SetColorIndex(x, y, i)
		}
	}
	return small
}

// location is the address of the page.
func (b *tab) location() string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, tabPatience)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Location())
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}
