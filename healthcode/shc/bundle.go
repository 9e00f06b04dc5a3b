package shc

import (
	"fmt"

	"concordat/healthcode"
)

// bundle is what a FHIR bundle (R4) holds of what is read here.
type bundle struct {
	entries      int
	patient      patient
	patients     int
	vaccinations []event // completed Immunizations
	tests        int     // final Observations
	results      []event // those of them with a coded result
}

// patient is whom the card is about; zero where it does not say.
type patient struct{ family, given, text, birthDate string }

// event is one vaccination, or one test. Codes are as FHIR writes them in
// searches: "system|code".
type event struct{ code, result, on string }

// comparableBirthDate gives the date of birth in the form of healthcode.Holder; ""
// if it has none of its forms.
func (p patient) comparableBirthDate() string {
	switch shape(p.birthDate) {
	case "dddd", "dddd-dd", "dddd-dd-dd":
		return p.birthDate
	}
	return ""
}

// resource is where the members of a resource begin that one of its kinds has;
// 0: it has none. It is read before its kind is known, which may stand at its end.
type resource struct {
	kind, status []byte

	name, birthDate              int // Patient
	vaccineCode, occurrence      int // Immunization
	code, codedResult, effective int // Observation
}

// readBundle reads the bundle that is next.
func readBundle(r *reader) (*bundle, error) {
	if err := r.want('{', healthcode.ErrClaims, "fhirBundle"); err != nil {
		return nil, err
	}
	b := &bundle{}
	err := r.object(func(name []byte) error {
		if string(name) != "entry" {
			return r.skip()
		}
		if err := r.want('[', healthcode.ErrEntries, "entry"); err != nil {
			return err
		}
		return r.array(maxElements, func() error {
			b.entries++
			return b.readEntry(r)
		})
	})
	if err != nil {
		return nil, err
	}
	if b.patients > 1 {
		return nil, fmt.Errorf("%w: %d patients; a card is about one", healthcode.ErrEntries, b.patients)
	}
	return b, nil
}

func (b *bundle) readEntry(r *reader) error {
	if err := r.want('{', healthcode.ErrEntries, "an entry"); err != nil {
		return err
	}
	return r.object(func(name []byte) error {
		if string(name) != "resource" {
			return r.skip()
		}
		if err := r.want('{', healthcode.ErrEntries, "resource"); err != nil {
			return err
		}
		res, err := readResource(r)
		if err != nil {
			return err
		}
		after := r.at
		err = b.add(r, res)
		r.at = after
		return err
	})
}

// readResource finds the members of a resource.
func readResource(r *reader) (resource, error) {
	var res resource
	err := r.object(func(name []byte) (err error) {
		switch string(name) {
		case "resourceType":
			res.kind, err = r.textBytes(healthcode.ErrEntries, "resourceType")
			return err
		case "status":
			res.status, err = r.textBytes(healthcode.ErrEntries, "status")
			return err
		case "name":
			res.name = r.at
		case "birthDate":
			res.birthDate = r.at
		case "vaccineCode":
			res.vaccineCode = r.at
		case "occurrenceDateTime":
			res.occurrence = r.at
		case "code":
			res.code = r.at
		case "valueCodeableConcept":
			res.codedResult = r.at
		case "effectiveDateTime":
			res.effective = r.at
		}
		return r.skip()
	})
	return res, err
}

// add takes up a resource of a kind that is read.
func (b *bundle) add(r *reader, res resource) (err error) {
	switch string(res.kind) {
	case "Patient":
		b.patients++
		b.patient, err = readPatient(r, res)
	case "Immunization":
		// The other two of FHIR: not-done, entered-in-error.
		if string(res.status) == "completed" {
			var e event
			e, err = readEvent(r, res.vaccineCode, 0, res.occurrence)
			b.vaccinations = append(b.vaccinations, e)
		}
	case "Observation":
		// Left out: registered, preliminary, cancelled, entered-in-error, unknown.
		switch string(res.status) {
		case "final", "amended", "corrected":
			b.tests++
			if res.codedResult == 0 {
				return nil
			}
			var e event
			e, err = readEvent(r, res.code, res.codedResult, res.effective)
			b.results = append(b.results, e)
		}
	}
	return err
}

func readEvent(r *reader, code, result, on int) (e event, err error) {
	if e.code, err = r.coding(code); err != nil {
		return e, err
	}
	if e.result, err = r.coding(result); err != nil {
		return e, err
	}
	e.on, err = r.textAt(on, "a date")
	return e, err
}

// textAt reads the string at a place; 0: absent.
func (r *reader) textAt(at int, member string) (string, error) {
	if at == 0 {
		return "", nil
	}
	r.at = at
	return r.text(healthcode.ErrEntries, member)
}

// coding gives the first code of the CodeableConcept at a place; 0: absent.
func (r *reader) coding(at int) (string, error) {
	if at == 0 {
		return "", nil
	}
	r.at = at
	if r.null() {
		return "", nil
	}
	if err := r.want('{', healthcode.ErrEntries, "a code"); err != nil {
		return "", err
	}
	var first string
	err := r.object(func(name []byte) error {
		if string(name) != "coding" || r.peek() != '[' {
			return r.skip()
		}
		return r.array(maxElements, func() error {
			if first != "" || r.peek() != '{' {
				return r.skip()
			}
			var err error
			first, err = r.oneCoding()
			return err
		})
	})
	return first, err
}

// oneCoding reads a Coding as "system|code"; "" where it has no code.
func (r *reader) oneCoding() (string, error) {
	var system, code []byte
	err := r.object(func(name []byte) (err error) {
		switch string(name) {
		case "system":
			system, err = r.textBytes(healthcode.ErrEntries, "system")
		case "code":
			code, err = r.textBytes(healthcode.ErrEntries, "code")
		default:
			err = r.skip()
		}
		return err
	})
	if err != nil || len(code) == 0 {
		return "", err
	}
	return string(system) + "|" + string(code), nil // one allocation, not three
}

// readPatient reads the first name and the date of birth.
func readPatient(r *reader, res resource) (p patient, err error) {
	if p.birthDate, err = r.textAt(res.birthDate, "birthDate"); err != nil || res.name == 0 {
		return p, err
	}
	r.at = res.name
	if r.null() {
		return p, nil
	}
	if err := r.want('[', healthcode.ErrEntries, "name"); err != nil {
		return p, err
	}
	first := true
	err = r.array(maxElements, func() error {
		if !first {
			return r.skip()
		}
		first = false
		return p.readName(r)
	})
	return p, err
}

func (p *patient) readName(r *reader) error {
	if err := r.want('{', healthcode.ErrEntries, "a name"); err != nil {
		return err
	}
	return r.object(func(name []byte) (err error) {
		switch string(name) {
		case "family":
			p.family, err = r.text(healthcode.ErrEntries, "family")
		case "given":
			p.given, err = r.words()
		case "text":
			p.text, err = r.text(healthcode.ErrEntries, "text")
		default:
			err = r.skip()
		}
		return err
	})
}

// words reads an array of strings and puts a space between them.
func (r *reader) words() (string, error) {
	if r.null() {
		return "", nil
	}
	if err := r.want('[', healthcode.ErrEntries, "given"); err != nil {
		return "", err
	}
	var words []byte
	err := r.array(maxElements, func() error {
		word, err := r.textBytes(healthcode.ErrEntries, "a given name")
		if len(words) > 0 && len(word) > 0 {
			words = append(words, ' ')
		}
		words = append(words, word...)
		return err
	})
	return string(words), err
}
