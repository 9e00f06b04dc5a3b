package statement

import (
	"errors"
	"fmt"
	"strings"
)

// Region identifies a region and the authority that speaks for it: an ISO
// 3166-1 alpha-2 or alpha-3 code, with up to three subdivisions after it
// (`DE`, `CN-31`, `XA`). Only ParseRegion makes one from foreign text.
type Region string

// Area identifies a place that may be at risk: a region id, followed by any
// finer division (`CN-31`, `CN-31-0115`, `DE-BY`, `AT-AT13`).
type Area string

var (
	// ErrRegion: the text is not a region id.
	ErrRegion = errors.New("not a region id")
	// ErrArea: the text is not an area id.
	ErrArea = errors.New("not an area id")
)

// aliases are the codes that the field uses beside ISO 3166-1 alpha-2: the
// European Commission writes EL and UK.
var aliases = map[string]string{"EL": "GR", "UK": "GB"}

// ParseRegion reads a region id as people write it: upper or lower case, with
// the alpha-2 or alpha-3 code of the country, EL for Greece and UK for the
// United Kingdom, and the letters of ISO 3166-2 for China's provinces. `grc`, `EL`
// and `GR` are one region, GR; `CN-ZJ` and `CN-33` another, CN-33.
func ParseRegion(s string) (Region, error) {
	r := Region(spell(s))
	if err := r.Validate(); err != nil {
		return "", err
	}
	return r, nil
}

// ParseArea reads an area id as people write it. A GB/T 2260 code is China's, of
// six digits alone or after "CN-", and a GB/T 10114 code of nine or twelve digits
// goes on with townships and villages: `310115` is `CN-31-0115`, `310115004` is
// `CN-31-0115-004`, `CN-3101` is `CN-31-01`. The zeros that fill up the code of
// something larger are left out: `310000` is `CN-31`, `310100` is `CN-31-01`. A
// NUTS code of level 1 to 3 stands for the area under its country: `EL30` is
// `GR-EL30`, `de212` is `DE-DE212`. (NUTS level 0 is the country.) Other codes,
// those of ISO 3166-2 among them, are written out.
func ParseArea(s string) (Area, error) {
	t := spell(s)
	if t != "" && t[0] >= '0' && t[0] <= '9' && (len(t) == 6 || len(t) == 9 || len(t) == 12) && digits(t) {
		t = "CN-" + t
	} else if country, ok := nutsCountry(t); ok {
		t = country + "-" + t
	}
	t, err := takeApart(t)
	if err != nil {
		return "", err
	}
	a := Area(trimFill(t))
	if err := a.Validate(); err != nil {
		return "", err
	}
	return a, nil
}

// takeApart puts the parts of one of China's codes where they belong, so that
// every place has one id, under all that covers it. Digits that are no such code
// are refused: read as a place of their own they would lie nowhere, and what is
// declared of the place that was meant would not be found.
func takeApart(s string) (string, error) {
	rest, ok := strings.CutPrefix(s, "CN-")
	if !ok {
		return s, nil
	}
	code, finer, more := strings.Cut(rest, "-")
	if len(code) <= 2 || !digits(code) {
		return s, nil
	}
	parts := []string{"CN", code[:2]}
	switch len(code) {
	case 4:
		if more {
			return "", fmt.Errorf("%w: %.64q; write a county with all its six digits", ErrArea, s)
		}
		if code[2:] != "00" {
			parts = append(parts, code[2:])
		}
	case 6, 9, 12:
		parts = append(parts, code[2:6])
		for code = code[6:]; code != ""; code = code[3:] {
			parts = append(parts, code[:3])
		}
	default:
		return "", fmt.Errorf("%w: %.64q; China's codes have 2, 4, 6, 9 or 12 digits (GB/T 2260, GB/T 10114)", ErrArea, s)
	}
	for len(parts) > 3 && parts[len(parts)-1] == "000" && !more {
		parts = parts[:len(parts)-1]
	}
	if more {
		parts = append(parts, finer)
	}
	return strings.Join(parts, "-"), nil
}

// trimFill cuts the zeros of a GB/T 2260 code that names less than a county,
// so that one place has one id.
func trimFill(s string) string {
	if !strings.HasPrefix(s, "CN-") || len(s) != len("CN-31-0115") || s[5] != '-' || !digits(s[3:5]+s[6:]) {
		return s
	}
	if s[6:] == "0000" {
		return s[:5]
	}
	return strings.TrimSuffix(s, "00")
}

func spell(s string) string {
	// Only ASCII: Unicode would make an I of a dotless ı.
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, strings.TrimSpace(s))
	country, tail, more := strings.Cut(s, "-")
	if to, ok := aliases[country]; ok {
		country = to
	} else if to, ok := alpha2[country]; ok {
		country = to
	}
	if !more {
		return country
	}
	if country == "CN" {
		division, rest, finer := strings.Cut(tail, "-")
		if to, ok := provinces[division]; ok {
			division = to
		}
		if tail = division; finer {
			tail += "-" + rest
		}
	}
	return country + "-" + tail
}

// head is the part before the first "-".
func head(s string) string {
	country, _, _ := strings.Cut(s, "-")
	return country
}

// isNUTS reports whether part is the code of a NUTS area of level 1 to 3 in a
// country: the country's letters as NUTS has them (EL, UK), then one to three
// digits or letters (Regulation (EC) No 1059/2003).
func isNUTS(country, part string) bool {
	if len(part) < 3 || len(part) > 5 || strings.Contains(part, "-") {
		return false
	}
	letters := part[:2]
	if to, ok := aliases[letters]; ok {
		letters = to
	} else if country == "GR" || country == "GB" {
		return false // NUTS never says GR or GB
	}
	return letters == country
}

// nutsCountries are the countries with NUTS codes, or with the statistical
// regions that Eurostat codes alike.
var nutsCountries = strings.Fields("AL AT BE BG CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LI LT LU LV ME MK MT NL NO PL PT RO RS SE SI SK TR")

// nutsCountry gives the country of a NUTS code that stands alone. An alpha-3
// code is none: spell has made alpha-2 of it.
func nutsCountry(s string) (string, bool) {
	for _, country := range nutsCountries {
		if isNUTS(country, s) {
			return country, true
		}
	}
	return "", false
}

// Validate checks that r is in canonical form.
func (r Region) Validate() error {
	return validateID(string(r), MaxRegion, 4, ErrRegion, `two or three capital letters, then up to three parts of A-Z and 0-9 after "-", like XA or CN-31`)
}

// Validate checks that a is in canonical form.
func (a Area) Validate() error {
	if err := validateID(string(a), MaxArea, 8, ErrArea, `a region id, then finer parts of A-Z and 0-9 after "-", like CN-31-0115`); err != nil {
		return err
	}
	if short := trimFill(string(a)); short != string(a) {
		return fmt.Errorf("%w: %q; write %s", ErrArea, string(a), short)
	}
	return nil
}

func validateID(s string, maxLen, maxParts int, sentinel error, form string) error {
	if len(s) > maxLen {
		return fmt.Errorf("%w: %d bytes, at most %d", sentinel, len(s), maxLen)
	}
	first, _, _ := strings.Cut(s, "-")
	bad := len(first) < 2 || len(first) > 3
	parts := 0
	for p := range strings.SplitSeq(s, "-") {
		if p == "" || len(p) > 12 {
			bad = true
		}
		for _, c := range []byte(p) {
			if !(c >= 'A' && c <= 'Z' || parts > 0 && c >= '0' && c <= '9') {
				bad = true
			}
		}
		parts++
	}
	if bad || parts > maxParts {
		return fmt.Errorf("%w: %q; want %s", sentinel, s, form)
	}
	if _, alias := aliases[first]; alias {
		return fmt.Errorf("%w: %q; write %s", sentinel, s, spell(s))
	}
	return nil
}

func digits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return s != ""
}

// Ancestors returns the area itself and every area that covers it, the finest
// first: `CN-31-0115` gives itself, `CN-31-01` (GB/T 2260 numbers prefectures
// with two digits and counties with two more), `CN-31` and `CN`; `DE-DE212`
// gives itself, `DE-DE21`, `DE-DE2` (NUTS adds a character at each level) and
// `DE`. Different systems of codes for one country do not meet below the country.
func (a Area) Ancestors() []Area {
	var out []Area
	for s := string(a); ; {
		out = append(out, Area(s))
		cut := strings.LastIndexByte(s, '-')
		if cut < 0 {
			return out
		}
		last := s[cut+1:]
		if strings.HasPrefix(s, "CN-") && strings.Count(s, "-") == 2 && len(last) == 4 && digits(last) {
			s = s[:len(s)-2]
			continue
		}
		if strings.Count(s, "-") == 1 && len(last) > 3 && isNUTS(s[:cut], last) {
			s = s[:len(s)-1]
			continue
		}
		s = s[:cut]
	}
}

// Covers reports whether b lies in a, or is a.
func (a Area) Covers(b Area) bool {
	for _, c := range b.Ancestors() {
		if a == c {
			return true
		}
	}
	return false
}
