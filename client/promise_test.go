package client

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"concordat/ledger/statement"
)

func promiseKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("promise test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func TestPromise(t *testing.T) {
	key := promiseKey("XA")
	pub := key.Public().(ed25519.PublicKey)
	network, hash := statement.NetworkID(sha256.Sum256([]byte("network"))), statement.Hash(sha256.Sum256([]byte("statement")))
	at := time.Date(2021, 6, 1, 12, 0, 0, 999, time.UTC)
	p := SignPromise("XA", network, hash, at, key)

	// The bytes of docs/formats/promise.md, made without this package's help.
	text := fmt.Sprintf("concordat promise v1\n%x\n%x\n1622548800\n", network[:], hash[:])
	want := "XA 1622548800 " + base64.StdEncoding.EncodeToString(ed25519.Sign(key, []byte(text)))
	if p.String() != want {
		t.Errorf("the promise is\n%s\nand by its format\n%s", p, want)
	}

	got, err := ParsePromise(want)
	if err != nil {
		t.Fatal(err)
	}
	if got.Authority != "XA" || !got.At.Equal(at.Truncate(time.Second)) {
		t.Errorf("it says %s at %s", got.Authority, got.At)
	}
	if err := got.Verify(network, hash, pub); err != nil {
		t.Errorf("a good promise: %v", err)
	}
	later := got
	later.At = later.At.Add(time.Second)
	for name, err := range map[string]error{
		"another statement": got.Verify(network, statement.Hash{1}, pub),
		"another network":   got.Verify(statement.NetworkID{1}, hash, pub),
		"another key":       got.Verify(network, hash, promiseKey("XB").Public().(ed25519.PublicKey)),
		"no key":            got.Verify(network, hash, nil),
		"another time":      later.Verify(network, hash, pub),
	} {
		if !errors.Is(err, ErrPromise) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParsePromiseRefuses(t *testing.T) {
	sig := base64.StdEncoding.EncodeToString(make([]byte, ed25519.SignatureSize))
	for name, s := range map[string]string{
		"empty":           "",
		"two parts":       "XA " + sig,
		"four parts":      "XA 1 " + sig + " x",
		"two spaces":      "XA  1 " + sig,
		"line feed":       "XA 1 " + sig + "\n",
		"no region":       "?? 1 " + sig,
		"region alias":    "xa 1 " + sig,
		"no time":         "XA now " + sig,
		"signed time":     "XA +1 " + sig,
		"padded time":     "XA 01 " + sig,
		"negative time":   "XA -1 " + sig,
		"time too far":    "XA 999999999999999 " + sig,
		"short signature": "XA 1 " + base64.StdEncoding.EncodeToString(make([]byte, 63)),
		"no padding":      "XA 1 " + strings.TrimRight(sig, "="),
		"long":            strings.Repeat("X", 1000),
	} {
		if p, err := ParsePromise(s); !errors.Is(err, ErrPromise) {
			t.Errorf("%s: %q was read as %v, %v", name, s, p, err)
		}
	}
}

func FuzzParsePromise(f *testing.F) {
	f.Add(SignPromise("XA", statement.NetworkID{}, statement.Hash{}, time.Unix(1, 0), promiseKey("XA")).String())
	f.Add("XA 1 ")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePromise(s)
		if err == nil && p.String() != s {
			t.Errorf("%q is written again as %q", s, p)
		}
	})
}
