package statement

import (
	"cmp"
	"errors"
	"slices"
)

// Validate checks the sizes; nobody inflates it here.
func (d *Document) Validate() error {
	if n := len(d.Deflated); n == 0 || n > MaxDocument {
		return invalid("document has %d bytes compressed, want 1 to %d", n, MaxDocument)
	}
	if d.Size == 0 || d.Size > MaxDocumentText {
		return invalid("document has %d bytes, want 1 to %d", d.Size, MaxDocumentText)
	}
	return nil
}

// checkID checks the id of a rule or value set, or a value set's version: letters, digits, "-", "_", "." and "+".
func checkID(field, s string) error {
	if s == "" || len(s) > MaxName {
		return invalid("%s has %d bytes, want 1 to %d", field, len(s), MaxName)
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '+' || c == '_') {
			return invalid("%s %q: want letters, digits, \"-\", \"_\", \".\" and \"+\" only", field, s)
		}
	}
	return nil
}

// checkAmong wants each name once, known, and in the order of known, so that one set has one encoding.
func checkAmong(field string, names, known []string) error {
	last := -1
	for _, name := range names {
		at := slices.Index(known, name)
		if at < 0 {
			return invalid("%s %q is unknown; want some of %v", field, name, known)
		}
		if at <= last {
			return invalid("%s %v: want each once, in the order %v", field, names, known)
		}
		last = at
	}
	return nil
}

// checkNames wants names of schemes, ascending, each once.
func checkNames(field string, names []string) error {
	if len(names) > MaxNames {
		return invalid("%d %ss, at most %d", len(names), field, MaxNames)
	}
	for i, name := range names {
		if err := checkName(field, name, MaxScheme); err != nil {
			return err
		}
		if i > 0 && names[i-1] >= name {
			return invalid("%ss %v: want each once, ascending", field, names)
		}
	}
	return nil
}

// Validate checks the names, the window and the document's size.
func (b *PublishRule) Validate() error {
	return errors.Join(checkName("rule set", b.Set, MaxName), checkID("rule", b.ID), CheckVersion(b.Version),
		checkTime("from", b.From, true), checkWindow(b.From, b.Until), b.Document.Validate())
}

// Validate checks the names, the time and the reason.
func (b *RetireRule) Validate() error {
	return errors.Join(checkName("rule set", b.Set, MaxName), checkID("rule", b.ID), checkTime("at", b.At, true),
		checkText("reason", b.Reason, 0, MaxReason))
}

// Validate checks the names and the document's size.
func (b *PublishValueSet) Validate() error {
	return errors.Join(checkID("value set", b.ID), checkID("version", b.Version), b.Document.Validate())
}

// Validate checks the name and the reason.
func (b *RetireValueSet) Validate() error {
	return errors.Join(checkID("value set", b.ID), checkText("reason", b.Reason, 0, MaxReason))
}

// Validate checks the names, and that no level is there twice.
func (b *PublishScheme) Validate() error {
	errs := []error{checkName("scheme", b.Name, MaxScheme), checkText("title", b.Title, 0, MaxTitle), checkText("legal reference", b.LegalRef, 0, MaxLegalRef)}
	if n := len(b.Levels); n == 0 || n > MaxSchemeLevels {
		errs = append(errs, invalid("%d levels, want 1 to %d", n, MaxSchemeLevels))
	}
	if b.Supersedes != "" {
		errs = append(errs, checkName("superseded scheme", b.Supersedes, MaxScheme))
		if b.Supersedes == b.Name {
			errs = append(errs, invalid("scheme %q supersedes itself", b.Name))
		}
	}
	seen := map[string]bool{}
	for _, l := range b.Levels {
		errs = append(errs, checkName("level", l.Name, MaxLevel), checkText("title", l.Title, 0, MaxTitle))
		if l.Lookback > MaxLookback {
			errs = append(errs, invalid("look-back is %d days, at most %d", l.Lookback, MaxLookback))
		}
		if seen[l.Name] {
			errs = append(errs, invalid("level %q is there twice", l.Name))
		}
		seen[l.Name] = true
	}
	return errors.Join(errs...)
}

// Validate checks every scope, the windows, and wants a reason.
func (b *DeclareCase) Validate() error {
	errs := []error{checkName("special case", b.Name, MaxName), checkKinds(b.Kinds), checkAmong("format", b.Formats, FormatNames),
		checkWindow(b.IssuedFrom, b.IssuedUntil), checkWindow(b.From, b.Until),
		checkText("reason", b.Reason, 1, MaxReason), checkText("legal reference", b.LegalRef, 0, MaxLegalRef)}
	switch {
	case b.Region != "":
		errs = append(errs, b.Region.Validate())
	case b.Admit: // else whoever is a member could make up codes that are admitted, with a key of its own
		errs = append(errs, invalid("a case that admits names the region whose codes it admits"))
	case len(b.Keys) > 0: // a thumbprint is a registration's only beside its region: anybody may register another's certificate
		errs = append(errs, invalid("a case that names keys names the region that registered them"))
	}
	if n := len(b.Keys); n > MaxCaseKeys {
		errs = append(errs, invalid("%d keys, at most %d; name the region, or declare further cases", n, MaxCaseKeys))
	}
	for i := 1; i < len(b.Keys); i++ {
		if cmp.Compare(b.Keys[i-1].String(), b.Keys[i].String()) >= 0 {
			errs = append(errs, invalid("keys: want each once, ascending"))
			break
		}
	}
	if b.Condition != nil {
		errs = append(errs, b.Condition.Validate())
	}
	return errors.Join(errs...)
}

// Validate checks the name, the time and the reason.
func (b *EndCase) Validate() error {
	return errors.Join(checkName("special case", b.Name, MaxName), checkTime("at", b.At, true), checkText("reason", b.Reason, 0, MaxReason))
}
