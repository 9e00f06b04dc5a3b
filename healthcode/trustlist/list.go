package trustlist

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"concordat/healthcode"
)

// Format names how a list is written.
type Format string

// The formats that are read.
const (
	X509        Format = "x509"
	JWK         Format = "jwk"
	VCI         Format = "vci"
	DGCG        Format = "dgcg"
	WHO         Format = "who-did"
	Germany     Format = "germany"
	Netherlands Format = "netherlands"
	Sweden      Format = "sweden"
	Own         Format = "concordat"
)

var (
	// ErrUnknown: the file is in no format that is read here.
	ErrUnknown = errors.New("in no format of trust list that is read here")
	// ErrMalformed: the file begins as one of the formats and does not go on so.
	ErrMalformed = errors.New("not a whole trust list")
	// ErrNoKeys: the file is known, and has no keys in it by its nature.
	ErrNoKeys = errors.New("no keys in this kind of file")
	// ErrTooLarge: a bound of limits.go is broken.
	ErrTooLarge = errors.New("too large")
	// ErrPrivateKey: the file holds a private or shared key, which belongs to the issuer alone.
	ErrPrivateKey = errors.New("a private key belongs to the issuer alone")
	// ErrSignature: the list's signature is not its signer's.
	ErrSignature = errors.New("wrong signature")
	// ErrSigner: what the list's signature was to be checked by is missing or cannot be used.
	ErrSigner = errors.New("the list's signature cannot be checked")
	// ErrAnchor: what was given as a CSCA is none.
	ErrAnchor = errors.New("not a CSCA")
)

// Options is what the reader is told beside the list.
type Options struct {
	// Format insists on one format; "" recognises it by content.
	Format Format
	// At is the time at which remarks on validity are made; zero: none are.
	At time.Time
	// Anchors are the CSCAs (WHO: SCAs) that certificates must chain to (T4); see Anchors. None: T5.
	Anchors []*x509.Certificate
	// Region gives a country's or region's one spelling (EL is GR); nil: capital letters.
	Region func(string) string
	// Signature is a detached signature over the file, and Signer who made it, as a
	// certificate or public key in PEM or DER (VCI). For lists that carry their
	// signature (Germany, Sweden) and for the gateway's trust anchor (DGCG) only Signer counts.
	Signature, Signer []byte
	// DIDSigner is the DID document with the key of a WHO list's proof.
	DIDSigner []byte
	// Strict refuses an entry whose country contradicts its certificate's where no
	// chain shows it (T4); else that is a remark.
	Strict bool
	// Domains are the trust domains that are read of a WHO list; none: DCC.
	Domains []string
}

// Entry is one key, as a list gives it.
type Entry struct {
	Where       string            // the place in the file; "" where there is only one
	Key         crypto.PublicKey  // *ecdsa.PublicKey, *rsa.PublicKey or ed25519.PublicKey
	PublicKey   []byte            // the same as SubjectPublicKeyInfo in DER
	KeyID       []byte            // as codes name the key
	Certificate *x509.Certificate // nil: a bare key
	Kinds       []healthcode.Kind // none: all
	Region      string            // as the list names it, in its one spelling; "" where it names none
	Issuer      string            // the issuer's URL; "" where the list has none
	Name        string            // the issuer's name; "" where the list has none
	ValidFrom   time.Time         // codes issued earlier are not good; zero: not said
	ValidUntil  time.Time         // codes issued later are not good; zero: not said
	Chained     bool              // its certificate chains to an anchor
	Remarks     []string          // what the one who registers should know
}

// Thumbprint identifies the key as the ledger does: SHA-256 of the certificate's
// DER where there is one, else of the SubjectPublicKeyInfo.
func (e *Entry) Thumbprint() [sha256.Size]byte {
	if e.Certificate != nil {
		return sha256.Sum256(e.Certificate.Raw)
	}
	return sha256.Sum256(e.PublicKey)
}

// Refusal is an entry that is not taken.
type Refusal struct {
	Where  string `json:"where"`
	Reason string `json:"reason"`
	// Thumbprint is the key's, where the entry could be read that far: it is on the
	// list, though it is not taken. Nil: nobody can say which key was meant.
	Thumbprint *[sha256.Size]byte `json:"-"`
	// Deleted: the list says itself that the key is on it no more.
	Deleted bool `json:"deleted,omitempty"`
	// Region is as in Entry.
	Region string `json:"region,omitempty"`
}

// CRL is an issuer's revocation list that came with its keys, as it stands in
// the file (SMART Health Cards: package shc reads it).
type CRL struct {
	Where  string
	Issuer string
	KeyID  []byte // of the issuer's key in the same list whose cards it revokes
	Raw    json.RawMessage
}

// List is what a file holds.
type List struct {
	Format  Format
	Time    time.Time // when the list says that it was made; zero: it does not
	Entries []Entry   // in the order of the file
	Refused []Refusal // in the order of the file
	CRLs    []CRL
	Anchors int      // CSCAs found in the list
	Signed  string   // whose signature of the whole list was checked and good; "" none was
	Remarks []string // on the list as a whole
}

// Read reads a list in any of the formats.
func Read(data []byte, o Options) (*List, error) {
	if len(data) > MaxFile {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(data), MaxFile)
	}
	r := &reader{o: o, list: &List{}, data: data}
	if r.o.Region == nil {
		r.o.Region = strings.ToUpper
	}
	if err := r.trust(o.Anchors); err != nil {
		return nil, err
	}
	if err := r.read(bytes.TrimSpace(bytes.TrimPrefix(data, []byte("\ufeff")))); err != nil {
		return nil, err
	}
	r.chain()
	return r.list, nil
}

// reader reads one file.
type reader struct {
	o       Options
	data    []byte // the file as it was given: what a detached signature is over
	list    *List
	given   *anchors  // Options.Anchors; nil: none were given
	found   *anchors  // CSCAs in the list
	pending []pending // entries whose chain is checked once all anchors are known
}

// pending is an entry in waiting, or a refusal in its place, so that both keep
// the order of the file.
type pending struct {
	entry   Entry
	refused *Refusal
}

// read recognises the format by what the file begins with and holds.
func (r *reader) read(text []byte) error {
	switch {
	case len(text) == 0:
		return fmt.Errorf("%w: it is empty", ErrUnknown)
	case text[0] == '{' || text[0] == '[':
		if r.o.Format == X509 {
			return r.der(text)
		}
		return r.json(text)
	case bytes.Contains(text, []byte("-----BEGIN")):
		return r.only(X509, func() error { return r.pem(text) })
	case bytes.HasPrefix(text, []byte("eyJ")) && bytes.Count(text, []byte(".")) >= 2:
		return r.only(Sweden, func() error { return r.sweden(text) })
	}
	if sig, body, ok := germanParts(text); ok {
		return r.only(Germany, func() error { return r.germany(sig, body) })
	}
	if r.o.Format != "" && r.o.Format != X509 {
		return fmt.Errorf("%w: it is no %s", ErrUnknown, r.o.Format)
	}
	r.list.Format = X509
	return r.der(r.data)
}

// only reads a format unless another was asked for.
func (r *reader) only(f Format, read func() error) error {
	if r.o.Format != "" && r.o.Format != f {
		if r.o.Format == X509 {
			return fmt.Errorf("%w: no X.509 certificate in DER or PEM", ErrUnknown)
		}
		return fmt.Errorf("%w: it is a list in the format %s, want %s", ErrUnknown, f, r.o.Format)
	}
	r.list.Format = f
	return read()
}

// json recognises the JSON formats by their members.
func (r *reader) json(text []byte) error {
	if text[0] == '[' {
		var items []json.RawMessage
		if err := json.Unmarshal(text, &items); err != nil {
			return malformed("JSON", err)
		}
		if err := distinct(text); err != nil {
			return err
		}
		if len(items) > 0 && items[0][0] == '"' {
			return fmt.Errorf("%w: it is a list of strings, such as the key ids of /signercertificateStatus; ask the same service for the certificates", ErrNoKeys)
		}
		return r.only(DGCG, func() error { return r.dgcg(items) })
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(text, &m); err != nil {
		return malformed("JSON", err)
	}
	if err := distinct(text); err != nil {
		return err
	}
	has := func(names ...string) bool {
		for _, n := range names {
			if _, ok := m[n]; !ok {
				return false
			}
		}
		return true
	}
	switch {
	case has("issuerInfo"):
		return r.only(VCI, func() error { return r.vci(text) })
	case has("participating_issuers"), has("issuer_metadata"):
		return fmt.Errorf("%w: it names SMART Health Card issuers without their keys; import the directory's snapshot, vci_snapshot.json, which has both", ErrNoKeys)
	case has("verificationMethod"):
		return r.only(WHO, func() error { return r.who(text) })
	case has("certificates"):
		return r.only(Germany, func() error { return r.certificates(m["certificates"]) })
	case has("dsc_trust_list"):
		return r.only(Sweden, func() error { return r.swedish(text) })
	case has("eu_keys"):
		return r.only(Netherlands, func() error { return r.netherlands(m["eu_keys"]) })
	case has("payload", "signature"):
		return r.only(Netherlands, func() error { return r.dutch(text) })
	case has("kty"):
		return r.only(JWK, func() error { return r.jwks([]json.RawMessage{text}, false) })
	case has("keys"):
		return r.keys(text, m["keys"])
	case has("method", "rids"):
		return fmt.Errorf("%w: it is one issuer's revocation list; it is imported with its issuer's keys, in a snapshot", ErrNoKeys)
	case has("verifiableCredential"):
		return fmt.Errorf("%w: it is somebody's SMART Health Card", ErrNoKeys)
	}
	return r.byName(m)
}

// keys tells a JWK set from our own format: both have an array of that name.
func (r *reader) keys(text, array []byte) error {
	var items []json.RawMessage
	if err := json.Unmarshal(array, &items); err != nil {
		return malformed("keys", err)
	}
	for _, i := range items {
		var m struct {
			Kty *string `json:"kty"`
		}
		if json.Unmarshal(i, &m) == nil && m.Kty != nil {
			return r.only(JWK, func() error { return r.jwks(items, true) })
		}
	}
	if len(items) == 0 {
		r.list.Format = JWK
		return nil
	}
	return r.only(Own, func() error { return r.own(text) })
}

// private says of a place that it holds a private or shared key.
func private(where string) error {
	return fmt.Errorf("%s holds a private or shared key, and %w; give the public key by itself", where, ErrPrivateKey)
}

func malformed(what string, err error) error {
	return fmt.Errorf("%w: %s: %s", ErrMalformed, what, clip(err.Error()))
}

// count checks how many entries a list has before any is read.
func count(n int) error {
	if n > MaxEntries {
		return fmt.Errorf("%w: %d entries, at most %d", ErrTooLarge, n, MaxEntries)
	}
	return nil
}

// remark adds a remark on the whole list.
func (r *reader) remark(format string, a ...any) {
	r.list.Remarks = append(r.list.Remarks, fmt.Sprintf(format, a...))
}

// refuse leaves an entry out.
func (r *reader) refuse(where, region string, of *x509.Certificate, why error) {
	f := &Refusal{Where: where, Reason: clipTo(why.Error(), 400), Region: region}
	if of != nil {
		sum := sha256.Sum256(of.Raw)
		f.Thumbprint = &sum
	}
	r.pending = append(r.pending, pending{refused: f})
}

// add takes an entry, if its key is one to rely on.
func (r *reader) add(e Entry) {
	if err := r.complete(&e); err != nil {
		r.refuse(e.Where, e.Region, e.Certificate, err)
		if f := r.pending[len(r.pending)-1].refused; f.Thumbprint == nil && len(e.PublicKey) > 0 {
			sum := e.Thumbprint()
			f.Thumbprint = &sum
		}
		return
	}
	r.pending = append(r.pending, pending{entry: e})
}

// complete checks an entry, and fills in what follows from its certificate.
func (r *reader) complete(e *Entry) error {
	if c := e.Certificate; c != nil {
		e.Key, e.PublicKey = c.PublicKey, c.RawSubjectPublicKeyInfo
	}
	if err := Suitable(e.Key); err != nil {
		return err
	}
	spki, err := x509.MarshalPKIXPublicKey(e.Key)
	if err != nil {
		return err
	}
	if e.Certificate != nil && !bytes.Equal(spki, e.PublicKey) {
		return errors.New("the certificate's key is encoded in another way than the usual one, and no check would read it")
	}
	e.PublicKey = spki
	switch n := len(e.KeyID); {
	case n == 0 || n > MaxKeyID:
		return fmt.Errorf("its key id has %d bytes, want 1 to %d", n, MaxKeyID)
	case len(e.Issuer) > MaxIssuer:
		return fmt.Errorf("its issuer's URL has %d bytes, at most %d", len(e.Issuer), MaxIssuer)
	case len(e.Name) > MaxName:
		return fmt.Errorf("its issuer's name has %d bytes, at most %d", len(e.Name), MaxName)
	case !e.ValidFrom.IsZero() && !e.ValidUntil.IsZero() && !e.ValidFrom.Before(e.ValidUntil):
		return fmt.Errorf("it is valid from %s until %s: it never is", stamp(e.ValidFrom), stamp(e.ValidUntil))
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// clip shortens what is quoted of a list.
func clip(s string) string { return clipTo(s, maxShown*2) }

func clipTo(s string, most int) string {
	if len(s) <= most {
		return strings.ToValidUTF8(s, "?")
	}
	return strings.ToValidUTF8(s[:most], "?") + "…"
}
