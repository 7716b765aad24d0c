// Package trace says which spans belong together: the ids of W3C Trace Context, and
// those of a request's own trace, which every replica finds by itself. It is pure:
// it sends nothing and tells no time; trace/otlp sends.
package trace

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// ID is a trace's. The zero one is none.
type ID [16]byte

// SpanID is a span's. The zero one is none.
type SpanID [8]byte

// String writes an id as 32 of 0-9 and a-f, and none as nothing.
func (id ID) String() string {
	if id == (ID{}) {
		return ""
	}
	return hex.EncodeToString(id[:])
}

// String writes an id as 16 of 0-9 and a-f, and none as nothing.
func (id SpanID) String() string {
	if id == (SpanID{}) {
		return ""
	}
	return hex.EncodeToString(id[:])
}

// Context is a span of some trace, as one program tells another of it.
type Context struct {
	Trace ID
	Span  SpanID
}

// None tells whether it is of no trace.
func (c Context) None() bool { return c.Trace == (ID{}) || c.Span == (SpanID{}) }

// Parent writes it as the header traceparent, always as sampled.
func (c Context) Parent() string { return "00-" + c.Trace.String() + "-" + c.Span.String() + "-01" }

// Header is the name of the header that tells of a context.
const Header = "traceparent"

// Parse reads a traceparent, as https://www.w3.org/TR/trace-context/ has it; ok is
// false for what is none, and then it is as if there were none.
func Parse(text string) (c Context, ok bool) {
	parts := strings.Split(text, "-")
	if len(parts) < 4 || parts[0] == "ff" || (parts[0] == "00" && len(parts) != 4) || !lowerHex(parts[0], 2) || !lowerHex(parts[3], 2) {
		return Context{}, false
	}
	if !lowerHex(parts[1], 32) || !lowerHex(parts[2], 16) {
		return Context{}, false
	}
	_, _ = hex.Decode(c.Trace[:], []byte(parts[1])) // its form was just checked
	_, _ = hex.Decode(c.Span[:], []byte(parts[2]))
	return c, !c.None()
}

func lowerHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// ParseID reads the id of a trace.
func ParseID(text string) (id ID, ok bool) {
	if !lowerHex(text, 32) {
		return id, false
	}
	_, _ = hex.Decode(id[:], []byte(text))
	return id, id != (ID{})
}

// Of is the trace of a request for which no other was named, and its first span:
// whoever knows the request knows both.
func Of(request string) Context {
	sum := sha256.Sum256([]byte("lessor request " + request))
	return Context{ID(sum[:16]), SpanID(sum[16:24])}
}

type contextKey struct{}

// With has what is done under a context belong to a span.
func With(ctx context.Context, c Context) context.Context {
	if c.None() {
		return ctx
	}
	return context.WithValue(ctx, contextKey{}, c)
}

// From is the span that what is done belongs to; the zero one if to none.
func From(ctx context.Context) Context {
	c, _ := ctx.Value(contextKey{}).(Context)
	return c
}
