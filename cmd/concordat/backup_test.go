package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"concordat/client/authority"
)

// noSecrets fails the script if a file has any bytes of what must be in no
// backup: keys, in whatever form they lie in a directory, the operator's token,
// what was co-signed last, votes, and the mark of a node that has run.
func noSecrets(ts *testscript.TestScript, file, dir string) {
	raw := []byte(ts.ReadFile(file))
	dir = ts.MkAbs(dir)
	d, err := authority.Open(dir, nil)
	ts.Check(err)
	secrets := map[string][]byte{
		"what names a signer's file": []byte("concordat-signer"),
		"what names the marker":      []byte("concordat-founded"),
		"raft's term":                []byte("CurrentTerm"),
		"raft's vote":                []byte("LastVote"),
		"a private key's PEM":        []byte("PRIVATE KEY"),
	}
	for _, role := range authority.Roles {
		key, err := d.Key(role)
		ts.Check(err)
		seed := key.Ed25519().Seed()
		secrets["the "+string(role)+" key"] = seed
		secrets["the "+string(role)+" key in hex"] = []byte(hex.EncodeToString(seed))
		pem, err := os.ReadFile(filepath.Join(dir, "keys", string(role)+".key"))
		ts.Check(err)
		for _, line := range strings.Split(string(pem), "\n") {
			if body, err := base64.StdEncoding.DecodeString(line); err == nil && len(body) > len(seed) {
				secrets["the "+string(role)+" key's file"] = []byte(line)
			}
		}
	}
	token, err := os.ReadFile(filepath.Join(dir, "operator.token"))
	ts.Check(err)
	secrets["the operator's token"] = bytes.TrimSpace(token)
	signer, err := os.ReadFile(filepath.Join(dir, "signer"))
	ts.Check(err)
	sum := sha256.Sum256(bytes.SplitN(signer, []byte("\n"), 2)[0])
	secrets["the signer's digest"] = []byte(hex.EncodeToString(sum[:]))
	for what, secret := range secrets {
		if len(secret) < 8 {
			ts.Fatalf("%s has %d bytes: too few to look for", what, len(secret))
		}
		if bytes.Contains(raw, secret) {
			ts.Fatalf("%s has %s in it", file, what)
		}
	}
}
