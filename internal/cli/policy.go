package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lessor-iam/lessor/internal/access"
	"github.com/lessor-iam/lessor/internal/policy"
	"github.com/lessor-iam/lessor/internal/powers"
	"github.com/lessor-iam/lessor/internal/server"
)

func (a *app) policyCommand() *cobra.Command {
	c := &cobra.Command{Use: "policy", Short: "The rules: list them, ask them, see why they answer so"}
	c.AddCommand(a.policyList(), a.policyExplain(), a.whoCanApprove(), a.policyCompare())
	return c
}

func (a *app) policyList() *cobra.Command {
	return &cobra.Command{Use: "list", Short: "Every rule in force, the shipped guards first", Args: takes(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			_, w, _, err := server.Check(a.folder())
			if err != nil {
				return err
			}
			rows := [][]string{}
			for _, r := range w.Policy.Rules() {
				kind := "rule"
				if r.Guard {
					kind = "guard"
				}
				rows = append(rows, []string{r.ID, kind, r.Effect, strings.Join(r.Questions, " "), stages(access.Decision{Stages: r.Needs}),
					longest(access.Decision{MaxTerm: r.MaxTerm}), r.StepUp, fmt.Sprintf("%s:%d", r.File, r.Line), r.Reason})
			}
			return a.show(w.Policy.Rules(), []string{"RULE", "KIND", "EFFECT", "QUESTIONS", "NEEDS", "AT MOST", "STEP-UP", "FILE", "REASON"}, rows)
		}}
}

// supposed is a question about an ask that nobody has made.
type supposed struct {
	by, whom, entitlement, term, question, voter, stage, strength string
	held                                                          []string
}

func (s *supposed) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.by, "by", "", "who asks")
	f.StringVar(&s.whom, "for", "", "for whom (default: who asks)")
	f.StringVar(&s.entitlement, "entitlement", "", "which entitlement")
	f.StringVar(&s.term, "term", "1h", "for how long")
	f.StringSliceVar(&s.held, "held", nil, "entitlements held, awaited or asked for beside it")
}

// facts makes the facts of the question from the folder's files alone: what is
// held is what --held says.
func (s *supposed) facts(dir *access.Directory, classes []string, now time.Time) (f policy.Facts, err error) {
	if s.by == "" || s.entitlement == "" {
		return f, fmt.Errorf("%w: --by and --entitlement are needed, or name a request", errUsage)
	}
	if s.whom == "" {
		s.whom = s.by
	}
	for _, id := range []string{s.by, s.whom} {
		if _, ok := dir.Identity(id); !ok {
			return f, fmt.Errorf("%w: the directory has no %q", access.ErrNotFound, id)
		}
	}
	if _, ok := dir.Entitlement(s.entitlement); !ok {
		return f, fmt.Errorf("%w: the catalog has no %q", access.ErrNotFound, s.entitlement)
	}
	for _, h := range s.held {
		if _, ok := dir.Entitlement(h); !ok {
			return f, fmt.Errorf("%w: --held: the catalog has no %q", access.ErrNotFound, h)
		}
	}
	if _, ok := dir.Identity(s.voter); s.voter != "" && !ok {
		return f, fmt.Errorf("%w: --voter: the directory has no %q", access.ErrNotFound, s.voter)
	}
	term, err := access.ParseTerm(s.term)
	if err != nil {
		return f, fmt.Errorf("%w: --term: %w", errUsage, err)
	}
	item := access.Item{Entitlement: s.entitlement, Outcome: access.Undecided, Term: term}
	r := access.Request{ID: "supposed", Revision: 1, State: access.Pending, Requester: s.by, Beneficiary: s.whom, Items: []access.Item{item}, Term: term, At: now}
	r.Digest = access.Digest(r.Content())
	f = policy.Facts{Now: now, Directory: dir, Request: r, Item: item, Held: s.held}
	return f, s.reaches(&f, classes)
}

// reaches adds what the entitlements can become, by the catalog alone.
func (s *supposed) reaches(f *policy.Facts, classes []string) error {
	g, _, err := powers.OfCatalog(f.Directory, nil, classes)
	if err != nil {
		return err
	}
	if f.Reach, err = g.Reach(s.entitlement); err != nil {
		return err
	}
	f.Implies = map[string][]string{}
	for _, h := range s.held {
		r, err := g.Reach(h)
		if err != nil {
			return err
		}
		f.Implies[h] = r.Implied
	}
	return nil
}

// questions are what policy can be asked about an ask.
var questions = []string{policy.QuestionRequest, policy.QuestionApprove, policy.QuestionHold, policy.QuestionView}

func (a *app) policyExplain() *cobra.Command {
	var s supposed
	var all bool
	c := &cobra.Command{Use: "explain [REQUEST]", Short: "Which rules decide a question, and which facts they read", Args: takes(cobra.MaximumNArgs(1)),
		Long: `With a request, asks the running server about it as it stands now. Without one,
asks the folder's files about an ask that nobody has made.`,
		Example: "  lessor policy explain --by ann --entitlement db:root --term 8h\n  lessor policy explain rq-… --question approve --voter mia --stage manager --as mia",
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(questions, s.question) {
				return fmt.Errorf("%w: --question %q is none of %s", errUsage, s.question, strings.Join(questions, ", "))
			}
			x, err := a.explain(c, args, &s)
			if err != nil {
				return err
			}
			return a.showOne(x, func() error { return a.explanation(x, all) })
		}}
	s.add(c)
	c.Flags().BoolVar(&all, "all", false, "the rules that did not apply too, with what they read")
	c.Flags().StringVar(&s.question, "question", "request", "request, approve, hold or view")
	c.Flags().StringVar(&s.voter, "voter", "", "of approve: who votes; of view: who looks")
	c.Flags().StringVar(&s.stage, "stage", "", "of approve: the stage")
	c.Flags().StringVar(&s.strength, "strength", "", "of approve: how strongly the voter is known")
	return c
}

func (a *app) explain(c *cobra.Command, args []string, s *supposed) (policy.Explanation, error) {
	if len(args) == 1 {
		conn, err := a.connect()
		if err != nil {
			return policy.Explanation{}, err
		}
		return conn.Explain(c.Context(), args[0], s.entitlement, s.question, s.voter, s.stage)
	}
	conf, w, _, err := server.Check(a.folder())
	if err != nil {
		return policy.Explanation{}, err
	}
	f, err := s.facts(conf.Directory, conf.Classes, time.Now())
	if err != nil {
		return policy.Explanation{}, err
	}
	if s.question != policy.QuestionRequest {
		f.Item.Decision = w.Policy.MayRequest(f)
		f.Request.Items[0] = f.Item
	}
	return w.Policy.Explain(f, s.question, access.Actor{Identity: s.voter, Strength: s.strength}, s.stage), nil
}

func (a *app) explanation(x policy.Explanation, all bool) error {
	verdict := "DENY"
	if x.Decision.Allow {
		verdict = "ALLOW"
	}
	a.line("%s: %s", verdict, x.Decision.Why)
	if len(x.Decision.Stages) > 0 {
		a.line("needs %s, at most %s", stages(x.Decision), longest(x.Decision))
	}
	a.reach(x.Decision.Reach)
	rows := [][]string{}
	for _, r := range x.Rules {
		applied := ""
		switch {
		case r.Error != "":
			applied = "error: " + r.Error
		case r.Applied:
			applied = "applies"
		case !all:
			continue
		}
		var facts []string
		for _, f := range r.Facts {
			facts = append(facts, f.Key+" = "+f.Value)
		}
		rows = append(rows, []string{r.Rule.ID, r.Rule.Effect, applied, fmt.Sprintf("%s:%d", r.File, r.Line), strings.Join(facts, "; ")})
	}
	return a.show(x, []string{"RULE", "EFFECT", "", "FILE", "READS"}, rows)
}

// reach says what there is beyond the label.
func (a *app) reach(r access.Reach) {
	switch {
	case !r.Beyond():
		return
	case r.Class != r.Declared:
		a.line("declared %s, reaches %s: %s", r.Declared, r.Class, r.Path)
	case r.Path != "":
		a.line("can become more: %s", r.Path)
	}
	if n := len(r.Implied) + r.More; n > 0 {
		a.line("its holder has or can hand out %d more: %s", n, strings.Join(r.Brief(10).Implied, ", "))
	}
	if r.SelfGrant {
		a.line("its holder can hand out this very entitlement: its end does not bind him")
	}
}

func (a *app) whoCanApprove() *cobra.Command {
	var s supposed
	c := &cobra.Command{Use: "who-can-approve [REQUEST]", Short: "Who could answer each stage", Args: takes(cobra.MaximumNArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			rows := [][]string{}
			head := []string{"ENTITLEMENT", "STAGE", "MISSING", "WHO"}
			if len(args) == 1 {
				conn, err := a.connect()
				if err != nil {
					return err
				}
				story, err := conn.Request(c.Context(), args[0])
				if err != nil {
					return err
				}
				for _, w := range story.Waiting {
					rows = append(rows, []string{w.Entitlement, w.Stage, fmt.Sprint(w.Count), strings.Join(w.Approvers, " ")})
				}
				return a.show(story.Waiting, head, rows)
			}
			conf, w, _, err := server.Check(a.folder())
			if err != nil {
				return err
			}
			f, err := s.facts(conf.Directory, conf.Classes, time.Now())
			if err != nil {
				return err
			}
			f.Item.Decision = w.Policy.MayRequest(f)
			if !f.Item.Decision.Allow {
				return fmt.Errorf("%w: %s", access.ErrDenied, f.Item.Decision.Why)
			}
			who := map[string][]string{}
			for _, st := range f.Item.Decision.Stages {
				who[st.Name] = w.Policy.WhoCanApprove(f, st.Name)
				rows = append(rows, []string{s.entitlement, st.Name, fmt.Sprint(st.Count), strings.Join(who[st.Name], " ")})
			}
			return a.show(who, head, rows)
		}}
	s.add(c)
	return c
}
