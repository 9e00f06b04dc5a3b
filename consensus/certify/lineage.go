package certify

import (
	"errors"
	"fmt"
)

// BeginLineage writes the signer's file of a lineage that a recovery begins: it
// says that nothing was signed in it, so that the validator signs at once. Only
// who applies the recovery calls it, once on each validator that goes on, before
// any of them runs: a file that is lost later was another's fault, and F10 holds
// again. c needs Self, Origin, Network, Cosign, Node and SignerPath.
//
// Errors wrap ErrConfig, ErrLocked, or ErrSignerFile where the file has signed
// for this lineage or a later one already.
func BeginLineage(c Config) error {
	c = c.withDefaults()
	lineage, err := lineageOf(c.Origin)
	if err != nil || lineage < 2 || !c.signs() || c.SignerPath == "" {
		return fmt.Errorf("%w: a lineage begins with an origin like name/2, keys and a signer's file; the origin is %.110q", ErrConfig, c.Origin)
	}
	s, err := openSigner(c)
	if err != nil {
		return err
	}
	switch {
	case s.last.later != "":
		err = fmt.Errorf("%w: %s has signed for the later log %q", ErrSignerFile, c.SignerPath, s.last.later)
	case !s.none && !s.old && s.last.size > 0:
		err = fmt.Errorf("%w: %s has signed size %d of the log %q already", ErrSignerFile, c.SignerPath, s.last.size, c.Origin)
	default:
		// What it is not certain to have signed in another lineage is of another log.
		s.last = signed{}
		_, err = s.put(signed{begun: true})
	}
	return errors.Join(err, s.close())
}
