package checkpoint_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"filippo.io/torchwood"
	"pgregory.net/rapid"

	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/merkle"
)

const goodText = "health.example\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"

func TestText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := checkpoint.Checkpoint{
			Origin: checkpoint.Origin(rapid.StringMatching(`[a-z0-9.-]{1,64}`).Draw(t, "network"), rapid.Uint64().Draw(t, "lineage")),
			Size:   rapid.Uint64Max(checkpoint.MaxSize).Draw(t, "size"),
			Root:   merkle.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "root")),
		}
		got, err := checkpoint.Parse(c.Text())
		if err != nil || got != c {
			t.Fatalf("%+v became %+v, %v", c, got, err)
		}
		theirs, err := torchwood.ParseCheckpoint(c.Text())
		if err != nil || theirs.String() != c.Text() || uint64(theirs.N) != c.Size {
			t.Fatalf("torchwood reads %+v, %v", theirs, err)
		}
	})
}

func TestParseStrictly(t *testing.T) {
	if _, err := checkpoint.Parse(goodText); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"nothing":              "",
		"no last line feed":    strings.TrimSuffix(goodText, "\n"),
		"an empty line":        goodText + "\n",
		"an extension":         goodText + "extension\n",
		"no root":              "health.example\n3\n",
		"carriage returns":     strings.ReplaceAll(goodText, "\n", "\r\n"),
		"a leading zero":       strings.Replace(goodText, "\n3\n", "\n03\n", 1),
		"a sign":               strings.Replace(goodText, "\n3\n", "\n+3\n", 1),
		"no size":              strings.Replace(goodText, "\n3\n", "\n\n", 1),
		"above 2^60":           strings.Replace(goodText, "\n3\n", "\n1152921504606846977\n", 1),
		"above 2^64":           strings.Replace(goodText, "\n3\n", "\n18446744073709551616\n", 1),
		"root without padding": strings.Replace(goodText, "=", "", 1),
		"root with other bits": strings.Replace(goodText, "FU=", "FV=", 1),
		"a short root":         strings.Replace(goodText, "47DE", "", 1),
		"no origin":            strings.TrimPrefix(goodText, "health.example"),
		"a capital":            strings.Replace(goodText, "health", "Health", 1),
		"a space":              strings.Replace(goodText, "health", "hea th", 1),
		"a slash":              strings.Replace(goodText, "health.", "health/", 1),
		"a long origin":        strings.Repeat("a", 65) + strings.TrimPrefix(goodText, "health.example"),
		"an empty lineage":     strings.Replace(goodText, origin, origin+"/", 1),
		"lineage 0":            strings.Replace(goodText, origin, origin+"/0", 1),
		"lineage 1":            strings.Replace(goodText, origin, origin+"/1", 1),
		"a lineage with zeros": strings.Replace(goodText, origin, origin+"/02", 1),
		"a lineage with sign":  strings.Replace(goodText, origin, origin+"/+2", 1),
		"a lineage too large":  strings.Replace(goodText, origin, origin+"/18446744073709551616", 1),
		"two lineages":         strings.Replace(goodText, origin, origin+"/2/2", 1),
		"a lineage alone":      strings.Replace(goodText, origin, "/2", 1),
		"a zero byte":          "\x00" + goodText,
	} {
		if c, err := checkpoint.Parse(text); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func TestParseForeign(t *testing.T) {
	text := strings.Replace(goodText, origin, "rome.ct.example/2026 h1", 1) + "one\ntwo\n"
	c, extensions, err := checkpoint.ParseForeign(text)
	if err != nil || c.Origin != "rome.ct.example/2026 h1" || c.Size != 3 || len(extensions) != 2 || extensions[1] != "two" {
		t.Errorf("%+v, %q, %v", c, extensions, err)
	}
	for name, text := range map[string]string{
		"17 extensions": goodText + strings.Repeat("x\n", 17),
		"a long line":   goodText + strings.Repeat("x", 1025) + "\n",
		"a control":     goodText + "a\tb\n",
		"no UTF-8":      goodText + "\xff\n",
	} {
		if _, _, err := checkpoint.ParseForeign(text); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An origin is what the genesis takes for a network's name, with a lineage or without.
func TestOriginIsNetworkName(t *testing.T) {
	if checkpoint.MaxNetwork != genesis.MaxNetwork {
		t.Errorf("names of %d bytes in origins, of %d in the genesis", checkpoint.MaxNetwork, genesis.MaxNetwork)
	}
	longest := checkpoint.Origin(strings.Repeat("a", genesis.MaxNetwork), math.MaxUint64)
	if len(longest) != checkpoint.MaxOrigin {
		t.Errorf("the longest origin has %d bytes, want %d", len(longest), checkpoint.MaxOrigin)
	}
	var names []string
	for b := range 256 {
		names = append(names, "a"+string([]byte{byte(b)})+"a")
	}
	names = append(names, "", strings.Repeat("a", 64), strings.Repeat("a", 65))
	for _, name := range names {
		doc := genesis.Document{Network: name}
		// The document has other faults; one is said of its network, or none.
		bad := strings.Contains(doc.Check().Error(), "network is")
		for _, lineage := range []uint64{0, 1, 2, 10, math.MaxUint64} {
			_, err := checkpoint.Parse(checkpoint.Checkpoint{Origin: checkpoint.Origin(name, lineage)}.Text())
			if bad != (err != nil) {
				t.Errorf("%q, lineage %d: refused as a name %v, as an origin %v", name, lineage, bad, err)
			}
		}
	}
}

// K4: nothing else that a node key signs begins like a checkpoint.
func TestNodeKeySignsNothingAlike(t *testing.T) {
	for _, other := range []string{
		"concordat block v1\n",               // ledger/block
		"concordat promise v1\n",             // client
		"concordat descriptor proof v1\n",    // ledger/genesis
		"concordat descriptor v1\n",          // ledger/genesis
		"concordat key proof v1\n",           // ledger/statement
		"concordat recovery v1\n",            // ledger/statement
		"noise-libp2p-static-key:",           // go-libp2p
		"libp2p-tls-handshake:",              // go-libp2p
		"cosignature/v1\ntime 1\n",           // C2SP, of the co-signing key
		"subtree/v1\n\x00",                   // C2SP
		"\x84\x6aSignature1",                 // RFC 9052: statements by nodes, COSE receipts
		"\x12libp2p-peer-record\x02\x03\x01", // go-libp2p's envelopes: a length, then the domain
	} {
		first, _, _ := strings.Cut(other, "\n")
		if _, err := checkpoint.Parse(first + strings.TrimPrefix(goodText, origin)); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("a checkpoint may begin with %q", first)
		}
		if _, err := checkpoint.SignLog(checkpoint.Checkpoint{Origin: first, Size: 1}, nodeKey("XA")); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("a node key signs for the origin %q", first)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]checkpoint.Checkpoint{
		"an empty tree with a root": {Origin: origin, Root: merkle.Hash{1}},
		"above 2^60":                {Origin: origin, Size: checkpoint.MaxSize + 1},
		"no origin":                 {Size: 1},
	} {
		if _, err := checkpoint.Cosign(c, "XA", start, cosignKey("XA")); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("%s: co-signed: %v", name, err)
		}
		if _, err := checkpoint.SignLog(c, nodeKey("XA")); !errors.Is(err, checkpoint.ErrMalformed) {
			t.Errorf("%s: signed: %v", name, err)
		}
	}
	if err := (checkpoint.Checkpoint{Origin: origin, Root: merkle.EmptyRoot()}).Check(); err != nil {
		t.Error(err)
	}
}

// FuzzParse: what is read is written so again, and torchwood reads the same.
func FuzzParse(f *testing.F) {
	f.Add(goodText)
	f.Add(goodText + "extension\n")
	f.Add("a\n0\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, extensions, err := checkpoint.ParseForeign(text)
		if err != nil {
			if !errors.Is(err, checkpoint.ErrMalformed) {
				t.Fatalf("an error of no name: %v", err)
			}
			return
		}
		theirs, err := torchwood.ParseCheckpoint(text)
		if err != nil || theirs.Origin != c.Origin || uint64(theirs.N) != c.Size || merkle.Hash(theirs.Hash) != c.Root {
			t.Fatalf("torchwood reads %+v, %v", theirs, err)
		}
		if ours, err := checkpoint.Parse(text); err == nil && (ours.Text() != text || len(extensions) > 0) {
			t.Fatalf("took %q for %q", text, ours.Text())
		}
	})
}
