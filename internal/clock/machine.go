package clock

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// Machine reads the clocks of this machine. Where it is not Linux it cannot tell for
// how long it has been up: then a machine that slept looks like one whose clock jumped.
func Machine() Readers {
	began := time.Now()
	return Readers{Wall: time.Now, Run: func() time.Duration { return time.Since(began) }, Up: up}
}

// up reads what Linux says: the second counts sleep, too.
func up() (boot string, long time.Duration, ok bool) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", 0, false
	}
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return "", 0, false
	}
	first, _, _ := strings.Cut(string(text), " ")
	seconds, err := strconv.ParseFloat(first, 64)
	if err != nil || seconds < 0 || seconds > 1e10 {
		return "", 0, false
	}
	return strings.TrimSpace(string(id)), time.Duration(seconds * float64(time.Second)), true
}
