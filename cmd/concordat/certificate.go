package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"concordat/healthcode/hc1"
)

// maxKeyFile bounds a file of issuers' keys: a trust list of every issuer in the EU took about 1 MiB.
const maxKeyFile = 16 << 20

// readCertificates reads one certificate in DER, or any number in PEM.
func readCertificates(path string) ([]issuerKey, error) {
	raw, err := readFile(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 {
		return nil, usage("%s is empty", path)
	}
	if !bytes.Contains(raw, []byte("-----BEGIN")) {
		k, err := certificateKey(path, raw)
		if err != nil {
			return nil, err
		}
		return []issuerKey{k}, nil
	}
	var found []issuerKey
	for rest := raw; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if bytes.Contains(rest, []byte("-----BEGIN")) {
				return nil, usage("%s: what follows certificate %d is not whole PEM; was the file cut short?", path, len(found))
			}
			break
		}
		switch {
		case strings.Contains(block.Type, "PRIVATE KEY"):
			return nil, usage("%s holds a private key: it belongs to the issuer alone; give the certificate by itself", path)
		case block.Type != "CERTIFICATE":
			return nil, usage("%s holds a PEM block %q; want CERTIFICATE", path, block.Type)
		}
		k, err := certificateKey(fmt.Sprintf("%s, certificate %d", path, len(found)+1), block.Bytes)
		if err != nil {
			return nil, err
		}
		found = append(found, k)
	}
	if len(found) == 1 {
		found[0].where = path
	}
	return found, nil
}

func certificateKey(where string, der []byte) (issuerKey, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return issuerKey{}, usage("%s is no X.509 certificate in DER or PEM: %w", where, err)
	}
	kid := hc1.KeyID(der)
	return issuerKey{where: where, key: c.PublicKey, kid: kid[:], certificate: c}, nil
}
