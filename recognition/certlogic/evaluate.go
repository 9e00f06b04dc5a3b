package certlogic

import (
	"fmt"
	"strconv"
	"strings"
)

// Evaluate gives what an expression comes to for the data: a JSON value, or a
// time.Time. Errors wrap ErrInvalid, ErrOperand or ErrBudget; whoever judges by
// a rule takes them for false (specification, "Introduction").
func Evaluate(e *Expression, data any, l Limits) (any, error) {
	steps := l.Steps
	if steps <= 0 {
		steps = MaxSteps
	}
	return e.EvaluateWithin(data, NewBudget(steps))
}

// EvaluateWithin is Evaluate, within a budget that it takes its steps from.
func (e *Expression) EvaluateWithin(data any, b *Budget) (any, error) {
	v, err := e.root.evaluate(data, b)
	if err != nil {
		return nil, err
	}
	return b.result(v, 0)
}

// node is one part of an expression. It takes at least one step.
type node interface {
	evaluate(data any, b *Budget) (any, error)
}

// invalid is a part that is not CertLogic.
type invalid string

func (i invalid) evaluate(_ any, b *Budget) (any, error) {
	if err := b.spend(1); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: %s", ErrInvalid, string(i))
}

// literal is a value that stands in the expression.
type literal struct{ value any }

func (l literal) evaluate(_ any, b *Budget) (any, error) { return l.value, b.spend(1) }

// array has every item evaluated by itself.
type array []node

func (a array) evaluate(data any, b *Budget) (any, error) {
	if err := b.spend(1); err != nil {
		return nil, err
	}
	out := make([]any, len(a))
	for i, item := range a {
		var err error
		if out[i], err = item.evaluate(data, b); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// variable is a way into the data; none: the data itself.
type variable []part

// part is one part of a path: the name of a member, and the place in an array if
// it is one, else -1.
type part struct {
	name  string
	index int
}

func partOf(name string) part {
	for _, c := range []byte(name) {
		if c < '0' || c > '9' {
			return part{name, -1}
		}
	}
	index, err := strconv.Atoi(name)
	if err != nil { // more than an array can have
		index = -1
	}
	return part{name, index}
}

func (v variable) evaluate(data any, b *Budget) (any, error) {
	if err := b.spend(1 + len(v)); err != nil {
		return nil, err
	}
	for _, p := range v {
		switch d := data.(type) {
		case map[string]any:
			data = d[p.name]
		case []any:
			if p.index < 0 || p.index >= len(d) {
				return nil, nil
			}
			data = d[p.index]
		default:
			return nil, nil
		}
	}
	return canonical(data), nil
}

// conditional is "if". Only the branch that is taken is evaluated.
type conditional struct{ guard, then, otherwise node }

func (c *conditional) evaluate(data any, b *Budget) (any, error) {
	if err := b.spend(1); err != nil {
		return nil, err
	}
	guard, err := c.guard.evaluate(data, b)
	if err != nil {
		return nil, err
	}
	switch truthOf(guard) {
	case truthy:
		return c.then.evaluate(data, b)
	case falsy:
		return c.otherwise.evaluate(data, b)
	}
	return nil, fmt.Errorf("%w: the condition of \"if\" is %s, which is neither truthy nor falsy", ErrOperand, kindOf(guard))
}

// and gives the first operand that is falsy, else the last; what comes after is
// not evaluated.
type and []node

func (a and) evaluate(data any, b *Budget) (any, error) {
	if err := b.spend(1); err != nil {
		return nil, err
	}
	last := len(a) - 1
	for _, operand := range a[:last] {
		v, err := operand.evaluate(data, b)
		if err != nil {
			return nil, err
		}
		switch truthOf(v) {
		case falsy:
			return v, nil
		case neither:
			return nil, fmt.Errorf("%w: an operand of \"and\" is %s, which is neither truthy nor falsy", ErrOperand, kindOf(v))
		}
	}
	return a[last].evaluate(data, b)
}

type not struct{ operand node }

func (n *not) evaluate(data any, b *Budget) (any, error) {
	if err := b.spend(1); err != nil {
		return nil, err
	}
	v, err := n.operand.evaluate(data, b)
	if err != nil {
		return nil, err
	}
	switch truthOf(v) {
	case truthy:
		return false, nil
	case falsy:
		return true, nil
	}
	return nil, fmt.Errorf("%w: the operand of \"!\" is %s, which is neither truthy nor falsy", ErrOperand, kindOf(v))
}

// both evaluates two operands.
func both(x, y node, data any, b *Budget) (any, any, error) {
	if err := b.spend(1); err != nil {
		return nil, nil, err
	}
	v, err := x.evaluate(data, b)
	if err != nil {
		return nil, nil, err
	}
	w, err := y.evaluate(data, b)
	return v, w, err
}

type equal struct{ x, y node }

func (e *equal) evaluate(data any, b *Budget) (any, error) {
	x, y, err := both(e.x, e.y, data, b)
	if err != nil {
		return nil, err
	}
	return b.same(x, y, 0)
}

type in struct{ item, list node }

func (i *in) evaluate(data any, b *Budget) (any, error) {
	item, list, err := both(i.item, i.list, data, b)
	if err != nil {
		return nil, err
	}
	among, ok := list.([]any)
	if !ok {
		return nil, fmt.Errorf("%w: what \"in\" looks into is %s, not an array", ErrOperand, kindOf(list))
	}
	for _, one := range among {
		if is, err := b.same(item, one, 0); is || err != nil {
			return is, err
		}
	}
	return false, nil
}

type plus struct{ x, y node }

func (p *plus) evaluate(data any, b *Budget) (any, error) {
	x, y, err := both(p.x, p.y, data, b)
	if err != nil {
		return nil, err
	}
	m, ok := number(x)
	n, too := number(y)
	if !ok || !too {
		return nil, fmt.Errorf("%w: \"+\" adds integers, and has %s and %s", ErrOperand, kindOf(x), kindOf(y))
	}
	if !isInteger(m + n) {
		return nil, fmt.Errorf("%w: \"+\" comes to more than 2^53-1", ErrOperand)
	}
	return m + n, nil
}

// order is one way to compare: integers, or date-times.
type order struct {
	name  string
	times bool
	holds func(c int) bool // of -1, 0 and 1
}

var comparisons = map[string]order{
	"<":          {"<", false, func(c int) bool { return c < 0 }},
	">":          {">", false, func(c int) bool { return c > 0 }},
	"<=":         {"<=", false, func(c int) bool { return c <= 0 }},
	">=":         {">=", false, func(c int) bool { return c >= 0 }},
	"before":     {"before", true, func(c int) bool { return c < 0 }},
	"after":      {"after", true, func(c int) bool { return c > 0 }},
	"not-after":  {"not-after", true, func(c int) bool { return c <= 0 }},
	"not-before": {"not-before", true, func(c int) bool { return c >= 0 }},
}

// comparison compares two operands, or three: the first with the second, and
// that with the third. Every operand is evaluated, and must be of the type.
type comparison struct {
	order    order
	operands []node
}

func (c *comparison) evaluate(data any, b *Budget) (any, error) {
	if err := b.spend(1); err != nil {
		return nil, err
	}
	var values [3]int64
	var bad error
	for i, operand := range c.operands {
		v, err := operand.evaluate(data, b)
		if err != nil {
			return nil, err
		}
		var ok bool
		if values[i], ok = c.order.value(v); !ok && bad == nil {
			bad = fmt.Errorf("%w: operand %d of %q is %s, not %s", ErrOperand, i+1, c.order.name, kindOf(v), c.order.wants())
		}
	}
	if bad != nil {
		return nil, bad
	}
	for i := range len(c.operands) - 1 {
		if !c.order.holds(compare(values[i], values[i+1])) {
			return false, nil
		}
	}
	return true, nil
}

func (o order) value(v any) (int64, bool) {
	if o.times {
		i, ok := v.(instant)
		return int64(i), ok
	}
	n, ok := number(v)
	if !ok {
		return 0, false
	}
	return int64(n), true
}

func (o order) wants() string {
	if o.times {
		return "a date-time"
	}
	return "an integer"
}

func compare(x, y int64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// reduce folds an array from the left. Its lambda sees the current item and what
// has accumulated, and nothing else of the data.
type reduce struct{ operand, lambda, initial node }

func (r *reduce) evaluate(data any, b *Budget) (any, error) {
	if err := b.spend(1); err != nil {
		return nil, err
	}
	operand, err := r.operand.evaluate(data, b)
	if err != nil {
		return nil, err
	}
	items, ok := operand.([]any)
	if !ok && operand != nil {
		return nil, fmt.Errorf("%w: \"reduce\" goes over an array, and has %s", ErrOperand, kindOf(operand))
	}
	accumulator, err := r.initial.evaluate(data, b)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		if err := b.spend(reduceItem); err != nil {
			return nil, err
		}
		// A new one for each step: the lambda may give it back as it is.
		if accumulator, err = r.lambda.evaluate(map[string]any{"current": item, "accumulator": accumulator}, b); err != nil {
			return nil, err
		}
	}
	return accumulator, nil
}

// extract gives one part of a unique certificate identifier.
type extract struct {
	operand node
	index   int64
}

func (x *extract) evaluate(data any, b *Budget) (any, error) {
	if err := b.spend(1); err != nil {
		return nil, err
	}
	v, err := x.operand.evaluate(data, b)
	if err != nil {
		return nil, err
	}
	uci, ok := v.(string)
	switch {
	case v == nil:
		return nil, nil
	case !ok:
		return nil, fmt.Errorf("%w: \"extractFromUVCI\" takes text or null, and has %s", ErrOperand, kindOf(v))
	}
	if err := b.spend(text(len(uci))); err != nil {
		return nil, err
	}
	uci = strings.TrimPrefix(uci, "URN:UVCI:")
	for i := int64(0); x.index >= 0; i++ {
		end := strings.IndexAny(uci, "/#:")
		switch {
		case i == x.index && end < 0:
			return uci, nil
		case i == x.index:
			return uci[:end], nil
		case end < 0:
			return nil, nil
		}
		uci = uci[end+1:]
	}
	return nil, nil
}
