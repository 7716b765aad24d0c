package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/engine"
	"github.com/lessor-iam/lessor/internal/server"
)

func (a *app) restoreCommand() *cobra.Command {
	var from server.RestoreFrom
	c := &cobra.Command{Use: "restore --from BACKUP [--log DIR | --no-log]", Short: "Make the folder's database of a backup; it is in recovery until two people leave it", Args: takes(cobra.NoArgs),
		Long: `Makes the folder's database, which must be empty, of a backup that is checked
first. What happened since is read from a copy of the log (log_copy of lessor.yaml,
or --log). Where there is none (--no-log), or its key is known to have signed more than
that copy has, whatever waits for answers is closed, delegations end, and every grant
ends within --hold. What was published (log_publish, or --published) has no event to be
read, but tells how much there was, and that what is put back is its beginning.

Until two people of security leave recovery, nothing is granted, extended or added;
whatever ends, ends. Every system is read whole. What the backup takes to be held and
a system does not show ends; what a system shows and the backup did not know is kept
for --hold and then removed, unless somebody adopts it.`,
		Example: "  lessor restore --from /mnt/kept/monday.zip --dir /etc/lessor\n  lessor restore --from monday --no-log --hold 48h",
		RunE: func(c *cobra.Command, _ []string) error {
			switch {
			case from.Backup == "":
				return fmt.Errorf("%w: say what is put back, with --from", errUsage)
			case from.Hold <= 0 || from.Hold > 30*24*time.Hour:
				return fmt.Errorf("%w: --hold must be more than nothing and at most 720h", errUsage)
			}
			rec, notes, err := server.Restore(c.Context(), a.folder(), from)
			if err != nil {
				return err
			}
			for _, n := range notes {
				a.line("%s", n)
			}
			return a.done(rec, "recovery %s: the backup of %s with %s, the log known to %s; %d grants ended, %d shortened to %s. Start the server; then: lessor recovery status",
				rec.ID, rec.BackupAt.Format(time.RFC3339), count(rec.Size, "event", "events"), count(rec.Head, "event", "events"), rec.Ended, rec.Shortened, rec.HoldUntil.Format(time.RFC3339))
		}}
	c.Flags().StringVar(&from.Backup, "from", "", "the backup: its folder, or its file")
	c.Flags().StringVar(&from.Log, "log", "", "a folder with a copy of the log (default: log_copy of lessor.yaml)")
	c.Flags().StringVar(&from.Published, "published", "", "where the log was published: a folder, or an https URL (default: log_publish of lessor.yaml)")
	c.Flags().BoolVar(&from.NoLog, "no-log", false, "nobody has the log of what happened since the backup")
	c.Flags().DurationVar(&from.Hold, "hold", 72*time.Hour, "how long what nobody can be sure of is kept at most")
	return c
}

func (a *app) recoveryCommand() *cobra.Command {
	c := &cobra.Command{Use: "recovery", Short: "What follows when the database was put back"}
	c.AddCommand(a.recoveryStatusCommand(), a.recoveryApproveCommand())
	return c
}

func (a *app) recoveryStatusCommand() *cobra.Command {
	return &cobra.Command{Use: "status", Short: "How far the recovery has come, if there is one", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			server, err := a.connect()
			if err != nil {
				return err
			}
			s, err := server.Recovery(c.Context())
			if err != nil {
				return err
			}
			return a.showOne(s, func() error { a.recoveryLines(s); return nil })
		}}
}

func (a *app) recoveryApproveCommand() *cobra.Command {
	var note string
	c := &cobra.Command{Use: "approve --reason TEXT", Short: "Approve that recovery is left; it takes two people of security", Args: takes(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if strings.TrimSpace(note) == "" {
				return fmt.Errorf("%w: say why, with --reason", errUsage)
			}
			server, err := a.connect()
			if err != nil {
				return err
			}
			s, err := server.ApproveRecovery(c.Context(), note)
			if err != nil {
				return err
			}
			if s.Open {
				return a.done(s, "approved; it takes one more person of security, within a day")
			}
			return a.done(s, "recovery is left: grants are given again")
		}}
	c.Flags().StringVar(&note, "reason", "", "what you looked at")
	return c
}

func (a *app) recoveryLines(s engine.RecoveryState) {
	if !s.Open {
		a.line("no recovery")
		return
	}
	a.line("in recovery since %s, from a backup of %s; nothing is granted", s.At.Format(time.RFC3339), s.BackupAt.Format(time.RFC3339))
	if s.Tail == access.TailNone {
		a.line("what happened after the backup is not known: %d grants ended, %d end by %s", s.Ended, s.Shortened, s.HoldUntil.Format(time.RFC3339))
	} else {
		a.line("the log is known to %s", count(s.Head, "event", "events"))
	}
	if len(s.Unread) > 0 {
		a.line("not yet read whole: %s", strings.Join(s.Unread, ", "))
	}
	if s.Unseen > 0 {
		a.line("%d holdings of the backup are still to be looked at", s.Unseen)
	}
	if s.HeldOver > 0 {
		a.line("%d holdings that the backup did not know are kept until %s: lessor list findings", s.HeldOver, s.HoldUntil.Format(time.RFC3339))
	}
	for _, p := range s.Approvals {
		a.line("approved by %s at %s: %s", p.Identity, p.At.Format(time.RFC3339), p.Note)
	}
	if s.Ready {
		a.line("two people of security may leave it: lessor recovery approve --reason …")
	}
}
