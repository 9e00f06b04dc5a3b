package certlogic

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// instant is a date-time: milliseconds since 1970 in UTC. It exists only while
// an expression is evaluated; data has none.
type instant int64

// time is the instant as a result gives it.
func (i instant) time() time.Time { return time.UnixMilli(int64(i)).UTC() }

const maxInteger = 1<<53 - 1

func isInteger(f float64) bool { return f == math.Trunc(f) && math.Abs(f) <= maxInteger }

// number gives the integer that a value is; false if it is none.
func number(v any) (float64, bool) {
	f, ok := v.(float64)
	return f, ok && isInteger(f)
}

// truth is a value as a condition: neither, for what is no condition.
type truth int

const (
	neither truth = iota
	truthy
	falsy
)

func truthIf(b bool) truth {
	if b {
		return truthy
	}
	return falsy
}

// truthOf judges a value as a condition (specification, "Truthy and falsy values").
func truthOf(v any) truth {
	switch v := v.(type) {
	case nil:
		return falsy
	case bool:
		return truthIf(v)
	case string:
		return truthIf(v != "")
	case float64:
		if isInteger(v) {
			return truthIf(v != 0)
		}
	case []any:
		return truthIf(len(v) > 0)
	case map[string]any:
		return truthIf(len(v) > 0)
	}
	return neither
}

// IsTrue reports whether a result is true: what a rule must come to. A truthy
// value of another type is not.
func IsTrue(result any) bool { return result == true }

// kindOf names a value's type for an error, and nothing of the value.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a truth value"
	case string:
		return "text"
	case float64:
		return "a number"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	case instant:
		return "a date-time"
	}
	return fmt.Sprintf("a %T, which is no JSON", v)
}

// canonical gives a value of the data as evaluation knows it.
func canonical(v any) any {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	}
	return v
}

// same compares two values (C3). The steps that it takes do not depend on map order.
func (b *Budget) same(x, y any, depth int) (bool, error) {
	if depth > maxValueDepth {
		return false, fmt.Errorf("%w: values nest deeper than %d", ErrBudget, maxValueDepth)
	}
	if err := b.spend(1); err != nil {
		return false, err
	}
	switch x := canonical(x).(type) {
	case nil:
		return y == nil, nil
	case bool:
		y, ok := y.(bool)
		return ok && x == y, nil
	case float64:
		y, ok := canonical(y).(float64)
		return ok && x == y, nil
	case instant:
		y, ok := y.(instant)
		return ok && x == y, nil
	case string:
		y, ok := y.(string)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		return x == y, b.spend(text(len(x)) - 1)
	case []any:
		y, ok := y.([]any)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		for i := range x {
			if is, err := b.same(x[i], y[i], depth+1); !is || err != nil {
				return false, err
			}
		}
		return true, nil
	case map[string]any:
		y, ok := y.(map[string]any)
		if !ok || len(x) != len(y) {
			return false, nil
		}
		names, err := b.names(x)
		if err != nil {
			return false, err
		}
		for _, name := range names {
			v, ok := y[name]
			if !ok {
				return false, nil
			}
			if is, err := b.same(x[name], v, depth+1); !is || err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return false, fmt.Errorf("%w: the data holds %s", ErrOperand, kindOf(x))
}

// names gives an object's names in order, and pays for them first.
func (b *Budget) names(o map[string]any) ([]string, error) {
	if err := b.spend(len(o)); err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(o)), nil
}

// result copies a value for the caller, date-times as time.Time. A value that
// was built to hold itself many times over is paid for as often.
func (b *Budget) result(v any, depth int) (any, error) {
	if depth > maxValueDepth {
		return nil, fmt.Errorf("%w: the result nests deeper than %d", ErrBudget, maxValueDepth)
	}
	if err := b.spend(1); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case instant:
		return v.time(), nil
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = b.result(v[i], depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		names, err := b.names(v)
		if err != nil {
			return nil, err
		}
		out := make(map[string]any, len(v))
		for _, name := range names {
			if out[name], err = b.result(v[name], depth+1); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return canonical(v), nil
}
