package openssh

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// settings is a Config that cannot be wrong.
type settings struct {
	address  string
	user     string
	key, ca  func() string
	hostKeys []ssh.PublicKey
	timeout  time.Duration
	now      func() time.Time
}

func check(cfg Config) (s settings, err error) {
	s = settings{user: cfg.User, key: cfg.Key, ca: cfg.CA, timeout: cfg.Timeout, now: cfg.Now}
	if s.timeout == 0 {
		s.timeout = 30 * time.Second
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.address, err = address(cfg.Address); err != nil {
		return s, err
	}
	if s.hostKeys, err = hostKeys(cfg.HostKeys); err != nil {
		return s, err
	}
	switch {
	case !userName(cfg.User):
		return s, fmt.Errorf("openssh: User %q is no UNIX user's name", cfg.User)
	case cfg.Key == nil:
		return s, errors.New("openssh: Key is required")
	case cfg.CA == nil:
		return s, errors.New("openssh: CA is required")
	case s.timeout < time.Millisecond || s.timeout > time.Hour:
		return s, fmt.Errorf("openssh: Timeout %s is not between 1ms and 1h", s.timeout)
	}
	return s, nil
}

func address(a string) (string, error) {
	host, port, err := net.SplitHostPort(a)
	if err != nil {
		host, port = strings.TrimSuffix(strings.TrimPrefix(a, "["), "]"), "22"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || host == "" || strings.ContainsAny(host, "/@ \t\n[]") || strings.Contains(host, ":") && net.ParseIP(host) == nil {
		return "", fmt.Errorf("openssh: Address %q is not host or host:port", a)
	}
	return net.JoinHostPort(host, port), nil
}

func hostKeys(text string) (list []ssh.PublicKey, err error) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		k, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || len(options) > 0 {
			return nil, fmt.Errorf("openssh: HostKeys has a line that is no public key such as ssh-ed25519 AAAA…: %q", line)
		}
		if _, ok := k.(*ssh.Certificate); ok {
			return nil, errors.New("openssh: HostKeys are plain keys, not certificates")
		}
		list = append(list, k)
	}
	if len(list) == 0 {
		return nil, errors.New("openssh: HostKeys is required: the host's public keys, from its /etc/ssh/ssh_host_*.pub")
	}
	return list, nil
}

var errHostKey = errors.New("the host has another key than the settings say: it is not the host that is meant, or its keys were changed")

// isHost refuses a host with a key that was not given to us beforehand.
func (s *settings) isHost(_ string, _ net.Addr, key ssh.PublicKey) error {
	if slices.ContainsFunc(s.hostKeys, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) }) {
		return nil
	}
	return errHostKey
}

// algorithms are those of the keys we know: a host is not asked for others.
func (s *settings) algorithms() (list []string) {
	for _, k := range s.hostKeys {
		if k.Type() == ssh.KeyAlgoRSA {
			list = append(list, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			list = append(list, k.Type())
		}
	}
	return list
}

// signer reads a private key.
func signer(what string, ask func() string) (ssh.Signer, error) {
	text := ask()
	if text == "" {
		return nil, fmt.Errorf("there is no %s", what)
	}
	// The library's words might quote what it was given.
	k, err := ssh.ParsePrivateKey([]byte(text + "\n"))
	if err != nil {
		return nil, fmt.Errorf("the %s is no private key without a passphrase", what)
	}
	return k, nil
}
