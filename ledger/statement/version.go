package statement

import (
	"cmp"
	"fmt"
	"strings"
)

// CheckVersion checks that s is a version of Semantic Versioning 2.0.0, such as
// 1.0.0 or 2.1.0-rc.1+b7, in at most MaxName bytes. Errors wrap ErrInvalid.
func CheckVersion(s string) error {
	if s == "" || len(s) > MaxName {
		return invalid("version has %d bytes, want 1 to %d", len(s), MaxName)
	}
	bad := func(why string) error {
		return invalid("version %q is not one of Semantic Versioning 2.0.0, such as 1.0.0: %s", s, why)
	}
	rest, build, hasBuild := strings.Cut(s, "+")
	core, pre, hasPre := strings.Cut(rest, "-")
	numbers := strings.Split(core, ".")
	if len(numbers) != 3 {
		return bad("want three numbers")
	}
	for _, n := range numbers {
		if !isNumber(n) {
			return bad(fmt.Sprintf("%q is not a number without leading zeros", n))
		}
	}
	if hasPre {
		for _, id := range strings.Split(pre, ".") {
			if !isIdentifier(id) || isDigits(id) && !isNumber(id) {
				return bad(fmt.Sprintf("%q cannot stand after the \"-\"", id))
			}
		}
	}
	if hasBuild {
		for _, id := range strings.Split(build, ".") {
			if !isIdentifier(id) {
				return bad(fmt.Sprintf("%q cannot stand after the \"+\"", id))
			}
		}
	}
	return nil
}

// CompareVersions orders two versions that CheckVersion took by precedence
// (Semantic Versioning 2.0.0 §11): negative if a comes before b. What stands
// after the "+" does not count. Numbers may be as long as they like.
func CompareVersions(a, b string) int {
	a, _, _ = strings.Cut(a, "+")
	b, _, _ = strings.Cut(b, "+")
	coreA, preA, hasA := strings.Cut(a, "-")
	coreB, preB, hasB := strings.Cut(b, "-")
	if c := compareParts(coreA, coreB); c != 0 {
		return c
	}
	switch {
	case !hasA && !hasB:
		return 0
	case !hasA:
		return 1 // 1.0.0 comes after each of its pre-releases
	case !hasB:
		return -1
	}
	return compareParts(preA, preB)
}

// compareParts compares dotted identifiers one by one; of two that begin alike the longer is greater.
func compareParts(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		if c := comparePart(as[i], bs[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(as), len(bs))
}

// comparePart: numbers by their value and before all that is none; the rest by ASCII.
func comparePart(a, b string) int {
	switch digitsA, digitsB := isDigits(a), isDigits(b); {
	case digitsA && digitsB:
		return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) // no leading zeros
	case digitsA:
		return -1
	case digitsB:
		return 1
	}
	return strings.Compare(a, b)
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func isNumber(s string) bool { return isDigits(s) && (s == "0" || s[0] != '0') }

func isIdentifier(s string) bool {
	for _, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-') {
			return false
		}
	}
	return s != ""
}
