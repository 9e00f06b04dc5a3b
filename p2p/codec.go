package p2p

//lint:file-ignore SA1019 Raft sets and reads its deprecated Leader and Candidate beside Addr, so an honest message has them too.

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// The codec of Raft's messages, by hand: fixed-width big-endian integers and
// length-prefixed bytes, in the order of FORMAT.md. There is one encoding of each
// message; decoding refuses anything else, trailing bytes included, and its work
// and memory are bounded by the bytes that arrived (P4). Whether the values make
// sense is the filter's business.

// Bounds of the codec.
const (
	maxEntries = 1024 // of one AppendEntries; Raft's own cap for MaxAppendEntries
	maxHeader  = 1 + 1 + maxAuthority + 1 + maxPeerIDBytes

	// entryHeader is what precedes an entry's data.
	entryHeader = 8 + 8 + 1 + 8 + 4
	// appendEntriesOverhead is the most that an AppendEntries has around the data
	// of its only entry.
	appendEntriesOverhead = maxHeader + 4*8 + 4 + entryHeader
)

// encodeRequest returns the frame of a request, or of as many of its entries as
// fit max bytes; n says how many did.
func encodeRequest(command any, max int) (frame []byte, n int, err error) {
	switch c := command.(type) {
	case *raft.AppendEntriesRequest:
		return encodeAppendEntries(c, max)
	case *raft.RequestVoteRequest:
		b := appendHeader(beginFrame(nil, kindRequestVote), c.RPCHeader)
		b = appendUint64s(b, c.Term, c.LastLogIndex, c.LastLogTerm)
		b = appendBool(b, c.LeadershipTransfer)
		return endFrame(b, 0), 0, nil
	case *raft.RequestPreVoteRequest:
		b := appendHeader(beginFrame(nil, kindRequestPreVote), c.RPCHeader)
		b = appendUint64s(b, c.Term, c.LastLogIndex, c.LastLogTerm)
		return endFrame(b, 0), 0, nil
	case *raft.TimeoutNowRequest:
		return endFrame(appendHeader(beginFrame(nil, kindTimeoutNow), c.RPCHeader), 0), 0, nil
	default:
		return nil, 0, fmt.Errorf("p2p: no encoding for %T", command)
	}
}

func encodeAppendEntries(c *raft.AppendEntriesRequest, max int) (frame []byte, n int, err error) {
	size := appendEntriesOverhead - entryHeader
	for _, e := range c.Entries {
		if len(e.Extensions) > 0 {
			return nil, 0, fmt.Errorf("p2p: entry %d has %d bytes of extensions, which nothing of ours writes", e.Index, len(e.Extensions))
		}
		if size += entryHeader + len(e.Data); size > max || n == maxEntries {
			break
		}
		n++
	}
	if n == 0 && len(c.Entries) > 0 {
		return nil, 0, fmt.Errorf("%w: entry %d has %d bytes of data, at most %d fit a frame: it should not have been proposed",
			ErrTooLarge, c.Entries[0].Index, len(c.Entries[0].Data), max-appendEntriesOverhead)
	}
	b := appendHeader(beginFrame(make([]byte, 0, frameHeaderSize+min(size, max)), kindAppendEntries), c.RPCHeader)
	b = appendUint64s(b, c.Term, c.PrevLogEntry, c.PrevLogTerm, c.LeaderCommitIndex)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	for _, e := range c.Entries[:n] {
		b = appendUint64s(b, e.Index, e.Term)
		b = append(b, byte(e.Type))
		b = appendUint64s(b, uint64(unixNano(e.AppendedAt)))
		b = binary.BigEndian.AppendUint32(b, uint32(len(e.Data)))
		b = append(b, e.Data...)
	}
	return endFrame(b, 0), n, nil
}

// decodeRequest decodes the body of a request. Entries' data shares body's memory.
func decodeRequest(k kind, body []byte) (any, error) {
	d := decoder{rest: body}
	var command any
	switch k {
	case kindAppendEntries:
		c := &raft.AppendEntriesRequest{RPCHeader: d.header()}
		c.Term, c.PrevLogEntry, c.PrevLogTerm, c.LeaderCommitIndex = d.uint64(), d.uint64(), d.uint64(), d.uint64()
		c.Entries = d.entries()
		c.Leader = c.Addr // Raft's older name for the same; not on the wire
		command = c
	case kindRequestVote:
		c := &raft.RequestVoteRequest{RPCHeader: d.header()}
		c.Term, c.LastLogIndex, c.LastLogTerm = d.uint64(), d.uint64(), d.uint64()
		c.LeadershipTransfer = d.bool()
		c.Candidate = c.Addr
		command = c
	case kindRequestPreVote:
		c := &raft.RequestPreVoteRequest{RPCHeader: d.header()}
		c.Term, c.LastLogIndex, c.LastLogTerm = d.uint64(), d.uint64(), d.uint64()
		command = c
	case kindTimeoutNow:
		command = &raft.TimeoutNowRequest{RPCHeader: d.header()}
	default:
		return nil, refuse(RefusedKind, "request of kind %#x", uint8(k))
	}
	if err := d.end(); err != nil {
		return nil, err
	}
	return command, nil
}

// encodeReply returns the frame that answers a request.
func encodeReply(response any) ([]byte, error) {
	var b []byte
	switch r := response.(type) {
	case *raft.AppendEntriesResponse:
		b = appendHeader(beginFrame(nil, kindAppendEntries|kindReply), r.RPCHeader)
		b = appendUint64s(b, r.Term, r.LastLog)
		b = appendBool(appendBool(b, r.Success), r.NoRetryBackoff)
	case *raft.RequestVoteResponse:
		b = appendHeader(beginFrame(nil, kindRequestVote|kindReply), r.RPCHeader)
		b = appendBool(appendUint64s(b, r.Term), r.Granted)
	case *raft.RequestPreVoteResponse:
		b = appendHeader(beginFrame(nil, kindRequestPreVote|kindReply), r.RPCHeader)
		b = appendBool(appendUint64s(b, r.Term), r.Granted)
	case *raft.TimeoutNowResponse:
		// Raft leaves this header empty, and decodeReply does not ask for it.
		b = beginFrame(nil, kindTimeoutNow|kindReply)
	default:
		return nil, fmt.Errorf("p2p: no encoding for %T", response)
	}
	return endFrame(b, 0), nil
}

// decodeReply decodes an answer into response, which is of the type that the
// request asks for, and overwrites all of it.
func decodeReply(k kind, body []byte, response any) error {
	d := decoder{rest: body}
	var want kind
	switch r := response.(type) {
	case *raft.AppendEntriesResponse:
		want = kindAppendEntries | kindReply
		*r = raft.AppendEntriesResponse{RPCHeader: d.header(), Term: d.uint64(), LastLog: d.uint64(), Success: d.bool(), NoRetryBackoff: d.bool()}
	case *raft.RequestVoteResponse:
		want = kindRequestVote | kindReply
		*r = raft.RequestVoteResponse{RPCHeader: d.header(), Term: d.uint64(), Granted: d.bool()}
	case *raft.RequestPreVoteResponse:
		want = kindRequestPreVote | kindReply
		*r = raft.RequestPreVoteResponse{RPCHeader: d.header(), Term: d.uint64(), Granted: d.bool()}
	case *raft.TimeoutNowResponse:
		want = kindTimeoutNow | kindReply
		*r = raft.TimeoutNowResponse{}
	default:
		return fmt.Errorf("p2p: no decoding for %T", response)
	}
	if k != want {
		return refuse(RefusedKind, "answer of kind %#x, want %#x", uint8(k), uint8(want))
	}
	return d.end()
}

func appendHeader(b []byte, h raft.RPCHeader) []byte {
	b = append(b, byte(h.ProtocolVersion))
	b = append(append(b, byte(len(h.ID))), h.ID...)
	return append(append(b, byte(len(h.Addr))), h.Addr...)
}

func appendUint64s(b []byte, vs ...uint64) []byte {
	for _, v := range vs {
		b = binary.BigEndian.AppendUint64(b, v)
	}
	return b
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// unixNano is 0 for Go's zero time, whose UnixNano is undefined.
func unixNano(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// decoder takes a message apart from the front. The first fault sticks: what is
// taken after it is zero, so that a caller checks once, with end.
type decoder struct {
	rest []byte
	err  error
}

// take returns the next n bytes, of which there may be max.
func (d *decoder) take(n, max int, what string) []byte {
	if d.err != nil {
		return nil
	}
	if n > max {
		d.err = refuse(RefusedMalformed, "%s of %d bytes, at most %d", what, n, max)
		return nil
	}
	if n > len(d.rest) {
		d.err = refuse(RefusedMalformed, "%s of %d bytes, but %d are left", what, n, len(d.rest))
		return nil
	}
	b := d.rest[:n:n]
	d.rest = d.rest[n:]
	return b
}

func (d *decoder) uint8() uint8 {
	if b := d.take(1, 1, "integer"); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) uint16() uint16 {
	if b := d.take(2, 2, "integer"); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) uint32() uint32 {
	if b := d.take(4, 4, "integer"); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.take(8, 8, "integer"); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) bool() bool {
	v := d.uint8()
	if v > 1 && d.err == nil {
		d.err = refuse(RefusedMalformed, "boolean of value %d, want 0 or 1", v)
	}
	return v == 1
}

func (d *decoder) header() raft.RPCHeader {
	return raft.RPCHeader{
		ProtocolVersion: raft.ProtocolVersion(d.uint8()),
		ID:              d.take(int(d.uint8()), maxAuthority, "server id"),
		Addr:            d.take(int(d.uint8()), maxPeerIDBytes, "server address"),
	}
}

func (d *decoder) entries() []*raft.Log {
	n := int(d.uint32())
	if d.err != nil || n == 0 {
		return nil
	}
	if n > maxEntries || n > len(d.rest)/entryHeader {
		d.err = refuse(RefusedMalformed, "%d entries in %d bytes, at most %d in all and one in %d bytes", n, len(d.rest), maxEntries, entryHeader)
		return nil
	}
	logs := make([]raft.Log, n)
	out := make([]*raft.Log, n)
	for i := range logs {
		e := &logs[i]
		e.Index, e.Term, e.Type = d.uint64(), d.uint64(), raft.LogType(d.uint8())
		if at := int64(d.uint64()); at != 0 {
			e.AppendedAt = time.Unix(0, at).UTC()
		}
		size := d.uint32()
		if uint64(size) > uint64(len(d.rest)) {
			size = uint32(len(d.rest)) + 1 // let take refuse it, whatever int's width
		}
		e.Data = d.take(int(size), len(d.rest), "entry")
		out[i] = e
	}
	return out
}

// end returns the first fault, or that something is left over.
func (d *decoder) end() error {
	if d.err == nil && len(d.rest) > 0 {
		d.err = refuse(RefusedMalformed, "%d bytes after the message's end", len(d.rest))
	}
	return d.err
}
