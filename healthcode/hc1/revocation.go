package hc1

import (
	"crypto/sha256"
	"fmt"
	"slices"

	"concordat/healthcode"
)

// revocationHashes computes all hashes under which a DCC may be revoked
// (Implementing Decision (EU) 2022/483; checked against Corona-Warn-App's
// published vectors). Each is the first 16 bytes of a SHA-256 over
//
//   - signature: for ES256 the first half of the signature, r, because anyone
//     can turn s into n-s and the signature stays good; for PS256 the whole;
//   - uci: the certificate identifier (ci) exactly as in the credential,
//     "URN:UVCI:" included, nothing normalised;
//   - countrycode-uci: the country and the identifier, nothing between. By
//     Corona-Warn-App the country is the claim iss, by hcert-dotnet the entry's
//     co; issuers used both, so a code that names both has both hashes.
//
// A code without an identifier can only be revoked by its signature.
func revocationHashes(s *sign1, c *credential) ([]healthcode.RevocationHash, error) {
	signed := s.signature
	if s.alg == algES256 {
		signed = signed[:len(signed)/2]
	}
	hashes := []healthcode.RevocationHash{hash16(healthcode.HashSignature, signed)}

	uci, err := shown(c.entry.text("ci"))
	if err != nil {
		return nil, fmt.Errorf("%w: member ci: %w", healthcode.ErrClaims, err)
	}
	if uci == "" {
		return hashes, nil
	}
	country, err := shown(c.entry.text("co"))
	if err != nil {
		return nil, fmt.Errorf("%w: member co: %w", healthcode.ErrClaims, err)
	}
	hashes = append(hashes, hash16(healthcode.HashUCI, []byte(uci)))
	for _, prefix := range []string{c.issuer, country} {
		h := hash16(healthcode.HashCountryCodeUCI, []byte(prefix+uci))
		if prefix != "" && !slices.Contains(hashes, h) {
			hashes = append(hashes, h)
		}
	}
	return hashes, nil
}

func hash16(t healthcode.HashType, data []byte) healthcode.RevocationHash {
	sum := sha256.Sum256(data)
	return healthcode.RevocationHash{Type: t, Hash: [16]byte(sum[:16])}
}
