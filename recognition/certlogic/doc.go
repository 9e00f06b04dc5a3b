// Package certlogic is CertLogic 1.3, the language in which the acceptance rules
// of the EU Digital COVID Certificate are written: a small, restricted JsonLogic
// with date-times (ehn-dcc-development/eu-dcc-business-rules, certlogic/specification).
//
// It promises that an evaluation is a function of the expression and the data:
// no clock, no randomness, no map order, and the same answer on every machine;
// that it ends within a number of steps that the caller sets, whatever the
// expression and the data are; that it changes neither; and that no error
// repeats a value of the data, which is about a person. It expects data as
// package encoding/json reads it: map[string]any, []any, string, float64, bool
// and nil. An int or int64 counts as the same number in float64.
//
// # What the specification leaves open
//
// Where its text and the implementations of its authors (JavaScript, Kotlin)
// leave room, this is what holds here:
//
//	C1  An expression is read whole, and judged where it is reached: an unknown
//	    operation, a wrong number of operands, or a literal null or fraction is an
//	    error in the branch that is taken, and nothing in one that is not.
//	    Problems lists them all beforehand.
//	C2  Integers are those of JSON that a float64 holds exactly, up to 2^53-1
//	    either way; 2.0 is the integer 2. Any other number is neither truthy nor
//	    falsy, and so is a date-time.
//	C3  "===" and "in" compare by value, arrays, objects and date-times included.
//	    Values of different types are different, and that is no error.
//	C4  In a path of "var", a part that is all digits is the place in an array, and
//	    in an object the member of that name; what is not there is null.
//	C5  The last operand of "and" is given back as it is, as both implementations do.
//	C6  "reduce" of null is its initial value, as the test suite wants it.
//	C7  Date-times are instants to the millisecond. Days that no month has, hour
//	    24, second 60, and offsets of a day or more are errors; so is a result
//	    outside of ECMAScript's range of time, 100,000,000 days around 1970.
//	C8  The amount and unit of "plusTime" and the index of "extractFromUVCI" are
//	    literals, as the implementations have it.
package certlogic
