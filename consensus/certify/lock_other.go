//go:build !unix

package certify

import (
	"fmt"
	"os"
	"runtime"
)

// lockFile refuses: two processes with one signer file could sign two
// histories, so a validator does not run where that cannot be prevented.
func lockFile(f *os.File) error {
	return fmt.Errorf("locking %s: not possible on %s; run validators on a Unix system", f.Name(), runtime.GOOS)
}
