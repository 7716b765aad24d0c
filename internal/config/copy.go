package config

// logCopy reads where a second copy of the log goes; nothing: there is none.
func (d *files) logCopy(f fields, state string) string {
	name, ok := f.read("log_copy")
	switch {
	case !ok:
		return ""
	case name == "":
		f.problem("log_copy", "log_copy is empty: write a folder on another machine's disk, such as /mnt/kept/lessor-log, or leave it out")
	case d.path(name) == state:
		f.problem("log_copy", "log_copy is where the server writes anyway: whoever puts that back puts back the copy, too; name a folder elsewhere")
	default:
		return d.path(name)
	}
	return ""
}
