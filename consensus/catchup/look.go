package catchup

import (
	"context"

	"concordat/ledger/checkpoint"
)

// Outlook is how far the others are, without anything being fetched.
type Outlook struct {
	// Certified is the newest certified checkpoint that anybody offers; nil if nobody has one.
	Certified *checkpoint.Certified
	// Heads are the sizes of the ledgers of those who answered, by their word.
	Heads map[string]uint64
	// Heard is how many validators answered, this node not counted; Need how many
	// must, for one of them to be honest.
	Heard, Need int
	// Silent are those who did not answer, or not the truth.
	Silent []string
}

// Look asks all peers once how far they are, for a node that has to decide
// whether it is behind, or whether the network runs already. It takes a call's
// time at most (Config.CallTimeout). Errors wrap ErrFork, ledger.ErrBroken, or what
// ended ctx.
func Look(ctx context.Context, cfg Config) (Outlook, error) {
	cfg = cfg.withDefaults()
	ctx, cancel := context.WithCancel(ctx)
	r := newRun(&cfg)
	defer func() {
		cancel()
		r.peers.flying.Wait()
	}()
	s, err := r.listen(ctx)
	if err != nil {
		return Outlook{}, err
	}
	out := Outlook{Heads: map[string]uint64{}, Heard: s.heard, Need: need(r.validators), Silent: s.silent}
	if len(s.known) > 0 {
		out.Certified = s.known[0]
	}
	for _, o := range s.offers {
		out.Heads[o.from] = o.answer.Head
	}
	return out, nil
}
