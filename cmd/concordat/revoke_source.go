package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"concordat/healthcode"
	"concordat/healthcode/intake"
	"concordat/healthcode/shc"
	"concordat/ledger/statement"
)

// maxLine bounds a line of a file of codes, in bytes.
const maxLine = 64 << 10

// revocable is what one code, hash or entry of a list names: the hashes to be revoked.
type revocable struct {
	hashes []healthcode.RevocationHash // of one type
	before statement.Time              // spare what was issued then or later; 0: spare none
	bare   bool                        // it was a hash, which says not of what
}

// hashSource gives what it holds, as often as it is asked.
type hashSource interface {
	name() string
	// each calls fn for every code and hash. Errors of fn say where it is.
	each(r hashReader, fn func(revocable) error) error
}

// hashArgs are the codes and hashes on the command line.
type hashArgs struct{ args []string }

func (h hashArgs) name() string { return "the arguments" }

func (h hashArgs) each(r hashReader, fn func(revocable) error) error {
	g := gathering{read: r, fn: fn, where: func(n int) string { return fmt.Sprintf("argument %d", n) }}
	for i, a := range h.args {
		if err := g.add(i+1, strings.TrimSpace(a)); err != nil {
			return err
		}
	}
	return g.end()
}

// openSource finds out what kind of file it is.
func openSource(path string) (hashSource, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it is only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, usage("%s is not a regular file; it is read twice, so that a bad line is found before anything is sent", path)
	}
	begin := make([]byte, 512)
	n, err := f.Read(begin)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.HasPrefix(bytes.TrimSpace(begin[:n]), []byte("{")) {
		return openJSON(path)
	}
	return hashFile{path}, nil
}

// hashFile is a file of any size, read line by line.
type hashFile struct{ path string }

func (h hashFile) name() string { return h.path }

func (h hashFile) each(r hashReader, fn func(revocable) error) error {
	f, err := os.Open(h.path)
	if err != nil {
		return err
	}
	defer f.Close() // it is only read
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	g := gathering{read: r, fn: fn, where: func(n int) string { return fmt.Sprintf("%s:%d", h.path, n) }}
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := g.add(n, line); err != nil {
			return err
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return usage("%s:%d: the line has more than %d bytes; want one code or one hash a line", h.path, n+1, maxLine)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	return g.end()
}

// gathering reads line after line, and puts together the SMART Health Cards that
// are spread over several, one after the other.
type gathering struct {
	read   hashReader
	fn     func(revocable) error
	where  func(n int) string
	chunks []string
	first  int // the line of the first chunk
}

func (g *gathering) add(n int, line string) error {
	if isChunk(line) {
		if len(g.chunks) == 0 {
			g.first = n
		}
		g.chunks = append(g.chunks, line)
		joined := shc.Decoder{}.Join(g.chunks)
		if whole := len(joined) == 1 && joined[0].Err == nil; whole || len(g.chunks) == shc.MaxChunks {
			return g.end()
		}
		return nil
	}
	if err := g.end(); err != nil {
		return err
	}
	return g.take(n, line)
}

// isChunk tells whether a line is one of several of a card: shc:/1/3/…
func isChunk(line string) bool {
	body, ok := strings.CutPrefix(line, shc.Prefix)
	return ok && strings.Contains(body, "/")
}

// end reads the chunks that are there.
func (g *gathering) end() error {
	chunks := g.chunks
	g.chunks = nil
	if len(chunks) == 0 {
		return nil
	}
	return g.take(g.first, chunks...)
}

// take reads what is one code, several in a file, or a hash.
func (g *gathering) take(n int, texts ...string) error {
	all, err := g.read.hashes(texts...)
	if err != nil {
		return fmt.Errorf("%s: %w", g.where(n), err)
	}
	for _, one := range all {
		if err := g.fn(one); err != nil {
			return fmt.Errorf("%s: %w", g.where(n), err)
		}
	}
	return nil
}

// hashReader takes the hashes out of codes, and reads those in hex.
type hashReader struct {
	want   statement.HashType // "": uci, else rid, else signature
	before statement.Time     // for what does not bring a time of its own
}

// hashes gives the hashes of the wanted type: those of a hash in hex, or of the
// codes in texts.
func (r hashReader) hashes(texts ...string) ([]revocable, error) {
	if len(texts) == 1 && isHex(texts[0]) {
		b, err := parseHex(texts[0], statement.HashSize)
		if err != nil {
			return nil, usage("a hash of %d hex digits; want %d", len(texts[0]), 2*statement.HashSize)
		}
		of := healthcode.HashType(r.want)
		if of == "" {
			of = healthcode.HashSignature
		}
		hash := healthcode.RevocationHash{Type: of, Hash: [statement.HashSize]byte(b)}
		return []revocable{{hashes: []healthcode.RevocationHash{hash}, before: r.before, bare: true}}, nil
	}
	var all []revocable
	for _, reading := range healthcode.Read(texts, intake.Formats()...) {
		if reading.Err != nil {
			return nil, usage("%w", reading.Err)
		}
		hashes, err := r.of(reading.Unverified)
		if err != nil {
			return nil, err
		}
		all = append(all, revocable{hashes: hashes, before: r.before})
	}
	return all, nil
}

// of gives those of a code's hashes that are wanted.
func (r hashReader) of(code healthcode.Unverified) ([]healthcode.RevocationHash, error) {
	all := code.RevocationHashes()
	if len(all) == 0 {
		return nil, usage("the card has no rid, so it cannot be revoked by itself: end its key with concordat issuer retire or compromise, and issue the honest cards anew")
	}
	wanted := []healthcode.HashType{healthcode.HashType(r.want)}
	if r.want == "" {
		wanted = []healthcode.HashType{healthcode.HashUCI, healthcode.HashRID, healthcode.HashSignature}
	}
	var has []healthcode.HashType
	for _, h := range all {
		has = append(has, h.Type)
	}
	for _, of := range wanted {
		if slices.Contains(has, of) {
			return slices.DeleteFunc(all, func(h healthcode.RevocationHash) bool { return h.Type != of }), nil
		}
	}
	return nil, usage("the code has no %s hash; it has %v", wanted[0], has)
}
