package config

import "github.com/lessor-iam/lessor/internal/access"

const storesFile = "stores.yaml"

// SecretStore is one place to which credentials are delivered. Others name STORE:REF.
type SecretStore struct {
	ID       string
	Kind     string            // the adapter; which there are, the server knows
	Settings map[string]string // secrets by reference alone
}

// secretStore is a [SecretStore] with its place.
type secretStore struct {
	SecretStore
	f fields
}

func (s *secretStore) entry() (string, fields) { return s.ID, s.f }

var (
	storesSections  = []string{"stores"}
	secretStoreKeys = []string{"id", "kind", "settings"}
)

// readStores reads stores.yaml. What a kind's settings mean is its adapter's to say.
func (d *files) readStores(text []byte) {
	f, ok := d.sections(storesFile, text, storesSections)
	if !ok {
		return
	}
	if f.none("stores") {
		f.problem("stores", "stores is empty: write where credentials are delivered to, or take the file away")
	}
	each(f, "stores", "a secret store", secretStoreKeys, func(f fields) {
		s := secretStore{f: f, SecretStore: SecretStore{ID: f.required("id", "a secret store"), Kind: f.required("kind", "a secret store"), Settings: d.settings(f)}}
		if s.Kind != "" && !idForm.MatchString(s.Kind) {
			f.problem("kind", "kind %s", idRule)
		}
		d.stores = append(d.stores, s)
	})
}

func (d *files) secretStores() (list []SecretStore, at map[string]mark) {
	for _, s := range d.stores {
		if at == nil {
			at = map[string]mark{}
		}
		list, at[s.ID] = append(list, s.SecretStore), s.f.here()
	}
	return list, at
}

// StoreProblem is a problem at the place where that secret store is written: only its
// adapter knows what its settings lack.
func (c *Config) StoreProblem(store, format string, args ...any) access.Problem {
	at, ok := c.storesAt[store]
	if !ok {
		at = mark{file: storesFile}
	}
	return at.say(format, args)
}
