package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"concordat/healthcode/intake"
	"concordat/healthcode/picture"
	"concordat/recognition"
)

// readShown gives what the arguments show: texts of codes, and the pictures in
// which none could be seen, which are refused like texts that cannot be read.
func readShown(t *terminal, args []string) (texts []string, unread [][]byte, err error) {
	for i, a := range args {
		of := fmt.Sprintf("argument %d", i+1) // which may be a code: it is not repeated
		data := []byte(a)
		switch {
		case a == stdio:
			of = "standard input"
			data, err = t.readInput(stdio, picture.MaxBytes)
		case !isCode(a):
			if isFile(a) {
				of = a
				data, err = readFile(a, picture.MaxBytes)
			} else if slices.Contains(fileEndings, strings.ToLower(filepath.Ext(a))) {
				err = usage("%s: no such file", a)
			}
		}
		if err != nil {
			return nil, nil, err
		}
		found, codeless, err := readOne(of, data)
		switch {
		case err != nil:
			return nil, nil, err
		case codeless != nil:
			unread = append(unread, codeless)
		case len(found) == 0 && a == stdio:
			return nil, nil, usage("there is no code on standard input")
		case len(found) == 0:
			return nil, nil, usage("there is no code in %s", of)
		}
		texts = append(texts, found...)
		if n := len(texts) + len(unread); n > recognition.MaxCodes {
			return nil, nil, usage("more than %d codes; they are judged together, as one person's: check the codes of several people one by one", recognition.MaxCodes)
		}
	}
	return texts, unread, nil
}

// fileEndings are those of files, where there is none of the name.
var fileEndings = []string{".png", ".jpg", ".jpeg", ".gif", ".webp", ".heic", ".pdf", ".svg", ".smart-health-card", ".txt", ".json"}

// isCode reports whether an argument begins as a code does.
func isCode(arg string) bool {
	arg = strings.TrimSpace(arg)
	for _, f := range intake.Formats() {
		if strings.HasPrefix(arg, f.Prefix()) {
			return true
		}
	}
	return false
}

func isFile(arg string) bool {
	info, err := os.Stat(arg)
	return err == nil && !info.IsDir()
}

// readOne takes the texts of codes out of one argument, file or standard input,
// or hands back a picture that has none.
func readOne(of string, data []byte) (texts []string, unread []byte, err error) {
	if err := picture.Inspect(data); errors.Is(err, picture.ErrTooLarge) || errors.Is(err, picture.ErrKind) && !isText(data) {
		return nil, nil, usage("%s: %w", of, err)
	}
	if picture.Is(data) {
		texts, err = picture.Read(data)
		if err != nil {
			return nil, data, nil //nolint:nilerr // that it cannot be read is the answer's matter
		}
		return texts, nil, nil
	}
	all := strings.TrimPrefix(string(data), "\ufeff") // as some editors begin a file
	if strings.HasPrefix(strings.TrimSpace(all), "{") {
		return []string{all}, nil, nil // a file of cards, over as many lines as it likes
	}
	for line := range strings.Lines(all) {
		if line = strings.TrimSpace(line); len(line) > maxLine {
			return nil, nil, usage("%s has a line of more than %d bytes; want one code a line", of, maxLine)
		}
		if line != "" {
			texts = append(texts, line)
		}
	}
	return texts, nil, nil
}

// isText reports whether data is lines of printable characters, and no drawing.
func isText(data []byte) bool {
	for _, b := range data {
		if b < ' ' && b != '\n' && b != '\r' && b != '\t' {
			return false
		}
	}
	start := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(string(data), "\ufeff")))
	return !strings.HasPrefix(start, "<") && !strings.HasPrefix(start, "%pdf")
}
