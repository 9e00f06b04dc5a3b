package certlogic

import "errors"

// Every bound on what is read and done. The largest of the 55 rules that DE, IE,
// CZ and the EU published has 67 values, nested 15 deep; none takes 100 steps.
const (
	// MaxBytes bounds the text of an expression. None of those rules has 10,000.
	MaxBytes = 64 << 10
	// MaxDepth bounds how deep an expression nests.
	MaxDepth = 100
	// MaxNodes bounds how many values, operations and operands it has, each part of
	// each "var"'s path among them.
	MaxNodes = 20_000
	// MaxSteps is how many steps an evaluation may take where the caller says
	// nothing else: a step is an operation, a value looked at, or 64 bytes of text.
	MaxSteps = 100_000
	// reduceItem is how many steps an item of "reduce" takes beside its lambda,
	// which is given a new object.
	reduceItem = 5
	// maxValueDepth bounds how deep a value nests that is compared or given back.
	maxValueDepth = 256
	// maxMembers bounds the members of an object, of which an operation has one.
	maxMembers = 8
	// maxProblems bounds the list of an expression's problems.
	maxProblems = 20
)

// Errors. Each is wrapped with what was found.
var (
	// ErrMalformed: the text is no JSON, or over a bound; it is no expression at all.
	ErrMalformed = errors.New("malformed expression")
	// ErrInvalid: the evaluation came to something that is not CertLogic 1.3: an
	// unknown operation, a wrong number of operands, a literal that is not allowed.
	ErrInvalid = errors.New("not CertLogic 1.3")
	// ErrOperand: an operation was given a value that it is not defined for.
	ErrOperand = errors.New("operand does not fit")
	// ErrBudget: the evaluation would take more steps than it may.
	ErrBudget = errors.New("evaluation takes too long")
)

// Limits bounds one evaluation. The zero value is the default.
type Limits struct {
	Steps int // 0: MaxSteps
}

// Budget is a number of steps that several evaluations share. It is not safe for
// concurrent use.
type Budget struct{ left int }

// NewBudget makes a budget of so many steps.
func NewBudget(steps int) *Budget { return &Budget{steps} }

// Left is how many steps are left.
func (b *Budget) Left() int { return max(b.left, 0) }

// spend takes steps off the budget.
func (b *Budget) spend(steps int) error {
	if b.left -= steps; b.left < 0 {
		return ErrBudget
	}
	return nil
}

// text is what looking at text of a length takes.
func text(n int) int { return 1 + n/64 }

// Spend takes steps off for what was done with another budget; none are left of
// one that is overdrawn.
func (b *Budget) Spend(steps int) { b.left -= steps }
