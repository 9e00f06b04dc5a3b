package witness

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
)

const (
	// MaxRequest bounds the body of add-checkpoint, in bytes: a proof, and a
	// note of the greatest size.
	MaxRequest = checkpoint.MaxNote + 8<<10
	// MaxProofLines bounds a request's proof (C2SP tlog-witness).
	MaxProofLines = 63
)

// errRequest: the body is not a request in the form that C2SP tlog-witness gives it.
var errRequest = errors.New("malformed add-checkpoint request")

// request is the body of add-checkpoint.
type request struct {
	old        uint64        // the size that the client believes was co-signed last
	proof      []merkle.Hash // that the checkpoint's tree begins with the one of size old
	text       string        // of the checkpoint
	lines      []string      // its signatures
	checkpoint checkpoint.Checkpoint
}

// parseRequest reads a request's body. Errors wrap errRequest.
func parseRequest(body []byte) (*request, error) {
	if len(body) > MaxRequest {
		return nil, fmt.Errorf("%w: more than %d bytes", errRequest, MaxRequest)
	}
	head, note, found := bytes.Cut(body, []byte("\n\n"))
	if !found {
		return nil, fmt.Errorf("%w: no empty line before the checkpoint", errRequest)
	}
	first, rest, _ := strings.Cut(string(head), "\n")
	decimal, is := strings.CutPrefix(first, "old ")
	old, err := strconv.ParseUint(decimal, 10, 64)
	if !is || err != nil || strconv.FormatUint(old, 10) != decimal || old > merkle.MaxSize {
		return nil, fmt.Errorf("%w: the first line is %.40q, expected \"old\" and a size", errRequest, first)
	}
	r := &request{old: old}
	if len(head) > len(first) {
		for line := range strings.SplitSeq(rest, "\n") {
			if len(r.proof) == MaxProofLines {
				return nil, fmt.Errorf("%w: more than %d lines of proof", errRequest, MaxProofLines)
			}
			raw, err := base64.StdEncoding.Strict().DecodeString(line)
			if err != nil || len(raw) != merkle.HashSize || base64.StdEncoding.EncodeToString(raw) != line {
				return nil, fmt.Errorf("%w: line %d of the proof is not a hash in base64", errRequest, len(r.proof)+1)
			}
			r.proof = append(r.proof, merkle.Hash(raw))
		}
	}
	if r.text, r.lines, err = checkpoint.SplitNote(note); err != nil {
		return nil, fmt.Errorf("%w: %w", errRequest, err)
	}
	if r.checkpoint, _, err = checkpoint.ParseForeign(r.text); err != nil {
		return nil, fmt.Errorf("%w: %w", errRequest, err)
	}
	return r, nil
}

// encodeRequest gives a request's body.
func encodeRequest(old uint64, proof []merkle.Hash, note []byte) []byte {
	b := fmt.Appendf(nil, "old %d\n", old)
	for i := range proof {
		b = base64.StdEncoding.AppendEncode(b, proof[i][:])
		b = append(b, '\n')
	}
	b = append(b, '\n')
	return append(b, note...)
}
