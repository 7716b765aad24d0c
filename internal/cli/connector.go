package cli

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/connector/exec/check"
)

func (a *app) connectorCommand() *cobra.Command {
	c := &cobra.Command{Use: "connector", Short: "Connectors of your own"}
	c.AddCommand(a.connectorTest())
	return c
}

func (a *app) connectorTest() *cobra.Command {
	var env []string
	var only string
	var timeout time.Duration
	var asJSON, verbose bool
	c := &cobra.Command{Use: "test [flags] -- PROGRAM [ARGUMENT...]", Short: "Hold a connector program to every promise of the port", Args: takes(cobra.MinimumNArgs(1)),
		Long: `Starts the program as the connector "exec" does and holds it to every promise,
one after the other. It makes accounts and objects at the target, through the test
verbs of the program itself, and deletes them again: give it a target set aside
for testing. The program gets PATH, HOME and what --env names.

docs/writing-a-connector.md tells how to write one.`,
		Example: "  lessor connector test -- ./file.py /tmp/target.json\n  lessor connector test --env API_TOKEN --only \"hostile\" -- ./my-connector --site test",
		RunE: func(c *cobra.Command, args []string) error {
			if asJSON {
				a.format = "json"
			}
			program := check.Program{Command: args, Timeout: timeout}
			var err error
			if program.Env, err = a.passed(env); err != nil {
				return err
			}
			if verbose {
				program.Log = slog.New(slog.NewTextHandler(plainWriter{a.err}, nil))
			}
			r, err := check.Run(c.Context(), program, only, a.verdict)
			if err != nil {
				return err
			}
			return a.report(r, only)
		}}
	f := c.Flags()
	f.SetInterspersed(false) // what follows the program is the program's
	f.StringArrayVar(&env, "env", nil, "NAME to pass a variable on, or NAME=VALUE; may be given again")
	f.StringVar(&only, "only", "", "only the promises whose name contains this")
	f.DurationVar(&timeout, "timeout", 30*time.Second, "longest time for one request")
	f.BoolVar(&asJSON, "json", false, "the same as --output json")
	f.BoolVarP(&verbose, "verbose", "v", false, "show what the program says on its standard error")
	return c
}

// passed reads --env. A variable passed on by name keeps its value off the command line.
func (a *app) passed(env []string) (map[string]string, error) {
	vars := map[string]string{}
	for _, e := range env {
		name, value, given := strings.Cut(e, "=")
		if !given {
			value = a.env(name)
		}
		if name == "" || value == "" && !given {
			return nil, fmt.Errorf("%w: --env %s: it is not set here, or empty", errUsage, e)
		}
		vars[name] = value
	}
	return vars, nil
}

// verdict shows one promise as it falls.
func (a *app) verdict(v check.Verdict) {
	switch {
	case v.Skipped != "":
		a.line("not shown  %s: %s", v.Name, v.Skipped)
	case v.Kept:
		a.line("kept       %s", v.Name)
	default:
		a.line("BROKEN     %s", v.Name)
		a.line("           promised: %s", v.What)
		for _, w := range v.Wrong {
			a.line("           seen:     %s", w)
		}
	}
}

func (a *app) report(r check.Report, only string) error {
	if len(r.Verdicts) == 0 {
		return fmt.Errorf("%w: no promise has %q in its name", errUsage, only)
	}
	err := a.showOne(r, func() error {
		a.line("%s: %s kept, %d broken, %d not shown", r.Name, count(r.Kept, "promise", "promises"), r.Broken, r.Skipped)
		if len(r.Settings) > 0 {
			a.line("the system's settings must say: %s", strings.Join(r.Settings, ", "))
		}
		return nil
	})
	if err == nil && r.Broken > 0 {
		err = fmt.Errorf("%d of the promises are broken", r.Broken)
	}
	return err
}

// plainWriter lets nothing through that a terminal obeys.
type plainWriter struct{ to io.Writer }

func (w plainWriter) Write(b []byte) (int, error) {
	_, err := io.WriteString(w.to, plainLines(string(b)))
	return len(b), err
}
