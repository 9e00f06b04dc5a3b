package state

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/evidence"
	"concordat/ledger/genesis"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

// testKey is the same key for the same name, always.
func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("state test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// testHash is the same revocation hash for the same name, always.
func testHash(name string) statement.RevocationHash {
	sum := sha256.Sum256([]byte("revocation hash " + name))
	return statement.RevocationHash(sum[:statement.HashSize])
}

// founding is a document with the given authorities, those after the third being observers.
func founding(t testing.TB, ids ...statement.Region) *genesis.Document {
	t.Helper()
	return foundingOf(t, 3, genesis.ProtocolLevel, ids...)
}

// foundingOf is founding with the first so many being validators, at a protocol level.
func foundingOf(t testing.TB, validators int, level uint64, ids ...statement.Region) *genesis.Document {
	t.Helper()
	doc := &genesis.Document{
		Format: genesis.Format, Network: "test.concordat", Created: "2021-01-01T00:00:00Z",
		ProtocolLevel: level, Policy: genesis.DefaultPolicy(),
	}
	for i, id := range ids {
		role := genesis.Validator
		if i >= validators {
			role = genesis.Observer
		}
		key := func(use Use) genesis.Key {
			return genesis.Key(testKey(string(id) + "/" + string(use)).Public().(ed25519.PublicKey))
		}
		doc.Authorities = append(doc.Authorities, genesis.Authority{
			ID: id, Name: "Region " + string(id), Role: role,
			Keys:      genesis.Keys{Governance: key(Governance), Statement: key(Statements), Node: key(Node), Cosign: key(Cosign)},
			Addresses: []string{fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", 4001+i)},
		})
	}
	if err := doc.Check(); err != nil {
		t.Fatalf("founding document: %v", err)
	}
	return doc
}

// world is a state with the statements that made it, checked after each.
type world struct {
	t     testing.TB
	mem   *Memory
	net   statement.NetworkID
	index uint64
	said  []spokenOnce
	clock statement.Time // what signers' clocks say
}

type spokenOnce struct {
	s          *statement.Verified
	attachment []byte
}

func newWorld(t testing.TB, ids ...statement.Region) *world {
	t.Helper()
	return newWorldOf(t, 3, genesis.ProtocolLevel, ids...)
}

// newWorldOf is newWorld with the first so many being validators, at a protocol level.
func newWorldOf(t testing.TB, validators int, level uint64, ids ...statement.Region) *world {
	t.Helper()
	doc := foundingOf(t, validators, level, ids...)
	return &world{t: t, mem: NewMemory(Found(doc)), net: doc.ID(), clock: 1_600_000_000}
}

// next is the revision that a statement of by with body should make.
func (w *world) next(by statement.Region, body statement.Body) uint64 {
	w.t.Helper()
	if !body.Kind().HasRevision() {
		return 0
	}
	rev, err := View{w.mem}.Revision(body.Subject(by))
	if err != nil {
		w.t.Fatal(err)
	}
	return rev + 1
}

// header is the proof of a block's header at one term and size, proposed in a
// validator's name and signed with a key. Headers of two times are two blocks.
func (w *world) header(by statement.Region, key string, at int64) block.HeaderProof {
	w.t.Helper()
	raw, err := block.Seal(block.Header{Network: w.net, Term: 3, Size: 7, Time: at, Proposer: by}, [][]byte{{1}}, nil, testKey(key))
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := block.Parse(raw)
	if err != nil {
		w.t.Fatal(err)
	}
	return b.Proof()
}

// twoBlocks is evidence that who holds the key signed two blocks for one place.
func (w *world) twoBlocks(by statement.Region, key string) evidence.Proof {
	return evidence.TwoBlocks(w.header(by, key, 1), w.header(by, key, 2))
}

func (w *world) sign(by statement.Region, revision uint64, body statement.Body, key ed25519.PrivateKey) *statement.Verified {
	w.t.Helper()
	s, err := statement.Sign(statement.Statement{
		Issuer: by, Network: w.net, Revision: revision, IssuedAt: w.clock, Body: body,
	}, key)
	if err != nil {
		w.t.Fatalf("signing a %s: %v", body.Kind(), err)
	}
	return s
}

// say signs and applies a statement with the next revision.
func (w *world) say(by statement.Region, body statement.Body, attachment []byte) Verdict {
	w.t.Helper()
	return w.apply(w.sign(by, w.next(by, body), body, signingKey(by, body.Kind())), attachment)
}

// signingKey is the key that signs an authority's statements of a kind.
func signingKey(by statement.Region, kind statement.Kind) ed25519.PrivateKey {
	return testKey(string(by) + "/" + string(signs(kind)))
}

// sealNow is the seal that a validator should make now. Its digests are made
// up: whoever holds the state in shards compares them, before Apply.
func (w *world) sealNow(at statement.Time) *statement.SealState {
	w.t.Helper()
	listed, err := View{w.mem}.SealedValidators()
	if err != nil {
		w.t.Fatal(err)
	}
	return &statement.SealState{
		Size: w.index, At: at, Validators: listed,
		Records: sha256.Sum256([]byte("records")), Revoked: sha256.Sum256([]byte("revoked")),
	}
}

// cosigned is a checkpoint of the network, co-signed in a validator's name with a key.
func (w *world) cosigned(by statement.Region, key string, size uint64, root string) evidence.SignedCheckpoint {
	w.t.Helper()
	c := checkpoint.Checkpoint{Origin: "test.concordat", Size: size, Root: merkle.Hash(sha256.Sum256([]byte(root)))}
	s, err := checkpoint.Cosign(c, by, time.Unix(1_600_000_000, 0), testKey(key))
	if err != nil {
		w.t.Fatal(err)
	}
	return evidence.SignedCheckpoint{By: by, Checkpoint: c, Line: s.Line}
}

// twoRoots is evidence that who holds the key signed two roots for one size in a validator's name.
func (w *world) twoRoots(by statement.Region, key string) evidence.Proof {
	return evidence.TwoRoots(w.cosigned(by, key, 7, "one"), w.cosigned(by, key, 7, "another"))
}

// must is say for what has to be accepted.
func (w *world) must(by statement.Region, body statement.Body, attachment []byte) {
	w.t.Helper()
	if v := w.say(by, body, attachment); !v.Accepted() {
		w.t.Fatalf("%s by %s: %s", body.Kind(), by, v)
	}
}

// apply applies a statement and checks what holds for every one of them.
func (w *world) apply(s *statement.Verified, attachment []byte) Verdict {
	w.t.Helper()
	r := &getsOnly{r: w.mem}
	writes, v, err := Apply(r, w.index, s, attachment)
	if err != nil {
		w.t.Fatalf("applying: %v", err)
	}
	if most := mostGets(s.Statement()); r.gets > most {
		w.t.Errorf("ST2: %d gets for a %s, at most %d", r.gets, s.Statement().Body.Kind(), most)
	}
	if !v.Accepted() {
		if len(writes) != 0 {
			w.t.Errorf("ST3: refused (%s), with %d writes", v.Name, len(writes))
		}
		if _, ok := Refusals[v.Name]; !ok {
			w.t.Errorf("refusal %q is not in the table", v.Name)
		}
		if v.Hint == "" || v.Message == "" {
			w.t.Errorf("refusal %q has no message or no hint", v.Name)
		}
		return v
	}
	st := s.Statement()
	for _, wr := range writes {
		if kinds, nobodys := nobodysKeys[wr.Key[0]]; nobodys {
			if !slices.Contains(kinds, st.Kind()) {
				w.t.Errorf("ST4: a %s of %s writes %q", st.Kind(), st.Issuer, wr.Key)
			}
		} else if wr.Key[0] == tagAuthority || wr.Key[0] == tagUsedKey || wr.Key[0] == tagNetwork || wr.Key[0] == tagEvidence && st.Kind() != statement.EvidenceReport {
			if o := ownerOf(w.t, wr); o != st.Issuer && !w.decided(&st, writes) {
				w.t.Errorf("ST4: a %s of %s writes %q, of %q, and no vote has carried it", st.Kind(), st.Issuer, wr.Key, o)
			}
		} else if o := ownerOf(w.t, wr); o != st.Issuer && !(wr.Key[0] == tagEvidence && st.Kind() == statement.EvidenceReport) {
			w.t.Errorf("ST4: a statement of %s writes %q, of %s", st.Issuer, wr.Key, o)
		}
	}
	w.mem.Put(writes)
	w.said = append(w.said, spokenOnce{s, attachment})
	w.index++
	return v
}

// mostGets is how many keys Apply may get for a statement (ST2).
func mostGets(s statement.Statement) int {
	switch b := s.Body.(type) {
	case *statement.RotateOwnKey, *statement.SetNode, *statement.HandOver:
		return 7
	case *statement.Propose, *statement.Vote:
		return 12
	case *statement.PublishRule:
		return 6
	case *statement.PublishScheme:
		return 4 + MaxOwnSchemes
	case *statement.Recover:
		return 5 + 2*(len(b.Plan.Validators)+statement.MaxValidators)
	}
	return 5
}

// decided reports whether what a statement writes is a carried proposal, or a recovery.
func (w *world) decided(s *statement.Statement, writes []Write) bool {
	if s.Kind() == statement.NetworkRecovery {
		return true
	}
	return (s.Kind() == statement.GovernancePropose || s.Kind() == statement.GovernanceVote) &&
		slices.ContainsFunc(writes, func(wr Write) bool {
			if wr.Key[0] != tagProposal {
				return false
			}
			p, err := parse[Proposal](wr.Key, wr.Value)
			if err != nil {
				w.t.Fatal(err)
			}
			return p.Status == ProposalCarried && len(p.Yes) >= p.Needed
		})
}

// nobodysKeys are the first bytes of keys that lie under no authority (ST4), each
// with the kinds of statement that write there.
var nobodysKeys = map[byte][]statement.Kind{
	tagOrdinals: {statement.RevocationAdd}, tagSeal: {statement.Seal},
	tagValidators:    append([]statement.Kind{statement.Seal, statement.EvidenceReport}, governing...),
	tagElectorate:    append([]statement.Kind{statement.EvidenceReport}, governing...),
	tagProposal:      {statement.GovernancePropose, statement.GovernanceVote, statement.GovernanceWithdraw},
	tagProposalCount: {statement.GovernancePropose, statement.GovernanceVote, statement.GovernanceWithdraw},
	tagHandover:      {statement.Handover}, tagRecovery: {statement.NetworkRecovery},
}

// governing are the kinds that may change who vouches.
var governing = []statement.Kind{
	statement.AuthorityRotateKey, statement.GovernancePropose, statement.GovernanceVote, statement.Handover, statement.NetworkRecovery,
}

// ownerOf is the authority under which a key lies.
func ownerOf(t testing.TB, w Write) statement.Region {
	t.Helper()
	k := w.Key
	before, after, _ := strings.Cut(string(k[1:]), "\x00")
	switch k[0] {
	case tagIssuerKey, tagRecognition, tagTotals, tagRule, tagValueSet, tagScheme, tagCase, tagPublished:
		return statement.Region(before)
	case tagRisk:
		owner, _, _ := strings.Cut(after, "\x00")
		return statement.Region(owner)
	case tagKeyCount:
		return statement.Region(k[2+int(k[1]):])
	case tagRegistrationCount:
		return statement.Region(k[1+sha256.Size:])
	case tagSchemeCount:
		return statement.Region(after)
	case tagByKeyID, tagByPublicKey:
		at := 1 + sha256.Size
		if k[0] == tagByKeyID {
			at = 2 + int(k[1])
		}
		region, _, err := splitRegistration(k, k[:at])
		if err != nil {
			t.Fatal(err)
		}
		return region
	case tagRevocation:
		_, by, _, err := splitRevocationKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return by
	case tagAuthority:
		return statement.Region(k[1:])
	case tagUsedKey:
		u, err := parse[UsedKey](k, w.Value)
		if err != nil {
			t.Fatal(err)
		}
		return u.Authority
	case tagNetwork:
		return ""
	case tagEvidence:
		return statement.Region(k[1:])
	case tagBatch:
		var b Batch
		if err := decode("batch", w.Value, &b); err != nil {
			t.Fatal(err)
		}
		return b.Authority
	}
	t.Fatalf("no statement may write key %q", k)
	return ""
}

// getsOnly counts Gets and fails Scans (ST2).
type getsOnly struct {
	r    Reader
	gets int
}

func (g *getsOnly) Get(key []byte) ([]byte, error) {
	g.gets++
	return g.r.Get(key)
}

func (g *getsOnly) Scan([]byte, func(k, v []byte) (bool, error)) error {
	return errors.New("Apply scanned, against ST2")
}

func dump(t testing.TB, r Reader) string {
	t.Helper()
	var b bytes.Buffer
	if err := Dump(r, &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func digest(t testing.TB, r Reader) [32]byte {
	t.Helper()
	d, err := Digest(r)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
