package server

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/deliver"
	"github.com/lessor-iam/lessor/internal/deliver/age"
	"github.com/lessor-iam/lessor/internal/deliver/kubernetes"
	"github.com/lessor-iam/lessor/internal/deliver/vault"
)

// storeKinds names every kind of secret store there is, as stores.yaml does.
var storeKinds = map[string]func(*settings) (deliver.Store, error){
	"vault":      newVaultStore,
	"kubernetes": newKubernetesStore,
	"age":        newAgeStore,
}

func newVaultStore(s *settings) (deliver.Store, error) {
	c := vault.Config{URL: s.required("url"), Token: s.secret("token_ref"), Mount: s.text("mount"), Namespace: s.text("namespace"),
		CA: s.roots("ca_file"), Timeout: s.duration("timeout")}
	if s.done() {
		return nil, nil
	}
	return vault.New(c)
}

func newKubernetesStore(s *settings) (deliver.Store, error) {
	s.required("ca_file")
	c := kubernetes.Config{URL: s.required("url"), Token: s.secret("token_ref"), CA: s.roots("ca_file"), Timeout: s.duration("timeout")}
	if s.done() {
		return nil, nil
	}
	return kubernetes.New(c)
}

func newAgeStore(s *settings) (deliver.Store, error) {
	recipients := s.required("recipients_file")
	c := age.Config{Folder: s.required("folder"), Identity: s.secret("identity_ref"), Group: s.flag("group_reads"),
		Recipients: func() ([]byte, error) { return os.ReadFile(recipients) }}
	if s.done() {
		return nil, nil
	}
	if !filepath.IsAbs(c.Folder) {
		c.Folder = filepath.Join(s.config.Dir, c.Folder)
	}
	if st, err := os.Stat(c.Folder); err != nil || !st.IsDir() {
		s.warn("folder: there is no folder %s", c.Folder)
	}
	if _, err := c.Recipients(); err != nil {
		s.warn("recipients_file: %v", err)
	}
	return age.New(c)
}

// secretStores makes every secret store that is configured. It connects to nothing, as
// [connectors] does, and is to it what stores.yaml is to the catalog.
func secretStores(c *config.Config, log *slog.Logger) (made map[string]deliver.Store, warnings []string, err error) {
	made = map[string]deliver.Store{}
	var problems access.Problems
	for _, st := range c.Stores {
		s := &settings{system: access.System{ID: st.ID, Connector: st.Kind, Settings: st.Settings}, config: c, log: log, read: map[string]bool{}, store: true}
		build, ok := storeKinds[st.Kind]
		if !ok {
			s.wrong("there is no kind %q of secret stores; there is %s", st.Kind, strings.Join(slices.Sorted(maps.Keys(storeKinds)), ", "))
			problems = append(problems, s.problems...)
			continue
		}
		store, err := build(s)
		warnings = append(warnings, s.warnings...)
		if err != nil {
			s.wrong("%v", err)
		}
		if len(s.problems) > 0 {
			problems = append(problems, s.problems...)
			continue
		}
		made[st.ID] = store
	}
	if len(problems) == 0 {
		return made, warnings, nil
	}
	return nil, warnings, errors.Join(problems, closeStores(made))
}

func closeStores(stores map[string]deliver.Store) error {
	var errs []error
	for _, s := range stores {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// Deliver finds the store and the reference there that STORE:REF means.
func (s *Server) Deliver(to string) (deliver.Store, string, error) {
	id, ref, _ := strings.Cut(to, ":")
	store, ok := s.stores[id]
	if !ok {
		return nil, "", fmt.Errorf("%w: there is no secret store %q; write STORE:REF with a store of stores.yaml", access.ErrInvalid, id)
	}
	if err := store.CheckRef(ref); err != nil {
		return nil, "", fmt.Errorf("%w: %s: %w", access.ErrInvalid, id, err)
	}
	return store, ref, nil
}

// storesChanged names the secret stores that differ: what is made of them is running.
func storesChanged(was, is *config.Config) (names []string) {
	byID := func(c *config.Config) map[string]config.SecretStore {
		m := map[string]config.SecretStore{}
		for _, s := range c.Stores {
			m[s.ID] = s
		}
		return m
	}
	old, now := byID(was), byID(is)
	all := maps.Clone(old)
	maps.Copy(all, now)
	for _, id := range slices.Sorted(maps.Keys(all)) {
		if access.Digest(old[id]) != access.Digest(now[id]) {
			names = append(names, "secret store "+id+" of stores.yaml")
		}
	}
	return names
}
