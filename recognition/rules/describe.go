package rules

import "golang.org/x/text/language"

// languages prepares the choice of a description. English comes first: it is
// what a reader gets whose languages are not there.
func (r *Rule) languages() {
	var tags []language.Tag
	for _, english := range []bool{true, false} {
		for i, d := range r.Description {
			tag, err := language.Parse(d.Lang)
			if err != nil || d.Desc == "" {
				continue
			}
			if base, _ := tag.Base(); (base.String() == "en") == english {
				tags, r.order = append(tags, tag), append(r.order, i)
			}
		}
	}
	if len(tags) > 0 {
		r.matcher = language.NewMatcher(tags)
	}
}

// Describe gives the description that suits a reader best who wants one of these
// languages, the best first: else the English one, else the first; "" if there
// is none.
func (r *Rule) Describe(wanted ...language.Tag) Description {
	if r.matcher == nil {
		if len(r.Description) > 0 {
			return r.Description[0]
		}
		return Description{}
	}
	if len(wanted) == 0 {
		return r.Description[r.order[0]]
	}
	_, i, _ := r.matcher.Match(wanted...)
	return r.Description[r.order[i]]
}

// Describe chooses among descriptions as Rule.Describe does, for whoever holds no rule.
func Describe(all []Description, wanted ...language.Tag) Description {
	r := Rule{Description: all}
	r.languages()
	return r.Describe(wanted...)
}
