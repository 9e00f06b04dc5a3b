package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"concordat/healthcode"
	"concordat/healthcode/hc1"
)

// formats are the codes that this command can read by itself.
var formats = []healthcode.Decoder{hc1.Decoder{}}

// maxLine bounds a line of a file of codes, in bytes.
const maxLine = 64 << 10

// hashSource gives lines that each hold a code or a hash, as often as it is asked.
type hashSource interface {
	name() string
	// each calls fn for every line that is not empty. Errors of fn say where the line is.
	each(fn func(line string) error) error
}

// hashArgs are the codes and hashes on the command line.
type hashArgs struct{ args []string }

func (h hashArgs) name() string { return "the arguments" }

func (h hashArgs) each(fn func(string) error) error {
	for i, a := range h.args {
		if err := fn(strings.TrimSpace(a)); err != nil {
			return fmt.Errorf("argument %d: %w", i+1, err)
		}
	}
	return nil
}

// hashFile is a file of any size, read line by line.
type hashFile struct{ path string }

func (h hashFile) name() string { return h.path }

func (h hashFile) each(fn func(string) error) error {
	f, err := os.Open(h.path)
	if err != nil {
		return err
	}
	defer f.Close() // it is only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return usage("%s is not a regular file; it is read twice, so that a bad line is found before anything is sent", h.path)
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := fn(line); err != nil {
			return fmt.Errorf("%s:%d: %w", h.path, n, err)
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return usage("%s:%d: the line has more than %d bytes; want one code or one hash a line", h.path, n+1, maxLine)
	}
	return lines.Err()
}
