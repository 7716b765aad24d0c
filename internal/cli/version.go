package cli

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/sbom"
)

func (a *app) versionCommand() *cobra.Command {
	var made bool
	c := &cobra.Command{Use: "version", Short: "Which program this is, and what it is made of", Args: takes(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			b, ok := debug.ReadBuildInfo()
			if !ok {
				return errors.New("this program was built without modules, and does not know what it is made of")
			}
			if made {
				body, err := sbom.Of(b)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(a.out, "%s\n", body)
				return err
			}
			said := map[string]string{"version": cmp.Or(b.Main.Version, "(devel)"), "go": b.GoVersion, "platform": runtime.GOOS + "/" + runtime.GOARCH}
			for _, s := range b.Settings {
				switch s.Key {
				case "vcs.revision":
					said["commit"] = s.Value
				case "vcs.modified":
					said["modified"] = s.Value
				}
			}
			return a.done(said, "lessor %s, %s, %s", said["version"], said["go"], said["platform"])
		}}
	c.Flags().BoolVar(&made, "sbom", false, "what it is made of, as CycloneDX in JSON")
	return c
}
