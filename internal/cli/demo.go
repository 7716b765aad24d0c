package cli

import (
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/demo"
)

func (a *app) demoCommand() *cobra.Command {
	o := demo.Options{}
	verbose := false
	c := &cobra.Command{Use: "demo", Short: "Play the whole product on this machine, with an example company and a real target", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			o.Stdout, o.Log = a.out, logTo(a.err, true)
			if !verbose {
				o.Log = slog.New(slog.NewJSONHandler(io.Discard, nil))
			}
			return demo.Play(c.Context(), o)
		}}
	c.Flags().StringVar(&o.Listen, "listen", "", "loopback address (default: a free port)")
	c.Flags().BoolVar(&o.Once, "once", false, "play the story and stop")
	c.Flags().StringVar(&o.Out, "out", "", "write an evidence bundle of each grant, and the log's public key, into this folder")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "the server's log too, on standard error")
	return c
}
