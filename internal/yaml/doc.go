// Package yaml reads plain YAML into values that know their places. Whatever makes a
// text mean more than it shows is refused before the parser sees it: anchors, aliases,
// merge keys, tags, directives, complex keys, characters no editor shows, and nesting
// and numbers beyond stated bounds, with which the parser's stack and time grow.
//
// It knows nothing of what the values mean, reads no file and keeps nothing.
package yaml
