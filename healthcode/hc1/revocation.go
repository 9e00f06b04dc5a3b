package hc1

import (
	"fmt"

	"concordat/healthcode"
	"concordat/healthcode/internal/cwt"
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
func revocationHashes(m *cwt.Message, c *credential) ([]healthcode.RevocationHash, error) {
	hashes := append(make([]healthcode.RevocationHash, 0, 4), m.SignatureHash())

	uci, err := c.entry.Text("ci").Shown()
	if err != nil {
		return nil, fmt.Errorf("%w: member ci: %w", healthcode.ErrClaims, err)
	}
	if uci == "" {
		return hashes, nil
	}
	country, err := c.entry.Text("co").Shown()
	if err != nil {
		return nil, fmt.Errorf("%w: member co: %w", healthcode.ErrClaims, err)
	}
	hashes = append(hashes, cwt.Hash16(healthcode.HashUCI, []byte(uci)))
	if c.issuer != "" {
		hashes = append(hashes, cwt.Hash16(healthcode.HashCountryCodeUCI, []byte(c.issuer+uci)))
	}
	if country != "" && country != c.issuer {
		hashes = append(hashes, cwt.Hash16(healthcode.HashCountryCodeUCI, []byte(country+uci)))
	}
	return hashes, nil
}
