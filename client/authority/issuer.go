package authority

import (
	"crypto"
	"fmt"
)

// SealIssuerKey gives the file of an issuer's private key, in the form that the
// authority's own keys have: PKCS#8 in PEM, encrypted (age, scrypt) unless the
// passphrase is "". An issuer's key is none of the authority's, and no node ever
// sees it.
func SealIssuerKey(key crypto.Signer, passphrase string) ([]byte, error) {
	return sealer{passphrase: passphrase}.seal(key)
}

// LoadIssuerKey opens the file of an issuer's private key of any algorithm. The
// errors are those of LoadKey.
func LoadIssuerKey(path string, passphrase Passphrase) (crypto.Signer, error) {
	data, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	parsed, err := parseKey(data, passphrase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s: %w: it holds a %T, which signs nothing", path, ErrKey, parsed)
	}
	return key, nil
}
