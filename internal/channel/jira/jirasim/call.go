package jirasim

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

// read decodes the body. Numbers stay as they were written.
func (c *call) read(into any) error {
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.UseNumber()
	if err := d.Decode(into); err != nil || d.More() {
		return refuse(400, "There was an error parsing JSON. Check that your request body is valid.")
	}
	return nil
}

func (c *call) arg(name string) string { return c.args[name] }

func (c *call) query(name string) string { return c.form.Get(name) }

// queries gives a list parameter: repeated, or with commas.
func (c *call) queries(name string) (out []string) {
	for _, v := range c.form[name] {
		out = append(out, split(v)...)
	}
	return out
}

func (c *call) number(name string, otherwise int) int {
	n, err := strconv.Atoi(c.query(name))
	if err != nil || n < 0 {
		return otherwise
	}
	return n
}

// expands says whether the caller asked for that part too.
func (c *call) expands(part string) bool {
	if c.spread == nil {
		c.spread = map[string]bool{}
		for _, e := range c.queries("expand") {
			c.spread[e] = true
		}
	}
	return c.spread[part]
}

// widen adds what a body asks for to what the query did.
func (c *call) widen(expand, properties []string) {
	c.expands("")
	for _, e := range expand {
		for _, one := range split(e) {
			c.spread[one] = true
		}
	}
	if len(properties) > 0 {
		if c.form == nil {
			c.form = url.Values{}
		}
		c.form["properties"] = properties
	}
}

// rest is the address of a path of the platform API, in the caller's version.
func (c *call) rest(path string) string {
	return c.s.url + "/rest/api/" + strconv.Itoa(c.v) + path
}

// page answers with one page of a list (PageBean).
func (c *call) page(all list, most int) (reply, error) {
	start, limit := c.number("startAt", 0), min(c.number("maxResults", most), 1000)
	values := slice(all, start, limit)
	at := func(start int) string {
		q := url.Values{}
		for k, v := range c.form {
			q[k] = v
		}
		q.Set("startAt", itoa(start))
		q.Set("maxResults", itoa(limit))
		return c.s.url + c.r.URL.EscapedPath() + "?" + q.Encode()
	}
	out := obj{"self": at(start), "startAt": start, "maxResults": limit, "total": len(all), "isLast": start+len(values) >= len(all), "values": values}
	if out["isLast"] == false && len(values) > 0 {
		out["nextPage"] = at(start + len(values))
	}
	return ok(out)
}

// deskPage answers with one page of a list (PagedDTO).
func (c *call) deskPage(all list) (reply, error) { return ok(c.paged(all, c.r.URL.EscapedPath())) }

func (c *call) paged(all list, path string) obj {
	start, limit := c.number("start", 0), min(c.number("limit", 50), 100)
	values := slice(all, start, limit)
	at := func(start int) string {
		return c.s.url + path + "?start=" + itoa(start) + "&limit=" + itoa(limit)
	}
	links := obj{"self": at(start), "base": c.s.url, "context": ""}
	last := start+len(values) >= len(all)
	if !last {
		links["next"] = at(start + len(values))
	}
	if start > 0 {
		links["prev"] = at(max(0, start-limit))
	}
	return obj{"_expands": list{}, "size": len(values), "start": start, "limit": limit, "isLastPage": last, "_links": links, "values": values}
}

func slice(all list, start, limit int) list {
	if start >= len(all) {
		return list{}
	}
	return all[start:min(len(all), start+limit)]
}

func split(s string) (out []string) {
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// str is a JSON string, or a number written as one.
func str(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	}
	return ""
}

func itoa(n int) string { return strconv.Itoa(n) }

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
