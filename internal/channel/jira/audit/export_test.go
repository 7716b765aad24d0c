package audit

// PermissionKeys are all that the doctor asks for.
func PermissionKeys() (keys []string) {
	for _, n := range needs {
		keys = append(keys, n.key)
	}
	for _, list := range [][]excess{excesses, globalExcesses} {
		for _, e := range list {
			keys = append(keys, e.key)
		}
	}
	return keys
}
