package rules

import "golang.org/x/text/language"

// Words is what a rule demands, in all its languages. It is immutable, safe for
// concurrent use, and holds nothing else of the rule.
type Words struct {
	all     []Description
	matcher language.Matcher // of their languages; nil: there is none
	order   []int            // place in all by the matcher's index
}

// newWords prepares the choice of a description, which takes as long as some
// hundred choices. English comes first: it is what a reader gets whose languages
// are not there.
func newWords(all []Description) *Words {
	w := &Words{all: all}
	var tags []language.Tag
	for _, english := range []bool{true, false} {
		for i, d := range all {
			tag, err := language.Parse(d.Lang)
			if err != nil || d.Desc == "" {
				continue
			}
			if base, _ := tag.Base(); (base.String() == "en") == english {
				tags, w.order = append(tags, tag), append(w.order, i)
			}
		}
	}
	if len(tags) > 0 {
		w.matcher = language.NewMatcher(tags)
	}
	return w
}

// Describe gives the description that suits a reader best who wants one of these
// languages, the best first: else the English one, else the first; "" if there
// is none.
func (w *Words) Describe(wanted ...language.Tag) Description {
	if w.matcher == nil {
		if len(w.all) > 0 {
			return w.all[0]
		}
		return Description{}
	}
	if len(wanted) == 0 {
		return w.all[w.order[0]]
	}
	_, i, _ := w.matcher.Match(wanted...)
	return w.all[w.order[i]]
}

// languageWeight is about how many bytes the choice of one language takes.
const languageWeight = 1_500

// Weight is about how many bytes of memory the words take, for whoever keeps many.
func (w *Words) Weight() int {
	weight := len(w.order) * languageWeight
	for _, d := range w.all {
		weight += 32 + len(d.Lang) + len(d.Desc)
	}
	return weight
}

// Words gives what the rule demands, in words.
func (r *Rule) Words() *Words { return r.words }

// Describe is Words.Describe.
func (r *Rule) Describe(wanted ...language.Tag) Description { return r.words.Describe(wanted...) }

// Head gives the rule without its logic, for lists of many: all of it that they
// tell. It is never met.
func (r *Rule) Head() *Rule {
	h := *r
	h.logic, h.problems, h.AffectedFields = nil, nil, nil
	return &h
}

// Weight is about how many bytes of memory the rule takes, for whoever keeps many.
func (r *Rule) Weight() int {
	weight := 512 + r.words.Weight()
	if r.logic != nil {
		weight += r.logic.Weight()
	}
	for _, texts := range [][]string{r.AffectedFields, r.problems, {r.Identifier, r.Country, r.Version, r.SchemaVersion, r.EngineVersion}} {
		for _, s := range texts {
			weight += 16 + len(s)
		}
	}
	return weight
}
