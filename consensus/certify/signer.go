package certify

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"concordat/ledger/checkpoint"
	"concordat/ledger/merkle"
	"concordat/ledger/statement"
)

var (
	// ErrSignerFile: the signer's file is damaged, or is another node's.
	ErrSignerFile = errors.New("signer file cannot be used")
	// errQuarantine: what was signed is not known (F10).
	errQuarantine = errors.New("what this validator's key has signed is not known")
	// errWouldFork: signing that would contradict what was signed (F2).
	errWouldFork = errors.New("contradicts what was signed")
)

// signed is the last thing that this validator signed, or may have.
type signed struct {
	mark
	time  int64    // of the co-signature, Unix seconds
	lines []string // the co-signatures, then the log's signatures, by each key that signed; none if they never left
	// quarantine: more may have been signed than this (F10).
	quarantine bool
	// begun: it is known that nothing else was, though others have certified
	// something (F10).
	begun bool
	// silent are former co-signing keys, public, of which it is not known what they
	// have signed. They sign nothing any more.
	silent []string
	// heads are, in quarantine, what other validators have said that they hold, the
	// first that each said since then.
	heads map[statement.Region]uint64
	// later is the origin of a later lineage that this validator has signed for; it
	// signs nothing for this one. Empty: there is none.
	later string
}

// signer signs, and remembers it on disk first (F1). It is used by one
// goroutine at a time.
type signer struct {
	cfg  Config
	lock io.Closer
	last signed // zero: nothing yet
	none bool   // there was no file
	old  bool   // there was one of an earlier lineage
}

// signerFormat names the layout: one line of JSON, and one with its SHA-256. The
// first had no origin, begun and silent; it is read as of the first lineage.
const (
	signerFormat   = "concordat-signer/2"
	signerFormatV1 = "concordat-signer/1"
)

type signerFile struct {
	Format    string   `json:"format"`
	Network   string   `json:"network"` // id, hex
	Validator string   `json:"validator"`
	Origin    string   `json:"origin"`
	Key       string   `json:"key"` // the public co-signing key of that time, base64
	Size      uint64   `json:"size"`
	Root      string   `json:"root"` // base64
	Time      int64    `json:"time"`
	Lines     []string `json:"lines"`

	Quarantine bool     `json:"quarantine,omitempty"`
	Begun      bool     `json:"begun,omitempty"`
	Silent     []string `json:"silent,omitempty"` // public keys, base64

	Heads map[statement.Region]uint64 `json:"heads,omitempty"`
}

func openSigner(c Config) (*signer, error) {
	lock, err := c.disk.Lock(c.SignerPath + ".lock")
	if err != nil {
		return nil, fmt.Errorf("locking the signer's file: %w", err)
	}
	s := &signer{cfg: c, lock: lock}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

func (s *signer) close() error { return s.lock.Close() }

func (s *signer) load() error {
	raw, err := s.cfg.disk.Read(s.cfg.SignerPath)
	if errors.Is(err, fs.ErrNotExist) {
		s.none = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the signer's file: %w", err)
	}
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%w: %s: %w; it says what this validator has signed, so that it never signs two histories. "+
			"If the file of this very node is to be had, put it back (never one from a backup). If not, and once no other process has this validator's keys, "+
			"move it away: the node then co-signs again when the other validators have certified something without it",
			ErrSignerFile, s.cfg.SignerPath, fmt.Errorf(format, a...))
	}
	content, err := unseal(raw)
	if err != nil {
		return bad("%w", err)
	}
	var f signerFile
	d := json.NewDecoder(bytes.NewReader(content))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return bad("%w", err)
	}
	root, err := base64.StdEncoding.DecodeString(f.Root)
	key := base64.StdEncoding.EncodeToString(s.public())
	switch {
	case f.Format != signerFormat && f.Format != signerFormatV1:
		return bad("its format is %q, want %q or %q", f.Format, signerFormat, signerFormatV1)
	case f.Network != s.cfg.Network.String() || f.Validator != string(s.cfg.Self):
		return bad("it is of %s in the network %s, this node is %s in %s", f.Validator, f.Network, s.cfg.Self, s.cfg.Network)
	case err != nil || len(root) != merkle.HashSize:
		return bad("its root is no hash")
	case f.Time < 0 || f.Time > statement.MaxTime:
		return bad("its time is %d", f.Time)
	}
	if f.Origin == "" {
		f.Origin = networkOf(s.cfg.Origin)
	}
	here, errHere := lineageOf(s.cfg.Origin)
	there, errThere := lineageOf(f.Origin)
	switch {
	case networkOf(f.Origin) != networkOf(s.cfg.Origin), errHere != nil, errThere != nil:
		return bad("it is of the log %.110q, this node signs for %q", f.Origin, s.cfg.Origin)
	case there < here:
		// What was signed before the recovery is of another log, and binds nobody in
		// this one. Who knows what it signed there has signed nothing here.
		s.last, s.old = signed{quarantine: f.Quarantine, begun: !f.Quarantine && (f.Begun || f.Size > 0)}, true
		return nil
	}
	s.last = signed{mark: mark{f.Size, merkle.Hash(root)}, time: f.Time, lines: f.Lines, quarantine: f.Quarantine, begun: f.Begun, heads: f.Heads}
	for _, k := range f.Silent {
		public, err := base64.StdEncoding.DecodeString(k)
		if err != nil {
			return bad("a silent key is not in base64: %w", err)
		}
		s.last.silent = append(s.last.silent, string(public))
	}
	if there > here {
		s.last.later = f.Origin
		return nil
	}
	if f.Key == key {
		return nil
	}
	// The key was rotated: the size still binds (F2), the lines are of no use. Where
	// it is not known what was signed, the former key is not to sign any more; of
	// the present one others may know that it has signed nothing (vindicate).
	s.last.lines = nil
	if s.last.quarantine {
		former, err := base64.StdEncoding.DecodeString(f.Key)
		if err != nil {
			return bad("its key is not in base64: %w", err)
		}
		s.last.silent = withString(s.last.silent, string(former))
	}
	return nil
}

func withString(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(slices.Clone(list), s)
}

// lineageOf is the lineage in an origin; 1 where there is none.
func lineageOf(origin string) (uint64, error) {
	_, n, later := strings.Cut(origin, "/")
	if !later {
		return 1, nil
	}
	return strconv.ParseUint(n, 10, 64)
}

// begin writes a file where there was none: from then on a file that is not
// there is one that was lost. ran says that it was lost already. So does, where
// nothing was signed by the file, that the ledger has a certificate: this node
// may have stopped after it took that over and before it was told (Joins).
func (s *signer) begin(ran, certified bool) error {
	switch {
	case s.last.later != "":
		return nil
	case s.none:
		_, err := s.put(signed{quarantine: ran || certified})
		return err
	case s.old:
		_, err := s.put(s.last)
		return err
	case certified && s.last.unsigned():
		return s.forget()
	}
	return nil
}

// unsigned reports that by this nothing was signed, and that nobody says that this is all.
func (s *signed) unsigned() bool {
	return s.size == 0 && !s.quarantine && !s.begun && s.later == ""
}

func (s *signer) public() []byte { return publicOf(s.cfg.Cosign) }

// allows says whether m may be signed after what was (F2).
func (s *signed) allows(m mark) error {
	switch {
	case m.size < s.size:
		return fmt.Errorf("%w: size %d, and size %d was signed", errWouldFork, m.size, s.size)
	case m.size == s.size && m.root != s.root && s.size > 0:
		return fmt.Errorf("%w: root %x at size %d, and root %x was signed", errWouldFork, m.root[:8], m.size, s.root[:8])
	}
	return nil
}

// sign signs m at a time, or later if the last signature was, and returns when
// that is on disk. After an error the signatures do not exist for anybody, and
// what is signed later must fit them nevertheless: they may be on disk.
func (s *signer) sign(m mark, now time.Time, with voice) (signed, error) {
	if s.last.quarantine {
		return signed{}, errQuarantine
	}
	if err := s.last.allows(m); err != nil {
		return signed{}, err
	}
	at := max(now.Unix(), s.last.time)
	c := checkpoint.Checkpoint{Origin: s.cfg.Origin, Size: m.size, Root: m.root}
	next := s.last
	next.mark, next.time, next.lines = m, at, nil
	for _, k := range with.cosign {
		cosig, err := checkpoint.Cosign(c, s.cfg.Self, time.Unix(at, 0), k)
		if err != nil {
			return signed{}, err
		}
		next.lines = append(next.lines, cosig.Line)
	}
	for _, k := range with.node {
		log, err := checkpoint.SignLog(c, k)
		if err != nil {
			return signed{}, err
		}
		next.lines = append(next.lines, log)
	}
	return s.put(next)
}

// raise takes note of what this validator's key has signed and the file does
// not know: the file was lost, or is an old one. What else it does not know
// nobody can tell, so the signer is in quarantine from then on (F10).
func (s *signer) raise(m mark, at int64) (signed, error) {
	if err := s.last.allows(m); err != nil {
		return signed{}, err
	}
	return s.put(signed{mark: m, time: max(at, s.last.time), quarantine: true, silent: s.last.silent})
}

// forget puts the signer in quarantine without a signature to show for it.
func (s *signer) forget() error {
	_, err := s.put(signed{mark: s.last.mark, time: s.last.time, quarantine: true, silent: s.last.silent})
	return err
}

// vindicate ends the quarantine where it is certain that the present key has
// signed nothing. Of former ones that is not certain.
func (s *signer) vindicate() (signed, error) {
	next := signed{mark: s.last.mark, time: s.last.time, begun: true, silent: s.last.silent}
	for _, k := range s.cfg.Former {
		if !k.Cosign.Equal(s.cfg.Cosign) {
			next.silent = withString(next.silent, string(publicOf(k.Cosign)))
		}
	}
	return s.put(next)
}

// release ends the quarantine: what was signed, whatever it was, is not beyond
// m, and no quorum signs another history up to there.
func (s *signer) release(m mark) (signed, error) {
	if err := s.last.allows(m); err != nil {
		return signed{}, err
	}
	return s.put(signed{mark: m, time: s.last.time, begun: true})
}

// hears keeps what others said that they hold, over restarts too.
func (s *signer) hears(heads map[statement.Region]uint64) error {
	next := s.last
	next.heads = maps.Clone(heads)
	_, err := s.put(next)
	return err
}

func (s *signer) put(next signed) (signed, error) {
	if s.last.later != "" {
		return signed{}, fmt.Errorf("%w: it has signed for the log %q", errWouldFork, s.last.later)
	}
	// Whatever becomes of the write (F2).
	s.last = signed{mark: next.mark, time: next.time, quarantine: s.last.quarantine || next.quarantine, begun: s.last.begun && next.begun, silent: next.silent, heads: next.heads}
	if err := s.save(next); err != nil {
		return signed{}, err
	}
	s.last = next
	return next, nil
}

func (s *signer) save(next signed) error {
	var silent []string
	for _, k := range next.silent {
		silent = append(silent, base64.StdEncoding.EncodeToString([]byte(k)))
	}
	b, err := json.Marshal(signerFile{
		Format: signerFormat, Network: s.cfg.Network.String(), Validator: string(s.cfg.Self), Origin: s.cfg.Origin, Key: base64.StdEncoding.EncodeToString(s.public()),
		Size: next.size, Root: base64.StdEncoding.EncodeToString(next.root[:]), Time: next.time, Lines: next.lines, Quarantine: next.quarantine,
		Begun: next.begun, Silent: silent, Heads: next.heads,
	})
	if err != nil {
		return err
	}
	if err := replace(s.cfg.disk, s.cfg.SignerPath, seal(b)); err != nil {
		return fmt.Errorf("writing the signer's file: %w", err)
	}
	return nil
}

// seal adds a line with the SHA-256 of the line before.
func seal(content []byte) []byte {
	sum := sha256.Sum256(content)
	return append(append(bytes.Clone(content), '\n'), (hex.EncodeToString(sum[:]) + "\n")...)
}

func unseal(raw []byte) ([]byte, error) {
	content, rest, ok := bytes.Cut(raw, []byte("\n"))
	sum := sha256.Sum256(content)
	if !ok || strings.TrimSuffix(string(rest), "\n") != hex.EncodeToString(sum[:]) {
		return nil, fmt.Errorf("it is damaged: its %d bytes do not end with their SHA-256", len(raw))
	}
	return content, nil
}
