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
	lines []string // the co-signature and the log's signature; none if they never left
	// quarantine: more may have been signed than this (F10).
	quarantine bool
}

// signer signs, and remembers it on disk first (F1). It is used by one
// goroutine at a time.
type signer struct {
	cfg  Config
	lock io.Closer
	last signed // zero: nothing yet
	none bool   // there was no file
}

// signerFormat names the layout: one line of JSON, and one with its SHA-256.
const signerFormat = "concordat-signer/1"

type signerFile struct {
	Format    string   `json:"format"`
	Network   string   `json:"network"` // id, hex
	Validator string   `json:"validator"`
	Key       string   `json:"key"` // the public co-signing key, base64
	Size      uint64   `json:"size"`
	Root      string   `json:"root"` // base64
	Time      int64    `json:"time"`
	Lines     []string `json:"lines"`

	Quarantine bool `json:"quarantine,omitempty"`
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
	case f.Format != signerFormat:
		return bad("its format is %q, want %q", f.Format, signerFormat)
	case f.Network != s.cfg.Network.String() || f.Validator != string(s.cfg.Self):
		return bad("it is of %s in the network %s, this node is %s in %s", f.Validator, f.Network, s.cfg.Self, s.cfg.Network)
	case err != nil || len(root) != merkle.HashSize:
		return bad("its root is no hash")
	case f.Time < 0 || f.Time > statement.MaxTime:
		return bad("its time is %d", f.Time)
	}
	s.last = signed{mark{f.Size, merkle.Hash(root)}, f.Time, f.Lines, f.Quarantine}
	if f.Key != key {
		// The key was rotated: the size still binds (F2), the lines are of no use.
		s.last.lines = nil
	}
	return nil
}

// begin writes a file where there was none: from then on a file that is not
// there is one that was lost. ran says that it was lost already. So does, where
// nothing was signed by the file, that the ledger has a certificate: this node
// may have stopped after it took that over and before it was told (Joins).
func (s *signer) begin(ran, certified bool) error {
	switch {
	case s.none:
		_, err := s.put(signed{quarantine: ran || certified})
		return err
	case certified && s.last.size == 0 && !s.last.quarantine:
		return s.forget()
	}
	return nil
}

func (s *signer) public() []byte {
	return s.cfg.Cosign[len(s.cfg.Cosign)-32:] // RFC 8032: the private key ends with the public one
}

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
// that is on disk. After an error the signature does not exist for anybody, and
// what is signed later must fit it nevertheless: it may be on disk.
func (s *signer) sign(m mark, now time.Time) (signed, error) {
	if s.last.quarantine {
		return signed{}, errQuarantine
	}
	if err := s.last.allows(m); err != nil {
		return signed{}, err
	}
	at := max(now.Unix(), s.last.time)
	c := checkpoint.Checkpoint{Origin: s.cfg.Origin, Size: m.size, Root: m.root}
	cosig, err := checkpoint.Cosign(c, s.cfg.Self, time.Unix(at, 0), s.cfg.Cosign)
	if err != nil {
		return signed{}, err
	}
	log, err := checkpoint.SignLog(c, s.cfg.Node)
	if err != nil {
		return signed{}, err
	}
	return s.put(signed{m, at, []string{cosig.Line, log}, false})
}

// raise takes note of what this validator's key has signed and the file does
// not know: the file was lost, or is an old one. What else it does not know
// nobody can tell, so the signer is in quarantine from then on (F10).
func (s *signer) raise(m mark, at int64) (signed, error) {
	if err := s.last.allows(m); err != nil {
		return signed{}, err
	}
	return s.put(signed{m, max(at, s.last.time), nil, true})
}

// forget puts the signer in quarantine without a signature to show for it.
func (s *signer) forget() error {
	_, err := s.put(signed{s.last.mark, s.last.time, nil, true})
	return err
}

// release ends the quarantine: what was signed, whatever it was, is not beyond
// m, and no quorum signs another history up to there.
func (s *signer) release(m mark) (signed, error) {
	if err := s.last.allows(m); err != nil {
		return signed{}, err
	}
	return s.put(signed{m, s.last.time, nil, false})
}

func (s *signer) put(next signed) (signed, error) {
	s.last = signed{next.mark, next.time, nil, s.last.quarantine || next.quarantine} // whatever becomes of the write (F2)
	if err := s.save(next); err != nil {
		return signed{}, err
	}
	s.last = next
	return next, nil
}

func (s *signer) save(next signed) error {
	b, err := json.Marshal(signerFile{
		Format: signerFormat, Network: s.cfg.Network.String(), Validator: string(s.cfg.Self), Key: base64.StdEncoding.EncodeToString(s.public()),
		Size: next.size, Root: base64.StdEncoding.EncodeToString(next.root[:]), Time: next.time, Lines: next.lines, Quarantine: next.quarantine,
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
