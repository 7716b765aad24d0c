package secret

import (
	"fmt"
	"io"
	"log/slog"
)

// Shown is what every printed, logged or encoded [Value] looks like.
const Shown = "[secret]"

// Value is a secret that was resolved. The zero Value is empty and is shown the
// same way. It has no way back from text: a Value is never decoded.
type Value struct {
	// A pointer, because fmt does not call methods on unexported fields of other
	// structs: it would print the text of a string, but prints an address of this.
	text *string
}

// New wraps a text that is secret from here on.
func New(text string) Value { return Value{text: &text} }

// Reveal returns the text. Whoever calls it takes over the duty not to print it.
func (v Value) Reveal() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

// IsZero tells whether no secret was resolved into v, or an empty one.
func (v Value) IsZero() bool { return v.text == nil || *v.text == "" }

// String, GoString and Format hide the text from package fmt, whatever the verb.
func (v Value) String() string   { return Shown }
func (v Value) GoString() string { return Shown }
func (v Value) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, Shown)
}

// MarshalJSON, MarshalText and LogValue hide it from encoders and slog.
func (v Value) MarshalJSON() ([]byte, error) { return []byte(`"` + Shown + `"`), nil }
func (v Value) MarshalText() ([]byte, error) { return []byte(Shown), nil }
func (v Value) LogValue() slog.Value         { return slog.StringValue(Shown) }
