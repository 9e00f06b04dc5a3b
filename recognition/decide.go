package recognition

import (
	"time"

	"concordat/recognition/sentence"
)

// Decide judges the codes that a person shows, and an itinerary, for a region
// at a time. It returns an error only if the state cannot be read; then there
// is no answer at all. It takes the query as valid: see Query.Validate.
func Decide(codes []Code, q Query, s State) (Decision, error) {
	return decide(codes, q, s, nil, nil)
}

// Decider decides as Decide does, and remembers issuers' keys as parsed. It is
// safe for concurrent use.
type Decider struct{ keys *keyCache }

// NewDecider makes a Decider that remembers about as many keys.
func NewDecider(keys int) *Decider { return &Decider{newKeyCache(keys)} }

// Decide is the function Decide.
func (d *Decider) Decide(codes []Code, q Query, s State) (Decision, error) {
	return decide(codes, q, s, d.keys, nil)
}

func decide(codes []Code, q Query, s State, keys *keyCache, known signatures) (Decision, error) {
	j := &judge{state: s, query: q, keys: keys, signatures: known}
	all := findings{}
	reports := make([]CodeReport, len(codes))
	verdicts := make([]verdict, len(codes))
	itineraries := []itinerary{{stays: q.Itinerary}}

	if len(codes) == 0 {
		all.add(NoCode, nil, "No code was shown.")
	}
	for i, c := range codes {
		f := findings{code: &i}
		j.at = i
		v, err := j.code(&f, c)
		if err != nil {
			return Decision{}, err
		}
		reports[i], verdicts[i] = v.report, v
		all.take(&f)
		if v.verified != nil {
			itineraries = append(itineraries, v.itinerary(i, &all))
		}
	}
	if err := j.itineraries(&all, itineraries); err != nil {
		return Decision{}, err
	}
	if err := j.coverage(&all, verdicts); err != nil {
		return Decision{}, err
	}
	if err := j.acceptance(&all, verdicts); err != nil {
		return Decision{}, err
	}
	admit(all.reasons, verdicts)
	holders(&all, verdicts)
	if err := j.regionStanding(&all); err != nil {
		return Decision{}, err
	}

	if k := q.Knowledge; k.Age < 0 {
		all.add(KnowledgeStale, nil, "It is not known how old the state is that this answer rests on; at most %s is allowed.", k.MaxAge)
	} else if k.stale() {
		all.add(KnowledgeStale, nil, "The state that this answer rests on is %s old; at most %s is allowed.", k.Age.Round(time.Millisecond), k.MaxAge)
	}
	return Decision{Decision: outcome(all.reasons, q.Knowledge.stale()), Reasons: all.reasons, Codes: reports, said: sentence.English}, nil
}

// outcome combines the reasons that nothing overrules, by the rules D1 to D5.
func outcome(reasons []Reason, stale bool) Outcome {
	var against, unknown bool
	for _, r := range reasons {
		if r.Overruled != "" {
			continue // SC3
		}
		switch r.Effect {
		case Against:
			if meanings[r.Name].Final {
				return Refused // D1
			}
			against = true
		case Unknown:
			unknown = true
		}
	}
	switch {
	case stale:
		return Undetermined // D2
	case against:
		return Refused // D3
	case unknown:
		return Undetermined // D4
	}
	return Recognized // D5
}
