package node

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"concordat/client"
	"concordat/consensus"
)

// operatorFile is, in the node's directory, what its operator proves himself with
// over HTTP: whoever may read it may have the node do what is not for everybody.
const operatorFile = "operator.token"

// operatorToken is the digest of the token: the token itself is in that file alone.
type operatorToken [sha256.Size]byte

// openOperatorToken takes the token of the directory, and makes one where there is
// none. Its text is 64 hex digits; one that is renewed counts from the next start.
func openOperatorToken(dir string) (operatorToken, error) {
	path := filepath.Join(dir, operatorFile)
	raw, err := readOperatorToken(path)
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = makeOperatorToken(path)
	}
	if err != nil {
		return operatorToken{}, fmt.Errorf("the operator's token: %w", err)
	}
	return sha256.Sum256([]byte(raw)), nil
}

func readOperatorToken(path string) (string, error) {
	raw, err := readSecret(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(raw))
	if b, err := hex.DecodeString(token); err != nil || len(b) != sha256.Size {
		return "", fmt.Errorf("%s does not hold 64 hex digits: remove it, and start the node again, which makes another", path)
	}
	return token, nil
}

// makeOperatorToken writes a new one, whole or not at all.
func makeOperatorToken(path string) (string, error) {
	var secret [sha256.Size]byte
	rand.Read(secret[:]) // never fails
	token := hex.EncodeToString(secret[:])
	return token, writeSecret(path, []byte(token+"\n"))
}

// readSecret reads a file that nobody else may read.
func readSecret(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o, and others may read it: remove it, and start the node again, which makes another", path, mode)
	}
	return os.ReadFile(path)
}

// writeSecret writes a file that nobody else may read, whole or not at all.
func writeSecret(path string, raw []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-") // of mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Operator reports whether a token is that of this node's operator. How long it
// takes says nothing of how much of it is right.
func (n *Node) Operator(token string) bool {
	given := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(given[:], n.operator[:]) == 1
}

// transferWithin is how long another leader may take to be there.
const transferWithin = 15 * time.Second

// Transfer hands leadership over from this node: to an authority's node, or, with
// "", to whichever validator's has most. Failures: not-leader where this node does
// not lead, not-a-validator, NoQuorum, Timeout.
func (n *Node) Transfer(ctx context.Context, to string) (client.Transferred, error) {
	ctx, cancel := context.WithTimeout(ctx, transferWithin)
	defer cancel()
	if err := n.order.catchingUp(); err != nil {
		return client.Transferred{}, err
	}
	_, leader := n.order.Leader()
	switch {
	case leader == "":
		return client.Transferred{}, client.Fail(client.NoQuorum, "nobody leads now, so there is nothing to hand over")
	case string(leader) != n.self():
		f := client.Fail("not-leader", "%s leads, and hands over when its own operator asks", leader).WithStatus(409)
		return client.Transferred{}, f.WithHint("ask at the node of %s: concordat node transfer --dir DIR --node URL, both of that node", leader)
	}
	if to != "" {
		m, err := n.roster.membership()
		if err != nil {
			return client.Transferred{}, err
		}
		if to == n.self() || !slices.ContainsFunc(m.Voters, func(s consensus.Server) bool { return s.ID == to }) {
			return client.Transferred{}, client.Fail("not-a-validator", "%s is no other validator that could lead", to).WithStatus(409).
				WithHint("GET /v1/authorities lists the validators")
		}
	}
	n.log.Info("handing leadership over, as the operator asks", "to", to)
	if err := n.order.transfer(ctx, to); err != nil {
		return client.Transferred{}, transferFailure(err)
	}
	for {
		changed := n.order.Changed()
		if _, now := n.order.Leader(); now != "" && string(now) != n.self() {
			return client.Transferred{Leader: string(now), Term: n.order.Term(), At: time.Now().UTC().Truncate(time.Second)}, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return client.Transferred{}, client.Fail(client.Timeout, "this node handed over, and no other leads after %s", transferWithin)
		}
	}
}

// transfer is consensus.Node's.
func (o *ordering) transfer(ctx context.Context, to string) error {
	if c := o.current.Load(); c != nil {
		return c.Transfer(ctx, to)
	}
	return fmt.Errorf("%w: %w", consensus.ErrNoQuorum, errCatchingUp)
}

func transferFailure(err error) error {
	switch {
	case errors.Is(err, consensus.ErrNotLeader):
		return client.Fail("not-leader", "this node leads no more: %v", err).WithStatus(409).WithHint("/v1/status says who leads")
	case errors.Is(err, consensus.ErrClosed):
		return errStopping
	case errors.Is(err, consensus.ErrNoQuorum):
		return client.Fail(client.NoQuorum, "%v", err)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return client.Fail(client.Timeout, "leadership did not move within %s", transferWithin).WithHint("it stays where it was; /v1/peers says who is there")
	}
	return client.Fail("transfer-failed", "leadership stays where it was: %v", err).WithStatus(409).WithHint("name another node, or try again when the one named is there and has caught up")
}
