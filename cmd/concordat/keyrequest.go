package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"concordat/client"
	"concordat/ledger/statement"
)

// keyRequestFormat names the layout of a request for a new key, in its first field.
const keyRequestFormat = "concordat-key-request/1"

// maxKeyRequest bounds such a file, in bytes.
const maxKeyRequest = 4 << 10

// keyRequest is a new key of an authority, proved by itself, which the others are
// to vote on: public, to be handed to a member.
type keyRequest struct {
	Format    string            `json:"format"` // keyRequestFormat
	Authority statement.Region  `json:"authority"`
	Network   string            `json:"network"` // hex
	Key       client.KeyRequest `json:"key"`
}

func (r *keyRequest) encode() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	return append(b, '\n'), err
}

// parseKeyRequest reads one and checks its proof.
func parseKeyRequest(raw []byte) (*keyRequest, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	r := new(keyRequest)
	if err := d.Decode(r); err != nil {
		return nil, usage("no request for a key: %w", err)
	}
	if d.More() || r.Format != keyRequestFormat {
		return nil, usage("no request for a key: format is %.40q, want %q", r.Format, keyRequestFormat)
	}
	if err := r.Authority.Validate(); err != nil {
		return nil, err
	}
	network, err := client.ParseNetwork(r.Network)
	if err != nil {
		return nil, usage("network: %w", err)
	}
	k := r.Key.NewKey()
	if err := k.Validate(); err != nil {
		return nil, err
	}
	if !k.Proves(network, r.Authority) {
		return nil, usage("the proof is not made by the new key, for %s in network %s; ask the authority for the file again", r.Authority, short(r.Network))
	}
	return r, nil
}

// fingerprint is how people compare a key, by voice or on paper.
func fingerprint(public []byte) string { return fmt.Sprintf("%x", statement.KeyIDOf(public)) }
