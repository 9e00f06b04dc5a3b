package main

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"concordat/healthcode/shc"
	"concordat/ledger/statement"
)

// cards are the examples of smart-on-fhir/health-cards.
const cards = "../../healthcode/shc/testdata/examples/"

func cardText(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(cards + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// TestCardsAreRevokedByTheirRID: SMART Health Cards in every form that they come
// in, among other codes and hashes.
func TestCardsAreRevokedByTheirRID(t *testing.T) {
	qr := func(n, part int) string {
		return cardText(t, fmt.Sprintf("example-%02d-f-qr-code-numeric-value-%d.txt", n, part))
	}
	const (
		first  = "rid 801db4b49d9cd210cb38889db8e8125a" // example 00
		third  = "rid c33e5495205a500c767112669a1bbb77" // example 02, in three QR codes
		fourth = "rid 49e18d74f5b017d5666419b2ec72d53c" // example 03
		hash   = "00112233445566778899aabbccddeeff"
	)
	lines := func(all ...string) string {
		path := filepath.Join(t.TempDir(), "codes.txt")
		if err := os.WriteFile(path, []byte(strings.Join(all, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct {
		name string
		path string   // or
		args []string // the command line
		want []string // type, hash and time
		says string   // the error's part
	}{
		{name: "a QR code", args: []string{qr(0, 0)}, want: []string{first}},
		{name: "a JWS", args: []string{cardText(t, "example-03-d-jws.txt")}, want: []string{fourth}},
		{name: "three QR codes", args: []string{qr(2, 1), qr(2, 0), qr(2, 2)}, want: []string{third}},
		{name: "a file of lines", path: lines("# cards", qr(2, 2), "", qr(2, 1), qr(2, 0), qr(0, 0), hash), want: []string{third, first, "signature " + hash}},
		{name: "a file of a card", path: cards + "example-03-e-file.smart-health-card", want: []string{fourth}},
		{name: "the issuer's list", path: cards + "issuer/.well-known/crl/3Kfdg-XwP-7gXyywtUfUADwBumDOPKMQx-iELL11W9s.json", want: []string{
			"rid ae0f76fc4b4bc18522acb020464d316b",
			"rid 53ce18846536aaf94c685e2fb7a0cd90",
			"rid 49e18d74f5b017d5666419b2ec72d53c 1687450765",
			"rid d6b428e8c8ce356c8c98260a5b203a2c 1687450765",
		}},

		{name: "no rid", args: []string{qr(1, 0)}, says: "argument 1: the card has no rid, so it cannot be revoked by itself: end its key with concordat issuer retire or compromise"},
		{name: "no rid, in a file", path: lines(hash, qr(1, 0)), says: ":2: the card has no rid"},
		{name: "a chunk is missing", path: lines(hash, qr(2, 0), qr(2, 1), hash), says: ":2: unreadable SMART Health Card: chunks: of 3, these are missing: 3"},
		{name: "a chunk is missing at the end", path: lines(qr(2, 0)), says: "these are missing: 2, 3"},
		{name: "too many chunks", path: lines(slices.Repeat([]string{qr(2, 0)}, shc.MaxChunks+1)...), says: "chunk 1 of 3 is there twice"},
		{name: "JSON that is neither", path: cards + "issuer/.well-known/jwks.json", says: "want codes or hashes, one a line, a card revocation list, or a .smart-health-card file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var from hashSource = hashArgs{test.args}
			var err error
			if test.path != "" {
				from, err = openSource(test.path)
			}
			var got []string
			if err == nil {
				err = from.each(hashReader{}, func(n revocable) error {
					for _, h := range n.hashes {
						one := string(h.Type) + " " + hex.EncodeToString(h.Hash[:])
						if n.before != 0 {
							one += fmt.Sprintf(" %d", int64(n.before))
						}
						got = append(got, one)
					}
					return nil
				})
			}
			if test.says != "" {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("%v, want %q", err, test.says)
				}
				return
			}
			if err != nil || !slices.Equal(got, test.want) {
				t.Errorf("%q, %v; want %q", got, err, test.want)
			}
		})
	}
}

// TestCardSpared: --issued-before goes with every code and hash.
func TestCardSpared(t *testing.T) {
	from := hashArgs{[]string{cardText(t, "example-00-d-jws.txt"), "00112233445566778899aabbccddeeff"}}
	read := 0
	err := from.each(hashReader{want: statement.HashRID, before: 5}, func(n revocable) error {
		read++
		if n.before != 5 || n.hashes[0].Type != "rid" {
			t.Errorf("%+v", n)
		}
		return nil
	})
	if err != nil || read != 2 {
		t.Errorf("%d, %v", read, err)
	}
}
