package testnet

import (
	"context"
	"fmt"
	"strings"
	"time"

	"concordat/client"
	"concordat/ledger/statement"
)

// speak lets a region say something at its own node, shows what was said, and gives its index.
func (s *story) speak(ctx context.Context, region string, body statement.Body, attachment []byte) (uint64, error) {
	a := s.authors[region]
	v, err := a.Compose(ctx, body, 0)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	got, err := a.Client.Submit(ctx, v.Raw(), attachment, client.Final)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", region, err)
	}
	if got.Index == nil {
		return 0, notAsTold("what %s says is %s, and not final: %s", region, got.State, got.Note)
	}
	said := v.Statement()
	s.say("   %s says: %s\n      statement %d, %s after %s", region, said.Words(), *got.Index, got.State, since(start))
	s.last = *got.Index
	return s.last, nil
}

// ask is one question of the story.
type ask struct {
	code     string
	with     []string  // further codes of the same person
	at       time.Time // the time asked about; zero: demoTime
	language string    // of the answer; "": English
	spoil    bool      // change one letter of the code
	stays    []client.Stay
	place    string // the stays in words
	maxAge   string
}

func (s *story) question(q ask) client.Check {
	text := s.codes[q.code].Text
	if q.spoil {
		i := len(text) / 2
		c := byte('A')
		if text[i] == c {
			c = 'B'
		}
		text = text[:i] + string(c) + text[i+1:]
	}
	shown := []string{text}
	for _, name := range q.with {
		shown = append(shown, s.codes[name].Text)
	}
	at := q.at
	if at.IsZero() {
		at = demoTime
	}
	return client.Check{Codes: shown, At: &at, Itinerary: q.stays, MaxAge: q.maxAge, Language: q.language}
}

// check asks a region's node, shows the answer, and fails unless the decision
// and, if one is given, a reason are as told.
func (s *story) check(ctx context.Context, region string, q ask, want, reason string) error {
	a, err := s.net.Node(region).Client().Check(ctx, s.question(q))
	if err != nil {
		return fmt.Errorf("check at %s: %w", region, err)
	}
	what := "code " + q.code
	if q.spoil {
		what += " (spoilt)"
	}
	for _, name := range q.with {
		what += " and code " + name
	}
	if q.place != "" {
		what += ", " + q.place
	}
	if !q.at.IsZero() {
		what += " on " + q.at.Format(time.DateOnly)
	}
	if q.language != "" {
		what += ", in language " + q.language
	}
	s.say("   %s is asked about %s: %s", region, what, strings.ToUpper(string(a.Decision.Decision)))
	found := reason == ""
	for _, r := range a.Reasons {
		found = found || r.Name == reason
		if show := r.Effect != "for" && r.Effect != "note" || r.Name == reason; show {
			rests := ""
			if r.Statement != nil {
				rests = fmt.Sprintf(" [statement %d]", *r.Statement)
			}
			s.say("      %s: %s%s", r.Name, r.Message, rests)
		}
	}
	s.say("      as of size %d, root %.16s…, %s old", a.AsOf.Size, a.AsOf.Root, a.AsOf.Age)
	if string(a.Decision.Decision) != want {
		return notAsTold("%s says %s of %s, want %s", region, a.Decision.Decision, what, want)
	}
	if !found {
		return notAsTold("%s gives no reason %s for %s", region, reason, what)
	}
	return nil
}

// until asks a region's node again and again until it decides as wanted, and says when it did.
func (s *story) until(ctx context.Context, region string, q ask, want string) (time.Time, error) {
	var when time.Time
	var last error
	err := waitFor(ctx, region+" to say "+want, func() bool {
		a, err := s.net.Node(region).Client().Check(ctx, s.question(q))
		when, last = time.Now(), err
		return err == nil && string(a.Decision.Decision) == want
	})
	if err != nil && last != nil {
		err = fmt.Errorf("%w: %w", err, last)
	}
	return when, err
}

func since(start time.Time) time.Duration { return time.Since(start).Round(time.Millisecond) }
