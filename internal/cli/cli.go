// Package cli is the command line. What concerns requests and grants it asks of
// a running server, as any other door does; what concerns files (init, check,
// policy, verify) it does by itself, without a server. It holds no rule and no
// state, and knows no SQL.
//
// Exit codes: 0 done; 1 it failed, or what was checked does not hold; 2 the
// command or its input is wrong; 3 denied; 4 not found; 5 something else holds
// by now (conflict, gone); 6 the server cannot be reached.
package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/client"
)

// app is one run of the program.
type app struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string
	format   string // table or json
	dir      string
	server   string
	as       string
	paper    *tls.Config // of the folder's own server
}

// Main runs one command and returns its exit code.
func Main(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer, env func(string) string) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{in: in, out: out, err: errOut, env: env}
	root := a.root()
	if i := slices.IndexFunc(args, func(s string) bool { return !utf8.ValidString(s) }); i >= 0 {
		// JSON would carry it as other characters than were written.
		fmt.Fprintf(errOut, "lessor: usage: argument %d is not valid UTF-8\n", i+1)
		return 2
	}
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err != nil && strings.HasPrefix(err.Error(), "unknown command") { // cobra has no type for it
		err = fmt.Errorf("%w: %w; see lessor --help", errUsage, err)
	}
	if err != nil {
		fmt.Fprintln(errOut, "lessor: "+plainLines(err.Error()))
	}
	return code(err)
}

// errUsage: the command line itself is wrong.
var errUsage = errors.New("usage")

// codes maps what went wrong to the exit code; the first that fits counts.
var codes = []struct {
	err  error
	code int
}{
	{errUsage, 2}, {access.ErrInvalid, 2}, {access.ErrDenied, 3}, {access.ErrNotFound, 4},
	{access.ErrConflict, 5}, {access.ErrGone, 5}, {access.ErrHalted, 5}, {client.ErrUnreachable, 6}, {access.ErrUnavailable, 6},
}

func code(err error) int {
	if err == nil {
		return 0
	}
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	return 1
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "lessor",
		Short:         "Lets access on lease: asked, decided, granted, seen, ended, and seen gone",
		SilenceErrors: true, SilenceUsage: true,
		Long: `Lessor is the entitlement control plane behind a ticket queue. Every grant has
an owner, a reason, an end, and proof of its removal.

Start with "lessor demo", or "lessor init DIR" and "lessor serve --dir DIR".

Exit codes: 0 done; 1 failed, or what was checked does not hold; 2 wrong command
or input; 3 denied; 4 not found; 5 conflict or gone; 6 server not reached.`,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.format != "table" && a.format != "json" {
				return fmt.Errorf("%w: --output is table or json, not %q", errUsage, a.format)
			}
			return nil
		},
	}
	f := root.PersistentFlags()
	f.StringVarP(&a.format, "output", "o", "table", "table or json")
	f.StringVar(&a.dir, "dir", "", "folder of the configuration (default $LESSOR_DIR, else .)")
	f.StringVar(&a.server, "server", "", "address of the server (default $LESSOR_SERVER, else as the folder's lessor.yaml says)")
	f.StringVar(&a.as, "as", "", "whose token to use: the file tokens/NAME of the folder (default: $LESSOR_TOKEN, else as lessor login signed in)")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, err) })
	root.AddCommand(
		a.powersCommand(),
		a.watchCommand(),
		a.backupCommand(), a.restoreCommand(), a.recoveryCommand(),
		a.leaverCommand(), a.rejoinCommand(), a.handoverCommand(),
		a.versionCommand(),
		a.initCommand(), a.demoCommand(), a.serveCommand(), a.checkCommand(), a.migrateCommand(), a.tokenCommand(), a.reloadCommand(), a.statusCommand(), a.logCommand(),
		a.policyCommand(), a.requestCommand(), a.editCommand(), a.listCommand(), a.showCommand(), a.approveCommand(), a.denyCommand(), a.withdrawCommand(),
		a.commentCommand(), a.cancelCommand(), a.extendCommand(), a.returnCommand(), a.revokeCommand(), a.evidenceCommand(), a.verifyCommand(),
		a.delegateCommand(), a.awayCommand(), a.breakGlassCommand(), a.clockCommand(),
		a.confirmCommand(), a.findingsCommand(), a.feedCommand(), a.credentialCommand(), a.workloadCommand(), a.loginCommand(), a.logoutCommand(), a.jiraCommand(), a.connectorCommand(),
	)
	for _, c := range root.Commands() {
		if !c.Runnable() { // a group: without more it says what is in it; a word it does not know is a mistake
			c.Args = takes(cobra.NoArgs)
			c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		}
	}
	return root
}

// takes wraps an argument check so that its failure is a usage error.
func takes(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return fmt.Errorf("%w: %w; see %s --help", errUsage, err, c.CommandPath())
		}
		if i := slices.Index(args, ""); i >= 0 {
			return fmt.Errorf("%w: argument %d is empty; see %s --help", errUsage, i+1, c.CommandPath())
		}
		return nil
	}
}

// folder is where the configuration is.
func (a *app) folder() string {
	for _, d := range []string{a.dir, a.env("LESSOR_DIR")} {
		if d != "" {
			return d
		}
	}
	return "."
}
