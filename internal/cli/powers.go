package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/config"
	"github.com/lessor-iam/lessor/internal/powers"
	"github.com/lessor-iam/lessor/internal/powers/export"
)

// powerAsk is what the command line asks of powers.
type powerAsk struct {
	file, kind, role, declared string
	classes, holds             []string
	gaps, all                  bool
}

var powerKinds = []string{"azure", "aws", "kubernetes", "rights"}

func (a *app) powersCommand() *cobra.Command {
	var p powerAsk
	c := &cobra.Command{Use: "powers [ENTITLEMENT]", Short: "What an entitlement or an exported role can become, and by which path", Args: takes(cobra.MaximumNArgs(1)),
		Long: `Follows what an entitlement of the folder's catalog lets its holder hand out,
act as or change, however deep, and says the highest class that it reaches.
With --file, does the same for roles that a system exported; no server, and no
connection to any system, is needed. With --gaps, lists every entitlement that
reaches a class above its declared one.

Exit code 1 with --gaps or --declared if anything reaches a higher class.`,
		Example: `  lessor powers ldap:group-admin --dir .
  lessor powers --gaps --dir .
  az role definition list > roles.json && lessor powers --file roles.json --kind azure --role "Key Vault Contributor"
  kubectl get roles,clusterroles,rolebindings,clusterrolebindings -A -o yaml | lessor powers --file - --kind kubernetes`,
		RunE: func(_ *cobra.Command, args []string) error { return a.powers(p, args) }}
	f := c.Flags()
	f.StringVar(&p.file, "file", "", "an export to read instead of the catalog; - is the input")
	f.StringVar(&p.kind, "kind", "", "of the export: "+strings.Join(powerKinds, ", "))
	f.StringVar(&p.role, "role", "", "explain this role of the export, by name or id")
	f.StringVar(&p.declared, "declared", "", "class that the roles of the export are said to have")
	f.StringSliceVar(&p.classes, "classes", nil, "the order of classes, lowest first (default: as the folder says, or "+strings.Join(powers.Classes, ",")+")")
	f.StringSliceVar(&p.holds, "holds", nil, "IDENTITY=ENTITLEMENT: what an identity holds that others can act as; the catalog does not know it")
	f.BoolVar(&p.gaps, "gaps", false, "list what reaches a class above its declared one")
	f.BoolVar(&p.all, "all", false, "everything reached, not only the first 20 of a kind")
	return c
}

func (a *app) powers(p powerAsk, args []string) error {
	switch {
	case p.file != "" && (len(args) > 0 || p.gaps || len(p.holds) > 0):
		return fmt.Errorf("%w: --file is looked at by itself, without an entitlement of the catalog, --gaps or --holds", errUsage)
	case p.file == "" && (p.kind != "" || p.role != "" || p.declared != ""):
		return fmt.Errorf("%w: --kind, --role and --declared need --file", errUsage)
	case p.file != "":
		return a.exportPowers(p)
	case p.gaps == (len(args) > 0):
		return fmt.Errorf("%w: name an entitlement, or --gaps, or --file", errUsage)
	}
	c, err := config.Load(a.folder())
	if err != nil {
		return err
	}
	holds, err := p.holdings(c.Directory)
	if err != nil {
		return err
	}
	given := p.classes != nil
	if !given {
		p.classes = c.Classes
	}
	g, unplaced, err := powers.OfCatalog(c.Directory, holds, p.classes)
	if given && err == nil && len(unplaced) > 0 {
		err = fmt.Errorf("%w: class %q has no place in the order", access.ErrInvalid, unplaced[0])
	}
	if err != nil {
		return fmt.Errorf("%w\n(--classes gives the order of classes)", err)
	}
	if p.gaps {
		return a.gaps(g)
	}
	x, err := g.Closure(args[0])
	if err != nil {
		return err
	}
	e, _ := c.Directory.Entitlement(args[0])
	a.line("declared powers: %s", orNone(strings.Join(e.Powers, ", ")))
	return a.explainPowers(x, p.all)
}

// holdings reads --holds.
func (p powerAsk) holdings(d *access.Directory) (map[string][]string, error) {
	holds := map[string][]string{}
	for _, h := range p.holds {
		id, ent, ok := strings.Cut(h, "=")
		if !ok {
			return nil, fmt.Errorf("%w: --holds is IDENTITY=ENTITLEMENT, not %q", errUsage, h)
		}
		if _, ok := d.Identity(id); !ok {
			return nil, fmt.Errorf("%w: the directory has no %q", access.ErrNotFound, id)
		}
		if _, ok := d.Entitlement(ent); !ok {
			return nil, fmt.Errorf("%w: the catalog has no %q", access.ErrNotFound, ent)
		}
		holds[id] = append(holds[id], ent)
	}
	return holds, nil
}

// gaps lists every entitlement whose label understates it.
func (a *app) gaps(g *powers.Graph) error {
	list, rows := []powers.Closure{}, [][]string{}
	for _, s := range g.All() {
		if !s.Gap {
			continue
		}
		x, err := g.Closure(s.ID)
		if err != nil {
			return err
		}
		list = append(list, x)
		rows = append(rows, []string{s.ID, s.Declared, s.Reached, yesNo(s.SelfGrant), x.Shortest})
	}
	if err := a.show(list, []string{"ENTITLEMENT", "DECLARED", "REACHES", "SELF-GRANT", "PATH"}, rows); err != nil {
		return err
	}
	if len(list) > 0 {
		return fmt.Errorf("%d of %d entitlements reach a class above their declared one", len(list), len(g.Entitlements()))
	}
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (a *app) exportPowers(p powerAsk) error {
	text, name, err := a.export(p.file)
	if err != nil {
		return err
	}
	roles, parts, err := p.read(name, text)
	if err != nil {
		return err
	}
	g, err := powers.New(powers.Config{Classes: p.classes, Parts: parts})
	if err != nil {
		return fmt.Errorf("%w\n(--classes gives the order of classes)", err)
	}
	found := []powers.Closure{}
	for _, r := range roles {
		if p.role != "" && r.Name != p.role && r.ID != p.role {
			continue
		}
		x, err := g.Closure(r.Ref().ID)
		if err != nil {
			return err
		}
		found = append(found, x)
	}
	switch {
	case p.role != "" && len(found) == 0:
		return fmt.Errorf("%w: %s has no role %q", access.ErrNotFound, name, p.role)
	case p.role != "" && len(found) == 1:
		err = a.explainPowers(found[0], p.all)
	default:
		err = a.roleTable(found)
	}
	if gap := slices.ContainsFunc(found, func(x powers.Closure) bool { return x.Gap }); err == nil && gap && p.declared != "" {
		return fmt.Errorf("what is declared %s reaches a class above it", p.declared)
	}
	return err
}

// export reads a file as far as any export may be long.
func (a *app) export(file string) (text []byte, name string, err error) {
	const most = 16<<20 + 1 // one more than is read, so that it shows
	in := a.in
	if name = "input"; file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, "", fmt.Errorf("%w: %w", access.ErrNotFound, err)
		}
		defer f.Close()
		in, name = f, filepath.Base(file)
	}
	text, err = io.ReadAll(io.LimitReader(in, most))
	return text, name, err
}

func (p powerAsk) read(name string, text []byte) (roles []powers.Role, parts powers.Parts, err error) {
	switch p.kind {
	case "azure":
		roles, err = export.Azure(name, text)
	case "aws":
		roles, err = export.AWS(name, text, strings.TrimSuffix(name, filepath.Ext(name)))
	case "rights":
		roles, err = export.Rights(name, text)
	case "kubernetes":
		k, err := export.ReadKubernetes(name, text)
		if err != nil {
			return nil, parts, err
		}
		p.declare(k.Roles)
		return k.Roles, k.Parts(p.classes), nil
	default:
		return nil, parts, fmt.Errorf("%w: --kind is one of %s, not %q", errUsage, strings.Join(powerKinds, ", "), p.kind)
	}
	if err != nil {
		return nil, parts, err
	}
	p.declare(roles)
	return roles, powers.Analyse(p.classes, roles...), nil
}

// declare gives the roles that say none the class they are said to have.
func (p powerAsk) declare(roles []powers.Role) {
	for i := range roles {
		roles[i].Class = cmp.Or(roles[i].Class, p.declared)
	}
}

func (a *app) roleTable(found []powers.Closure) error {
	rows := [][]string{}
	for _, x := range found {
		rows = append(rows, []string{x.Name, orNone(x.Declared), orNone(x.Reached), yesNo(x.SelfGrant), fmt.Sprint(len(x.Grants)), x.Shortest})
	}
	return a.show(found, []string{"ROLE", "DECLARED", "REACHES", "SELF-GRANT", "GRANTS", "PATH"}, rows)
}

func orNone(s string) string { return cmp.Or(s, "none") }

// explainPowers says one closure: the paths in words, their rules, and what is reached.
func (a *app) explainPowers(x powers.Closure, all bool) error {
	return a.showOne(x, func() error {
		a.line("%s (%s): declared %s, reaches %s", x.Name, x.ID, orNone(x.Declared), orNone(x.Reached))
		if x.Gap {
			a.line("GAP: it reaches a class above the declared one")
		}
		a.line("can hand itself out: %s; can hand out: %d", yesNo(x.SelfGrant), len(x.Grants))
		for _, p := range x.Paths {
			a.line("to %s: %s", p.To, p.Sentence)
		}
		if err := a.pathRules(x.Paths); err != nil {
			return err
		}
		return a.reached(x, all)
	})
}

// pathRules shows each rule that a path rests on once, with what it depends on.
func (a *app) pathRules(paths []powers.Path) error {
	rows, seen := [][]string{}, map[string]bool{}
	for _, p := range paths {
		for _, e := range p.Edges {
			if key := e.Rule + " " + e.Source; !seen[key] {
				seen[key] = true
				rule, _ := powers.FindRule(e.Rule)
				rows = append(rows, []string{e.Rule, e.Source, rule.Where, rule.Doc})
			}
		}
	}
	if len(rows) == 0 {
		return nil
	}
	a.line("")
	return a.show(nil, []string{"RULE", "READ AT", "WHERE", "DOCUMENTED"}, rows)
}

func (a *app) reached(x powers.Closure, all bool) error {
	const most = 20
	rows, held := [][]string{}, slices.DeleteFunc(slices.Clone(x.Entitlements), func(n powers.Node) bool { return slices.Contains(x.Grants, n) })
	for _, kind := range []struct {
		what  string
		nodes []powers.Node
	}{{"can", x.Powers}, {"can hand out", x.Grants}, {"has", held}, {"can act as", x.Identities}, {"can change", x.Gates}} {
		for i, n := range kind.nodes {
			if i == most && !all {
				rows = append(rows, []string{kind.what, fmt.Sprintf("and %d more; --all shows them", len(kind.nodes)-most), "", ""})
				break
			}
			rows = append(rows, []string{kind.what, n.Name, n.Class, n.ID})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	a.line("")
	return a.show(nil, []string{"IT", "WHAT", "CLASS", "ID"}, rows)
}
