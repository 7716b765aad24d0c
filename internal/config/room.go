package config

import (
	"strconv"
	"strings"
)

// How much of the disk is kept for what takes access away, in bytes.
const (
	keepFree      = 256 << 20
	leastKeepFree = 1 << 20
	mostKeepFree  = 1 << 40
)

// keepFree reads how many free bytes of the database's disk nothing is granted into.
func (f fields) keepFree() uint64 {
	text, ok := f.read("keep_free")
	if !ok {
		return keepFree
	}
	for unit, bytes := range map[string]uint64{"MiB": 1 << 20, "GiB": 1 << 30} {
		number, is := strings.CutSuffix(text, unit)
		if !is {
			continue
		}
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || number != strconv.FormatUint(n, 10) {
			break
		}
		if n *= bytes; n < leastKeepFree || n > mostKeepFree {
			f.problem("keep_free", "keep_free must be between 1MiB and 1024GiB")
			return keepFree
		}
		return n
	}
	f.problem("keep_free", "keep_free is not a size: write it like 256MiB or 4GiB")
	return keepFree
}
