package recognition

import (
	"errors"

	"concordat/healthcode"
	"concordat/recognition/certlogic"
	"concordat/recognition/rules"
	"concordat/recognition/sentence"
)

// fault is an error within a sentence. In English it says all that the error
// says; other languages have a phrase for each sort of error, by its sentinel,
// and the particulars stay with the English text and the reason's detail.
type fault struct{ err error }

// cause puts an error into a sentence; nil is a code that is not there.
func cause(err error) fault { return fault{err} }

// String is the error as it says itself.
func (f fault) String() string { return f.In(sentence.English) }

// In is the error in a language, in English where it is of no sort that has a phrase.
func (f fault) In(l sentence.Language) string {
	if f.err == nil {
		return say("there is none").In(l)
	}
	if l != sentence.English {
		for _, s := range faults {
			if errors.Is(f.err, s.is) {
				return s.says.In(l)
			}
		}
	}
	return f.err.Error()
}

// faults are the sorts of error that a reason may give, the narrow ones first.
var faults = []struct {
	is   error
	says phrase
}{
	{healthcode.ErrFormatUnknown, say("it is in no format of health code that is read here")},
	{healthcode.ErrPrefix, say("it does not begin as such codes do")},
	{healthcode.ErrBase45, say("its Base45 encoding is damaged")},
	{healthcode.ErrCompression, say("its compression is damaged")},
	{healthcode.ErrTooLarge, say("it is larger than codes may be")},
	{healthcode.ErrCBOR, say("its CBOR encoding is damaged")},
	{healthcode.ErrCOSE, say("its signed envelope (COSE) is damaged")},
	{healthcode.ErrClaims, say("what it says of itself is not in order")},
	{healthcode.ErrEntries, say("the entries in it are not in order")},
	{healthcode.ErrDigits, say("its digits are damaged")},
	{healthcode.ErrChunks, say("parts of it are missing, or do not belong together")},
	{healthcode.ErrJWS, say("its signed envelope (JWS) is damaged")},
	{healthcode.ErrJSON, say("its JSON is damaged")},
	{healthcode.ErrPicture, say("no code can be seen in the picture")},
	{healthcode.ErrUnreadable, say("it is not a code, or a damaged one")},
	{healthcode.ErrKeyUnsuitable, say("the key is of another type, or too weak to rely on")},

	{errTooMuch, say("the rules are too many or too long to be judged in one check")},
	{errConditions, say("the conditions are too many or too long to be judged in one check")},
	{errNoPayload, say("codes of this format show nothing to conditions")},
	{rules.ErrEngine, say("it is written for another engine than this program has")},
	{rules.ErrDocument, say("its document is damaged")},
	{rules.ErrRule, say("it is not a rule")},
	{rules.ErrValueSet, say("it is not a value set")},
	{certlogic.ErrMalformed, say("its expression is damaged")},
	{certlogic.ErrInvalid, say("its expression is not CertLogic 1.3")},
	{certlogic.ErrOperand, say("it needs what the code does not have")},
	{certlogic.ErrBudget, say("judging it takes too long")},
}
