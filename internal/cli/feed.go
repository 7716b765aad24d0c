package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) feedCommand() *cobra.Command {
	c := &cobra.Command{Use: "feed", Short: "See what feeds tell of people, and decide what they leave open",
		Long: `See what feeds tell of people, and decide what they leave open; for people in security.

More leavers at once than a feed's share are not believed until somebody confirms how
many there are. A record that could be several people, or has the name of somebody who
has left, is nobody until somebody decides.`}
	c.AddCommand(a.feedListCommand(), a.feedReadCommand(), a.feedHeldCommand(), a.feedConfirmCommand(), a.feedDecideCommand())
	return c
}

func (a *app) feedListCommand() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "What each feed has, and when it was last read", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, err := server.Feeds(c.Context())
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, f := range list {
				read := "never"
				if !f.Read.IsZero() {
					read = f.Read.Format(time.RFC3339)
				}
				if f.Unread != "" {
					read += ", and not since"
				}
				rows = append(rows, []string{f.Feed, f.Kind, read, strconv.Itoa(f.Here), strconv.Itoa(f.Left), strconv.Itoa(f.Doubted), strconv.Itoa(f.Held)})
			}
			return a.show(list, []string{"FEED", "KIND", "READ", "PEOPLE", "LEFT TODAY", "IN DOUBT", "HELD"}, rows)
		}}
}

func (a *app) feedReadCommand() *cobra.Command {
	var dry bool
	c := &cobra.Command{Use: "read FEED", Short: "Have a feed read now, or see what would follow", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			if !dry {
				if err := server.ReadFeed(c.Context(), args[0]); err != nil {
					return err
				}
				a.line("feed %s is being read; lessor feed list says when it was", args[0])
				return nil
			}
			got, err := server.PreviewFeed(c.Context(), args[0])
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, w := range got.Some {
				rows = append(rows, []string{w.What, w.Key, w.User, w.Name, w.Identity, w.Why})
			}
			return a.showOne(got, func() error {
				a.line("%d records: %d new, %d changed, %d left, %d in doubt, %d held; nothing was done", got.Records, got.New, got.Changed, got.Left, got.Doubted, got.Held)
				if len(rows) == 0 {
					return nil
				}
				return a.show(got.Some, []string{"WOULD BE", "KEY", "USER", "NAME", "IDENTITY", "WHY"}, rows)
			})
		}}
	c.Flags().BoolVar(&dry, "dry-run", false, "read it, say what would follow, and do nothing")
	return c
}

func (a *app) feedHeldCommand() *cobra.Command {
	var doubted bool
	var after string
	var limit int
	c := &cobra.Command{Use: "held FEED", Short: "Records about which somebody must decide, and why", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			list, err := server.Held(c.Context(), args[0], doubted, after, limit)
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, r := range list {
				rows = append(rows, []string{r.Key, r.User, r.Name, r.Identity, r.Kind, r.Why})
			}
			return a.show(list, []string{"KEY", "USER", "NAME", "IDENTITY", "KIND", "WHY"}, rows)
		}}
	c.Flags().BoolVar(&doubted, "doubted", false, "those whose leaving is not believed, instead of those that are nobody")
	c.Flags().StringVar(&after, "after", "", "keys above this one")
	c.Flags().IntVar(&limit, "limit", 50, "how many at most")
	return c
}

func (a *app) feedConfirmCommand() *cobra.Command {
	var count int
	var reason string
	c := &cobra.Command{Use: "confirm FEED", Short: "Say that those have left of whom it was not believed", Args: takes(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if count < 1 || reason == "" {
				return fmt.Errorf("%w: --count and --reason are needed", errUsage)
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			got, err := server.ConfirmFeed(c.Context(), args[0], count, reason)
			if err != nil {
				return err
			}
			return a.showOne(got, func() error {
				a.line("%d have left; their access is being removed", got.Left)
				return nil
			})
		}}
	c.Flags().IntVar(&count, "count", 0, "how many, as lessor feed list says")
	c.Flags().StringVar(&reason, "reason", "", "why, in a sentence")
	return c
}

func (a *app) feedDecideCommand() *cobra.Command {
	var is, reason string
	var fresh bool
	c := &cobra.Command{Use: "decide FEED KEY", Short: "Say which identity a held record is", Args: takes(cobra.ExactArgs(2)),
		RunE: func(c *cobra.Command, args []string) error {
			if fresh == (is != "") || reason == "" {
				return fmt.Errorf("%w: say --is IDENTITY or --new, and --reason", errUsage)
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			got, err := server.DecideRecord(c.Context(), args[0], args[1], is, reason)
			if err != nil {
				return err
			}
			return a.showOne(got, func() error {
				a.line("record %s is %s", got.Key, got.Identity)
				return nil
			})
		}}
	c.Flags().StringVar(&is, "is", "", "the identity that it is")
	c.Flags().BoolVar(&fresh, "new", false, "it is somebody new")
	c.Flags().StringVar(&reason, "reason", "", "why, in a sentence")
	return c
}
