package recovery

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"concordat/ledger/block"
	"concordat/ledger/checkpoint"
	"concordat/ledger/genesis"
	"concordat/ledger/statement"
)

// Format is the first field of a plan's file.
const Format = "concordat-recovery/1"

// Every bound on a plan's file.
const (
	// MaxSize bounds the file, in bytes: the block is most of it.
	MaxSize = 1 << 20
	// MaxFindings bounds what the plan was held against.
	MaxFindings = 256
	// MaxFinding bounds one finding, in bytes.
	MaxFinding = 500
)

var (
	// ErrMalformed: the bytes are no plan in its one encoding.
	ErrMalformed = errors.New("malformed recovery plan")
	// ErrSignature: a signature in a plan is not by the key that it names.
	ErrSignature = errors.New("a signature in the recovery plan is not genuine")
	// ErrNotElector: somebody's signature is not asked for.
	ErrNotElector = errors.New("no governance key of the network's validators")
	// ErrUnsigned: not enough have signed the plan yet.
	ErrUnsigned = errors.New("the recovery plan is not signed by a majority yet")
	// ErrSealed: the plan's block was made; nothing of the plan changes any more.
	ErrSealed = errors.New("the recovery plan is sealed")
)

func malformed(format string, a ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, a...))
}

// Digest is 32 bytes, in JSON as hex.
type Digest [sha256.Size]byte

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, d[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(d) {
		return fmt.Errorf("%.70q, want %d hex digits", text, 2*len(d))
	}
	copy(d[:], b)
	return nil
}

// Elector is a validator as the ledger has it, whose authority may sign; unless
// it is suspended: then it only counts in what a majority is of.
type Elector struct {
	Authority  statement.Region `json:"authority"`
	Governance genesis.Key      `json:"governance"`
	Suspended  bool             `json:"suspended,omitempty"`
}

// Signature is an authority's agreement.
type Signature struct {
	Authority statement.Region  `json:"authority"`
	Signature genesis.Signature `json:"signature"`
}

// File is a plan, as it goes from hand to hand. The plan proper, which is
// signed, is Lineage to Reason, together with the network; the rest is there to
// be checked.
type File struct {
	Format      string `json:"format"`
	Network     string `json:"network"`
	NetworkID   Digest `json:"networkId"`
	PreviousLog string `json:"previousLog"` // the origin that ends
	Log         string `json:"log"`         // the one that begins

	Lineage    uint64             `json:"lineage"`
	Size       uint64             `json:"size"`
	Root       Digest             `json:"root"`
	Validators []statement.Region `json:"validators"` // who goes on, ascending
	Reason     string             `json:"reason"`

	MadeBy   statement.Region `json:"madeBy"`   // whose ledger it was made from
	MadeAt   string           `json:"madeAt"`   // RFC 3339, by that machine's clock
	Proposer statement.Region `json:"proposer"` // who makes the block
	Electors []Elector        `json:"electors"` // ascending; a majority of them has to sign
	Findings []string         `json:"heldAgainst"`

	Signatures []Signature `json:"signatures"` // ascending
	// Statement and Block are the recovery as the proposer has signed it, and the
	// block that holds it; both or none.
	Statement []byte `json:"statement,omitempty"`
	Block     []byte `json:"block,omitempty"`
}

// Plan is what is signed.
func (f *File) Plan() statement.RecoveryPlan {
	return statement.RecoveryPlan{Lineage: f.Lineage, Size: f.Size, Root: f.Root, Validators: f.Validators, Reason: f.Reason}
}

// Index is where in Raft's order the block of a recovery stands that begins a
// lineage: beyond what any validator of the lineages before can have seen,
// whichever entries it had. Survivors with one ledger need not have one last entry.
func Index(lineage uint64) uint64 { return (lineage - 1) << indexBits }

// indexBits leaves 2^38 entries to a lineage, and keeps that of the thousandth
// below 2^48, the largest that nodes take from one another.
const indexBits = 38

// Proposer is who makes the block: the first of those who go on who is a
// validator already, and not suspended, since no other's block and statement
// count. "" if nobody can.
func Proposer(plan statement.RecoveryPlan, electors []Elector) statement.Region {
	for _, v := range plan.Validators { // ascending
		if slices.ContainsFunc(electors, func(e Elector) bool { return e.Authority == v && !e.Suspended }) {
			return v
		}
	}
	return ""
}

// Needed is how many electors have to sign: more than half of them.
func (f *File) Needed() int { return 1 + len(f.Electors)/2 }

// Complete is nil where enough have signed; else it wraps ErrUnsigned.
func (f *File) Complete() error {
	if have, need := len(f.Signatures), f.Needed(); have < need {
		return fmt.Errorf("%w: %d of %d have signed, %d are needed", ErrUnsigned, have, len(f.Electors), need)
	}
	return nil
}

// Unsigned are the electors that have not signed.
func (f *File) Unsigned() (out []statement.Region) {
	for _, e := range f.Electors {
		if !e.Suspended && !slices.ContainsFunc(f.Signatures, func(s Signature) bool { return s.Authority == e.Authority }) {
			out = append(out, e.Authority)
		}
	}
	return out
}

// Sign adds an authority's signature, by its governance key. Errors wrap
// ErrNotElector or ErrSealed.
func (f *File) Sign(by statement.Region, governance ed25519.PrivateKey) error {
	if f.Block != nil {
		return fmt.Errorf("%w: %s needs no further signature", ErrSealed, f.Network)
	}
	i := slices.IndexFunc(f.Electors, func(e Elector) bool { return e.Authority == by })
	switch {
	case i < 0:
		return fmt.Errorf("%w: %s is none of them", ErrNotElector, by)
	case f.Electors[i].Suspended:
		return fmt.Errorf("%w: %s is suspended, and its signature does not count", ErrNotElector, by)
	case !f.Electors[i].Governance.Public().Equal(governance.Public()):
		return fmt.Errorf("%w: %s has %s in the ledger, the key given is another", ErrNotElector, by, f.Electors[i].Governance)
	}
	message, err := statement.RecoveryMessage(statement.NetworkID(f.NetworkID), f.Plan())
	if err != nil {
		return err
	}
	s := Signature{Authority: by, Signature: genesis.Signature(ed25519.Sign(governance, message))}
	at, found := slices.BinarySearchFunc(f.Signatures, by, func(s Signature, id statement.Region) int { return cmp.Compare(s.Authority, id) })
	if found {
		f.Signatures[at] = s
	} else {
		f.Signatures = slices.Insert(f.Signatures, at, s)
	}
	return nil
}

// Body is what the proposer says in the ledger.
func (f *File) Body() *statement.Recover {
	body := &statement.Recover{Plan: f.Plan()}
	for _, s := range f.Signatures {
		body.Signatures = append(body.Signatures, statement.RecoverySignature{Authority: s.Authority, Signature: s.Signature[:]})
	}
	return body
}

// Encode gives the plan's one encoding.
func (f *File) Encode() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(f); err != nil {
		panic(err) // only strings, numbers and base64 are in there
	}
	return b.Bytes()
}

// Parse reads a plan, and verifies what it has been signed with (V1 to V3).
// Errors wrap ErrMalformed or ErrSignature.
func Parse(raw []byte) (*File, error) {
	if len(raw) > MaxSize {
		return nil, malformed("%d bytes, at most %d", len(raw), MaxSize)
	}
	f := new(File)
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		return nil, malformed("%w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, malformed("something follows its end")
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	if !bytes.Equal(f.Encode(), raw) {
		return nil, malformed("it was changed since it was written; use it exactly as concordat wrote it")
	}
	return f, nil
}

// check checks a plan by itself.
func (f *File) check() error {
	plan := f.Plan()
	switch err := plan.Validate(); {
	case f.Format != Format:
		return malformed("format is %.64q; this program reads %q", f.Format, Format)
	case err != nil:
		return malformed("%w", err)
	case f.Size == 0:
		return malformed("it is of an empty ledger; found a network instead")
	case f.Log != checkpoint.Origin(f.Network, f.Lineage) || f.PreviousLog != checkpoint.Origin(f.Network, f.Lineage-1):
		return malformed("logs %.80q and %.80q, want %q after %q", f.Log, f.PreviousLog, checkpoint.Origin(f.Network, f.Lineage), checkpoint.Origin(f.Network, f.Lineage-1))
	}
	if _, err := time.Parse(time.RFC3339, f.MadeAt); err != nil {
		return malformed("madeAt: %w", err)
	}
	for _, id := range []statement.Region{f.MadeBy, f.Proposer} {
		if err := id.Validate(); err != nil {
			return malformed("%w", err)
		}
	}
	ids := make([]statement.Region, len(f.Electors))
	for i, e := range f.Electors {
		ids[i] = e.Authority
	}
	if n := len(ids); n < 1 || n > statement.MaxValidators || !ascending(ids) {
		return malformed("%d electors; want 1 to %d, each once, ascending", n, statement.MaxValidators)
	}
	if p := Proposer(plan, f.Electors); p != f.Proposer {
		return malformed("the proposer is %s; of those who go on, %q is the first that is a validator", f.Proposer, p)
	}
	if n := len(f.Findings); n > MaxFindings {
		return malformed("it was held against %d things, at most %d are listed", n, MaxFindings)
	}
	for _, s := range append(slices.Clone(f.Findings), f.Network, f.Log, f.PreviousLog) {
		if len(s) > MaxFinding || !utf8.ValidString(s) {
			return malformed("a text of %d bytes, want at most %d of UTF-8", len(s), MaxFinding)
		}
	}
	return errors.Join(f.checkSignatures(), f.checkBlock())
}

func ascending(ids []statement.Region) bool {
	for i := 1; i < len(ids); i++ {
		if ids[i] <= ids[i-1] {
			return false
		}
	}
	return true
}

func (f *File) checkSignatures() error {
	message, err := statement.RecoveryMessage(statement.NetworkID(f.NetworkID), f.Plan())
	if err != nil {
		return malformed("%w", err)
	}
	last := statement.Region("")
	for _, s := range f.Signatures {
		i := slices.IndexFunc(f.Electors, func(e Elector) bool { return e.Authority == s.Authority })
		switch {
		case s.Authority <= last:
			return malformed("signature of %.40q after %.40q: want each once, ascending", s.Authority, last)
		case i < 0:
			return malformed("%.40q has signed, and is none of the electors", s.Authority)
		case f.Electors[i].Suspended:
			return malformed("%.40q has signed, and is suspended", s.Authority)
		case !statement.VerifySignature(f.Electors[i].Governance.Public(), message, s.Signature[:]):
			return fmt.Errorf("%w: that of %s; the plan was changed after it was signed, or the signature is another's", ErrSignature, s.Authority)
		}
		last = s.Authority
	}
	return nil
}

// checkBlock checks that the block holds what was signed (V3), and no more. Who
// signed it only the ledger's keys tell.
func (f *File) checkBlock() error {
	if f.Block == nil && f.Statement == nil {
		return nil
	}
	u, err := statement.Parse(f.Statement)
	if err != nil {
		return malformed("its statement: %w", err)
	}
	said := u.Statement()
	r, is := said.Body.(*statement.Recover)
	if !is || said.Network != statement.NetworkID(f.NetworkID) || said.Issuer != f.Proposer || !sameRecovery(r, f.Body()) {
		return malformed("its statement is another than what was signed: %.200s", said.Words())
	}
	b, err := block.Parse(f.Block)
	if err != nil {
		return malformed("%w", err)
	}
	h := b.Header()
	switch {
	case h.Network != said.Network || h.Size != f.Size || h.Root != f.Root || h.Proposer != f.Proposer:
		return malformed("its block is by %s, for size %d and root %x of network %s; want one by %s, for size %d and root %x of %x",
			h.Proposer, h.Size, h.Root, h.Network, f.Proposer, f.Size, f.Root, f.NetworkID)
	case h.Body != block.BodyDigest([][]byte{f.Statement}, nil):
		return malformed("its block holds another statement")
	}
	return f.Complete()
}

func sameRecovery(a, b *statement.Recover) bool {
	return a.Plan.Lineage == b.Plan.Lineage && a.Plan.Size == b.Plan.Size && a.Plan.Root == b.Plan.Root && a.Plan.Reason == b.Plan.Reason &&
		slices.Equal(a.Plan.Validators, b.Plan.Validators) &&
		slices.EqualFunc(a.Signatures, b.Signatures, func(x, y statement.RecoverySignature) bool {
			return x.Authority == y.Authority && bytes.Equal(x.Signature, y.Signature)
		})
}

// SamePlan reports that two files have the same plan proper, of the same network.
func SamePlan(a, b *File) bool {
	return a.NetworkID == b.NetworkID && sameRecovery(&statement.Recover{Plan: a.Plan()}, &statement.Recover{Plan: b.Plan()})
}
