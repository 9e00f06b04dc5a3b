package recognition

import "concordat/healthcode"

// CodesOf gives the codes of what was read, as Decide takes them.
func CodesOf(readings []healthcode.Reading) []Code {
	codes := make([]Code, len(readings))
	for i, r := range readings {
		codes[i] = Code{Unverified: r.Unverified, Err: r.Err}
	}
	return codes
}

// Locate says in each report from which of the things shown its code was read,
// unless they are one code each, in their order. readings are those whose codes
// were decided on.
func (d *Decision) Locate(readings []healthcode.Reading) {
	plain := true
	for i, r := range readings {
		plain = plain && len(r.Texts) == 1 && r.Texts[0] == i
	}
	if plain {
		return
	}
	for i := range d.Codes {
		d.Codes[i].Texts = readings[i].Texts
	}
}
