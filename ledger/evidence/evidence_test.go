package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

var update = flag.Bool("update", false, "write the golden files anew; never after a release")

const origin = "health.example"

var (
	network = statement.NetworkID(sha256.Sum256([]byte("a genesis file")))
	start   = time.Unix(1_750_000_000, 0).UTC()
)

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("concordat test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func nodeKey(id statement.Region) ed25519.PrivateKey   { return testKey(string(id) + " node") }
func cosignKey(id statement.Region) ed25519.PrivateKey { return testKey(string(id) + " cosign") }

var validators = func() (vs checkpoint.Validators) {
	for _, id := range []statement.Region{"XA", "XB", "XC", "XD"} {
		vs = append(vs, checkpoint.Validator{ID: id, Cosign: cosignKey(id).Public().(ed25519.PublicKey), Node: nodeKey(id).Public().(ed25519.PublicKey)})
	}
	return vs
}()

// tree is a log in memory, by the tlog of golang.org/x/mod.
type tree struct{ hashes []tlog.Hash }

func (r *tree) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range indexes {
		out = append(out, r.hashes[i])
	}
	return out, nil
}

// grow makes a log of n entries, which says otherwise from entry fork on.
func grow(n, fork int) *tree {
	r := new(tree)
	for i := range n {
		said := "one"
		if i >= fork {
			said = "another"
		}
		hs, err := tlog.StoredHashes(int64(i), fmt.Appendf(nil, "%s entry %d", said, i), r)
		if err != nil {
			panic(err)
		}
		r.hashes = append(r.hashes, hs...)
	}
	return r
}

func (r *tree) at(size uint64) checkpoint.Checkpoint {
	if size == 0 {
		return checkpoint.Checkpoint{Origin: origin, Root: merkle.EmptyRoot()}
	}
	root, err := tlog.TreeHash(int64(size), r)
	if err != nil {
		panic(err)
	}
	return checkpoint.Checkpoint{Origin: origin, Size: size, Root: merkle.Hash(root)}
}

func (r *tree) consistency(older, newer uint64) []merkle.Hash {
	if older == 0 || older == newer {
		return nil
	}
	proof, err := tlog.ProveTree(int64(newer), int64(older), r)
	if err != nil {
		panic(err)
	}
	var out []merkle.Hash
	for _, h := range proof {
		out = append(out, merkle.Hash(h))
	}
	return out
}

type fataler interface {
	Helper()
	Fatal(...any)
}

// cosigned is a checkpoint with a validator's co-signature.
func cosigned(t fataler, c checkpoint.Checkpoint, by statement.Region, after time.Duration) evidence.SignedCheckpoint {
	t.Helper()
	sig, err := checkpoint.Cosign(c, by, start.Add(after), cosignKey(by))
	if err != nil {
		t.Fatal(err)
	}
	return evidence.SignedCheckpoint{Checkpoint: c, Line: sig.Line}
}

// logged is a checkpoint with a validator's signature as the log.
func logged(t fataler, c checkpoint.Checkpoint, by statement.Region) evidence.SignedCheckpoint {
	t.Helper()
	line, err := checkpoint.SignLog(c, nodeKey(by))
	if err != nil {
		t.Fatal(err)
	}
	return evidence.SignedCheckpoint{By: by, Checkpoint: c, Line: line}
}

func header(t fataler, by, claimed statement.Region, change func(*block.Header), content byte) block.HeaderProof {
	t.Helper()
	h := block.Header{Network: network, Term: 3, Size: 7, Root: sha256.Sum256([]byte("a tree")), Time: 1_750_000_000_000, Proposer: claimed}
	change(&h)
	raw, err := block.Seal(h, [][]byte{{content}}, nil, nodeKey(by))
	if err != nil {
		t.Fatal(err)
	}
	s, err := block.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s.Proof()
}

func as(*block.Header) {}

// samples are proofs against XB of each kind, with either sort of signature.
func samples(t fataler) map[string]evidence.Proof {
	one, other := grow(11, 11), grow(11, 3)
	out := make(map[string]evidence.Proof)
	type signer func(checkpoint.Checkpoint, time.Duration) evidence.SignedCheckpoint
	cosign := func(c checkpoint.Checkpoint, after time.Duration) evidence.SignedCheckpoint {
		return cosigned(t, c, "XB", after)
	}
	log := func(c checkpoint.Checkpoint, _ time.Duration) evidence.SignedCheckpoint { return logged(t, c, "XB") }
	for name, sign := range map[string][2]signer{"co-signed": {cosign, cosign}, "signed": {log, log}, "mixed": {cosign, log}} {
		out["two-roots "+name] = evidence.TwoRoots(sign[0](one.at(7), 0), sign[1](other.at(7), time.Minute))
		out["two-histories "+name] = evidence.TwoHistories(sign[0](one.at(7), 0), sign[1](other.at(11), time.Minute), other.at(7).Root, other.consistency(7, 11))
		out["two-histories of a full tree "+name] = evidence.TwoHistories(sign[0](one.at(4), 0), sign[1](other.at(8), 0), other.at(4).Root, other.consistency(4, 8))
	}
	out["two-blocks"] = evidence.TwoBlocks(header(t, "XB", "XB", as, 1), header(t, "XB", "XB", as, 2))
	return out
}

func TestVerify(t *testing.T) {
	for name, p := range samples(t) {
		t.Run(name, func(t *testing.T) {
			if p.Culprit() != "XB" || !strings.HasPrefix(name, string(p.Kind())) {
				t.Errorf("%s against %s", p.Kind(), p.Culprit())
			}
			if err := p.Verify(origin, network, validators); err != nil {
				t.Error(err)
			}
			raw := p.Encode()
			again, err := evidence.Parse(raw)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(again.Encode(), raw) || again.Words() != p.Words() || !strings.HasPrefix(p.Words(), "XB signed two different") && !strings.HasPrefix(p.Words(), "XB signed two sizes") {
				t.Errorf("read again: %s", again.Words())
			}
			if err := again.Verify(origin, network, validators); err != nil {
				t.Error(err)
			}
			// A suspended validator is convicted all the same.
			suspended := append(checkpoint.Validators{}, validators...)
			suspended[1].Suspended = true
			if err := p.Verify(origin, network, suspended); err != nil {
				t.Error(err)
			}
			// With other keys it proves nothing.
			other := append(checkpoint.Validators{}, validators...)
			other[1].Cosign, other[1].Node = validators[2].Cosign, validators[2].Node
			for what, err := range map[string]error{
				"other keys":          p.Verify(origin, network, other),
				"without the culprit": p.Verify(origin, network, append(checkpoint.Validators{}, validators[0], validators[2])),
				"no validators":       p.Verify(origin, network, nil),
			} {
				if !errors.Is(err, evidence.ErrProvesNothing) {
					t.Errorf("%s: %v", what, err)
				}
			}
			elsewhere := p.Verify("other.example", statement.NetworkID{1}, validators)
			if !errors.Is(elsewhere, evidence.ErrProvesNothing) {
				t.Errorf("in another network: %v", elsewhere)
			}
			if p.Kind() == evidence.KindTwoBlocks {
				return
			}
			if err := p.Verify(origin, statement.NetworkID{1}, validators); err != nil {
				t.Errorf("checkpoints name their log, not the genesis: %v", err)
			}
		})
	}
}

// E1: the order in which the two are given does not matter.
func TestOrder(t *testing.T) {
	one, other := grow(11, 11), grow(11, 3)
	a, b := cosigned(t, one.at(7), "XB", 0), cosigned(t, other.at(7), "XB", 0)
	if !bytes.Equal(evidence.TwoRoots(a, b).Encode(), evidence.TwoRoots(b, a).Encode()) {
		t.Error("two roots in two orders")
	}
	h, i := header(t, "XB", "XB", as, 1), header(t, "XB", "XB", as, 2)
	if !bytes.Equal(evidence.TwoBlocks(h, i).Encode(), evidence.TwoBlocks(i, h).Encode()) {
		t.Error("two blocks in two orders")
	}
}

// E2, E3 and all that an accuser may try: none of it convicts XB, who is honest.
func TestProvesNothing(t *testing.T) {
	one, other := grow(11, 11), grow(11, 3)
	b := func(c checkpoint.Checkpoint, after time.Duration) evidence.SignedCheckpoint {
		return cosigned(t, c, "XB", after)
	}
	blame := func(s evidence.SignedCheckpoint) evidence.SignedCheckpoint { s.By = "XB"; return s }
	foreign := func(c checkpoint.Checkpoint) checkpoint.Checkpoint { c.Origin = "other.example"; return c }
	recovered := func(c checkpoint.Checkpoint) checkpoint.Checkpoint { c.Origin = checkpoint.Origin(origin, 2); return c }
	moved := b(one.at(7), 0)
	moved.Checkpoint = other.at(7)
	empty := evidence.SignedCheckpoint{By: "XB", Checkpoint: checkpoint.Checkpoint{Origin: origin, Root: merkle.Hash{1}}, Line: moved.Line}
	for name, p := range map[string]evidence.Proof{
		"the same again":               evidence.TwoRoots(b(one.at(7), 0), b(one.at(7), 0)),
		"the same at another time":     evidence.TwoRoots(b(one.at(7), 0), b(one.at(7), time.Hour)),
		"the same with the other key":  evidence.TwoRoots(b(one.at(7), 0), logged(t, one.at(7), "XB")),
		"two sizes":                    evidence.TwoRoots(b(one.at(7), 0), b(one.at(8), 0)),
		"a signature moved":            evidence.TwoRoots(b(one.at(7), 0), moved),
		"another's co-signature":       evidence.TwoRoots(b(one.at(7), 0), blame(cosigned(t, other.at(7), "XC", 0))),
		"another's, blamed on XB":      evidence.TwoRoots(blame(cosigned(t, one.at(7), "XC", 0)), blame(cosigned(t, other.at(7), "XC", 0))),
		"another's node, blamed on XB": evidence.TwoRoots(blame(logged(t, one.at(7), "XC")), blame(logged(t, other.at(7), "XC"))),
		"another log":                  evidence.TwoRoots(b(one.at(7), 0), b(foreign(other.at(7)), 0)),
		"two lineages":                 evidence.TwoRoots(b(one.at(7), 0), b(recovered(other.at(7)), 0)),
		"histories of two lineages":    evidence.TwoHistories(b(one.at(7), 0), b(recovered(other.at(11)), 0), other.at(7).Root, other.consistency(7, 11)),
		"no checkpoints":               evidence.TwoRoots(evidence.SignedCheckpoint{}, evidence.SignedCheckpoint{}),

		"one history":                  evidence.TwoHistories(b(one.at(7), 0), b(one.at(11), 0), one.at(7).Root, one.consistency(7, 11)),
		"another beginning":            evidence.TwoHistories(b(one.at(7), 0), b(one.at(11), 0), other.at(7).Root, other.consistency(7, 11)),
		"another beginning, own proof": evidence.TwoHistories(b(one.at(7), 0), b(one.at(11), 0), other.at(7).Root, one.consistency(7, 11)),
		"no proof":                     evidence.TwoHistories(b(one.at(7), 0), b(other.at(11), 0), other.at(7).Root, nil),
		"a proof of other sizes":       evidence.TwoHistories(b(one.at(7), 0), b(other.at(11), 0), other.at(6).Root, other.consistency(6, 11)),
		"the newer first":              evidence.TwoHistories(b(other.at(11), 0), b(one.at(7), 0), other.at(7).Root, other.consistency(7, 11)),
		"one size":                     evidence.TwoHistories(b(one.at(7), 0), b(other.at(7), 0), other.at(7).Root, nil),
		"from the empty tree":          evidence.TwoHistories(b(one.at(0), 0), b(one.at(7), 0), one.at(7).Root, nil),
		"from an empty tree that lies": evidence.TwoHistories(empty, b(one.at(7), 0), merkle.EmptyRoot(), nil),
		"older by another":             evidence.TwoHistories(blame(cosigned(t, one.at(7), "XC", 0)), b(other.at(11), 0), other.at(7).Root, other.consistency(7, 11)),
		"too many hashes":              evidence.TwoHistories(b(one.at(7), 0), b(other.at(11), 0), other.at(7).Root, make([]merkle.Hash, 1000)),

		"one block":                evidence.TwoBlocks(header(t, "XB", "XB", as, 1), header(t, "XB", "XB", as, 1)),
		"two terms":                evidence.TwoBlocks(header(t, "XB", "XB", as, 1), header(t, "XB", "XB", func(h *block.Header) { h.Term++ }, 2)),
		"two places":               evidence.TwoBlocks(header(t, "XB", "XB", as, 1), header(t, "XB", "XB", func(h *block.Header) { h.Size++ }, 2)),
		"two networks":             evidence.TwoBlocks(header(t, "XB", "XB", as, 1), header(t, "XB", "XB", func(h *block.Header) { h.Network[0]++ }, 2)),
		"blocks of XC in its name": evidence.TwoBlocks(header(t, "XC", "XB", as, 1), header(t, "XC", "XB", as, 2)),
		"blocks in XC's name":      evidence.TwoBlocks(header(t, "XB", "XC", as, 1), header(t, "XB", "XC", as, 2)),
		"one in XC's name":         evidence.TwoBlocks(header(t, "XB", "XB", as, 1), header(t, "XB", "XC", as, 2)),
		"no blocks":                evidence.TwoBlocks(block.HeaderProof{}, block.HeaderProof{}),
		"nothing":                  {},
	} {
		if err := p.Verify(origin, network, validators); !errors.Is(err, evidence.ErrProvesNothing) {
			t.Errorf("%s: %v", name, err)
		}
		// What Parse takes of it proves no more.
		if again, err := evidence.Parse(p.Encode()); err == nil {
			if err := again.Verify(origin, network, validators); !errors.Is(err, evidence.ErrProvesNothing) {
				t.Errorf("%s, read again: %v", name, err)
			}
		}
	}
	// Within one lineage, whichever, it does.
	for _, p := range []evidence.Proof{
		evidence.TwoRoots(b(recovered(one.at(7)), 0), b(recovered(other.at(7)), 0)),
		evidence.TwoHistories(b(recovered(one.at(7)), 0), b(recovered(other.at(11)), 0), other.at(7).Root, other.consistency(7, 11)),
	} {
		if err := p.Verify(origin, network, validators); err != nil {
			t.Errorf("in the second lineage: %v", err)
		}
	}
	// Two networks of one name: blocks name the genesis.
	p := evidence.TwoBlocks(header(t, "XB", "XB", as, 1), header(t, "XB", "XB", as, 2))
	if err := p.Verify(origin, statement.NetworkID{1}, validators); !errors.Is(err, evidence.ErrProvesNothing) {
		t.Errorf("blocks of another network: %v", err)
	}
}

// E2 and E3 at random: an honest validator signs a growing log as often as it
// likes; an accuser who has all its signatures and any other log's proofs
// convicts it of nothing.
func TestHonestIsNeverConvicted(t *testing.T) {
	const most = 40
	honest := grow(most, most)
	rapid.Check(t, func(t *rapid.T) {
		var signed []evidence.SignedCheckpoint
		size := uint64(0)
		for i := range rapid.IntRange(2, 6).Draw(t, "signatures") {
			size = rapid.Uint64Range(size, most).Draw(t, "size")
			if rapid.Bool().Draw(t, "as the log") {
				signed = append(signed, logged(t, honest.at(size), "XB"))
			} else {
				signed = append(signed, cosigned(t, honest.at(size), "XB", time.Duration(i)*time.Second))
			}
		}
		a, b := rapid.SampledFrom(signed).Draw(t, "a"), rapid.SampledFrom(signed).Draw(t, "b")
		forged := grow(most, rapid.IntRange(0, most).Draw(t, "fork"))
		prefix, proof := merkle.Hash{}, []merkle.Hash(nil)
		if older, newer := a.Checkpoint.Size, b.Checkpoint.Size; older <= newer {
			prefix = forged.at(older).Root
			proof = rapid.SampledFrom([]*tree{honest, forged}).Draw(t, "proof of").consistency(older, newer)
			if len(proof) > 0 && rapid.Bool().Draw(t, "spoil") {
				proof[rapid.IntRange(0, len(proof)-1).Draw(t, "hash")] = forged.at(rapid.Uint64Range(1, most).Draw(t, "root")).Root
			}
		}
		for _, p := range []evidence.Proof{evidence.TwoRoots(a, b), evidence.TwoHistories(a, b, prefix, proof)} {
			if err := p.Verify(origin, network, validators); !errors.Is(err, evidence.ErrProvesNothing) {
				t.Fatalf("%s: %v", p.Kind(), err)
			}
		}
	})
}

// And who forks is always convicted, wherever the fork and whichever two sizes.
func TestForkIsConvicted(t *testing.T) {
	const most = 33
	one := grow(most, most)
	for fork := range most {
		other := grow(most, fork)
		for older := uint64(fork + 1); older < most; older += 5 {
			for newer := older + 1; newer <= most; newer += 7 {
				p := evidence.TwoHistories(cosigned(t, one.at(older), "XB", 0), cosigned(t, other.at(newer), "XB", 0), other.at(older).Root, other.consistency(older, newer))
				if err := p.Verify(origin, network, validators); err != nil {
					t.Fatalf("fork at %d, sizes %d and %d: %v", fork, older, newer, err)
				}
			}
		}
	}
}

// Whatever byte of a proof is changed, it is refused or proves nothing.
func TestEveryByteCounts(t *testing.T) {
	for name, p := range samples(t) {
		raw := p.Encode()
		for i := range raw {
			// Bit 5 turns capital letters, as in base64, into small ones.
			for _, bit := range []int{5, i % 5} {
				changed := bytes.Clone(raw)
				changed[i] ^= 1 << bit
				p, err := evidence.Parse(changed)
				if err != nil {
					if !errors.Is(err, evidence.ErrMalformed) {
						t.Fatalf("%s: an error of no name: %v", name, err)
					}
					continue
				}
				if err := p.Verify(origin, network, validators); !errors.Is(err, evidence.ErrProvesNothing) {
					t.Errorf("%s: bit %d of byte %d changed: %v", name, bit, i, err)
				}
			}
		}
	}
}

func TestGolden(t *testing.T) {
	all := samples(t)
	for name, path := range map[string]string{
		"two-roots co-signed": "testdata/two-roots.txt", "two-histories mixed": "testdata/two-histories.txt", "two-blocks": "testdata/two-blocks.txt",
	} {
		got := evidence.EncodeFile(all[name], network)
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("differs from %s:\n%s", path, got)
		}
		p, n, err := evidence.ParseFile(want)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Verify(origin, n, validators); err != nil || n != network {
			t.Errorf("%s: %v, of network %s", path, err, n)
		}
	}
}

// The file has one form: no byte of it can be changed, added or taken away.
func TestFileStrictly(t *testing.T) {
	for name, p := range samples(t) {
		file := evidence.EncodeFile(p, network)
		if len(file) > evidence.MaxFile {
			t.Errorf("%s: a file of %d bytes", name, len(file))
		}
		for i := range file {
			changed := bytes.Clone(file)
			changed[i] ^= 1
			if q, n, err := evidence.ParseFile(changed); err == nil {
				t.Errorf("%s: byte %d changed: took %s of %s", name, i, q.Words(), n)
			}
		}
		for what, raw := range map[string][]byte{
			"nothing": nil, "cut": file[:len(file)-1], "more": append(bytes.Clone(file), '\n'), "before": append([]byte("\n"), file...),
			"carriage returns": bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n")), "twice": append(bytes.Clone(file), file...),
			"only its end": file[bytes.Index(file, []byte("-----BEGIN")):], "large": make([]byte, evidence.MaxFile+1),
			"its beginning": file[:bytes.Index(file, []byte("-----BEGIN"))],
		} {
			if _, _, err := evidence.ParseFile(raw); !errors.Is(err, evidence.ErrMalformed) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

// The largest that verifies is within the limits, with room.
func TestLargest(t *testing.T) {
	const long = "a.name-that-is-as-long-as-the-names-of-networks-may-ever-become.x"
	vs := checkpoint.Validators{{ID: "XAA-ABCDEFGH-ABCDEFGH-ABCDEFGH"}}
	by := vs[0].ID
	vs[0].Cosign, vs[0].Node = cosignKey(by).Public().(ed25519.PublicKey), nodeKey(by).Public().(ed25519.PublicKey)
	c := checkpoint.Checkpoint{Origin: checkpoint.Origin(long[:checkpoint.MaxNetwork], math.MaxUint64), Size: checkpoint.MaxSize}
	d := c
	d.Size, d.Root = c.Size-1, merkle.Hash{1}
	p := evidence.TwoHistories(cosigned(t, d, by, 0), cosigned(t, c, by, 0), merkle.Hash{}, make([]merkle.Hash, merkle.MaxProof))
	raw := p.Encode()
	if len(raw) > evidence.MaxSize/2 {
		t.Errorf("%d bytes", len(raw))
	}
	if _, err := evidence.Parse(raw); err != nil {
		t.Error(err)
	}
	if n := len(evidence.EncodeFile(p, network)); n > evidence.MaxFile/2 {
		t.Errorf("a file of %d bytes", n)
	}
	if statement.MaxEvidence < evidence.MaxSize {
		t.Errorf("a statement carries %d bytes, a proof may have %d", statement.MaxEvidence, evidence.MaxSize)
	}
}

func TestParseStrictly(t *testing.T) {
	all := samples(t)
	good := all["two-histories co-signed"].Encode()
	for name, raw := range map[string][]byte{
		"nothing": nil, "cut": good[:len(good)-1], "trailing": append(bytes.Clone(good), 0), "large": make([]byte, evidence.MaxSize+1),
		"another kind": bytes.Replace(good, []byte("two-histories"), []byte("two-historie5"), 1),
		"two-roots":    bytes.Replace(good, []byte("\x6dtwo-histories"), []byte("\x69two-roots"), 1),
		"two-blocks":   bytes.Replace(good, []byte("\x6dtwo-histories"), []byte("\x6atwo-blocks"), 1),
		"no region":    bytes.Replace(good, []byte("\x62XB"), []byte("\x62xb"), 1),
		"version 2":    bytes.Replace(good, []byte{0xa6, 1, 1}, []byte{0xa6, 1, 2}, 1),
		"an empty map": {0xa0},
	} {
		if p, err := evidence.Parse(raw); !errors.Is(err, evidence.ErrMalformed) {
			t.Errorf("%s: %s, %v", name, p.Words(), err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range samples(f) {
		f.Add(p.Encode())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := evidence.Parse(raw)
		if err != nil {
			if !errors.Is(err, evidence.ErrMalformed) {
				t.Fatalf("an error of no name: %v", err)
			}
			return
		}
		if !bytes.Equal(p.Encode(), raw) {
			t.Fatal("took a proof that it would not write")
		}
		if err := p.Verify(origin, network, validators); err == nil && p.Culprit() != "XB" {
			t.Fatalf("convicts %s", p.Culprit())
		}
		file := evidence.EncodeFile(p, network)
		if q, n, err := evidence.ParseFile(file); err != nil || n != network || !bytes.Equal(q.Encode(), raw) {
			t.Fatalf("its file is not read: %v", err)
		}
	})
}

func FuzzParseFile(f *testing.F) {
	for _, p := range samples(f) {
		f.Add(evidence.EncodeFile(p, network))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, n, err := evidence.ParseFile(raw)
		if err != nil {
			if !errors.Is(err, evidence.ErrMalformed) {
				t.Fatalf("an error of no name: %v", err)
			}
			return
		}
		if !bytes.Equal(evidence.EncodeFile(p, n), raw) {
			t.Fatal("took a file that it would not write")
		}
	})
}
