package checkpoint

import (
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"concordat/ledger/statement"
)

// Origin is the log's name in checkpoints of a lineage: the network's name, and
// from the second lineage on its number behind a slash. Lineages begin with a
// recovery, which may have lost what nobody knew to be certified; so their
// checkpoints are of another log, and nobody signs two histories of one.
func Origin(network string, lineage uint64) string {
	if lineage <= 1 {
		return network
	}
	return fmt.Sprintf("%s/%d", network, lineage)
}

// Electorate is who certifies checkpoints of some sizes: a quorum of each of
// its sets has to co-sign.
type Electorate struct {
	From   uint64 // the least size that it is for
	Origin string // of the log at these sizes
	// Sets is one set of validators; or two while they hand over: those before the
	// change, and then those after it.
	Sets []Validators
}

// Newest is the set that certifies alone once it has taken over.
func (e Electorate) Newest() Validators {
	if len(e.Sets) == 0 {
		return nil
	}
	return e.Sets[len(e.Sets)-1]
}

// Electorates is who certified, and certifies, in ascending order of From; the
// first is from 0 on.
type Electorates []Electorate

// At is the electorate for checkpoints of a size.
func (es Electorates) At(size uint64) Electorate {
	i, found := slices.BinarySearchFunc(es, size, func(e Electorate, size uint64) int { return cmp.Compare(e.From, size) })
	if !found {
		i--
	}
	if i < 0 {
		return Electorate{}
	}
	return es[i]
}

// VerifyCosignature reads a line as a co-signature of c by one of the
// validators of the sets, suspended ones' included, and says as which: two sets
// may know one validator by two keys. Errors wrap ErrMalformed,
// ErrUnknownSigner or ErrSignature.
func (e Electorate) VerifyCosignature(c Checkpoint, s string) (Cosignature, Validator, error) {
	var cosig Cosignature
	v, err := e.verify(func(vs Validators) (id statement.Region, err error) {
		cosig, err = vs.VerifyCosignature(c, s)
		return cosig.By, err
	})
	return cosig, v, err
}

// VerifyLog reads a line as the log's own signature of c, made by the node key
// of one of the validators of the sets, and says as which. Errors wrap
// ErrMalformed, ErrUnknownSigner or ErrSignature.
func (e Electorate) VerifyLog(c Checkpoint, s string) (Validator, error) {
	return e.verify(func(vs Validators) (statement.Region, error) { return vs.VerifyLog(c, s) })
}

// verify tries the sets, the newest first. Ids of keys collide where somebody
// wants it, so a line is only bad if it is bad in one set and good in none.
func (e Electorate) verify(in func(Validators) (statement.Region, error)) (Validator, error) {
	unknown, bad := error(ErrUnknownSigner), error(nil)
	for _, vs := range slices.Backward(e.Sets) {
		id, err := in(vs)
		switch {
		case err == nil:
			v, _ := vs.Find(id) // it is there: it verified
			return v, nil
		case errors.Is(err, ErrUnknownSigner):
			unknown = err
		case bad == nil:
			bad = err
		}
	}
	if bad != nil {
		return Validator{}, bad
	}
	return Validator{}, unknown
}

// CosignerKeyID and LogKeyID are the four bytes by which a note names the key of
// a line (C2SP signed-note). Two keys of one name and one id cannot be told
// apart, and a line by one is then held against the other.
func CosignerKeyID(origin string, id statement.Region, cosign ed25519.PublicKey) uint32 {
	return keyID(CosignerName(origin, id), typeCosign, cosign)
}

// LogKeyID is CosignerKeyID for a node key as the log's own.
func LogKeyID(origin string, node ed25519.PublicKey) uint32 { return keyID(origin, typeLog, node) }
