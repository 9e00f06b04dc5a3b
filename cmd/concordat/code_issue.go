package main

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"concordat/client/authority"
	"concordat/healthcode"
	"concordat/healthcode/issue"
	"concordat/healthcode/native"
	"concordat/healthcode/picture"
	"concordat/ledger/statement"
)

func newCodeIssue(t *terminal) *cobra.Command {
	return group("issue", "Issue one code",
		`  concordat code issue health --key xa-issuer/issuer.key --certificate xa-issuer/issuer.pem --region XA --status green --expires now+30d
  concordat code issue itinerary --key xa-issuer/issuer.key --region XA --covered now-14d,now --expires now+1d
  concordat code issue hc1 --key hc1.key --certificate hc1.pem --region XA --payload dcc.json --expires now+180d --out code.svg

The code is read back before it is handed out. Its revocation hashes are what to
keep, to be able to revoke it.`,
		newCodeIssueHealth(t), newCodeIssueItinerary(t), newCodeIssueHC1(t))
}

// issuing is what every code is issued with.
type issuing struct {
	key, certificate, region, out string
	issued, expires               moment
}

// pixels are those of a module in a PNG: some 5 cm at 300 dots per inch.
const pixels = 8

func (i *issuing) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&i.key, "key", "", "`FILE` with the issuer's private key (concordat code key, or PKCS#8 in PEM)")
	f.StringVar(&i.certificate, "certificate", "", "`FILE` with its certificate, PEM or DER, whose hash is the key id (default the .pem beside the key; where there is none, the key id is the key's own)")
	f.StringVar(&i.region, "region", "", "the issuing region")
	f.Var(&i.issued, "issued", "time of issue (default now)")
	f.Var(&i.expires, "expires", "from then on the code no longer counts")
	f.StringVar(&i.out, "out", "", "write the code to `FILE`, by its ending .txt, .png or .svg (default: text on standard output)")
	require(cmd, "key", "region", "expires")
}

// issuer opens the key, and refuses before that what could not be written.
func (i *issuing) issuer(cmd *cobra.Command, t *terminal) (*issue.Issuer, error) {
	if i.out != "" {
		switch strings.ToLower(filepath.Ext(i.out)) {
		case ".txt", ".png", ".svg":
		default:
			return nil, usage("--out %s: want a file that ends in .txt, .png or .svg", i.out)
		}
		if err := checkOutput(cmd, i.out); err != nil {
			return nil, err
		}
	}
	region, err := statement.ParseRegion(i.region)
	if err != nil {
		return nil, usage("--region: %w", err)
	}
	var certificate *x509.Certificate
	if i.certificate == "" {
		// The one that code key made with the key: a code with another key id than
		// the registered certificate's would be of an unknown issuer everywhere.
		beside := strings.TrimSuffix(i.key, filepath.Ext(i.key)) + ".pem"
		if isFile(beside) && beside != i.key {
			i.certificate = beside
		}
	}
	if i.certificate != "" {
		if certificate, err = readCertificate(i.certificate); err != nil {
			return nil, err
		}
	}
	signer, err := authority.LoadIssuerKey(i.key, t.passphrase)
	if err != nil {
		return nil, err
	}
	key, err := issue.NewKey(signer, certificate)
	if err != nil {
		return nil, err
	}
	if certificate != nil {
		for _, c := range certificate.Subject.Country {
			if of, err := statement.ParseRegion(c); err == nil && of != region.Country() {
				t.say("remark: the certificate is of %s, and the code will say that it is of %s", of, region)
			}
		}
	}
	return issue.New(string(region), key, rand.Reader)
}

// at is the time of issue. Now is read after all that the command line says of
// "now", so that nothing in the code is later.
func (i *issuing) at() time.Time {
	if i.issued.IsZero() {
		i.issued.Time = time.Now().UTC().Truncate(time.Second)
	}
	return i.issued.Time
}

// readCertificate reads the one certificate in a file.
func readCertificate(path string) (*x509.Certificate, error) {
	raw, err := readFile(path, statement.MaxCertificate*2) // PEM has a third more
	if err != nil {
		return nil, err
	}
	if block, rest := pem.Decode(raw); block != nil {
		if block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
			return nil, usage("%s: want one PEM block CERTIFICATE, and nothing else", path)
		}
		raw = block.Bytes
	}
	certificate, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, usage("%s is no X.509 certificate in DER or PEM: %w", path, err)
	}
	return certificate, nil
}

// issuedCode is what code issue answers. It is personal: it holds the code.
type issuedCode struct {
	Code      string       `json:"code"`
	Format    string       `json:"format"`
	Kind      string       `json:"kind"`
	Region    string       `json:"region"`
	KeyID     string       `json:"kid"` // hex
	Algorithm string       `json:"algorithm"`
	IssuedAt  string       `json:"issuedAt"`
	ExpiresAt string       `json:"expiresAt"`
	ID        string       `json:"id,omitempty"`
	Hashes    []hashOfCode `json:"revocation"`
	File      string       `json:"file,omitempty"`
}

// hashOfCode is one name under which a code can be revoked.
type hashOfCode struct {
	Type string `json:"type"`
	Hash string `json:"hash"` // hex
}

func hashesOf(list []healthcode.RevocationHash) []hashOfCode {
	out := make([]hashOfCode, len(list))
	for i, h := range list {
		out[i] = hashOfCode{string(h.Type), hex.EncodeToString(h.Hash[:])}
	}
	return out
}

// hand writes the code where it was asked for, and tells what to keep of it.
func (i *issuing) hand(cmd *cobra.Command, t *terminal, code *issue.Code) error {
	v := code.Verified
	from, to := v.IssuedAt(), v.ExpiresAt()
	a := issuedCode{
		Code: code.Text, Format: string(v.Format()), Kind: string(v.Kind()), Region: v.Issuer(), KeyID: hex.EncodeToString(v.KeyID()),
		Algorithm: string(v.Algorithm()), IssuedAt: stamp(&from), ExpiresAt: stamp(&to), ID: v.Holder().ID, Hashes: hashesOf(v.RevocationHashes()), File: i.out,
	}
	if i.out != "" {
		data, err := drawn(i.out, code.Text)
		if err != nil {
			return err
		}
		if err := writeNewMode(i.out, data, 0o600); err != nil {
			return err
		}
	}
	if !asJSON(cmd) {
		if a.ID != "" {
			t.say("id %s: give it with --id for this person's other card", a.ID)
		}
		for _, h := range a.Hashes {
			t.say("to revoke it, by %s: %s", h.Type, h.Hash)
		}
	}
	return t.emit(cmd, a, func(w io.Writer) error {
		if i.out == "" {
			_, err := fmt.Fprintln(w, a.Code)
			return err
		}
		_, err := fmt.Fprintf(w, "%s: %s code of %s, %s to %s\n", clean(i.out), a.Kind, a.Region, a.IssuedAt, a.ExpiresAt)
		return err
	})
}

// drawn gives the content of a file by its ending.
func drawn(path, text string) ([]byte, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".png":
		return picture.PNG(text, pixels)
	case ".svg":
		return picture.SVG(text)
	}
	return []byte(text + "\n"), nil
}

// holding is what native codes have beside.
type holding struct {
	id, birthDate string
	notBefore     moment
}

func (h *holding) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&h.id, "id", "", "32 hexadecimal digits that this person's health code and itinerary card share (default: drawn at random)")
	f.StringVar(&h.birthDate, "birth-date", "", "YYYY, YYYY-MM or YYYY-MM-DD; it shows that another code is the same person's")
	f.Var(&h.notBefore, "not-before", "before then the code does not count")
}

// card begins the card of a native code.
func (h *holding) card(i *issuing) (native.Card, error) {
	c := native.Card{IssuedAt: i.at(), NotBefore: h.notBefore.Time, ExpiresAt: i.expires.Time, BirthDate: h.birthDate}
	if h.id == "" {
		return c, nil
	}
	id, err := native.ParseID(strings.ToLower(h.id))
	if err != nil {
		return c, usage("--id: want 32 hexadecimal digits")
	}
	c.ID = id
	return c, nil
}

// issueError tells what is wrong with what was asked for from what went wrong.
func issueError(err error) error {
	if errors.Is(err, issue.ErrInvalid) {
		return &usageError{err}
	}
	return err
}
