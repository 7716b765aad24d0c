package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cedar-policy/cedar-go"
	expast "github.com/cedar-policy/cedar-go/x/exp/ast"

	"github.com/lessor-iam/lessor/internal/access"
)

// The questions, as rules name them in action == Action::"…".
const (
	QuestionRequest = "request"
	QuestionOblige  = "oblige" // asked with every request that is permitted; nobody asks it alone
	QuestionApprove = "approve"
	QuestionHold    = "hold"
	QuestionView    = "view"
	QuestionRevoke  = "revoke"
	QuestionRemedy  = "remedy" // asked of every access nobody granted; its rules name it
	QuestionSettle  = "settle"

	QuestionRotate      = "rotate"
	QuestionRetire      = "retire"
	QuestionCompromised = "compromised"

	QuestionBreakGlass = access.QuestionBreakGlass
)

var questions = []string{QuestionRequest, QuestionOblige, QuestionApprove, QuestionHold, QuestionView, QuestionRevoke, QuestionRemedy, QuestionSettle,
	QuestionRotate, QuestionRetire, QuestionCompromised, QuestionBreakGlass}

// guardPrefix is reserved for the shipped guards.
const guardPrefix = "guard."

// RuleListing is one rule as it is listed.
type RuleListing struct {
	ID        string         `json:"id"`
	Effect    string         `json:"effect"` // "permit", "forbid", or "oblige" for what only adds
	Questions []string       `json:"questions"`
	File      string         `json:"file"`
	Line      int            `json:"line"`
	Guard     bool           `json:"guard"` // shipped and always on
	Reason    string         `json:"reason,omitempty"`
	Needs     []access.Stage `json:"needs,omitempty"`
	NeedsNone bool           `json:"needs_none,omitempty"` // says @needs("none")
	MaxTerm   access.Term    `json:"max_term,omitzero"`
	StepUp    string         `json:"step_up,omitempty"`
	Author    string         `json:"author,omitempty"`
	Remedy    Remedy         `json:"remedy,omitempty"` // what a rule for remedy says is done
	Text      string         `json:"text"`
}

// rule is a listed rule with what Cedar evaluates.
type rule struct {
	RuleListing
	policy *cedar.Policy
	key    cedar.PolicyID
}

// shown is the rule as decisions record it.
func (r *rule) shown() access.Rule {
	return access.Rule{ID: r.ID, Effect: r.Effect, Reason: r.Reason, Author: r.Author}
}

var (
	ruleID    = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`)
	stageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/@-]{0,99}$`)
	stepUp    = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,31}$`)
)

// mostPeople bounds the count of one stage; more is a slip of the keyboard.
const mostPeople = 20

// newRule reads the annotations; say is called with everything wrong about them.
func newRule(p *cedar.Policy, file string, guard bool, say func(string, ...any)) *rule {
	pos, notes := p.Position(), p.Annotations()
	r := &rule{policy: p, RuleListing: RuleListing{
		ID: string(notes["id"]), Effect: "forbid", File: file, Line: pos.Line, Guard: guard,
		Reason: strings.TrimSpace(string(notes["reason"])), Author: string(notes["author"]),
		Questions: questionsOf(tree(p)), Text: string(p.MarshalCedar()),
	}}
	r.key = cedar.PolicyID(r.ID)
	if p.Effect() == cedar.Permit {
		r.Effect = "permit"
	}
	if slices.Contains(r.Questions, QuestionOblige) {
		if r.Effect != "permit" || len(r.Questions) > 1 {
			say("a rule for oblige only adds: it is a permit, and for oblige alone")
		}
		r.Effect = "oblige"
	}
	keys := make([]string, 0, len(notes))
	for k := range notes {
		keys = append(keys, string(k))
	}
	slices.Sort(keys)
	for _, k := range keys {
		if !slices.Contains([]string{"id", "reason", "author", "needs", "max_term", "step_up", "remedy"}, k) {
			say("unknown annotation @%s; known are @id, @reason, @author, @needs, @max_term, @step_up and @remedy", k)
		}
	}
	r.checkName(guard, say)
	r.readObligations(notes, say)
	r.readRemedy(notes, say)
	return r
}

// saidOnly is an error without the sentinel it wraps: all problems here are invalid input.
func saidOnly(err error) string {
	return strings.TrimPrefix(err.Error(), access.ErrInvalid.Error()+": ")
}

func (r *rule) checkName(guard bool, say func(string, ...any)) {
	switch {
	case r.ID == "":
		say("the rule has no @id(\"…\")")
	case !ruleID.MatchString(r.ID):
		say("@id(%q) is not a name of lower-case letters, digits, dots, dashes and underscores", r.ID)
	case !guard && strings.HasPrefix(r.ID, guardPrefix):
		say("@id(%q): names that begin with %q are the shipped guards'", r.ID, guardPrefix)
	case guard && (!strings.HasPrefix(r.ID, guardPrefix) || r.Reason == ""):
		say("a guard is named %s… and has a @reason", guardPrefix)
	}
	if strings.ContainsAny(r.Reason, "\n\r\x1b") || len(r.Reason) > 300 {
		say("@reason is one line of at most 300 bytes")
	}
}

// readObligations reads @needs, @max_term and @step_up. Only what lets a request
// through can oblige; everywhere else they would be silently without effect.
func (r *rule) readObligations(notes cedar.Annotations, say func(string, ...any)) {
	needs, hasNeeds := notes["needs"]
	most, hasMost := notes["max_term"]
	step, hasStep := notes["step_up"]
	obliges := r.Effect == "oblige"
	if !obliges && (r.Effect != "permit" || !slices.Contains(r.Questions, QuestionRequest)) {
		if hasNeeds || hasMost || hasStep {
			say("@needs, @max_term and @step_up stand only on rules that permit a request or oblige")
		}
		return
	}
	var err error
	if !hasNeeds && obliges {
		if !hasMost && !hasStep {
			say("the rule obliges to nothing; say @needs, @max_term or @step_up")
		}
	} else if !hasNeeds {
		say("the rule permits a request without saying what it needs; say @needs(\"none\") if no approval is meant")
	} else if r.Needs, err = ParseStages(string(needs)); err != nil {
		say("%s", saidOnly(err))
	}
	r.NeedsNone = hasNeeds && err == nil && len(r.Needs) == 0
	if hasMost {
		if r.MaxTerm, err = access.ParseTerm(string(most)); err != nil {
			say("@max_term: %s", saidOnly(err))
		}
	}
	if hasStep {
		if r.StepUp = string(step); !stepUp.MatchString(r.StepUp) {
			say("@step_up(%q) is not the name of a strength such as \"mfa\"", r.StepUp)
		}
	}
}

// ParseStages reads "manager, owner, security:2". "none", alone, is no stage.
func ParseStages(s string) ([]access.Stage, error) {
	if strings.TrimSpace(s) == "none" {
		return nil, nil
	}
	var stages []access.Stage
	for part := range strings.SplitSeq(s, ",") {
		name, number, counted := strings.Cut(strings.TrimSpace(part), ":")
		count := 1
		if counted {
			n, err := strconv.Atoi(number)
			if err != nil || n < 1 || n > mostPeople || strconv.Itoa(n) != number {
				return nil, fmt.Errorf("%w: @needs: %q does not ask for 1 to %d people", access.ErrInvalid, strings.TrimSpace(part), mostPeople)
			}
			count = n
		}
		switch {
		case name == "none":
			return nil, fmt.Errorf("%w: @needs: \"none\" stands alone", access.ErrInvalid)
		case !stageName.MatchString(name):
			return nil, fmt.Errorf("%w: @needs: %q is not a stage; write manager, owner, sponsor or a group, as in \"manager, security:2\"", access.ErrInvalid, name)
		case strings.HasPrefix(name, impliedPrefix):
			return nil, fmt.Errorf("%w: @needs: the systems of %q are found for each request; write %q", access.ErrInvalid, name, impliedStage)
		case slices.ContainsFunc(stages, func(s access.Stage) bool { return s.Name == name }):
			return nil, fmt.Errorf("%w: @needs names %q twice", access.ErrInvalid, name)
		case count > 1 && (name == "manager" || name == "sponsor" || name == impliedStage):
			return nil, fmt.Errorf("%w: @needs: there is only one %s", access.ErrInvalid, name)
		}
		stages = append(stages, access.Stage{Name: name, Count: count})
	}
	slices.SortFunc(stages, func(a, b access.Stage) int { return strings.Compare(a.Name, b.Name) })
	return stages, nil
}

// personalStage tells the stages whose people depend on the request from groups.
func personalStage(name string) bool {
	return name == "manager" || name == "owner" || name == "sponsor" || name == impliedStage || strings.HasPrefix(name, impliedPrefix)
}

// questionsOf lists the questions a rule's action scope lets it answer.
func questionsOf(p *expast.Policy) []string {
	var named []cedar.EntityUID
	switch s := p.Action.(type) {
	case expast.ScopeTypeEq:
		named = []cedar.EntityUID{s.Entity}
	case expast.ScopeTypeIn:
		named = []cedar.EntityUID{s.Entity}
	case expast.ScopeTypeInSet:
		named = s.Entities
	default:
		return slices.DeleteFunc(slices.Clone(questions), func(q string) bool { return q == QuestionOblige || q == QuestionRemedy }) // only by name
	}
	var out []string
	for _, q := range questions {
		if slices.Contains(named, actionOf[q]) {
			out = append(out, q)
		}
	}
	return out
}

var actionOf = map[string]cedar.EntityUID{
	QuestionRequest: cedar.NewEntityUID("Action", QuestionRequest), QuestionOblige: cedar.NewEntityUID("Action", QuestionOblige), QuestionApprove: cedar.NewEntityUID("Action", QuestionApprove),
	QuestionHold: cedar.NewEntityUID("Action", QuestionHold), QuestionView: cedar.NewEntityUID("Action", QuestionView),
	QuestionRevoke: cedar.NewEntityUID("Action", QuestionRevoke), QuestionRemedy: cedar.NewEntityUID("Action", QuestionRemedy), QuestionSettle: cedar.NewEntityUID("Action", QuestionSettle),
	QuestionRotate: cedar.NewEntityUID("Action", QuestionRotate), QuestionRetire: cedar.NewEntityUID("Action", QuestionRetire), QuestionCompromised: cedar.NewEntityUID("Action", QuestionCompromised),
	QuestionBreakGlass: cedar.NewEntityUID("Action", QuestionBreakGlass),
}
