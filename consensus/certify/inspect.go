package certify

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// SignerState is what a signer's file says of itself.
type SignerState struct {
	Network   string // id, hex
	Validator string
	Origin    string // of the log that was signed; "": that of the first lineage
	Size      uint64 // what was signed last; 0: nothing
	// Quarantine: it does not know itself what else was signed.
	Quarantine bool
}

// maxSignerFile bounds what is read of a signer's file, in bytes.
const maxSignerFile = 64 << 10

// Inspect reads a signer's file as it lies on a disk, for whoever looks at a
// stopped node. Errors wrap ErrSignerFile if it is damaged; a node does not start
// with it then.
func Inspect(path string) (SignerState, error) {
	f, err := os.Open(path)
	if err != nil {
		return SignerState{}, err
	}
	defer f.Close() // it was only read
	raw, err := io.ReadAll(io.LimitReader(f, maxSignerFile))
	if err != nil {
		return SignerState{}, err
	}
	content, err := unseal(raw)
	if err != nil {
		return SignerState{}, fmt.Errorf("%w: %s: %w", ErrSignerFile, path, err)
	}
	var s signerFile
	if err := json.Unmarshal(content, &s); err != nil {
		return SignerState{}, fmt.Errorf("%w: %s: %w", ErrSignerFile, path, err)
	}
	return SignerState{Network: s.Network, Validator: s.Validator, Origin: s.Origin, Size: s.Size, Quarantine: s.Quarantine}, nil
}
