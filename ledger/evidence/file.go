package evidence

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"strings"

	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// MaxFile bounds an evidence file, in bytes.
const MaxFile = 96 << 10

const (
	fileTitle  = "Concordat evidence, version 1\n"
	pemType    = "CONCORDAT EVIDENCE"
	pemNetwork = "Network"
)

// EncodeFile gives the evidence file of a proof in the network of that id: a
// text for people, with what was signed, and the proof's bytes in PEM (RFC 7468)
// at its end. The text is a function of the proof, so it cannot say anything else.
func EncodeFile(p Proof, network statement.NetworkID) []byte {
	var b bytes.Buffer
	b.WriteString(fileTitle + "\n" + p.Words() + "\n")
	fmt.Fprintf(&b, "\nNetwork: %s\nCulprit: %s\nKind:    %s\n", network, p.culprit, p.kind)
	switch p.kind {
	case KindTwoRoots, KindTwoHistories:
		for i, s := range []SignedCheckpoint{p.first, p.second} {
			fmt.Fprintf(&b, "\nCheckpoint %d, as a signed note:\n\n%s\n%s", i+1, s.Checkpoint.Text(), s.Line)
		}
		if p.kind == KindTwoHistories {
			fmt.Fprintf(&b, "\nThe tree of checkpoint 2 began, at the size of checkpoint 1, with the root\n%x;\nits consistency proof (RFC 6962, section 2.1.2) has %d hashes:\n", p.prefix, len(p.consistency))
			for _, h := range p.consistency {
				fmt.Fprintf(&b, "%x\n", h)
			}
		}
	case KindTwoBlocks:
		for i, s := range p.blocks {
			fmt.Fprintf(&b, "\nBlock %d, header and signature:\n\n%s%s", i+1, wrapped(s.Header), wrapped(s.Signature))
			if h, err := s.Claimed(); err == nil {
				fmt.Fprintf(&b, "(statements: %d; their digest: %x; on the root: %x)\n", h.Count, h.Body, h.Root)
			}
		}
	}
	b.WriteString("\nAnyone can check this with the network's genesis file: concordat evidence verify FILE\n\n")
	b.Write(pem.EncodeToMemory(&pem.Block{Type: pemType, Headers: map[string]string{pemNetwork: network.String()}, Bytes: p.Encode()}))
	return b.Bytes()
}

// wrapped gives hex in lines of 64 digits.
func wrapped(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		n := min(len(b), merkle.HashSize)
		out.WriteString(hex.EncodeToString(b[:n]) + "\n")
		b = b[n:]
	}
	return out.String()
}

// ParseFile reads an evidence file of at most MaxFile bytes: the proof, which
// is still to be verified, and the id of the network that it is said to be of.
// Whatever EncodeFile would not write is refused, so the text says what the
// proof says. Errors wrap ErrMalformed.
func ParseFile(raw []byte) (Proof, statement.NetworkID, error) {
	fail := func(err error) (Proof, statement.NetworkID, error) { return Proof{}, statement.NetworkID{}, err }
	if len(raw) > MaxFile {
		return fail(fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(raw), MaxFile))
	}
	if !bytes.HasPrefix(raw, []byte(fileTitle)) {
		return fail(malformed("the file does not begin with %q", strings.TrimSpace(fileTitle)))
	}
	i := bytes.Index(raw, []byte("-----BEGIN "))
	if i < 0 {
		return fail(malformed("the file ends without the part that begins with -----BEGIN %s-----", pemType))
	}
	part, rest := pem.Decode(raw[i:])
	if part == nil || part.Type != pemType || len(rest) > 0 {
		return fail(malformed("the file does not end with one part %s in PEM", pemType))
	}
	var network statement.NetworkID
	id, err := hex.DecodeString(part.Headers[pemNetwork])
	if err != nil || len(id) != len(network) {
		return fail(malformed("network is %.80q, want the %d bytes of its id in hex", part.Headers[pemNetwork], len(network)))
	}
	copy(network[:], id)
	p, err := Parse(part.Bytes)
	if err != nil {
		return fail(err)
	}
	if !bytes.Equal(raw, EncodeFile(p, network)) {
		return fail(malformed("the text is not the one that belongs to the proof; use the file as it was made, an editor may have changed it"))
	}
	return p, network, nil
}
