package exec

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lessor-iam/lessor/internal/connector"
)

// settings is a Config that cannot be wrong.
type settings struct {
	program string
	args    []string
	dir     string
	env     map[string]string
	secrets map[string]func() string
	timeout time.Duration
	target  connector.Capabilities
	besides Besides
	log     *slog.Logger
	now     func() time.Time

	leastHang, followPing time.Duration
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func check(cfg Config) (settings, error) {
	s := settings{program: cfg.Program, args: slices.Clone(cfg.Args), dir: cfg.Dir, env: map[string]string{}, secrets: maps.Clone(cfg.Secrets),
		timeout: cfg.Timeout, target: cfg.Target, besides: cfg.Besides, log: cfg.Log, now: cfg.Now}
	if s.program == "" {
		return s, errors.New("exec: Program is required")
	}
	for _, arg := range append([]string{s.program, s.dir}, s.args...) {
		if strings.ContainsRune(arg, 0) {
			return s, errors.New("exec: a NUL stands in Program, Dir or Args")
		}
	}
	for _, name := range []string{"PATH", "HOME"} {
		if v, ok := os.LookupEnv(name); ok {
			s.env[name] = v
		}
	}
	maps.Copy(s.env, cfg.Env)
	for name := range s.secrets {
		if _, twice := cfg.Env[name]; twice {
			return s, fmt.Errorf("exec: %s is both in Env and in Secrets", name)
		}
	}
	for _, name := range slices.Concat(slices.Collect(maps.Keys(s.env)), slices.Collect(maps.Keys(s.secrets))) {
		if !variable.MatchString(name) || strings.ContainsRune(s.env[name], 0) {
			return s, fmt.Errorf("exec: %q is no environment variable's name, or its value holds a NUL", name)
		}
	}
	return s, s.fill()
}

// fill checks the numbers and gives those left out their defaults.
func (s *settings) fill() error {
	switch {
	case s.timeout < 0:
		return fmt.Errorf("exec: Timeout %s is negative", s.timeout)
	case s.target.Batch < 0:
		return fmt.Errorf("exec: Target.Batch %d is negative", s.target.Batch)
	case s.target.Lingers < 0:
		return fmt.Errorf("exec: Target.Lingers %s is negative", s.target.Lingers)
	}
	s.leastHang, s.followPing = leastHang, idlePing
	if s.timeout == 0 {
		s.timeout = 30 * time.Second
	}
	if s.target.Batch == 0 {
		s.target.Batch = 100
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	return nil
}

// Find tells whether there is a program to run now. It runs nothing.
func (c Config) Find() error {
	path, err := file(c.Program, c.Dir)
	if err == nil {
		_, err = osexec.LookPath(path)
	}
	if err != nil {
		return fmt.Errorf("exec: program: %w", err)
	}
	return nil
}

// file is what a program's name leads to. PATH is our own.
func file(name, dir string) (string, error) {
	if !strings.ContainsRune(name, '/') {
		return osexec.LookPath(name)
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	return filepath.Abs(name)
}

// environment is what the program gets, and the secrets in it. It is an error
// where a secret cannot be read: a program without its password would guess.
func (s *settings) environment() (env []string, secrets map[string]string, err error) {
	secrets = map[string]string{}
	for name, v := range s.env {
		env = append(env, name+"="+v)
	}
	for name, open := range s.secrets {
		v := open()
		if v == "" || strings.ContainsRune(v, 0) {
			return nil, nil, fmt.Errorf("the secret for %s cannot be read, or cannot stand in an environment", name)
		}
		env, secrets[name] = append(env, name+"="+v), v
	}
	slices.Sort(env)
	return env, secrets, nil
}
