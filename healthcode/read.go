package healthcode

import (
	"cmp"
	"slices"
	"strings"
)

// Reading is one code that was found in what a person showed, or the reason why
// something of it could not be read.
type Reading struct {
	Unverified Unverified // nil where Err is set
	Err        error      // wraps ErrUnreadable
	// Texts are the places in what was read that the code comes from, ascending:
	// one, but for a code that was spread over several texts.
	Texts []int
}

// Joiner is a Decoder whose codes may be spread over several texts.
type Joiner interface {
	Decoder
	// Join puts texts, which all begin with Prefix, together to codes, in any
	// order. Each text is in exactly one of them; one that is a code by itself is
	// handed back as it is.
	Join(texts []string) []Joined
}

// Joined is one code put together from several texts.
type Joined struct {
	Text string // to be given to Decode; "" where Err is set
	Err  error  // wraps ErrUnreadable
	From []int  // the places of its texts in what Join was given, ascending, at least one
}

// Splitter is a Decoder whose texts may hold several codes.
type Splitter interface {
	Decoder
	// Split takes a text apart into texts of one code each, to be given to Decode.
	// It gives at least one, or an error that wraps ErrUnreadable.
	Split(text string) ([]string, error)
}

// Read reads all codes in texts: what a person showed at once, each text being
// what one picture, file or line held. Each text is read with the first of formats
// whose prefix it begins with, white space around it dropped as by Decode.
//
// There is one reading for each code, in the order of each code's first text: a
// code over several texts (Joiner) is one reading, a text with several codes
// (Splitter) is several, in its order. What cannot be read is a reading too, so
// that no text goes missing. The caller bounds how many texts there are.
func Read(texts []string, formats ...Decoder) []Reading {
	if len(texts) == 1 { // nearly always
		return readOne(strings.TrimSpace(texts[0]), formats)
	}
	trimmed := make([]string, len(texts))
	byFormat := make([][]int, len(formats))
	var readings []Reading
	for i, text := range texts {
		trimmed[i] = strings.TrimSpace(text)
		if f := formatOf(trimmed[i], formats); f >= 0 {
			byFormat[f] = append(byFormat[f], i)
		} else {
			readings = append(readings, Reading{Err: formatUnknown(trimmed[i], formats), Texts: []int{i}})
		}
	}
	for f, places := range byFormat {
		for _, j := range join(formats[f], trimmed, places) {
			readings = append(readings, decodeJoined(formats[f], j)...)
		}
	}
	// Stable, so that the codes of one text stay in its order.
	slices.SortStableFunc(readings, func(a, b Reading) int { return cmp.Compare(a.Texts[0], b.Texts[0]) })
	return readings
}

// readOne is Read for one text, without white space around it.
func readOne(text string, formats []Decoder) []Reading {
	f := formatOf(text, formats)
	if f < 0 {
		return []Reading{{Err: formatUnknown(text, formats), Texts: []int{0}}}
	}
	joined := []Joined{{Text: text, From: []int{0}}}
	if joiner, ok := formats[f].(Joiner); ok {
		joined = joiner.Join([]string{text})
	}
	var readings []Reading
	for _, j := range joined {
		readings = append(readings, decodeJoined(formats[f], j)...)
	}
	return readings
}

// join gives what is to be decoded of the texts in places, which are of format d;
// From then counts in texts.
func join(d Decoder, texts []string, places []int) []Joined {
	joiner, ok := d.(Joiner)
	if !ok || len(places) == 0 {
		single := make([]Joined, len(places))
		for i, place := range places {
			single[i] = Joined{Text: texts[place], From: []int{place}}
		}
		return single
	}
	own := make([]string, len(places))
	for i, place := range places {
		own[i] = texts[place]
	}
	joined := joiner.Join(own)
	for i := range joined {
		for k, own := range joined[i].From {
			joined[i].From[k] = places[own]
		}
	}
	return joined
}

// decodeJoined decodes the code, or the codes, of one text.
func decodeJoined(d Decoder, j Joined) []Reading {
	if j.Err != nil {
		return []Reading{{Err: j.Err, Texts: j.From}}
	}
	splitter, ok := d.(Splitter)
	if !ok {
		u, err := d.Decode(j.Text)
		return []Reading{{Unverified: u, Err: err, Texts: j.From}}
	}
	codes, err := splitter.Split(j.Text)
	if err != nil {
		return []Reading{{Err: err, Texts: j.From}}
	}
	readings := make([]Reading, len(codes))
	for i, code := range codes {
		u, err := d.Decode(code)
		readings[i] = Reading{Unverified: u, Err: err, Texts: slices.Clone(j.From)}
	}
	return readings
}
