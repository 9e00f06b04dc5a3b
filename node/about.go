package node

import (
	"context"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"concordat/client"
	"concordat/ledger/genesis"
	"concordat/p2p"
)

// aboutProtocol is what members ask one another before a vote: which program runs there.
const aboutProtocol = "about/1"

// maxVersion bounds what a node says of its version, in bytes.
const maxVersion = 64

// about is what a node says of itself. It is a hint for operators: nothing rests on it.
type about struct {
	Version string `cbor:"1,keyasint"` // of its program, for people
	Level   uint64 `cbor:"2,keyasint"` // the newest protocol level that its program knows
	Size    uint64 `cbor:"3,keyasint"` // of its ledger
}

// serveAbout answers another member.
func (n *Node) serveAbout(context.Context, p2p.Member, []byte) ([]byte, error) {
	return cbor.Marshal(n.about())
}

func (n *Node) about() about {
	return about{Version: client.Clip(n.cfg.Version, maxVersion), Level: genesis.ProtocolLevel, Size: n.ledger.Head().Size}
}

// aboutOf asks a member's node; this one it does not ask. Errors are p2p's, or wrap errAnswer.
func (n *Node) aboutOf(ctx context.Context, id string) (about, error) {
	if id == n.self() {
		return n.about(), nil
	}
	answer, err := n.host.Call(ctx, id, aboutProtocol, nil)
	if err != nil {
		return about{}, err
	}
	return decodeAbout(id, answer)
}

// decodeAbout reads what a node says of itself. Errors wrap errAnswer.
func decodeAbout(id string, answer []byte) (a about, err error) {
	if err := forwardMode.Unmarshal(answer, &a); err != nil {
		return about{}, fmt.Errorf("%s: %w: %w", id, errAnswer, err)
	}
	a.Version = client.Clip(a.Version, maxVersion)
	return a, nil
}
