package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client/authority"
	"concordat/healthcode"
	"concordat/healthcode/issue"
	"concordat/ledger/statement"
)

// madeKey is what code key answers.
type madeKey struct {
	Region      statement.Region `json:"region"`
	Algorithm   string           `json:"algorithm"`
	KeyID       string           `json:"kid"` // hex
	Kinds       []string         `json:"kinds,omitempty"`
	Key         string           `json:"key"`         // file
	Certificate string           `json:"certificate"` // file
	Encrypted   bool             `json:"encrypted"`
	ValidUntil  string           `json:"validUntil"`
	Register    string           `json:"register"` // the command that registers it
}

func newCodeKey(t *terminal) *cobra.Command {
	var region, name, out string
	var k kinds
	var until moment
	var encrypt bool
	algorithm := choice{value: string(healthcode.ES256), of: []string{string(healthcode.ES256), string(healthcode.PS256), string(healthcode.EdDSA)}}
	cmd := &cobra.Command{
		Use:   "key --region REGION --out DIR|FILE.key",
		Short: "Make an issuer's key and its certificate",
		Long: `  concordat code key --region XA --out xa-issuer --kinds health,itinerary
  concordat code key --region XA --out hc1.key --kinds vaccination,test,recovery --algorithm PS256
  concordat issuer register --dir xa --certificate xa-issuer/issuer.pem --kinds health,itinerary

Makes a private key (DIR/issuer.key, for its owner alone) and a certificate that
it signs itself (DIR/issuer.pem), which an authority registers. With FILE.key
the certificate is FILE.pem. Nothing is ever overwritten.

The certificate has the key usages of the kinds of HC1 that are named. For
health and itinerary there are none: name all kinds when you register it.
EdDSA is for health and itinerary alone, since HC1 does not know it.

With --encrypt, or where CONCORDAT_PASSPHRASE or CONCORDAT_PASSPHRASE_FILE is
set, the key is encrypted (age, scrypt).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := statement.ParseRegion(region)
			if err != nil {
				return usage("--region: %w", err)
			}
			listed := codeKinds(k.list)
			if algorithm.value == string(healthcode.EdDSA) && !nativeOnly(listed) {
				return usage("--algorithm EdDSA is for --kinds health, itinerary or both: HC1 does not know it")
			}
			now := time.Now().UTC().Truncate(time.Second)
			if until.IsZero() {
				until.Time = now.AddDate(2, 0, 0)
			}
			if name == "" {
				name = "Issuer of health codes, " + string(r)
			}
			secret, err := givenPassphrase()
			if err == nil && encrypt {
				secret, err = t.newPassphrase()
			}
			if err != nil {
				return err
			}
			signer, err := generate(healthcode.Algorithm(algorithm.value))
			if err != nil {
				return err
			}
			certificate, err := issue.SelfSigned(signer, issue.Subject{Region: string(r), Name: name, Kinds: listed, NotBefore: now, NotAfter: until.Time}, rand.Reader)
			if err != nil {
				return err
			}
			key, err := issue.NewKey(signer, certificate)
			if err != nil {
				return err
			}
			m := madeKey{
				Region: r, Algorithm: algorithm.value, KeyID: hex.EncodeToString(key.ID()), Encrypted: secret != "",
				ValidUntil: stamp(&certificate.NotAfter),
			}
			for _, kind := range listed {
				m.Kinds = append(m.Kinds, string(kind))
			}
			m.Key, m.Certificate = issuerFiles(out)
			m.Register = "concordat issuer register --dir DIR --certificate " + m.Certificate
			if len(listed) > 0 {
				m.Register += " --kinds " + strings.Join(m.Kinds, ",")
			}
			if err := writeIssuer(m, signer, certificate.Raw, secret); err != nil {
				return err
			}
			if secret == "" {
				t.say("remark: the key is not encrypted; --encrypt asks for a passphrase")
			}
			return t.emit(cmd, m, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "%s: private key (%s), for its owner alone\n%s: certificate of %s, key id %s, until %s\nthe authority registers it: %s\n",
					clean(m.Key), m.Algorithm, clean(m.Certificate), m.Region, m.KeyID, m.ValidUntil, clean(m.Register))
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&region, "region", "", "the region whose codes it signs: ISO 3166 with subdivisions, like XA or CN-31")
	f.StringVar(&out, "out", "", "directory for issuer.key and issuer.pem, or the key's `FILE.key`")
	f.Var(&k, "kinds", "kinds of code that it is to sign: vaccination, test, recovery, health, itinerary, or all")
	f.Var(&algorithm, "algorithm", "what it signs with")
	f.StringVar(&name, "name", "", "common name in the certificate")
	f.Var(&until, "valid-until", "end of the certificate (default two years from now)")
	f.BoolVar(&encrypt, "encrypt", false, "encrypt the key with a passphrase")
	require(cmd, "region", "out")
	return cmd
}

func codeKinds(list []statement.CodeKind) []healthcode.Kind {
	var out []healthcode.Kind
	for _, k := range list {
		out = append(out, healthcode.Kind(k))
	}
	return out
}

// nativeOnly reports whether kinds are named, and those of native codes alone.
func nativeOnly(list []healthcode.Kind) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(k healthcode.Kind) bool {
		return k != healthcode.Health && k != healthcode.Itinerary
	})
}

func generate(algorithm healthcode.Algorithm) (crypto.Signer, error) {
	const bits = 3072 // good until 2030 and beyond (BSI TR-02102-1)
	switch algorithm {
	case healthcode.PS256:
		return rsa.GenerateKey(rand.Reader, bits)
	case healthcode.EdDSA:
		_, key, err := ed25519.GenerateKey(nil)
		return key, err
	}
	return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
}

// issuerFiles gives the files of a key and its certificate.
func issuerFiles(out string) (key, certificate string) {
	if base, ok := strings.CutSuffix(out, ".key"); ok {
		return out, base + ".pem"
	}
	return filepath.Join(out, "issuer.key"), filepath.Join(out, "issuer.pem")
}

// writeIssuer writes both files or, where one is there already, neither.
func writeIssuer(m madeKey, signer crypto.Signer, der []byte, secret string) error {
	sealed, err := authority.SealIssuerKey(signer, secret)
	if err != nil {
		return err
	}
	if _, err := os.Lstat(m.Certificate); err == nil {
		return fmt.Errorf("%s: %w; nothing is overwritten: choose another name, or move it away", m.Certificate, os.ErrExist)
	}
	if err := os.MkdirAll(filepath.Dir(m.Key), 0o700); err != nil {
		return err
	}
	if err := writeNewMode(m.Key, sealed, 0o600); err != nil {
		return err
	}
	if err := writeNew(m.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		// A key that nobody knows of is of no use.
		return errors.Join(err, os.Remove(m.Key))
	}
	return errors.Join(syncDir(filepath.Dir(m.Key)), syncDir(filepath.Dir(m.Certificate)))
}
