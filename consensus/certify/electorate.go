package certify

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

// Who certifies a size follows from the ledger's statements before it alone, so
// all who hold one history agree on it (F11). It is read once for each size,
// with the root, and kept beside it (facts).

// electorate gives who certifies a size, by our own ledger. Beyond our head it
// is who certifies the head: known is false, as that may change until then.
func (c *Certifier) electorate(size uint64) (e checkpoint.Electorate, known bool, err error) {
	f, known, err := c.at(size)
	if err != nil || known {
		return f.by, known, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.latest, false, nil
}

// electorates gives who certifies each of some sizes, and of which it is known.
func (c *Certifier) electorates(marks []mark) (by map[uint64]checkpoint.Electorate, known map[uint64]bool, err error) {
	by, known = map[uint64]checkpoint.Electorate{}, map[uint64]bool{}
	for _, m := range marks {
		if _, seen := by[m.size]; !seen {
			if by[m.size], known[m.size], err = c.electorate(m.size); err != nil {
				return nil, nil, err
			}
		}
	}
	return by, known, nil
}

// quorate reports that in one set a quorum, of validators that are not suspended, does it.
func quorate(vs checkpoint.Validators, does func(checkpoint.Validator) bool) bool {
	n := 0
	for _, v := range vs {
		if !v.Suspended && does(v) {
			n++
		}
	}
	return n >= vs.Quorum()
}

// quorums reports that it is so in each of the sets.
func quorums(e checkpoint.Electorate, does func(checkpoint.Validator) bool) bool {
	for _, vs := range e.Sets {
		if !quorate(vs, does) {
			return false
		}
	}
	return len(e.Sets) > 0
}

// find gives a validator as the newest set that names it does.
func find(e checkpoint.Electorate, id statement.Region) (checkpoint.Validator, bool) {
	for _, vs := range slices.Backward(e.Sets) {
		if v, ok := vs.Find(id); ok {
			return v, true
		}
	}
	return checkpoint.Validator{}, false
}

// members gives all whom the sets name, each once, by id.
func members(e checkpoint.Electorate) checkpoint.Validators {
	var out checkpoint.Validators
	for _, vs := range slices.Backward(e.Sets) {
		for _, v := range vs {
			if _, there := out.Find(v.ID); !there {
				i, _ := slices.BinarySearchFunc(out, v.ID, func(o checkpoint.Validator, id statement.Region) int {
					if o.ID < id {
						return -1
					}
					return 1
				})
				out = slices.Insert(out, i, v)
			}
		}
	}
	return out
}

// names reports that the sets name a validator by this key, as a co-signing key or a node key.
func names(e checkpoint.Electorate, id statement.Region, key string) bool {
	return slices.ContainsFunc(e.Sets, func(vs checkpoint.Validators) bool {
		v, ok := vs.Find(id)
		return ok && (string(v.Cosign) == key || string(v.Node) == key)
	})
}

// Keys are what a validator signs checkpoints with.
type Keys struct {
	Cosign, Node ed25519.PrivateKey
}

// voice is what this node signs checkpoints of some electorate with: the keys
// that its sets name, each once.
type voice struct {
	cosign, node []ed25519.PrivateKey
}

// keys are all of this node's, the present ones first.
func (c Config) keys() []Keys {
	return append([]Keys{{c.Cosign, c.Node}}, c.Former...)
}

// voice gives what this node signs with, or says why it does not: for each set
// that names it, both keys have to be here. Silent keys say nothing any more.
func (c Config) voice(e checkpoint.Electorate, silent []string) (voice, error) {
	var out voice
	var fault error
	named := false
	for _, vs := range slices.Backward(e.Sets) {
		v, ok := vs.Find(c.Self)
		if !ok {
			continue
		}
		named = true
		if !c.signs() {
			return voice{}, errors.New("this node has no keys to sign with")
		}
		if v.Suspended {
			return voice{}, fmt.Errorf("%s is suspended: the ledger has evidence against it, or the others' vote", c.Self)
		}
		var cosign, node ed25519.PrivateKey
		for _, k := range c.keys() {
			if v.Cosign.Equal(k.Cosign.Public()) && cosign == nil {
				cosign = k.Cosign
			}
			if v.Node.Equal(k.Node.Public()) && node == nil {
				node = k.Node
			}
		}
		switch {
		case cosign == nil:
			fault = fmt.Errorf("the co-signing key is not the one that the ledger has for %s", c.Self)
		case slices.Contains(silent, string(v.Cosign)):
			fault = fmt.Errorf("what a former co-signing key of %s has signed is not known, so it signs nothing more", c.Self)
		case node == nil:
			fault = fmt.Errorf("the node key is not the one that the ledger has for %s", c.Self)
		default:
			out.cosign, out.node = withKey(out.cosign, cosign), withKey(out.node, node)
		}
	}
	switch {
	case !named:
		return voice{}, fmt.Errorf("%s is no validator", c.Self)
	case len(out.cosign) == 0:
		return voice{}, fault
	case e.Origin != c.Origin:
		return voice{}, fmt.Errorf("the ledger's checkpoints are of the log %q now, and this node was started for %q: start it again", e.Origin, c.Origin)
	}
	return out, nil
}

func withKey(list []ed25519.PrivateKey, k ed25519.PrivateKey) []ed25519.PrivateKey {
	if slices.ContainsFunc(list, func(o ed25519.PrivateKey) bool { return o.Equal(k) }) {
		return list
	}
	return append(list, k)
}

// holds reports that a public key is one of this node's.
func (c Config) holds(public string) bool {
	return c.signs() && slices.ContainsFunc(c.keys(), func(k Keys) bool {
		return string(publicOf(k.Cosign)) == public || string(publicOf(k.Node)) == public
	})
}

func publicOf(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }
