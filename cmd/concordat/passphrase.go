package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// Where a passphrase comes from, besides the terminal. It is never an argument:
// arguments can be read by everyone on the machine.
const (
	passphraseEnv     = "CONCORDAT_PASSPHRASE"
	passphraseFileEnv = "CONCORDAT_PASSPHRASE_FILE"
)

// givenPassphrase reads the passphrase from the environment; "" if there is none.
func givenPassphrase() (string, error) {
	if s := os.Getenv(passphraseEnv); s != "" {
		return s, nil
	}
	path := os.Getenv(passphraseFileEnv)
	if path == "" {
		return "", nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", passphraseFileEnv, err)
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" {
		return "", usage("%s: %s is empty", passphraseFileEnv, path)
	}
	return s, nil
}

// passphrase opens an encrypted key. It is only asked where one is.
func (t *terminal) passphrase() (string, error) {
	s, err := givenPassphrase()
	if s != "" || err != nil {
		return s, err
	}
	return t.prompt("passphrase: ")
}

// newPassphrase asks twice, because what is mistyped here is lost for good.
func (t *terminal) newPassphrase() (string, error) {
	s, err := givenPassphrase()
	if s != "" || err != nil {
		return s, err
	}
	first, err := t.prompt("new passphrase: ")
	if err != nil {
		return "", err
	}
	if first == "" {
		return "", usage("the passphrase is empty; leave out --encrypt to keep the keys plain")
	}
	again, err := t.prompt("the same again: ")
	if err != nil {
		return "", err
	}
	if first != again {
		return "", usage("the two passphrases differ; nothing was written")
	}
	return first, nil
}

func (t *terminal) prompt(words string) (string, error) {
	f, ok := t.in.(*os.File)
	if !ok || !isTerminal(f) {
		return "", errors.New("there is no terminal to ask for it")
	}
	fmt.Fprint(t.err, words)
	b, err := term.ReadPassword(int(f.Fd()))
	fmt.Fprintln(t.err)
	if err != nil {
		return "", fmt.Errorf("reading the passphrase: %w", err)
	}
	return string(b), nil
}
