package receipt

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"concordat/ledger/merkle"
)

// header opens a file of C2SP tlog-proof.
const header = "c2sp.org/tlog-proof@v1\n"

// extraVersion is the version of the layout of the extra line.
const extraVersion = 1

// extra is what a tlog-proof does not carry by itself: the entry, and the way to
// its validators. C2SP leaves the extra line to the application, unauthenticated;
// here the proof authenticates the statement, and each step itself.
type extra struct {
	Version   uint64 `cbor:"1,keyasint"`
	Statement []byte `cbor:"2,keyasint"`
	Steps     []Step `cbor:"3,keyasint,omitempty"`
}

// TLogProof gives the receipt as a file of C2SP tlog-proof, in which every tool
// for that format finds the proof, and this package the statement too. Errors
// wrap ErrMalformed: a part is missing or too large.
func (r Receipt) TLogProof() ([]byte, error) {
	if err := r.checkForm(); err != nil {
		return nil, err
	}
	more, err := codec.Encode(extra{Version: extraVersion, Statement: r.Statement, Steps: wireSteps(r.Steps)})
	if err != nil {
		return nil, fmt.Errorf("encoding the extra line: %w", err)
	}
	var b bytes.Buffer
	b.WriteString(header)
	b.WriteString("extra " + base64.StdEncoding.EncodeToString(more) + "\n")
	b.WriteString("index " + strconv.FormatUint(r.Index, 10) + "\n")
	for _, h := range r.Proof {
		b.WriteString(base64.StdEncoding.EncodeToString(h[:]) + "\n")
	}
	b.WriteString("\n")
	b.Write(r.Note)
	if b.Len() > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, b.Len(), MaxSize)
	}
	return b.Bytes(), nil
}

// ParseTLogProof reads a receipt that TLogProof wrote. Errors wrap ErrMalformed.
func ParseTLogProof(raw []byte) (Receipt, error) {
	if len(raw) > MaxSize {
		return Receipt{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(raw), MaxSize)
	}
	rest, ok := strings.CutPrefix(string(raw), header)
	if !ok {
		return Receipt{}, malformed("the first line is not %q", strings.TrimSpace(header))
	}
	line, rest, ok := strings.Cut(rest, "\n")
	b64, okExtra := strings.CutPrefix(line, "extra ")
	if !ok || !okExtra {
		return Receipt{}, malformed("it has no extra line, with which a receipt of Concordat carries its statement")
	}
	more, err := base64.StdEncoding.Strict().DecodeString(b64)
	if err != nil {
		return Receipt{}, malformed("extra: %w", err)
	}
	var x extra
	if err := codec.Decode(more, &x); err != nil {
		return Receipt{}, malformed("extra: %w", err)
	}
	if err := checkRead(x.Steps); err != nil {
		return Receipt{}, malformed("extra: %w", err)
	}
	if x.Version != extraVersion {
		return Receipt{}, malformed("extra: version is %d, want %d", x.Version, extraVersion)
	}
	line, rest, ok = strings.Cut(rest, "\n")
	number, okIndex := strings.CutPrefix(line, "index ")
	index, err := strconv.ParseUint(number, 10, 64)
	if !ok || !okIndex || err != nil {
		return Receipt{}, malformed("the third line is %.40q, want the index", line)
	}
	r := Receipt{Index: index, Statement: x.Statement, Steps: x.Steps}
	for {
		if line, rest, ok = strings.Cut(rest, "\n"); !ok {
			return Receipt{}, malformed("it ends within the proof")
		}
		if line == "" {
			break
		}
		if len(r.Proof) == merkle.MaxProof {
			return Receipt{}, fmt.Errorf("%w: more than %d hashes", ErrTooLarge, merkle.MaxProof)
		}
		h, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil || len(h) != merkle.HashSize {
			return Receipt{}, malformed("%.64q is not a hash of %d bytes in base64", line, merkle.HashSize)
		}
		r.Proof = append(r.Proof, merkle.Hash(h))
	}
	r.Note = []byte(rest)
	if _, _, err := r.parts(); err != nil {
		return Receipt{}, err
	}
	again, err := r.TLogProof()
	if err != nil {
		return Receipt{}, err
	}
	if !bytes.Equal(again, raw) { // P1
		return Receipt{}, malformed("it is not in its one encoding; use the file as it was made")
	}
	return r, nil
}
