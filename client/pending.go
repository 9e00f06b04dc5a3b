package client

import "context"

// Pending lists the statements that nodes have accepted and that are not
// ordered, as far as the node that is asked knows: the oldest first.
func (c *Client) Pending(ctx context.Context) (PendingList, error) {
	var a PendingList
	err := c.getJSON(ctx, "/v1/pending", nil, &a)
	return a, err
}

func (a *PendingList) sound() error { return each(a.Pending, (*PendingStatement).sound, a.AsOf.sound) }

func (s *PendingStatement) sound() error {
	return first(
		hashOf("hash", s.Hash, sha256Bytes), regionOf("authority", s.Authority), name("kind", s.Kind),
		regionsIn("promisedBy", s.PromisedBy), regionsIn("knownTo", s.KnownTo), regionsIn("leaders", s.Leaders), regionOrNone("censoredBy", s.CensoredBy),
	)
}
