package client

import (
	"fmt"
	"net/http"
	"unicode/utf8"
)

// Exit codes of the command, which border systems script against.
const (
	ExitDone        = 0 // done
	ExitRefused     = 1 // refused, or not recognized
	ExitUsage       = 2 // wrong usage or bad input
	ExitUnreachable = 3 // could not reach, or not yet certain
	ExitTampering   = 4 // found tampering
)

// The names of failures that the API itself makes. A refusal by the state
// machine carries the state machine's own name (docs/reasons.md).
const (
	BadRequest       = "bad-request"
	UnknownRegion    = "unknown-region"
	TooLarge         = "too-large"
	PictureTooLarge  = "picture-too-large"
	NotFound         = "not-found"
	MethodNotAllowed = "method-not-allowed"
	WrongContentType = "wrong-content-type"
	Malformed        = "malformed-statement"
	WrongSignature   = "wrong-signature"
	NoQuorum         = "no-quorum"
	Busy             = "busy"
	QuotaExceeded    = "quota-exceeded"
	Timeout          = "timeout"
	ShuttingDown     = "shutting-down"
	Broken           = "broken"
	Stale            = "stale"
	CatchingUp       = "catching-up"
	NotVouching      = "not-vouching"
	NotAMember       = "not-a-member"
	ExpelledMember   = "expelled"
	NotFinal         = "not-final"
	NotOperator      = "not-operator"
	HandoverPending  = "handover-pending" // the state machine's name: what it refuses may be sent again
	Unreachable      = "unreachable"
	NotUnderstood    = "answer-not-understood"
)

// outcome is what a failure means to an HTTP client and to a script.
type outcome struct {
	status int
	exit   int
	hint   string
}

// outcomes is the one table from a failure's name to its status and exit code.
var outcomes = map[string]outcome{
	BadRequest:       {http.StatusBadRequest, ExitUsage, "compare the request with /openapi.json"},
	UnknownRegion:    {http.StatusBadRequest, ExitUsage, "GET /v1/authorities lists the regions of this network"},
	TooLarge:         {http.StatusRequestEntityTooLarge, ExitUsage, "send less at once: a statement has at most 60,000 bytes, an attachment 1 MiB (65,536 hashes)"},
	PictureTooLarge:  {http.StatusRequestEntityTooLarge, ExitUsage, "a picture has at most 8 MiB and 24 megapixels: take it with a lower resolution, or cut out the code"},
	NotFound:         {http.StatusNotFound, ExitRefused, ""},
	MethodNotAllowed: {http.StatusMethodNotAllowed, ExitUsage, "compare the request with /openapi.json"},
	WrongContentType: {http.StatusUnsupportedMediaType, ExitUsage, "send application/json, or pictures as multipart/form-data, image/png or image/jpeg, to /v1/check; application/cose or multipart/form-data to /v1/statements"},
	Malformed:        {http.StatusUnprocessableEntity, ExitUsage, "docs/formats/statement.md has the one encoding of each kind of statement"},
	WrongSignature:   {http.StatusForbidden, ExitRefused, "sign with the key that the ledger has for this authority and this kind of statement: GET /v1/authorities"},
	NoQuorum:         {http.StatusServiceUnavailable, ExitUnreachable, "no leader has a majority of the validators behind it, and /v1/status says why; nothing is lost: send the same statement again later, it cannot be entered twice"},
	Busy:             {http.StatusServiceUnavailable, ExitUnreachable, "the queue is full: send the same statement again after Retry-After"},
	QuotaExceeded:    {http.StatusTooManyRequests, ExitUnreachable, "send the same statement again when Retry-After is over; /v1/status shows the quotas under limits"},
	Timeout:          {http.StatusGatewayTimeout, ExitUnreachable, "it may yet be ordered: send the same statement again, it cannot be entered twice"},
	ShuttingDown:     {http.StatusServiceUnavailable, ExitUnreachable, "this node is stopping: ask another"},
	Broken:           {http.StatusServiceUnavailable, ExitUnreachable, "this node's storage failed and it has stopped vouching for its state: its log says why, and what to do; ask another node meanwhile"},
	Stale:            {http.StatusServiceUnavailable, ExitUnreachable, "this node cannot reach the others to be sure that it is up to date: ask another, or ask with consistency local"},
	CatchingUp:       {http.StatusServiceUnavailable, ExitUnreachable, "this node fetches what it misses from the others; /v1/status shows how far it is: ask another meanwhile"},
	NotVouching:      {http.StatusServiceUnavailable, ExitUnreachable, "this node answers, and does not vouch for what it has; /v1/status lists why under problems, and concordat doctor says what to do"},
	NotAMember:       {http.StatusServiceUnavailable, ExitUnreachable, "this node waits to be admitted to the network; /v1/status says for what: ask another meanwhile"},
	ExpelledMember:   {http.StatusServiceUnavailable, ExitUnreachable, "this node's authority was expelled: it answers from what it had then; ask another region's node"},
	NotFinal:         {http.StatusServiceUnavailable, ExitUnreachable, "it becomes final when more than two thirds of the validators have co-signed; /v1/status says under final which are missing"},
	NotOperator:      {http.StatusUnauthorized, ExitRefused, "give the token that the node wrote into operator.token in its directory, as Authorization: Bearer; concordat does so with --dir"},
	Unreachable:      {http.StatusBadGateway, ExitUnreachable, "is the node running, and is this its HTTP address? see --node"},
	NotUnderstood:    {http.StatusBadGateway, ExitUnreachable, "is this the address of a Concordat node?"},
}

// Failure is an error answer's body, {"error": {...}}, and the error that a
// Client returns.
type Failure struct {
	Name    string         `json:"name"`    // stable, for programs
	Message string         `json:"message"` // what happened, with the value and the bound
	Hint    string         `json:"hint,omitempty"`
	Detail  map[string]any `json:"detail,omitempty"`

	status int // as received; 0: by name
}

// Fail makes a failure of a name in the table, with the table's hint.
func Fail(name, format string, a ...any) *Failure {
	return &Failure{Name: name, Message: fmt.Sprintf(format, a...), Hint: outcomes[name].hint}
}

// WithHint replaces the hint.
func (f *Failure) WithHint(format string, a ...any) *Failure {
	f.Hint = fmt.Sprintf(format, a...)
	return f
}

// WithStatus sets the HTTP status of a failure that is not in the table.
func (f *Failure) WithStatus(status int) *Failure {
	f.status = status
	return f
}

// Error gives what happened; the hint is for the one who prints it.
func (f *Failure) Error() string { return f.Name + ": " + f.Message }

// Status is the HTTP status that goes with the failure.
func (f *Failure) Status() int {
	if f.status != 0 {
		return f.status
	}
	if o, ok := outcomes[f.Name]; ok {
		return o.status
	}
	return http.StatusInternalServerError
}

// Exit is the command's exit code for the failure.
func (f *Failure) Exit() int {
	if o, ok := outcomes[f.Name]; ok {
		return o.exit
	}
	switch s := f.Status(); {
	case s == http.StatusBadRequest || s == http.StatusUnprocessableEntity || s == http.StatusRequestEntityTooLarge:
		return ExitUsage
	case s >= 500:
		return ExitUnreachable
	default:
		return ExitRefused
	}
}

// Retriable reports whether the same request may succeed at another node, or here later.
func (f *Failure) Retriable() bool {
	return f.Status() == http.StatusServiceUnavailable || f.Name == Unreachable || f.Name == NotUnderstood
}

// Clip keeps foreign text short where a failure quotes it: to so many bytes, at
// the end of a character.
func Clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
