package certlogic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Expression is an expression as read. It is immutable and safe for concurrent use.
type Expression struct {
	root     node
	problems []string
	more     int // problems beyond those listed
	weight   int
}

// Weight is about how many bytes of memory the expression takes, for whoever
// keeps many: up to some thirty for each byte of its text.
func (e *Expression) Weight() int { return e.weight }

// Problems lists what in the expression is not CertLogic 1.3, in branches that
// may never be reached included (C1). Whoever publishes a rule should have none.
func (e *Expression) Problems() []string {
	out := append([]string(nil), e.problems...)
	if e.more > 0 {
		out = append(out, fmt.Sprintf("and %d more", e.more))
	}
	return out
}

// Parse reads an expression. Errors wrap ErrMalformed: the text is no JSON, has
// one name twice in an object, or is over a bound.
func Parse(text []byte) (*Expression, error) {
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrMalformed, len(text), MaxBytes)
	}
	r := reader{d: json.NewDecoder(bytes.NewReader(text)), nodes: MaxNodes}
	tree, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if _, err := r.d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more follows after the expression", ErrMalformed)
	}
	b := builder{e: &Expression{weight: nodeWeight}, parts: r.nodes}
	b.e.root = b.node(tree, "")
	if b.parts < 0 {
		return nil, fmt.Errorf("%w: more than %d values and parts of paths", ErrMalformed, MaxNodes)
	}
	return b.e, nil
}

// object is a JSON object in the order of its text.
type object []member

type member struct {
	name  string
	value any
}

// reader reads JSON within the bounds, and refuses a name that is there twice:
// which of the two counts would be a matter of the program.
type reader struct {
	d     *json.Decoder
	nodes int // that may still come
}

func (r *reader) value(depth int) (any, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: nests deeper than %d", ErrMalformed, MaxDepth)
	}
	if r.nodes--; r.nodes < 0 {
		return nil, fmt.Errorf("%w: more than %d values", ErrMalformed, MaxNodes)
	}
	t, err := r.d.Token()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	switch t {
	case json.Delim('['):
		list := []any{}
		for r.d.More() {
			v, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, r.close()
	case json.Delim('{'):
		o := object{}
		for r.d.More() {
			name, err := r.d.Token()
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
			}
			v, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			for _, m := range o {
				if m.name == name {
					return nil, fmt.Errorf("%w: an object has %q twice", ErrMalformed, clip(m.name))
				}
			}
			if len(o) == maxMembers {
				return nil, fmt.Errorf("%w: an object has more than %d members, and an operation has one", ErrMalformed, maxMembers)
			}
			o = append(o, member{name.(string), v}) // a name is text by the grammar
		}
		return o, r.close()
	}
	return t, nil
}

// close reads the end of an array or object.
func (r *reader) close() error {
	if _, err := r.d.Token(); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// builder makes nodes of a JSON tree.
type builder struct {
	e     *Expression
	parts int // of paths, that there may still be
}

// About how many bytes one node takes, and one part of a path.
const (
	nodeWeight = 80
	partWeight = 32
)

// invalid makes the node of what is not CertLogic: an error where it is reached.
func (b *builder) invalid(path, format string, a ...any) node {
	said := fmt.Sprintf(format, a...)
	if len(b.e.problems) < maxProblems {
		if path != "" { // not for all of them: a path may be as long as a thousand literals that are none
			said = fmt.Sprintf("at %s: %s", path, said)
		}
		b.e.problems = append(b.e.problems, said)
	} else {
		b.e.more++
	}
	b.e.weight += len(said)
	return invalid(said)
}

func (b *builder) node(tree any, path string) node {
	b.e.weight += nodeWeight
	switch v := tree.(type) {
	case bool:
		return literal{v}
	case string:
		b.e.weight += len(v)
		return literal{v}
	case float64:
		if !isInteger(v) {
			return b.invalid(path, "the number %v is no integer from -(2^53-1) to 2^53-1", v)
		}
		return literal{v}
	case []any:
		return b.array(v, path)
	case object:
		return b.operation(v, path)
	}
	return b.invalid(path, "null is no literal; compare with what is missing through \"!\" or \"if\"")
}

// array makes an array. One of literals only is made once: nothing changes a value.
func (b *builder) array(items []any, path string) node {
	a := make(array, len(items))
	constant := make([]any, len(items))
	for i, item := range items {
		a[i] = b.node(item, fmt.Sprintf("%s[%d]", path, i))
		if l, ok := a[i].(literal); ok {
			constant[i] = l.value
		} else {
			constant = nil
			break
		}
	}
	if constant != nil {
		return literal{constant}
	}
	for i, item := range items {
		if a[i] == nil {
			a[i] = b.node(item, fmt.Sprintf("%s[%d]", path, i))
		}
	}
	return a
}

func (b *builder) operation(o object, path string) node {
	if len(o) != 1 {
		return b.invalid(path, "an operation is an object with one member, and this has %d", len(o))
	}
	name := o[0].name
	path = strings.TrimPrefix(path+"."+clip(name), ".")
	if name == "var" {
		p, ok := o[0].value.(string)
		if !ok {
			return b.invalid(path, "want the form {\"var\": \"path\"}")
		}
		return b.variable(p, path)
	}
	f, known := operations[name]
	if !known {
		return b.invalid(path, "the operation %q is unknown", clip(name))
	}
	values, ok := o[0].value.([]any)
	if !ok {
		return b.invalid(path, "want the form {%q: [operands]}", name)
	}
	if n := len(values); n < f.least || n > f.most {
		return b.invalid(path, "%d operands, want %s", n, f.want())
	}
	return f.build(b, name, values, path)
}

func (b *builder) variable(p, path string) node {
	v := variable{}
	if p == "" {
		return v
	}
	b.e.weight += len(p)
	for part := range strings.SplitSeq(p, ".") {
		if b.parts--; b.parts < 0 {
			return v // Parse says so
		}
		b.e.weight += partWeight
		if part == "" {
			return b.invalid(path, "%q is no path: a part of it is empty", clip(p))
		}
		v = append(v, partOf(part))
	}
	return v
}

// form is how an operation is built of its operands.
type form struct {
	least, most int
	build       func(b *builder, name string, values []any, path string) node
}

func (f form) want() string {
	switch {
	case f.most == MaxNodes:
		return fmt.Sprintf("%d or more", f.least)
	case f.least == f.most:
		return fmt.Sprint(f.least)
	}
	return fmt.Sprintf("%d or %d", f.least, f.most)
}

// operations are all operations but "var", which is written in another form.
var operations map[string]form

func init() { // not in the declaration: building an operand comes back here
	operations = map[string]form{
		"if":              {3, 3, buildIf},
		"and":             {2, MaxNodes, buildAnd},
		"!":               {1, 1, buildNot},
		"===":             {2, 2, buildEqual},
		"in":              {2, 2, buildIn},
		"+":               {2, 2, buildPlus},
		"<":               {2, 3, buildCompare},
		">":               {2, 3, buildCompare},
		"<=":              {2, 3, buildCompare},
		">=":              {2, 3, buildCompare},
		"after":           {2, 3, buildCompare},
		"before":          {2, 3, buildCompare},
		"not-after":       {2, 3, buildCompare},
		"not-before":      {2, 3, buildCompare},
		"plusTime":        {3, 3, buildPlusTime},
		"dccDateOfBirth":  {1, 1, buildDateOfBirth},
		"reduce":          {3, 3, buildReduce},
		"extractFromUVCI": {2, 2, buildExtract},
	}
}

// operands builds every operand.
func (b *builder) operands(values []any, path string) []node {
	out := make([]node, len(values))
	for i, v := range values {
		out[i] = b.node(v, fmt.Sprintf("%s[%d]", path, i))
	}
	return out
}

func buildIf(b *builder, _ string, values []any, path string) node {
	o := b.operands(values, path)
	return &conditional{o[0], o[1], o[2]}
}

func buildAnd(b *builder, _ string, values []any, path string) node {
	return and(b.operands(values, path))
}

func buildNot(b *builder, _ string, values []any, path string) node {
	return &not{b.operands(values, path)[0]}
}

func buildEqual(b *builder, _ string, values []any, path string) node {
	o := b.operands(values, path)
	return &equal{o[0], o[1]}
}

func buildIn(b *builder, _ string, values []any, path string) node {
	o := b.operands(values, path)
	return &in{o[0], o[1]}
}

func buildPlus(b *builder, _ string, values []any, path string) node {
	o := b.operands(values, path)
	return &plus{o[0], o[1]}
}

func buildCompare(b *builder, name string, values []any, path string) node {
	return &comparison{comparisons[name], b.operands(values, path)}
}

func buildReduce(b *builder, _ string, values []any, path string) node {
	o := b.operands(values, path)
	return &reduce{o[0], o[1], o[2]}
}

func buildDateOfBirth(b *builder, _ string, values []any, path string) node {
	return &dateOfBirth{b.operands(values, path)[0]}
}

func buildPlusTime(b *builder, _ string, values []any, path string) node {
	operand := b.node(values[0], path+"[0]")
	amount, ok := values[1].(float64)
	if !ok || !isInteger(amount) {
		return b.invalid(path, "the amount must be a literal integer")
	}
	name, _ := values[2].(string)
	unit, ok := units[name]
	if !ok {
		return b.invalid(path, "the unit must be \"year\", \"month\", \"day\" or \"hour\"")
	}
	return &plusTime{operand, int64(amount), unit}
}

func buildExtract(b *builder, _ string, values []any, path string) node {
	operand := b.node(values[0], path+"[0]")
	index, ok := values[1].(float64)
	if !ok || !isInteger(index) {
		return b.invalid(path, "the index must be a literal integer")
	}
	return &extract{operand, int64(index)}
}

// clip shortens a word of the expression for an error.
func clip(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
