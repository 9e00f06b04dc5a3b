package node

import (
	"io"
	"time"

	"concordat/ledger/backup"
)

// Backup writes a backup of this node's ledger as it is now, while the node goes
// on: what every node of the network has, and nothing that is this node's own.
// Keys, votes, what it co-signed last and its operator's token are in files that
// it does not read. Before the first byte it calls begin with what the backup
// will say of itself.
func (n *Node) Backup(w io.Writer, begin func(backup.Manifest)) error {
	view := n.ledger.View()
	defer n.release(view)
	started := time.Now()
	var m backup.Manifest
	err := n.ledger.Export(view, w, started, n.cfg.Version, func(made backup.Manifest) {
		m = made
		begin(made)
	})
	if err != nil {
		n.log.Warn("a backup was broken off", "size", m.Size, "err", err)
		return err
	}
	n.log.Info("a backup was taken", "size", m.Size, "certified", m.Certified, "took", time.Since(started).Round(time.Millisecond))
	return nil
}
