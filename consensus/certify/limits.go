package certify

import (
	"time"

	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
)

// Every bound on what others can make this package keep, do or send (F6).
const (
	// maxEchoes is how many echoes a message has, and how many are remembered of one validator.
	maxEchoes = 8
	// maxRecent is how many signature lines are remembered of one validator; those
	// of the greatest sizes stay. A mark has two, or four while its keys change.
	maxRecent = 32
	// maxFormer is how many pairs of keys a node may have beside its present ones.
	maxFormer = 4
	// maxSuspects is how many lines on another history are remembered of one validator.
	maxSuspects = 12
	// maxHeaders is how many signed headers of blocks are remembered of one proposer.
	maxHeaders = 64
	// maxPushed is how many notes a push has, and how many wait for one peer.
	maxPushed = 4
	// maxPushedNote and maxPushedLines bound one note of a push.
	maxPushedNote  = 4 << 10
	maxPushedLines = 4
	// maxPins is how many views of heads that are not certified yet are kept for FinalView.
	maxPins = 48
	// maxFacts is how many sizes' roots are kept in memory.
	maxFacts = 512
	// maxMembers is how many other nodes are talked to.
	maxMembers = 512

	// messageRate bounds the messages of one peer that are looked at, per second;
	// at once it is those of two seconds.
	messageRate = 40
	// notesRate bounds the notes that strangers show us, all together, a second.
	notesRate = 20

	// clockSlack is how far ahead of our clock a co-signature that counts may be.
	clockSlack = 5 * time.Minute
	// callTime is how long one call may take.
	callTime = 3 * time.Second
	// stalled is how long nothing is certified before anybody may mark.
	stalled = time.Second
	// gather is how long the co-signatures that come after the quorum are
	// gathered before they join the note: each time it is made all are verified.
	gather = time.Second
	// repeat is how soon an echo that did not lead to a certificate may be repeated.
	repeat = 500 * time.Millisecond
	// pullEvery is how often a node that is behind asks others.
	pullEvery = time.Second
	// pullPeers is how many others are asked at once.
	pullPeers = 3
	// silent is how long beyond a round nothing is heard of a peer before it is said not to answer.
	silent = 3 * time.Second
	// probeEvery is how often one validator is asked where its history leaves ours.
	probeEvery = 10 * time.Second
	// evidenceLeast and evidenceMost bound the wait before evidence that was not taken is told again.
	evidenceLeast = time.Second
	evidenceMost  = time.Minute
	// backoffLeast and backoffMost bound the wait after a call that failed.
	backoffLeast = 50 * time.Millisecond
	backoffMost  = time.Second
)

// Sizes of messages.
const (
	echoSize        = 8 + merkle.HashSize
	maxEchoRequest  = 2 + maxEchoes*(merkle.HashSize+echoSize)
	maxPushRequest  = 2 + maxPushed*(4+maxPushedNote)
	maxBlockAnswer  = 1 + merkle.HashSize + block.MaxHeaderProof
	maxNewestAnswer = checkpoint.MaxNote
)
