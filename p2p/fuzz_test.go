package p2p

import (
	"bytes"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"
)

func replyOf(k kind) any {
	switch k {
	case kindAppendEntries | kindReply:
		return &raft.AppendEntriesResponse{}
	case kindRequestVote | kindReply:
		return &raft.RequestVoteResponse{}
	case kindRequestPreVote | kindReply:
		return &raft.RequestPreVoteResponse{}
	default:
		return &raft.TimeoutNowResponse{}
	}
}

// fuzzHighest is the highest plausible term there.
const fuzzHighest = 1000

// FuzzFrame decodes arbitrary bytes as a frame. What is decoded encodes to the same
// bytes, and what passes the filter is what Raft can live with.
func FuzzFrame(f *testing.F) {
	me, victim := testMember(f, "XM"), testMember(f, "XA")
	for _, a := range attacks(f, me, victim, 2, 9) {
		if len(a.raw) < 1<<16 {
			f.Add(a.raw)
		}
	}
	head := headerOf(me)
	f.Add(frameOf(f, &raft.AppendEntriesRequest{RPCHeader: head, Term: 2, PrevLogEntry: 9, PrevLogTerm: 2, Entries: someEntriesAt(10, 2, raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: "XM", Address: raft.ServerAddress(me.Peer.String())}}}))}))
	for _, r := range []any{&raft.AppendEntriesResponse{RPCHeader: head, Term: 2, Success: true}, &raft.RequestVoteResponse{RPCHeader: head, Term: 2, Granted: true}, &raft.RequestPreVoteResponse{RPCHeader: head}, &raft.TimeoutNowResponse{}} {
		frame, err := encodeReply(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(frame)
	}
	f.Add(errorFrame(&RemoteError{"code", "message"}))
	judge := filter{term: 2, highest: fuzzHighest, leader: me.Peer.String(), knows: func(s server) bool { return s == me.server() || s == victim.server() }}

	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < frameHeaderSize {
			return
		}
		hdr, err := parseFrameHeader([frameHeaderSize]byte(raw), DefaultMaxFrame)
		if err != nil {
			return
		}
		body, err := readBody(bytes.NewReader(raw[frameHeaderSize:]), hdr.size)
		if err != nil {
			return
		}
		raw = raw[:frameHeaderSize+hdr.size]
		if hdr.kind == kindError {
			if e, err := parseError(body); err == nil && !bytes.Equal(errorFrame(e), raw) {
				t.Fatalf("error %+v encodes to other bytes", e)
			}
			return
		}
		if hdr.kind&kindReply != 0 {
			r := replyOf(hdr.kind)
			if decodeReply(hdr.kind, body, r) != nil {
				return
			}
			again, err := encodeReply(r)
			if err != nil || !bytes.Equal(again, raw) {
				t.Fatalf("%+v encodes to other bytes, %v", r, err)
			}
			if _, err := judge.reply(me, 2, r); err == nil {
				if a, ok := r.(*raft.AppendEntriesResponse); ok && (a.Term > fuzzHighest || a.LastLog > maxIndex) {
					t.Fatalf("let through: %+v", a)
				}
			}
			return
		}
		command, err := decodeRequest(hdr.kind, body)
		if err != nil {
			return
		}
		again, _, err := encodeRequest(command, DefaultMaxFrame)
		if err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("%+v encodes to other bytes, %v", command, err)
		}
		good, err := judge.request(me, command)
		if err != nil && reasonOf(err) == 0 {
			t.Fatalf("not a refusal: %v", err)
		}
		if err != nil && !forNow(err) {
			return
		}
		if c, ok := command.(*raft.AppendEntriesRequest); ok {
			for i, e := range c.Entries[:good] {
				if e.Index != c.PrevLogEntry+uint64(i)+1 || e.Term > c.Term || c.Term > fuzzHighest {
					t.Fatalf("let through: entry %d, term %d, in term %d", e.Index, e.Term, c.Term)
				}
				if e.Type == raft.LogConfiguration {
					raft.DecodeConfiguration(e.Data) // panics if Raft would
				}
			}
		}
	})
}

func someEntriesAt(index, term uint64, configuration []byte) []*raft.Log {
	return []*raft.Log{
		{Index: index, Term: term, Type: raft.LogNoop},
		{Index: index + 1, Term: term, Type: raft.LogCommand, Data: []byte("x"), AppendedAt: time.Unix(1, 2)},
		{Index: index + 2, Term: term, Type: raft.LogConfiguration, Data: configuration},
	}
}

// FuzzConfiguration is about the bytes that make Raft panic on every start.
func FuzzConfiguration(f *testing.F) {
	me := testMember(f, "XM")
	f.Add(raft.EncodeConfiguration(raft.Configuration{Servers: []raft.Server{{ID: "XM", Address: raft.ServerAddress(me.Peer.String())}}}))
	f.Add([]byte("\x81\xa7Servers\xdd\xff\xff\xff\xff"))
	f.Add([]byte("\xc1"))
	judge := filter{knows: func(s server) bool { return s == me.server() }}
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := judge.configuration(data); err != nil {
			if reasonOf(err) == 0 {
				t.Fatalf("not a refusal: %v", err)
			}
			return
		}
		if conf := raft.DecodeConfiguration(data); len(conf.Servers) != 1 {
			t.Fatalf("let through: %+v", conf)
		}
	})
}

// Any request that an honest node could build survives the codec, whatever fits.
func TestCodecRoundTrip(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		blob := func(max int, label string) []byte { return rapid.SliceOfN(rapid.Byte(), 0, max).Draw(r, label) }
		c := &raft.AppendEntriesRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: 3, ID: blob(maxAuthority, "id"), Addr: blob(maxPeerIDBytes, "addr")},
			Term:      rapid.Uint64().Draw(r, "term"), PrevLogEntry: rapid.Uint64().Draw(r, "prev"),
			PrevLogTerm: rapid.Uint64().Draw(r, "prevTerm"), LeaderCommitIndex: rapid.Uint64().Draw(r, "commit"),
		}
		for range rapid.IntRange(0, 20).Draw(r, "entries") {
			c.Entries = append(c.Entries, &raft.Log{Index: rapid.Uint64().Draw(r, "index"), Term: rapid.Uint64().Draw(r, "eterm"), Type: raft.LogType(rapid.Byte().Draw(r, "type")), Data: blob(300, "data")})
		}
		max := rapid.IntRange(appendEntriesOverhead+300, 8<<10).Draw(r, "max")
		frame, n, err := encodeAppendEntries(c, max)
		if err != nil {
			r.Fatal(err)
		}
		if len(frame)-frameHeaderSize > max {
			r.Fatalf("frame of %d bytes, at most %d", len(frame)-frameHeaderSize, max)
		}
		if n == 0 && len(c.Entries) > 0 {
			r.Fatal("no entry was taken")
		}
		got, err := decodeRequest(kind(frame[4]), frame[frameHeaderSize:])
		if err != nil {
			r.Fatal(err)
		}
		again, m, err := encodeRequest(got, max)
		if err != nil || m != n || !bytes.Equal(again, frame) {
			r.Fatalf("%d entries, %d again, %v", n, m, err)
		}
	})
}
