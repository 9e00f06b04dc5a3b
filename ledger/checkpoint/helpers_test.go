package checkpoint_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"slices"
	"testing"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/statement"
)

const origin = "health.example"

var start = time.Unix(1_750_000_000, 0).UTC()

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("concordat test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func nodeKey(id statement.Region) ed25519.PrivateKey   { return testKey(string(id) + " node") }
func cosignKey(id statement.Region) ed25519.PrivateKey { return testKey(string(id) + " cosign") }

// id gives the i-th validator: GA to GZ, then HA and so on.
func id(i int) statement.Region {
	return statement.Region(fmt.Sprintf("%c%c", 'G'+i/26, 'A'+i%26))
}

func validators(n int) checkpoint.Validators {
	var vs checkpoint.Validators
	for i := range n {
		vs = append(vs, checkpoint.Validator{ID: id(i), Cosign: public(cosignKey(id(i))), Node: public(nodeKey(id(i)))})
	}
	return vs
}

func at(size uint64) checkpoint.Checkpoint {
	return checkpoint.Checkpoint{Origin: origin, Size: size, Root: sha256.Sum256(fmt.Append(nil, "tree of ", size))}
}

type fataler interface {
	Helper()
	Fatal(...any)
}

func cosign(t fataler, c checkpoint.Checkpoint, by statement.Region, when time.Time) string {
	t.Helper()
	sig, err := checkpoint.Cosign(c, by, when, cosignKey(by))
	if err != nil {
		t.Fatal(err)
	}
	return sig.Line
}

func signLog(t fataler, c checkpoint.Checkpoint, by statement.Region) string {
	t.Helper()
	s, err := checkpoint.SignLog(c, nodeKey(by))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signedBy gives both lines of each of the validators, a second apart.
func signedBy(t fataler, c checkpoint.Checkpoint, vs checkpoint.Validators) []string {
	t.Helper()
	var lines []string
	for i, v := range vs {
		lines = append(lines, cosign(t, c, v.ID, start.Add(time.Duration(i)*time.Second)), signLog(t, c, v.ID))
	}
	return lines
}

func certify(t testing.TB, n *checkpoint.Note, vs checkpoint.Validators) *checkpoint.Certified {
	t.Helper()
	c, err := n.Certify(vs)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ids(cs []checkpoint.Cosignature) []statement.Region {
	var out []statement.Region
	for _, c := range cs {
		out = append(out, c.By)
	}
	slices.Sort(out)
	return out
}
