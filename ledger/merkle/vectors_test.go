package merkle_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"concordat/ledger/merkle"
)

// The test vectors of the Certificate Transparency reference implementation
// (google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc; the
// same in transparency-dev/merkle, testonly/constants.go).
var (
	ctEntries = []string{
		"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
	}
	ctRoots = []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	ctInclusion = []struct {
		index, size uint64
		proof       []string
	}{
		{0, 1, nil},
		{0, 8, []string{
			"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
		}},
		{5, 8, []string{
			"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
			"ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
			"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		}},
		{2, 3, []string{
			"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		}},
		{1, 5, []string{
			"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
		}},
	}
	ctConsistency = []struct {
		old, size uint64
		proof     []string
	}{
		{1, 1, nil},
		{1, 8, []string{
			"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
		}},
		{6, 8, []string{
			"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
			"ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
			"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		}},
		{2, 5, []string{
			"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
			"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
		}},
	}
)

func TestCTReferenceVectors(t *testing.T) {
	s := newStore()
	var leaves []merkle.Hash
	if merkle.EmptyRoot() != parseHash(t, ctRoots[0]) {
		t.Errorf("EmptyRoot = %x", merkle.EmptyRoot())
	}
	for i, entry := range ctEntries {
		data, err := hex.DecodeString(entry)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, merkle.LeafHash(data))
		if root := s.append(t, leaves[i:]); root != parseHash(t, ctRoots[i+1]) {
			t.Errorf("root of size %d is %x", i+1, root)
		}
	}
	for _, c := range ctInclusion {
		want := parseHashes(t, c.proof)
		got, err := merkle.InclusionProof(s, c.index, c.size)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("InclusionProof(%d, %d) = %x, %v", c.index, c.size, got, err)
		}
		if err := merkle.VerifyInclusion(c.index, c.size, leaves[c.index], want, parseHash(t, ctRoots[c.size])); err != nil {
			t.Error(err)
		}
	}
	for _, c := range ctConsistency {
		want := parseHashes(t, c.proof)
		got, err := merkle.ConsistencyProof(s, c.old, c.size)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("ConsistencyProof(%d, %d) = %x, %v", c.old, c.size, got, err)
		}
		if err := merkle.VerifyConsistency(c.old, c.size, parseHash(t, ctRoots[c.old]), parseHash(t, ctRoots[c.size]), want); err != nil {
			t.Error(err)
		}
	}
}

// The example of RFC 6962 section 2.1.3, with the RFC's letters.
func TestRFC6962Example(t *testing.T) {
	d := make([]merkle.Hash, 7)
	for i := range d {
		d[i] = merkle.LeafHash([]byte{'d', byte('0' + i)})
	}
	a, b, c, dd, e, f, j := d[0], d[1], d[2], d[3], d[4], d[5], d[6]
	g, h, i := merkle.NodeHash(a, b), merkle.NodeHash(c, dd), merkle.NodeHash(e, f)
	k, l := merkle.NodeHash(g, h), merkle.NodeHash(i, j)
	s := newStore()
	if root := s.append(t, d); root != merkle.NodeHash(k, l) {
		t.Errorf("root %x", root)
	}
	for index, want := range map[uint64][]merkle.Hash{0: {b, h, l}, 3: {c, g, l}, 4: {f, j, k}, 6: {i, k}} {
		if got, err := merkle.InclusionProof(s, index, 7); err != nil || !slices.Equal(got, want) {
			t.Errorf("audit path of d%d: %x, %v", index, got, err)
		}
	}
	for old, want := range map[uint64][]merkle.Hash{3: {c, dd, g, l}, 4: {l}, 6: {i, j, k}} {
		if got, err := merkle.ConsistencyProof(s, old, 7); err != nil || !slices.Equal(got, want) {
			t.Errorf("consistency proof from %d: %x, %v", old, got, err)
		}
	}
}

// Answers of a public log of 961,984,013 entries.
func TestArgon2020(t *testing.T) {
	data, err := os.ReadFile("testdata/argon2020.json")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Size, Index, Old       uint64
		Root, Leaf, OldRoot    string
		Inclusion, Consistency []string
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	root := parseHash(t, v.Root)
	if err := merkle.VerifyInclusion(v.Index, v.Size, parseHash(t, v.Leaf), parseHashes(t, v.Inclusion), root); err != nil {
		t.Error(err)
	}
	if err := merkle.VerifyConsistency(v.Old, v.Size, parseHash(t, v.OldRoot), root, parseHashes(t, v.Consistency)); err != nil {
		t.Error(err)
	}
}

func parseHash(t *testing.T, s string) merkle.Hash {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != merkle.HashSize {
		t.Fatalf("%q is not a hash: %v", s, err)
	}
	return merkle.Hash(b)
}

func parseHashes(t *testing.T, hashes []string) (out []merkle.Hash) {
	t.Helper()
	for _, s := range hashes {
		out = append(out, parseHash(t, s))
	}
	return out
}
