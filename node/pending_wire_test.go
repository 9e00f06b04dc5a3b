package node

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/libp2p/go-libp2p/core/peer"

	"concordat/client"
	"concordat/ledger/statement"
	"concordat/p2p"
)

func testPeer(t testing.TB, seed byte) (ed25519.PrivateKey, peer.ID) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	id, err := p2p.PeerID(key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return key, id
}

// aNotice is a well-formed notice, promised under a key.
func aNotice(key ed25519.PrivateKey) pendingNotice {
	hash := statement.Hash{1, 2, 3}
	promise := client.SignPromise("XA", statement.NetworkID{9}, hash, time.Unix(1_600_000_000, 0), key)
	return pendingNotice{Hash: hash[:], Issuer: "XA", Kind: "revocation.add", Size: 300, Promise: promise.String()}
}

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	b, err := cbor.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPendingPush(t *testing.T) {
	key, id := testPeer(t, 1)
	good := aNotice(key)
	statements := []forwardedStatement{{Raw: []byte("raw"), Attachment: []byte("attachment")}}
	got, err := decodePush(encoded(t, pendingPush{Notices: []pendingNotice{good}, Gone: [][]byte{make([]byte, 32)}, Statements: statements}))
	if err != nil || len(got.notices) != 1 || len(got.gone) != 1 || len(got.statements) != 1 || string(got.statements[0].Attachment) != "attachment" {
		t.Fatalf("a good one: %+v, %v", got, err)
	}
	n := got.notices[0]
	if n.hash != (statement.Hash{1, 2, 3}) || n.issuer != "XA" || n.kind != statement.RevocationAdd || n.size != 300 {
		t.Errorf("a notice is read as %+v", n)
	}
	if err := promised(id, "XA", statement.NetworkID{9}, n.hash, n.promise); err != nil {
		t.Error(err)
	}
	_, other := testPeer(t, 2)
	for what, err := range map[string]error{
		"another node's promise":     promised(other, "XA", statement.NetworkID{9}, n.hash, n.promise),
		"told by another authority":  promised(id, "XB", statement.NetworkID{9}, n.hash, n.promise),
		"of another network":         promised(id, "XA", statement.NetworkID{8}, n.hash, n.promise),
		"of another statement":       promised(id, "XA", statement.NetworkID{9}, statement.Hash{}, n.promise),
		"of a peer that has no keys": promised("no peer", "XA", statement.NetworkID{9}, n.hash, n.promise),
	} {
		if !errors.Is(err, errPending) {
			t.Errorf("a promise %s: %v", what, err)
		}
	}

	with := func(change func(*pendingNotice)) []byte {
		w := aNotice(key)
		change(&w)
		return encoded(t, pendingPush{Notices: []pendingNotice{w}})
	}
	for name, b := range map[string][]byte{
		"no CBOR":              []byte("hello"),
		"empty":                nil,
		"more behind":          append(encoded(t, pendingPush{}), 0),
		"a short hash":         with(func(w *pendingNotice) { w.Hash = w.Hash[:31] }),
		"no region":            with(func(w *pendingNotice) { w.Issuer = "nobody at all" }),
		"no kind":              with(func(w *pendingNotice) { w.Kind = "" }),
		"a kind with a break":  with(func(w *pendingNotice) { w.Kind = "revocation.add\nlevel=ERROR" }),
		"a long kind":          with(func(w *pendingNotice) { w.Kind = strings.Repeat("a", maxKind+1) }),
		"of no size":           with(func(w *pendingNotice) { w.Size = 0 }),
		"too large":            with(func(w *pendingNotice) { w.Size = statement.MaxSize + statement.MaxAttachment + 1 }),
		"no promise":           with(func(w *pendingNotice) { w.Promise = "XA 1 x" }),
		"too many notices":     encoded(t, pendingPush{Notices: make([]pendingNotice, maxNotices+1)}),
		"too many gone":        encoded(t, pendingPush{Gone: make([][]byte, maxNotices+1)}),
		"a short hash gone":    encoded(t, pendingPush{Gone: [][]byte{{1}}}),
		"too many statements":  encoded(t, pendingPush{Statements: make([]forwardedStatement, maxPushed+1)}),
		"an empty statement":   encoded(t, pendingPush{Statements: make([]forwardedStatement, 1)}),
		"a statement too long": encoded(t, pendingPush{Statements: []forwardedStatement{{Raw: make([]byte, statement.MaxSize+1)}}}),
	} {
		if _, err := decodePush(b); !errors.Is(err, errPending) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What an honest node sends at most is taken.
	most := pendingPush{}
	for range maxNotices {
		most.Notices = append(most.Notices, good)
		most.Gone = append(most.Gone, good.Hash)
	}
	most.Statements = []forwardedStatement{{Raw: make([]byte, batchBytes/2)[:statement.MaxSize], Attachment: make([]byte, statement.MaxAttachment)}}
	if b := encoded(t, most); len(b) > maxPending {
		t.Errorf("a message may have %d bytes, and the bound is %d", len(b), maxPending)
	} else if _, err := decodePush(b); err != nil {
		t.Error(err)
	}
}

func TestPendingFetch(t *testing.T) {
	hashes := make([]statement.Hash, maxFetched)
	b, err := encodeFetch(hashes)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decodeFetch(b); err != nil || len(got) != maxFetched {
		t.Errorf("%d hashes: %v", len(got), err)
	}
	for name, b := range map[string][]byte{
		"nothing": encoded(t, pendingFetch{}), "no CBOR": []byte("x"), "a short hash": encoded(t, pendingFetch{Hashes: [][]byte{{1}}}),
		"too many": encoded(t, pendingFetch{Hashes: make([][]byte, maxFetched+1)}),
	} {
		if _, err := decodeFetch(b); !errors.Is(err, errPending) {
			t.Errorf("asked for %s: %v", name, err)
		}
	}
	for name, b := range map[string][]byte{
		"no CBOR": []byte("x"), "too many": encoded(t, pendingFetched{Statements: make([]forwardedStatement, maxFetched+1)}),
		"too many gone": encoded(t, pendingFetched{Gone: make([][]byte, maxFetched+1)}), "a short hash": encoded(t, pendingFetched{Gone: [][]byte{{1}}}),
	} {
		if _, _, err := decodeFetched(b); !errors.Is(err, errPending) {
			t.Errorf("answered with %s: %v", name, err)
		}
	}
}

func FuzzPendingPush(f *testing.F) {
	key, id := testPeer(f, 1)
	f.Add(encoded(f, pendingPush{Notices: []pendingNotice{aNotice(key)}, Gone: [][]byte{make([]byte, 32)}, Statements: []forwardedStatement{{Raw: []byte("raw")}}}))
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := decodePush(b)
		if err != nil {
			if !errors.Is(err, errPending) {
				t.Fatal(err)
			}
			return
		}
		if len(got.notices) > maxNotices || len(got.gone) > maxNotices || len(got.statements) > maxPushed {
			t.Fatalf("%d notices, %d gone, %d statements", len(got.notices), len(got.gone), len(got.statements))
		}
		for _, n := range got.notices {
			if n.issuer.Validate() != nil || n.size < 1 || strings.ContainsAny(string(n.kind), "\n\" ") {
				t.Fatalf("a notice is %+v", n)
			}
			_ = promised(id, string(n.promise.Authority), statement.NetworkID{9}, n.hash, n.promise) // does not panic
		}
	})
}

func FuzzPendingFetch(f *testing.F) {
	b, err := encodeFetch([]statement.Hash{{1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(encoded(f, pendingFetched{Statements: []forwardedStatement{{Raw: []byte("raw")}}, Gone: [][]byte{make([]byte, 32)}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		if hashes, err := decodeFetch(b); err == nil && (len(hashes) == 0 || len(hashes) > maxFetched) {
			t.Fatalf("%d hashes", len(hashes))
		}
		if cands, gone, err := decodeFetched(b); err == nil && (len(cands) > maxFetched || len(gone) > maxFetched) {
			t.Fatalf("%d statements, %d gone", len(cands), len(gone))
		}
	})
}
