package p2p

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// ErrRefused is wrapped by every refusal: a message that no honest peer sends, or
// one that this node will not take now. The refused message had no effect.
var ErrRefused = errors.New("p2p: refused")

// Refusal is the reason for which a message was refused. Its number is on the wire
// (FORMAT.md), so a number is never reused.
type Refusal uint8

const (
	RefusedMalformed     Refusal = iota + 1 // not the bytes of any message
	RefusedKind                             // a kind of message that is not spoken here
	RefusedTooLarge                         // more bytes than allowed
	RefusedNotMember                        // the ledger does not name the sender
	RefusedNotVoter                         // the sender is no validator
	RefusedForged                           // the message names another sender than the connection's
	RefusedProtocol                         // a version of Raft's protocol that is not ours
	RefusedTerm                             // a term that no honest node reaches
	RefusedIndex                            // indices or terms that cannot be one log's
	RefusedEntryType                        // a type of entry that we never write
	RefusedConfiguration                    // a membership entry that Raft could not read
	RefusedServer                           // a membership entry with a server that is no member
	RefusedEntry                            // the caller's Entry said no
	RefusedNotLeader                        // TimeoutNow from another than the leader
	RefusedSnapshot                         // a snapshot, see [ErrSnapshot]
	RefusedBusy                             // as many in progress as allowed
	RefusedSlow                             // a message that took too long to arrive
	RefusedUnavailable                      // nobody here to take it: starting or stopping
	RefusedVote                             // an answer that says yes to another term than asked
	RefusedTransferRate                     // leadership handed over more often than a peer may
	RefusedTermRate                         // our term unsettled more often than a peer may
	numRefusals
)

var refusalNames = [numRefusals]string{
	0:                    "unspecified",
	RefusedMalformed:     "malformed",
	RefusedKind:          "kind",
	RefusedTooLarge:      "too-large",
	RefusedNotMember:     "not-member",
	RefusedNotVoter:      "not-voter",
	RefusedForged:        "forged-sender",
	RefusedProtocol:      "protocol-version",
	RefusedTerm:          "absurd-term",
	RefusedIndex:         "absurd-index",
	RefusedEntryType:     "entry-type",
	RefusedConfiguration: "configuration",
	RefusedServer:        "configuration-server",
	RefusedEntry:         "entry",
	RefusedNotLeader:     "not-leader",
	RefusedSnapshot:      "snapshot",
	RefusedBusy:          "busy",
	RefusedSlow:          "slow",
	RefusedUnavailable:   "unavailable",
	RefusedVote:          "vote",
	RefusedTransferRate:  "transfer-too-often",
	RefusedTermRate:      "term-too-often",
}

// String returns the stable kebab-case name, as in [Host.Refused].
func (r Refusal) String() string {
	if int(r) < len(refusalNames) {
		return refusalNames[r]
	}
	return fmt.Sprintf("reason-%d", uint8(r))
}

// refusalError is a refusal with the values and bounds that led to it. The
// details stay in this node's log; only the reason goes over the wire.
type refusalError struct {
	reason Refusal
	detail string
}

func (e *refusalError) Error() string { return "p2p: refused (" + e.reason.String() + "): " + e.detail }
func (e *refusalError) Is(target error) bool {
	return target == ErrRefused
}

func refuse(reason Refusal, format string, args ...any) error {
	return &refusalError{reason, fmt.Sprintf(format, args...)}
}

// reasonOf returns the reason in err, or 0 if it is no refusal.
func reasonOf(err error) Refusal {
	var e *refusalError
	if errors.As(err, &e) {
		return e.reason
	}
	return 0
}

// RefusedError is what the sender of a refused message gets.
type RefusedError struct {
	By     string // the authority that refused
	Reason Refusal
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("p2p: %s refused the message (%s): its log has the values", e.By, e.Reason)
}

// EntryRefused reports that the peer's RaftConfig.Entry said no: the message was
// sound, and the peer does not take one of its entries now. Whoever uses the
// transport need not import this package to ask for it.
func (e *RefusedError) EntryRefused() bool { return e.Reason == RefusedEntry }

// Is makes errors.Is(err, ErrRefused) true.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// Where something was refused; the first half of a counter's name.
const (
	atConnection = "connection" // by the gater
	atRequest    = "request"    // Raft's requests
	atReply      = "reply"      // answers to Raft's requests
	atCall       = "call"       // calls and their answers
)

// logEvery is the least time between two log lines about one peer and one reason.
const logEvery = 10 * time.Second

// refusals counts what was refused and says so in the log, but not more often
// than logEvery for one peer and reason: a hostile peer must not fill the disk.
type refusals struct {
	log *slog.Logger

	mu     sync.Mutex
	counts map[string]uint64   // at + "/" + reason
	lines  map[string]*logLine // at + "/" + reason + "/" + peer; bounded by members × reasons
}

type logLine struct {
	last       time.Time
	suppressed uint64
}

func newRefusals(log *slog.Logger) *refusals {
	return &refusals{log: log, counts: make(map[string]uint64), lines: make(map[string]*logLine)}
}

// note counts one refusal. who is a member's authority, or empty for strangers,
// who all share one line so that the table cannot be made to grow.
func (r *refusals) note(at, who string, err error) {
	reason := reasonOf(err)
	name := at + "/" + reason.String()
	now := time.Now()

	r.mu.Lock()
	r.counts[name]++
	line := r.lines[name+"/"+who]
	if line == nil {
		line = &logLine{}
		r.lines[name+"/"+who] = line
	}
	quiet := now.Sub(line.last) < logEvery
	suppressed := line.suppressed
	if quiet {
		line.suppressed++
	} else {
		line.last, line.suppressed = now, 0
	}
	r.mu.Unlock()
	if quiet {
		return
	}

	level := slog.LevelWarn
	if reason == RefusedBusy || reason == RefusedUnavailable {
		level = slog.LevelDebug // ordinary under load and while starting
	}
	r.log.Log(context.Background(), level, "refused", "at", at, "from", who, "error", err, "suppressed", suppressed)
}

func (r *refusals) snapshot() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := make(map[string]uint64, len(r.counts))
	for k, v := range r.counts {
		m[k] = v
	}
	return m
}
