package trustlist

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	"concordat/healthcode"
)

// Merge gives each key once, in the order of its first entry: several issuers may
// share a key, and a list may name one twice. It has the issuer that is named
// first, with that one's name: whoever lists another's public key later must not
// take its URL away (T8), and which issuer is meant by a code is the code's word.
// What else not all entries of a key say alike, the merged entry does not say. It
// is good for every kind that any entry names, and for as long as any says.
func Merge(entries []Entry) []Entry {
	var out []Entry
	place := map[[sha256.Size]byte]int{}
	sharers := map[int]*issuers{}
	for _, e := range entries {
		id := e.Thumbprint()
		at, known := place[id]
		if !known {
			place[id] = len(out)
			e.Remarks = slices.Clone(e.Remarks)
			out = append(out, e)
			at = place[id]
			sharers[at] = &issuers{}
		} else {
			merge(&out[at], &e)
		}
		if e.Issuer != "" {
			sharers[at].add(e.Issuer)
		}
	}
	for i := range out {
		if urls := sharers[i].urls; len(urls) > 1 {
			out[i].Remarks = append(out[i].Remarks, fmt.Sprintf("%d issuers list this key; it is registered as that of the first, %s, and is listed by %s too",
				len(urls), clip(urls[0]), andOthers(urls[1], len(urls)-1)))
		}
	}
	return out
}

// merge adds to one entry what another says of the same key.
func merge(to, e *Entry) {
	agree := func(a *string, b string) {
		if *a != b {
			*a = ""
		}
	}
	switch {
	case to.Issuer == "" && e.Issuer != "":
		to.Issuer, to.Name = e.Issuer, e.Name
	case to.Issuer == e.Issuer:
		agree(&to.Name, e.Name)
	}
	agree(&to.Region, e.Region)
	if !bytes.Equal(to.KeyID, e.KeyID) {
		to.Remarks = append(to.Remarks, fmt.Sprintf("the list has it under another key id too, %x, by which no code will find it", e.KeyID))
	}
	if len(to.Kinds) == 0 || len(e.Kinds) == 0 {
		to.Kinds = nil
	} else {
		var both []healthcode.Kind
		for _, k := range kinds {
			if slices.Contains(to.Kinds, k) || slices.Contains(e.Kinds, k) {
				both = append(both, k)
			}
		}
		to.Kinds = both
	}
	// A zero time is no bound.
	if e.ValidFrom.IsZero() || !to.ValidFrom.IsZero() && e.ValidFrom.Before(to.ValidFrom) {
		to.ValidFrom = e.ValidFrom
	}
	if e.ValidUntil.IsZero() || !to.ValidUntil.IsZero() && e.ValidUntil.After(to.ValidUntil) {
		to.ValidUntil = e.ValidUntil
	}
	for _, r := range e.Remarks {
		if !slices.Contains(to.Remarks, r) {
			to.Remarks = append(to.Remarks, r)
		}
	}
	to.Chained = to.Chained && e.Chained
}
