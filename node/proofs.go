package node

import (
	"errors"
	"io"
	"time"

	"concordat/client"
	"concordat/ledger"
	"concordat/ledger/checkpoint"
)

// FinalSize is how many statements are final: under a certified checkpoint.
func (n *Node) FinalSize() uint64 {
	if c := n.certifier.Final(); c != nil {
		return c.Checkpoint().Size
	}
	return 0
}

// certified gives the newest certified checkpoint as it is served: with the
// co-signatures of outside witnesses where they have been quick enough.
func (n *Node) certified() (size uint64, note []byte) {
	c := n.certifier.Final()
	if c == nil {
		return 0, nil
	}
	return c.Checkpoint().Size, n.witnessed(c)
}

// witnessed is the note of a certified checkpoint with the lines that outside
// witnesses gave to it, as many as tools read.
func (n *Node) witnessed(c *checkpoint.Certified) []byte {
	if n.feeder == nil {
		return c.Note()
	}
	return n.feeder.Note(c)
}

// Receipt proves a final statement to a stranger who has the genesis.
func (n *Node) Receipt(index uint64, cose bool) ([]byte, error) {
	c := n.certifier.Final() // before the view, which then has all that it covers
	view := n.ledger.View()
	defer n.release(view)
	_, err := view.ByIndex(index)
	if errors.Is(err, ledger.ErrNotFound) {
		return nil, client.Fail(client.NotFound, "%v", err)
	}
	if err != nil {
		return nil, err
	}
	if c == nil || c.Checkpoint().Size <= index {
		return nil, client.Fail(client.NotFinal, "statement %d is ordered and not final: %s", index, n.notFinal())
	}
	r, err := view.Receipt(index, n.witnessed(c))
	if err != nil {
		return nil, err
	}
	if cose {
		return r.COSE(n.nodeKey)
	}
	return r.TLogProof()
}

// Bundle writes the state at the newest certified seal, or what changed in it after since.
func (n *Node) Bundle(w io.Writer, since uint64, begin func(size uint64, vouched time.Time) bool) error {
	size, c, sealed := n.ledger.SealCertificate()
	if sealed && !begin(size, c.Time()) {
		return nil
	}
	// What is written may be of a newer seal than begin was told, or newly vouched for: never older.
	_, err := n.ledger.Bundle(w, since)
	switch {
	case errors.Is(err, ledger.ErrErased):
		return client.Fail(client.NotFound, "this node cannot make a bundle until the next seal: %v", err).WithHint("ask another node")
	case errors.Is(err, ledger.ErrNotFound):
		return client.Fail(client.NotFound, "there is no bundle yet: the state is sealed at most every %s, after something was said: %v", n.cfg.Vouch.Seal, err).
			WithHint("ask again in a moment")
	}
	return err
}
