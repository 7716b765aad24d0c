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

// logPublish reads where the log's tiles are published; nothing: nowhere.
func (d *files) logPublish(f fields, c *Config) string {
	name, ok := f.read("log_publish")
	switch {
	case !ok:
		return ""
	case name == "":
		f.problem("log_publish", "log_publish is empty: write a folder that a web server hands out, such as /srv/log, or leave it out")
	case d.path(name) == c.State || d.path(name) == d.dir || d.path(name) == c.LogCopy:
		f.problem("log_publish", "log_publish is a folder that also holds what is nobody else's business: name one of its own")
	default:
		return d.path(name)
	}
	return ""
}
