package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client"
	"concordat/ledger/statement"
	"concordat/recognition"
)

func newCheck(t *terminal) *cobra.Command {
	var k talk
	var q question
	var o offline
	cmd := &cobra.Command{
		Use:   "check CODE|FILE…",
		Short: "Ask whether a code is to be honoured, and why",
		Long: `  concordat check --node http://127.0.0.1:8461 'HC1:…'
  concordat check photo.jpg card.smart-health-card
  concordat check --at 2021-06-01T12:00:00Z --region XB --itinerary stays.json - < code.txt
  concordat check --language de 'HC1:…'
  concordat check --bundle site.bundle --genesis genesis.json --region XB 'HC1:…'

Several codes are one person's, and are judged together. A FILE is a picture
(PNG or JPEG, told by its content) of one or several codes, a .smart-health-card
file, or a text file of codes, one a line. - reads the same from standard input:
so codes are seen neither in the list of processes nor in the shell's history.
The parts of a SMART Health Card that is spread over several codes may come in
any order. Pictures are read here, and the node is sent what is in them; only one
in which nothing is found goes to the node as it is, for its answer.

An itinerary is a JSON list of stays:
[{"area":"CN-31-0115","from":"2021-05-20T08:00:00Z","to":"2021-05-22T18:00:00Z"}].

The answer gives every reason in the order in which it was reached, with the
statement that it rests on: + speaks for the code, - against it, ? could not be
judged, * is worth knowing. What is against a code, or could not be judged, comes
with what the traveller can do. With --language reasons and advice are told in
Chinese, Korean or German, and a rule in its own words for that language if it
has any; names, ids, times and the rest are the same in all. Without it they are
in English, whatever the terminal's own language. The exit code is 0 for
recognized, 1 for refused, 3 for undetermined.

With --bundle no node is asked: the bundle is verified with the founding
document, and the answer is the one that a node gives at the bundle's size. A
bundle that is stale by the verifier's own --stale makes it undetermined.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ask, err := q.request(cmd, t, args)
			if err != nil {
				return err
			}
			var a client.CheckAnswer
			if o.file != "" {
				off, err := o.check(t, ask, time.Now())
				if err != nil {
					return err
				}
				a = off.CheckAnswer
				if err := t.emit(cmd, off, func(w io.Writer) error { return explainOffline(w, off, q.language.chosen()) }); err != nil {
					return err
				}
			} else {
				c, err := k.client()
				if err != nil {
					return err
				}
				if a, err = c.Check(cmd.Context(), ask); err != nil {
					return err
				}
				if err := t.emit(cmd, a, func(w io.Writer) error { return explainDecision(w, a, q.language.chosen()) }); err != nil {
					return err
				}
			}
			switch a.Decision.Decision {
			case recognition.Recognized:
				return nil
			case recognition.Refused:
				return &outcome{client.ExitRefused}
			}
			return &outcome{client.ExitUnreachable}
		},
	}
	k.flags(cmd)
	q.flags(cmd)
	o.flags(cmd)
	return cmd
}

// question is what check is told.
type question struct {
	at          moment
	region      string
	arrival     string
	itinerary   string
	consistency choice
	maxAge      time.Duration
	language    tongue
}

func (q *question) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.Var(&q.at, "at", "the time asked about (default now)")
	f.StringVar(&q.region, "region", "", "the region that decides (default the node's own; offline, that of --dir)")
	f.StringVar(&q.arrival, "arrival", "", "the `AREA` of the region where the person arrives, for rules that hold there only (default the region itself)")
	f.Var(&q.language, "language", "of the reasons and what a traveller can do (default English)")
	f.StringVar(&q.itinerary, "itinerary", "", "`FILE` with where the person has been, in JSON")
	q.consistency = choice{of: []string{"local", "linearizable"}}
	f.Var(&q.consistency, "consistency", "linearizable first asks the leader what was said last (default local)")
	f.DurationVar(&q.maxAge, "max-age", 0, "how old the node's knowledge may be (default, and at most, the node's own bound)")
}

func (q *question) request(cmd *cobra.Command, t *terminal, args []string) (ask client.Check, err error) {
	if ask.Codes, ask.Pictures, err = readShown(t, args); err != nil {
		return ask, err
	}
	ask.Consistency, ask.Language = q.consistency.value, q.language.String()
	if q.region != "" {
		r, err := statement.ParseRegion(q.region)
		if err != nil {
			return ask, usage("--region: %w", err)
		}
		ask.Region = string(r)
	}
	if q.arrival != "" {
		a, err := statement.ParseArea(q.arrival)
		if err != nil {
			return ask, usage("--arrival: %w", err)
		}
		ask.Arrival = string(a)
	}
	if !q.at.IsZero() {
		ask.At = &q.at.Time
	}
	if cmd.Flags().Changed("max-age") {
		if q.maxAge < 0 {
			return ask, usage("--max-age is %s, want 0 or more", q.maxAge)
		}
		ask.MaxAge = q.maxAge.String()
	}
	if q.itinerary != "" {
		ask.Itinerary, err = readItinerary(q.itinerary)
	}
	return ask, err
}

// maxItinerary bounds an itinerary's file, in bytes.
const maxItinerary = 1 << 20

func readItinerary(path string) ([]client.Stay, error) {
	raw, err := readFile(path, maxItinerary)
	if err != nil {
		return nil, fmt.Errorf("--itinerary: %w", err)
	}
	var stays []client.Stay
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(&stays); err != nil {
		return nil, usage(`--itinerary %s: %w; want [{"area":"CN-31-0115","from":"2021-05-20T08:00:00Z","to":"2021-05-22T18:00:00Z"}]`, path, err)
	}
	if d.More() {
		return nil, usage("--itinerary %s: there is something after the list", path)
	}
	for i := range stays {
		a, err := statement.ParseArea(stays[i].Area)
		if err != nil {
			return nil, usage("--itinerary %s: stay %d: %w", path, i+1, err)
		}
		stays[i].Area = string(a)
	}
	return stays, nil
}
