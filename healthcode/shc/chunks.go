package shc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"concordat/healthcode"
)

// chunk is one text of a card that is spread over several.
type chunk struct {
	place, of int // counted from 1; of is 1 for a card in one text
	digits    string
}

// parseChunk takes a text "shc:/…" or "shc:/C/N/…" apart. Its digits are still to
// be checked.
func parseChunk(text string) (chunk, error) {
	body, ok := strings.CutPrefix(text, Prefix)
	if !ok {
		return chunk{}, fmt.Errorf("%w: the text does not begin with %s", healthcode.ErrPrefix, Prefix)
	}
	parts := strings.SplitN(body, "/", 4)
	if len(parts) == 1 {
		return chunk{1, 1, body}, nil
	}
	if len(parts) != 3 {
		return chunk{}, fmt.Errorf("%w: %d slashes behind %s; want none, or two as in %s1/3/…", healthcode.ErrChunks, len(parts)-1, Prefix, Prefix)
	}
	place, ok1 := ordinal(parts[0])
	of, ok2 := ordinal(parts[1])
	if !ok1 || !ok2 {
		return chunk{}, fmt.Errorf("%w: the numbers behind %s are not from 1 to %d, without leading zeros", healthcode.ErrChunks, Prefix, MaxChunks)
	}
	if place > of {
		return chunk{}, fmt.Errorf("%w: it says to be chunk %d of %d", healthcode.ErrChunks, place, of)
	}
	return chunk{place, of, parts[2]}, nil
}

// ordinal reads a number from 1 to MaxChunks in its one spelling.
func ordinal(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	return n, err == nil && n >= 1 && n <= MaxChunks && strconv.Itoa(n) == s
}

// Join puts the chunks of cards together, in any order. A text that is a card by
// itself stays as it is.
//
// A chunk tells its place and their number, and not whose it is: the chunks of two
// cards can be told apart only where their numbers differ. Sets that are not whole
// are one fault, since each may hold what another lacks.
func (Decoder) Join(texts []string) []healthcode.Joined {
	var joined []healthcode.Joined
	var sets [MaxChunks + 1]chunkSet
	for i, text := range texts {
		c, err := parseLong(text)
		switch {
		case err != nil:
			joined = append(joined, healthcode.Joined{Err: unreadable(err), From: []int{i}})
		case c.of == 1:
			joined = append(joined, healthcode.Joined{Text: text, From: []int{i}})
		default:
			sets[c.of].add(c, i)
		}
	}
	var broken []int // numbers of chunks whose sets are not whole
	for of := range sets {
		if set := &sets[of]; set.fault(of) != nil {
			broken = append(broken, of)
		} else if len(set.from) > 0 {
			joined = append(joined, healthcode.Joined{Text: set.text(), From: set.from})
		}
	}
	if len(broken) == 0 {
		return joined
	}
	err := sets[broken[0]].fault(broken[0])
	var from []int
	for _, of := range broken {
		from = append(from, sets[of].from...)
	}
	if len(broken) > 1 {
		err = fmt.Errorf("%w: they contradict each other: some say that there are %d of them, others %d, and none are whole; show one card at a time",
			healthcode.ErrChunks, broken[0], broken[1])
	}
	slices.Sort(from)
	return append(joined, healthcode.Joined{Err: unreadable(err), From: from})
}

// parseLong is parseChunk for a text of any length. The digits are checked too, as
// an odd number of them in two chunks would be an even number in both.
func parseLong(text string) (chunk, error) {
	if len(text) > MaxText {
		return chunk{}, tooLong("a text", len(text), MaxText)
	}
	c, err := parseChunk(text)
	if err == nil && c.of > 1 {
		err = checkDigits(c.digits)
	}
	return c, err
}

// chunkSet is what was found of a card.
type chunkSet struct {
	from   []int // ascending
	chunks []chunk
}

func (s *chunkSet) add(c chunk, at int) {
	s.from = append(s.from, at)
	s.chunks = append(s.chunks, c)
}

// fault tells what is wrong with a set of chunks that all say to be one of so
// many; nil for a set that is whole, or empty.
func (s *chunkSet) fault(of int) error {
	if len(s.chunks) == 0 {
		return nil
	}
	slices.SortStableFunc(s.chunks, func(a, b chunk) int { return a.place - b.place })
	var missing []string
	next := 1
	for i, c := range s.chunks {
		if i > 0 && c.place == s.chunks[i-1].place {
			if c.digits == s.chunks[i-1].digits {
				return fmt.Errorf("%w: chunk %d of %d is there twice; show each once", healthcode.ErrChunks, c.place, of)
			}
			return fmt.Errorf("%w: there are two that say to be chunk %d of %d, and they differ; show one card at a time", healthcode.ErrChunks, c.place, of)
		}
		for ; next < c.place; next++ {
			missing = append(missing, strconv.Itoa(next))
		}
		next++
	}
	for ; next <= of; next++ {
		missing = append(missing, strconv.Itoa(next))
	}
	if len(missing) > 0 {
		return fmt.Errorf("%w: of %d, these are missing: %s; show all of them together", healthcode.ErrChunks, of, strings.Join(missing, ", "))
	}
	return nil
}

// text gives the card of a set without a fault.
func (s *chunkSet) text() string {
	var b strings.Builder
	b.WriteString(Prefix)
	for _, c := range s.chunks {
		b.WriteString(c.digits)
	}
	return b.String()
}
