// What a page gains from script: times in the reader's zone, countdowns that
// count, and looking again when something has changed. Every page says all it has to say without it.
"use strict";
(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const same = (a, b) => a.toDateString() === b.toDateString();
  const clock = (d, s) => d.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: s ? "2-digit" : undefined, hour12: false });
  const date = (d, now) => d.toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "short", year: d.getFullYear() === now.getFullYear() ? undefined : "numeric" });

  function span(s) {
    const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    for (let i = 0; i < units.length; i++) {
      const [size, name] = units[i];
      if (s < size) continue;
      const n = Math.floor(s / size);
      let text = n + " " + name;
      if (i + 1 < units.length && n < 10) {
        const m = Math.floor((s - n * size) / units[i + 1][0]);
        if (m > 0) text += " " + m + " " + units[i + 1][1];
      }
      return text;
    }
    return "0 s";
  }

  function times(root) {
    const now = new Date();
    for (const t of root.querySelectorAll("time[data-f]")) {
      const d = new Date(t.dateTime);
      if (isNaN(d)) continue;
      if (!t.title) t.title = t.textContent;
      const s = t.dataset.f === "s";
      if (t.dataset.f === "t") t.textContent = clock(d, true);
      else t.textContent = (same(d, now) ? "today " : date(d, now) + " ") + clock(d, s);
    }
    for (const t of root.querySelectorAll("time[data-left]")) {
      const left = Math.floor((new Date(t.dateTime) - now) / 1000);
      if (!isNaN(left)) t.textContent = left > 0 ? span(left) + " left" : "its end has come";
    }
    for (const t of root.querySelectorAll("time[data-ago]")) {
      const past = Math.floor((now - new Date(t.dateTime)) / 1000);
      if (!isNaN(past)) t.textContent = past > 0 ? span(past) + " ago" : "just now";
    }
    for (const z of root.querySelectorAll("[data-zone]")) z.textContent = z.dataset.zone + zone.replaceAll("_", " ");
  }

  // A start is typed in the reader's zone; how far that is from UTC goes with it.
  function offset(root) {
    for (const at of root.querySelectorAll("input[type=datetime-local]")) {
      const off = at.form && at.form.elements.namedItem("offset");
      if (!off) continue;
      const say = () => { off.value = String((at.value ? new Date(at.value) : new Date()).getTimezoneOffset()); };
      at.addEventListener("change", say);
      say();
    }
  }

  // A page that shows a state is told when that has changed, and looks again; where
  // nothing tells it, it looks by itself. Nothing is taken from under somebody's hands.
  let stream, poll, missed = false, last = Date.now();
  const idle = () => Date.now() - last > 30 * 60 * 1000;
  const shown = () => document.querySelector("[data-live]");
  function look() {
    const page = shown(), at = document.activeElement;
    missed = !!page && page.contains(at) && at.matches("input, textarea, select");
    if (page && !missed) page.dispatchEvent(new Event("live"));
  }
  function listen() {
    if (stream) stream.close();
    clearInterval(poll);
    const page = shown();
    if (!page || document.hidden || idle()) return;
    stream = new EventSource(page.dataset.live);
    stream.addEventListener("changed", look);
    stream.addEventListener("error", () => {
      if (idle()) return stream.close(); // it would come again by itself for as long as the page is open
      if (stream.readyState !== EventSource.CLOSED) return;
      clearInterval(poll);
      poll = setInterval(() => { if (!document.hidden && !idle()) look(); }, 5000);
    });
  }
  document.addEventListener("visibilitychange", listen);
  document.addEventListener("focusout", () => { if (missed) setTimeout(look, 0); });
  for (const by of ["pointerdown", "keydown"]) document.addEventListener(by, () => {
    const slept = idle();
    last = Date.now();
    if (slept) listen();
  }, { passive: true });

  const start = (root) => { times(root); offset(root); listen(); };
  start(document);
  document.addEventListener("htmx:after:swap", () => start(document));
  setInterval(() => times(document), 1000);
})();
