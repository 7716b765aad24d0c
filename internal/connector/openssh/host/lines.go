package host

import (
	"bytes"
	"strings"
)

// parse gives what a line of a principals file lets in, by sshd's own rules: all
// that follows a # or a NUL is none of it, and in front of the last blank stand
// options. The name is "" if the line lets nobody in.
func parse(line string) (principal string, options bool) {
	if i := strings.IndexByte(line, 0); i >= 0 {
		line = line[:i]
	}
	line = strings.TrimLeft(line, " \t")
	if i := strings.IndexByte(line, '#'); i >= 0 {
		line = line[:i]
	}
	line = strings.TrimRight(line, " \t\n")
	i := strings.LastIndexByte(line, ' ')
	if i < 0 {
		i = strings.LastIndexByte(line, '\t')
	}
	if i < 0 {
		return line, false
	}
	return strings.TrimLeft(line[i:], " \t"), true
}

// read gives the lines of a principals file that let somebody in.
func read(file []byte) (list []Line) {
	n := 0
	for line := range bytes.Lines(file) {
		n++
		if p, options := parse(string(line)); p != "" {
			list = append(list, Line{Number: n, Principal: strings.ToValidUTF8(p, "\ufffd"), Options: options})
		}
	}
	return list
}

// with gives the file with the principal's own line, or without it. Every other
// line, comments and those with options too, stays as it is, byte for byte.
func with(file []byte, principal string, want bool) []byte {
	var out []byte
	there := false
	for line := range bytes.Lines(file) {
		if p, options := parse(string(line)); p == principal && !options {
			if !want {
				continue
			}
			there = true
		}
		out = append(out, line...)
	}
	if want && !there {
		if len(out) > 0 && out[len(out)-1] != '\n' {
			out = append(out, '\n')
		}
		out = append(append(out, principal...), '\n')
	}
	return out
}

// usable tells whether a user can be called this and have a file of this name.
// It leaves out what means something in sshd's own files and options.
func usable(object string) bool {
	return object != "" && len(object) <= 255 && !strings.ContainsFunc(object, func(r rune) bool {
		return !plain(r) && r != '\\' && r != '$'
	}) && !strings.ContainsAny(object[:1], ".-+@")
}

// lettered tells whether a principal is one that we write: nothing in it means
// anything to sshd.
func lettered(principal string) bool {
	return principal != "" && len(principal) <= maxPrincipal && !strings.ContainsFunc(principal, func(r rune) bool {
		return !plain(r) && r != '%'
	})
}

func plain(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._@+-", r)
}

const maxPrincipal = 4096
