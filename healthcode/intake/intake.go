// Package intake turns what a person shows into codes: scanned texts, pictures,
// and files, several at once.
//
// It is the one place that says which formats Concordat reads: nodes, offline
// verifiers and the commands all ask here, so that the same things shown are the
// same codes everywhere. It verifies nothing and keeps nothing.
package intake

import (
	"slices"

	"concordat/healthcode"
	"concordat/healthcode/hc1"
	"concordat/healthcode/native"
	"concordat/healthcode/picture"
	"concordat/healthcode/shc"
)

// Formats are the formats that are read, each known by its prefix.
func Formats() []healthcode.Decoder {
	return append([]healthcode.Decoder{hc1.Decoder{}, native.Decoder{}}, shc.Decoders()...)
}

// Shown is one thing that a person shows: the texts that were read off it, or
// why none could be.
type Shown struct {
	Texts []string
	Err   error // wraps healthcode.ErrUnreadable
}

// Text is a scanned text, or the content of a file.
func Text(text string) Shown { return Shown{Texts: []string{text}} }

// Picture is a PNG or JPEG with one or several codes. It costs what picture.Read
// costs: up to a second for one that was made to cost much.
func Picture(data []byte) Shown {
	texts, err := picture.Read(data)
	return Shown{texts, err}
}

// Read gives the codes of all that was shown, as healthcode.Read does: one
// reading for each code, or for what could not be read. A code may come from
// several things, as the parts of a SMART Health Card from several pictures, and
// a picture or file may hold several codes: Reading.Texts are the places of the
// things in shown.
func Read(shown []Shown) []healthcode.Reading {
	if len(shown) == 1 && shown[0].Err == nil && len(shown[0].Texts) == 1 { // nearly always
		return healthcode.Read(shown[0].Texts, Formats()...) // the place of its one text is that of the one thing
	}
	var texts []string
	var places []int // of the thing that each text is from
	var failed []healthcode.Reading
	for i, s := range shown {
		if s.Err != nil {
			failed = append(failed, healthcode.Reading{Err: s.Err, Texts: []int{i}})
			continue
		}
		texts = append(texts, s.Texts...)
		for range s.Texts {
			places = append(places, i)
		}
	}
	readings := healthcode.Read(texts, Formats()...)
	for i := range readings {
		from := make([]int, len(readings[i].Texts))
		for k, t := range readings[i].Texts {
			from[k] = places[t]
		}
		readings[i].Texts = slices.Compact(from) // ascending, as places is
	}
	readings = append(readings, failed...)
	slices.SortStableFunc(readings, func(a, b healthcode.Reading) int { return a.Texts[0] - b.Texts[0] })
	return readings
}
