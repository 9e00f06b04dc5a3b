package statement

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// ErrInvalid: a field of the body breaks a bound or contradicts another field.
var ErrInvalid = errors.New("invalid statement")

func invalid(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, a...))
}

func checkText(field, s string, least, most int) error {
	switch {
	case !utf8.ValidString(s):
		return invalid("%s is not UTF-8", field)
	case len(s) < least:
		return invalid("%s is missing", field)
	case len(s) > most:
		return invalid("%s has %d bytes, at most %d", field, len(s), most)
	}
	for _, r := range s {
		if r != '\n' && (r < ' ' || r >= 0x7f && r <= 0x9f || overrides(r)) {
			return invalid("%s holds the control character %U", field, r)
		}
	}
	return nil
}

// overrides reports whether r embeds, overrides or isolates the direction of
// text, or breaks lines unseen: with these a text can be made to read as
// another than was signed.
func overrides(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x2028 || r == 0x2029
}

// checkName checks the name of a scheme or level: lower-case words joined by "-".
func checkName(field, s string, most int) error {
	if s == "" || len(s) > most {
		return invalid("%s has %d bytes, want 1 to %d", field, len(s), most)
	}
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.') {
			return invalid("%s %q: want a-z, 0-9, \"-\" and \".\" only", field, s)
		}
	}
	return nil
}

func checkTime(field string, t Time, required bool) error {
	switch {
	case required && t == 0:
		return invalid("%s is missing", field)
	case t < 0 || t > MaxTime:
		return invalid("%s is %d, want 0 to %d (Unix seconds)", field, t, int64(MaxTime))
	}
	return nil
}

func checkWindow(from, until Time) error {
	if err := errors.Join(checkTime("from", from, false), checkTime("until", until, false)); err != nil {
		return err
	}
	if from != 0 && until != 0 && until <= from {
		return invalid("until (%d) is not after from (%d)", until, from)
	}
	return nil
}

// checkKinds wants each kind once, known, and in the order of CodeKinds, so that one set has one encoding.
func checkKinds(kinds []CodeKind) error {
	last := -1
	for _, k := range kinds {
		at := slices.Index(CodeKinds, k)
		if at < 0 {
			return invalid("kind of code %q is unknown; want some of %v", k, CodeKinds)
		}
		if at <= last {
			return invalid("kinds of code %v: want each once, in the order %v", kinds, CodeKinds)
		}
		last = at
	}
	return nil
}

// SortKinds puts kinds in the order that a statement wants, each once.
func SortKinds(kinds []CodeKind) []CodeKind {
	out := slices.Clone(kinds)
	slices.SortFunc(out, func(a, b CodeKind) int {
		return slices.Index(CodeKinds, a) - slices.Index(CodeKinds, b)
	})
	return slices.Compact(out)
}

// Validate checks the sizes, that the key parses, and that it is the certificate's.
// Whether the key is strong enough to rely on is judged when a code is checked.
func (b *RegisterKey) Validate() error {
	if n := len(b.PublicKey); n == 0 || n > MaxPublicKey {
		return invalid("public key has %d bytes, want 1 to %d", n, MaxPublicKey)
	}
	if n := len(b.KeyID); n == 0 || n > MaxKeyID {
		return invalid("key id has %d bytes, want 1 to %d", n, MaxKeyID)
	}
	if n := len(b.Certificate); n > MaxCertificate {
		return invalid("certificate has %d bytes, at most %d", n, MaxCertificate)
	}
	return errors.Join(checkKinds(b.Kinds), checkWindow(b.ValidFrom, b.ValidUntil),
		checkText("issuer", b.Issuer, 0, MaxIssuerURL), checkText("issuer's name", b.Name, 0, MaxIssuerName))
}

// CheckKey checks that the key can be parsed, is in the one encoding in which
// checks read it, and is the certificate's. It is advice for the one who signs,
// not a rule of the ledger: whether a DER parser takes a key may change from one
// version of a library to the next, and what the ledger accepts must not.
func (b *RegisterKey) CheckKey() error {
	key, err := x509.ParsePKIXPublicKey(b.PublicKey)
	if err != nil {
		return invalid("public key: %v", err)
	}
	canonical, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return invalid("public key: %v", err)
	}
	if !bytes.Equal(canonical, b.PublicKey) {
		return invalid("public key has %d bytes in another encoding than the usual one of %d, and no check will read it; encode the key anew as a SubjectPublicKeyInfo in DER",
			len(b.PublicKey), len(canonical))
	}
	if len(b.Certificate) == 0 {
		return nil
	}
	c, err := x509.ParseCertificate(b.Certificate)
	if err != nil {
		return invalid("certificate: %v", err)
	}
	if !slices.Equal(c.RawSubjectPublicKeyInfo, b.PublicKey) {
		return invalid("public key is not the certificate's")
	}
	return nil
}

// Validate checks the time of retirement.
func (b *RetireKey) Validate() error { return checkTime("at", b.At, true) }

// Validate checks the time and the reason.
func (b *CompromiseKey) Validate() error {
	return errors.Join(checkTime("since", b.Since, true), checkText("reason", b.Reason, 0, MaxReason))
}

// Validate checks the batch's figures; CheckAttachment checks the hashes.
func (b *Batch) Validate() error {
	if !slices.Contains(HashTypes, b.HashType) {
		return invalid("hash type %q is unknown; want one of %v", b.HashType, HashTypes)
	}
	if b.Count == 0 || b.Count > MaxBatchHashes {
		return invalid("batch has %d hashes, want 1 to %d; send more in further batches", b.Count, MaxBatchHashes)
	}
	return errors.Join(checkTime("expires", b.Expires, true), checkTime("issued before", b.IssuedBefore, false), checkText("reason", b.Reason, 1, MaxReason))
}

// Validate checks the batch, and that it takes back the whole of what was said:
// an undo that spared some codes would leave a revocation that nothing describes.
func (b *Reinstate) Validate() error {
	if b.IssuedBefore != 0 {
		return invalid("issued before: a statement that reinstates takes back the whole of what was said, and spares nothing")
	}
	return b.Batch.Validate()
}

// Validate checks the area, the names, the window and the look-back.
func (b *RiskLevel) Validate() error {
	if b.Lookback > MaxLookback {
		return invalid("look-back is %d days, at most %d", b.Lookback, MaxLookback)
	}
	return errors.Join(b.Area.Validate(), checkName("scheme", b.Scheme, MaxScheme), checkName("level", b.Level, MaxLevel),
		checkTime("from", b.From, true), checkWindow(b.From, b.Until), checkText("legal reference", b.LegalRef, 0, MaxLegalRef))
}

// Validate checks the area, the scheme, the time and the reason.
func (b *LiftRisk) Validate() error {
	return errors.Join(b.Area.Validate(), checkName("scheme", b.Scheme, MaxScheme),
		checkTime("at", b.At, true), checkText("reason", b.Reason, 0, MaxReason))
}

// Validate checks the region, the kinds and the window.
func (b *Terms) Validate() error {
	errs := []error{b.Region.Validate(), checkKinds(b.Kinds), checkWindow(b.From, b.Until), checkText("reason", b.Reason, 0, MaxReason),
		checkText("legal reference", b.LegalRef, 0, MaxLegalRef), checkAmong("format", b.Formats, FormatNames),
		checkAmong("algorithm", b.Algorithms, AlgorithmNames), checkNames("scheme", b.Schemes)}
	if b.RuleSet != "" {
		errs = append(errs, checkName("rule set", b.RuleSet, MaxName))
	}
	return errors.Join(errs...)
}

// Validate checks the region, the kinds and the window, and wants a reason.
func (b *Suspend) Validate() error {
	return errors.Join(b.Region.Validate(), checkKinds(b.Kinds), checkWindow(b.From, b.Until),
		checkText("reason", b.Reason, 1, MaxReason), checkText("legal reference", b.LegalRef, 0, MaxLegalRef))
}

// Validate checks the region and the reason.
func (b *Withdraw) Validate() error {
	return errors.Join(b.Region.Validate(), checkText("reason", b.Reason, 0, MaxReason), checkText("legal reference", b.LegalRef, 0, MaxLegalRef))
}
