package cli

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
)

// listFiles lists which files were in force, since when and by whose word.
func (a *app) listFiles() *cobra.Command {
	var limit int
	var before string
	c := &cobra.Command{Use: "files", Short: "Files that were in force or asked for, newest first", Args: takes(cobra.NoArgs),
		Long: `Lists each change of the files: since when they are in force, by whose word, and what
differs from those before. With -o json also every file's name and SHA-256 (of
lessor.yaml it is that of what is the same on every replica).`,
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, err := server.Files(c.Context(), before, limit)
			if err != nil {
				return err
			}
			rows := make([][]string, len(list))
			for i, f := range list {
				rows[i] = []string{f.ID, f.Digest, cmp.Or(stamp(f.InForceAt), "not in force"), f.By, confirmedBy(f), strings.Join(f.Added, " "), strings.Join(f.Changed, " "), strings.Join(f.Removed, " ")}
			}
			return a.show(list, []string{"FILES", "DIGEST", "IN FORCE SINCE", "ASKED BY", "CONFIRMED BY", "ADDED", "CHANGED", "REMOVED"}, rows)
		}}
	limitFlag(c, &limit)
	c.Flags().StringVar(&before, "before", "", "older than these: an id of this list")
	return c
}

// confirmedBy names whose word files have.
func confirmedBy(f access.Files) string {
	if !f.Needs {
		return ""
	}
	names := make([]string, len(f.Words))
	for i, w := range f.Words {
		names[i] = w.Identity
	}
	if f.Waits() {
		names = append(names, "(waits)")
	}
	return strings.Join(names, " ")
}
