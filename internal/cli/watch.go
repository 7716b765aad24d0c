package cli

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) watchCommand() *cobra.Command {
	var after, kind string
	var most int
	var now bool
	c := &cobra.Command{Use: "watch", Short: "What changes that you may know of, a line each, as it happens", Args: takes(cobra.NoArgs),
		Long: `Prints a line for each event on a request, a grant or a finding that you may know
of: when, what kind, and of which. With -o json each line is a JSON object whose
id can be given to --after, to go on where a watch ended. It comes again by itself
when the server was away, and ends with Ctrl-C or after --count lines.

A script that does something and waits for what comes of it asks for the id of
now first: ID=$(lessor watch --now); …; lessor watch --after "$ID" --count 1`,
		RunE: func(c *cobra.Command, _ []string) error {
			if most < 0 {
				return fmt.Errorf("%w: --count %d is not a number of lines", errUsage, most)
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			if now {
				id, err := server.Place(c.Context())
				if err != nil {
					return err
				}
				return a.showOne(map[string]string{"id": id}, func() error { _, err := fmt.Fprintln(a.out, plain(id)); return err })
			}
			told := 0
			for h, err := range server.Watch(c.Context(), after) {
				if err != nil {
					return err
				}
				if !strings.HasPrefix(h.Kind, kind) {
					continue
				}
				if a.format == "json" {
					raw, err := json.Marshal(h)
					if err != nil {
						return err
					}
					fmt.Fprintf(a.out, "%s\n", escaped(raw))
				} else {
					fmt.Fprintln(a.out, strings.TrimRight(plain(strings.Join([]string{stamp(h.At), h.Kind, strings.Join(strings.Fields(h.Request+" "+h.Grant+" "+h.Finding), " ")}, " ")), " "))
				}
				if told++; told == most {
					return nil
				}
			}
			return nil
		}}
	c.Flags().StringVar(&after, "after", "", "go on after the event with this id, as -o json shows it")
	c.Flags().StringVar(&kind, "kind", "", "only kinds that begin like this, such as request. or grant.ended")
	c.Flags().IntVar(&most, "count", 0, "end after so many lines; 0: never")
	c.Flags().BoolVar(&now, "now", false, "print the id of now, and end")
	c.MarkFlagsMutuallyExclusive("now", "after")
	return c
}
