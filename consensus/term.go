package consensus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// TermOf is the term that the Raft state in a directory is in, of a node that is
// stopped; 0 where there is none. Errors wrap ErrLocked where the node runs,
// ErrCorrupt or ErrStorage.
func TermOf(dir string) (term uint64, err error) {
	if _, err := os.Stat(filepath.Join(dir, logFile)); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	bolt, err := openBolt(dir, false, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, bolt.Close()) }()
	stable := &sealedStable{StableStore: bolt, path: filepath.Join(dir, logFile)}
	switch term, err = stable.GetUint64(keyCurrentTerm); {
	case isNotFound(err):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("%w: reading raft's term: %w", ErrStorage, err)
	}
	return term, nil
}
