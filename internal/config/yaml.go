package config

import "github.com/lessor-iam/lessor/internal/yaml"

// bounds on one file, far above any sane one.
var bounds = yaml.Bounds{Bytes: 16 << 20, Nesting: 16, Keys: 1000, Empty: 1000, Marks: 1 << 20}

// parse reads one document. It reports every problem it can still see after the
// first; ok is false where there is nothing to go on with.
func (r *report) parse(file string, text []byte) (root yaml.Node, ok bool) {
	in := yaml.Reader{Bounds: bounds, File: file}
	root, ok = in.Read(text)
	r.problems = append(r.problems, in.Problems...)
	r.partial = r.partial || !ok
	if ok && root.Kind == yaml.Null {
		root.Kind = yaml.Map // a file with nothing in it says nothing
	}
	return root, ok
}
