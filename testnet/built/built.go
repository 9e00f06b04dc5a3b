// Package built gives tests of real processes the command to run, built from
// this tree.
package built

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Main builds the concordat command once, puts its path into command, runs the
// tests and removes it. It gives the exit code for TestMain.
func Main(m *testing.M, command *string) int {
	dir, err := os.MkdirTemp("", "concordat-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	*command = filepath.Join(dir, "concordat")
	build := exec.Command("go", "build", "-o", *command, "concordat/cmd/concordat")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the command:", err)
		return 1
	}
	return m.Run()
}
