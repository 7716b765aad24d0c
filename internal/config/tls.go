package config

// TLS is what the server shows to whoever connects.
type TLS struct {
	Certificate string // a file: its certificate and those that lead to its authority, PEM
	KeyRef      string // reference to the secret that is its key, PEM
}

var tlsKeys = []string{"certificate", "key_ref"}

// readTLS reads which certificate is shown; without one there is no TLS, and the
// server is for its own machine alone.
func (d *files) readTLS(f fields) *TLS {
	inner, ok := f.within("tls", tlsKeys)
	if !ok {
		return nil
	}
	inner.needs("tls", "certificate", "key_ref")
	t := &TLS{KeyRef: d.reference(inner, "key_ref", "")}
	switch name, ok := inner.read("certificate"); {
	case ok && name == "":
		inner.problem("certificate", "certificate is empty: write the path of a file")
	case ok:
		t.Certificate = d.path(name)
	}
	return t
}
