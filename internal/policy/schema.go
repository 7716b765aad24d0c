package policy

import (
	"embed"
	"fmt"
	"io/fs"
	"sync"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/types"
	expast "github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/eval"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

// The validator and partial evaluation live in cedar-go's x/exp, which promises
// nothing between versions. This is the only file that calls them; they were
// read and measured at cedar-go v1.9.0, and TestCedarIsPinned holds that version.

//go:embed schema.cedarschema
var schemaText []byte

//go:embed guards/*.cedar
var guardFiles embed.FS

//go:embed defaults/*.cedar
var defaultFiles embed.FS

// Defaults returns the shipped example rules, to be read or copied.
func Defaults() fs.FS {
	sub, err := fs.Sub(defaultFiles, "defaults")
	if err != nil {
		panic(err) // the folder is part of the program
	}
	return sub
}

// Schema returns the text of the schema that rules are checked against.
func Schema() string { return string(schemaText) }

// checker holds everything to the schema: rules, questions and facts.
type checker struct{ v *validate.Validator }

// shippedChecker parses the embedded schema once; it cannot fail for anybody
// who runs the tests.
var shippedChecker = sync.OnceValue(func() checker {
	var s schema.Schema
	s.SetFilename("schema.cedarschema")
	if err := s.UnmarshalCedar(schemaText); err != nil {
		panic(fmt.Errorf("shipped schema: %w", err))
	}
	r, err := s.Resolve()
	if err != nil {
		panic(fmt.Errorf("shipped schema: %w", err))
	}
	return checker{validate.New(r)}
})

func (c checker) rule(p *cedar.Policy) error     { return c.v.Policy("", tree(p)) }
func (c checker) question(r cedar.Request) error { return c.v.Request(r) }
func (c checker) entity(e cedar.Entity) error    { return c.v.Entity(e) }

// tree is the syntax of a rule. It must not be changed.
func tree(p *cedar.Policy) *expast.Policy { return (*expast.Policy)(p.AST()) }

// bare is a rule of one condition and nothing else.
func bare(condition expast.IsNode) *ast.Policy {
	return (*ast.Policy)(expast.Permit().When(expast.NewNode(condition)))
}

// unknown stands for what is not known while a rule is evaluated in part.
func unknown(name string) cedar.EntityUID {
	return eval.Variable(types.String(name)).(cedar.EntityUID)
}

// partial puts everything known into a rule and returns what is left of it; ok
// is false where nothing is: the rule cannot apply.
func partial(p *expast.Policy, req cedar.Request, g types.EntityGetter, context types.Value) (left *expast.Policy, ok bool) {
	return eval.PartialPolicy(eval.Env{Entities: g, Principal: req.Principal, Action: req.Action, Resource: req.Resource, Context: context}, p)
}

// errs tells whether what is left of a rule is an error.
func errs(n expast.IsNode) bool { _, bad := eval.ToPartialError(n); return bad }

// valueOf evaluates one expression of a rule.
func valueOf(n expast.IsNode, req cedar.Request, g types.EntityGetter) (types.Value, error) {
	return eval.Eval(n, eval.Env{Entities: g, Principal: req.Principal, Action: req.Action, Resource: req.Resource, Context: req.Context})
}

// asPolicy gives what is left of a rule back to Cedar.
func asPolicy(p *expast.Policy) *ast.Policy { return (*ast.Policy)(p) }
