package recognition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"concordat/healthcode"
	"concordat/ledger/statement"
	"concordat/recognition/sentence"
)

// Outcome is the decision in one word.
type Outcome string

// The outcomes.
const (
	Recognized   Outcome = "recognized"
	Refused      Outcome = "refused"
	Undetermined Outcome = "undetermined" // what is known does not suffice; ask again, or elsewhere
)

// Effect is how a reason bears on the decision.
type Effect string

// The effects.
const (
	For     Effect = "for"
	Against Effect = "against"
	Unknown Effect = "unknown" // could not be judged; alone, it makes the decision undetermined
	Note    Effect = "note"    // worth knowing, and without weight
)

// Decision is the answer. Its JSON is part of the answer of POST /v1/check.
//
// It holds what the codes say of a person (Codes[].Fields): show it to the
// verifier who asked, never log it.
type Decision struct {
	Decision Outcome      `json:"decision"`
	Reasons  []Reason     `json:"reasons"` // in the order in which they were reached
	Codes    []CodeReport `json:"codes"`   // one for each code that was shown, in the order of each one's first text

	said sentence.Language // that the messages are in; "": not known, as of one that was read from JSON
}

// Reason is one thing that was found. It names no person.
type Reason struct {
	Name      string  `json:"name"`                  // stable; one of the table Reasons
	Message   string  `json:"message"`               // for a person; English, unless Decision.In was asked for another language
	Effect    Effect  `json:"effect"`                // always that of the table
	Statement *uint64 `json:"statement,omitempty"`   // index of the statement that it rests on; nil: on none, or on a pending one
	Pending   bool    `json:"pending,omitempty"`     // it rests on a statement that is not ordered yet, and in force at this node
	Hash      string  `json:"hash,omitempty"`        // of that statement, hex
	Code      *int    `json:"code,omitempty"`        // place of the code that it is about; nil: about the whole
	Overruled string  `json:"overruledBy,omitempty"` // the special case that overrules it, by name; then it has no weight
	Detail    string  `json:"detail,omitempty"`      // finer stable name: for an unreadable code, healthcode.Name of the fault

	said phrase // what Message says; nothing in a reason that was read from JSON
}

// In gives the decision with its messages in a language, and all else as it is.
// A decision that was read from JSON stays in the language that it came in.
func (d Decision) In(l sentence.Language) Decision {
	if d.said == l {
		return d
	}
	d.said = l
	d.Reasons = slices.Clone(d.Reasons)
	for i := range d.Reasons {
		if r := &d.Reasons[i]; !r.said.IsZero() {
			r.Message = r.said.In(l)
		}
	}
	return d
}

// CodeReport is what is known of one code. All but Format and Key is empty for
// a code that no registered key verifies: nothing that it says is believed.
type CodeReport struct {
	Format     healthcode.Format `json:"format,omitempty"`
	Kind       healthcode.Kind   `json:"kind,omitempty"`
	Region     statement.Region  `json:"region,omitempty"`     // whose key verified it
	Key        string            `json:"key,omitempty"`        // key id that the code names, as in trust lists (base64) or, a thumbprint, in key sets (base64url)
	Thumbprint string            `json:"thumbprint,omitempty"` // the key's in that region, hex
	IssuedAt   *time.Time        `json:"issuedAt,omitempty"`
	ExpiresAt  *time.Time        `json:"expiresAt,omitempty"`
	Fields     Fields            `json:"fields,omitempty"`
	// Texts are the places, in what was shown, of the texts and pictures that the
	// code was read from; absent where each of them is one code.
	Texts []int `json:"texts,omitempty"`
}

// Fields is what a code says, in reading order. In JSON it is one object whose
// members keep that order.
type Fields []healthcode.Field

// MarshalJSON writes an object with the fields in their order.
func (f Fields) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, field := range f {
		if i > 0 {
			out.WriteByte(',')
		}
		for j, text := range []string{field.Name, field.Value} {
			if j > 0 {
				out.WriteByte(':')
			}
			b, err := json.Marshal(text)
			if err != nil {
				return nil, fmt.Errorf("field %d of the code: %w", i, err)
			}
			out.Write(b)
		}
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON reads the object back in its order, for clients.
func (f *Fields) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	t, err := d.Token()
	if err != nil {
		return fmt.Errorf("fields of a code: %w", err)
	}
	if t == nil { // null
		*f = nil
		return nil
	}
	if t != json.Delim('{') {
		return fmt.Errorf("fields of a code: want an object")
	}
	out := Fields{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return fmt.Errorf("fields of a code: %w", err)
		}
		var value string
		if err := d.Decode(&value); err != nil {
			return fmt.Errorf("field %d of a code: want text: %w", len(out), err)
		}
		out = append(out, healthcode.Field{Name: name.(string), Value: value}) // a member's name is text by the grammar
	}
	*f = out
	return nil
}
