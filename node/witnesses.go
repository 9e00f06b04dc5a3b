package node

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"concordat/consensus/certify"
	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/node/witness"
)

// openWitness lets this node watch other logs, and other witnesses watch this one.
func (n *Node) openWitness() (err error) {
	logs := map[string]*witness.Log{}
	var order []string
	for _, vkey := range n.cfg.Witness.Logs {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return err
		}
		l := logs[v.Name()]
		if l == nil {
			l = &witness.Log{Origin: v.Name()}
			logs[v.Name()] = l
			order = append(order, v.Name())
		}
		l.VKeys = append(l.VKeys, vkey)
	}
	c := witness.Config{
		Origin: n.origin(), Authority: n.me.ID, Cosign: n.cosignKey,
		Dir: filepath.Join(n.cfg.Dir, "witnessed"), Own: ownRound{n}, Logger: n.log,
	}
	for _, origin := range order {
		c.Logs = append(c.Logs, *logs[origin])
	}
	if n.witness, err = witness.Open(c); err != nil {
		return err
	}
	if len(n.cfg.Witness.Witnesses) == 0 {
		return nil
	}
	feed := witness.FeedConfig{
		LogKey: n.me.Node, Newest: n.certifier.Final, Changed: n.certifier.Changed, Proof: n.consistency, Logger: n.log,
	}
	for _, w := range n.cfg.Witness.Witnesses {
		vkey, at, err := outsideWitness(w)
		if err != nil {
			return err
		}
		feed.Witnesses = append(feed.Witnesses, witness.Outside{VKey: vkey, URL: strings.TrimSuffix(at.String(), "/")})
	}
	n.feeder, err = witness.Feed(feed)
	return err
}

// consistency proves the ledger of old statements to begin that of size.
func (n *Node) consistency(old, size uint64) ([]merkle.Hash, error) {
	view := n.ledger.View()
	defer n.release(view)
	return view.Consistency(old, size)
}

// ownRound is what the validators' own round has made, for who asks this node
// as a witness of its own network.
type ownRound struct{ n *Node }

// Saw hands a checkpoint to the round: perhaps a validator signed another history.
func (o ownRound) Saw(n *checkpoint.Note) error {
	err := o.n.certifier.SawNote(n)
	switch {
	case errors.Is(err, certify.ErrBusy):
		return fmt.Errorf("%w: %w", witness.ErrBusy, err)
	case errors.Is(err, certify.ErrOtherHistory):
		return fmt.Errorf("this is evidence: %w. This node keeps it; beside a signature by the same validator on this ledger's history it proves that there are two, "+
			"and goes into the ledger: GET /v1/evidence", err)
	}
	return err
}

// Validators are those that the ledger has now.
func (o ownRound) Validators() checkpoint.Validators {
	view := o.n.ledger.View()
	defer o.n.release(view)
	vs, err := view.State().Validators()
	if err != nil {
		o.n.log.Error("the validators cannot be read", "err", err)
	}
	return vs
}

// Cosigned gives the newest certified checkpoint that this validator co-signed.
func (o ownRound) Cosigned() (c checkpoint.Checkpoint, line string, ok bool) {
	final := o.n.certifier.Final()
	if final == nil {
		return c, "", false
	}
	for _, s := range final.Cosigners() {
		if s.By == o.n.me.ID {
			return final.Checkpoint(), s.Line, true
		}
	}
	return c, "", false
}
