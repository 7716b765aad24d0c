//go:build !unix

package server

func freeAt(string) (free uint64, ok bool) { return 0, false }
