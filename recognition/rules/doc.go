// Package rules reads the rules by which a region accepts codes, or declares its
// own invalid: validation rules of the EU DCC (schema 1.0, with CertLogic), the
// value sets that they look into, and both as they stand in the ledger.
//
// It promises that whether a rule is met follows from the rule, what the code
// says and what is given beside it (External), within a budget of steps; and
// that no error or outcome repeats what the code says. It expects texts from
// anybody: every one is bounded before it is looked into.
//
// A published rule is read leniently, because it counts: what this program does
// not need to know in it may be anything. What departs from the schema is listed
// by Problems, for whoever is about to publish it.
package rules

import "errors"

// Bounds beyond those of package certlogic and of statement.Document.
const (
	// MaxDescriptions bounds the languages of a description.
	MaxDescriptions = 40
	// MaxDescription bounds one description, in bytes of UTF-8; a longer one is cut.
	MaxDescription = 2_000
	// MaxCodes bounds the codes of a value set.
	MaxCodes = 20_000
	// MaxValueSets bounds the value sets in one text.
	MaxValueSets = 256
)

// Errors. Each is wrapped with what was found.
var (
	// ErrRule: the text is no rule.
	ErrRule = errors.New("no validation rule")
	// ErrEngine: the rule is for an engine, or a version of it, that this program has not.
	ErrEngine = errors.New("rule is for another engine")
	// ErrValueSet: the text is no value set.
	ErrValueSet = errors.New("no value set")
	// ErrDocument: a document of the ledger does not hold the text that it says.
	ErrDocument = errors.New("document is damaged")
	// ErrCase: the text is no test case.
	ErrCase = errors.New("no test case of a rule")
)
