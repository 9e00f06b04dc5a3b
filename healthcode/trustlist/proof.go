package trustlist

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

// The proof of a WHO list is a JsonWebSignature2020: a JWS over the hashes of
// two RDF data sets in canonical form (URDNA2015), the proof's options and the
// document. A processor of JSON-LD is not needed for it: the documents have one
// shape, of two fixed contexts, and every node in them but the proof has a name,
// so that the canonical form is their statements, sorted. A document of any
// other shape is not verified, and said to be so.

// proofOptions is the proof without what it proves with.
type proofOptions struct {
	Type    string `json:"type"`
	Created string `json:"created"`
	Nonce   string `json:"nonce"`
	Domain  string `json:"domain"`
	Purpose string `json:"proofPurpose"`
	Method  string `json:"verificationMethod"`
	JWS     string `json:"jws"`
}

// proof checks the document's proof, where the signer was given.
func (r *reader) proof(text []byte, doc *didDocument) error {
	switch {
	case doc.Proof == nil:
		if r.o.DIDSigner != nil {
			return fmt.Errorf("%w: the list has no proof", ErrSignature)
		}
		r.remark("the list has no proof")
		return nil
	case r.o.DIDSigner == nil:
		r.remark("the list's proof was not checked: give the DID document of its signer")
		return nil
	}
	var p proofOptions
	if err := strictly(doc.Proof, &p); err != nil {
		return fmt.Errorf("%w: the proof is of another shape than WHO's: %s", ErrSignature, clip(err.Error()))
	}
	quads, err := documentQuads(text)
	if err != nil {
		return fmt.Errorf("%w: the proof cannot be checked: %w", ErrSignature, err)
	}
	options, err := p.quads()
	if err != nil {
		return fmt.Errorf("%w: the proof cannot be checked: %w", ErrSignature, err)
	}
	header, sig, err := detachedJWS(p.JWS)
	if err != nil {
		return err
	}
	hashes := sha256.Sum256([]byte(options))
	document := sha256.Sum256([]byte(quads))
	input := slices.Concat([]byte(header.text), []byte("."), hashes[:], document[:])
	id, keys, err := methodKeys(r.o.DIDSigner)
	if err != nil {
		return err
	}
	tried := 0
	for _, name := range sortedKeys(keys) {
		if name != p.Method && id != p.Method {
			continue
		}
		tried++
		if verifyJWS(header.Alg, keys[name], input, sig) {
			r.list.Signed = clip(name)
			if bytes.HasPrefix(sig, []byte{0x30}) && len(sig) != 64 && len(sig) != 96 {
				r.remark("the proof's signature is in DER, which JWS forbids; it is good")
			}
			return nil
		}
	}
	if tried == 0 {
		return fmt.Errorf("%w: the proof names the key %q, and the signer's document is that of %q", ErrSignature, clip(p.Method), clip(id))
	}
	return fmt.Errorf("%w: the list is not what %s signed", ErrSignature, clip(p.Method))
}

// jwsHeader is a JWS header, with its text as it was signed.
type jwsHeader struct {
	text string
	Alg  string   `json:"alg"`
	B64  *bool    `json:"b64"`
	Crit []string `json:"crit"`
}

// detachedJWS reads a JWS whose payload stands elsewhere, unencoded (RFC 7797).
func detachedJWS(s string) (jwsHeader, []byte, error) {
	bad := func(why string) (jwsHeader, []byte, error) {
		return jwsHeader{}, nil, fmt.Errorf("%w: the proof's jws %s", ErrSignature, why)
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 || parts[1] != "" {
		return bad("is not detached")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	h := jwsHeader{text: parts[0]}
	if err != nil || json.Unmarshal(raw, &h) != nil || distinct(raw) != nil {
		return bad("has no header that can be read")
	}
	if h.B64 == nil || *h.B64 || !slices.Equal(h.Crit, []string{"b64"}) {
		return bad("does not say b64 false, and that alone, in crit")
	}
	sig, err := Base64(parts[2])
	if err != nil {
		return bad("has a signature that is not in base64")
	}
	return h, sig, nil
}

// The words of the two contexts.
const (
	sec     = "https://w3id.org/security#"
	rdfType = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>"
	rdfJSON = "<http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON>"
	created = "<http://purl.org/dc/terms/created>"
	xsdTime = "<http://www.w3.org/2001/XMLSchema#dateTime>"
)

// contexts are the two that WHO's documents have, in their order.
var contexts = []string{"https://www.w3.org/ns/did/v1", "https://w3id.org/security/suites/jws-2020/v1"}

var errShape = errors.New("the document is of another shape than WHO's")

// documentQuads gives a document without its proof in canonical N-Quads.
func documentQuads(text []byte) (string, error) {
	var doc didDocument
	if err := strictly(text, &doc); err != nil {
		return "", fmt.Errorf("%w: %s", errShape, clip(err.Error()))
	}
	var said []string
	if json.Unmarshal(doc.Context, &said) != nil || !slices.Equal(said, contexts) {
		return "", fmt.Errorf("%w: its contexts are not %q", errShape, contexts)
	}
	var q quads
	subject := q.iri(doc.ID)
	if doc.Controller != "" {
		q.add(subject, "<"+sec+"controller>", q.iri(doc.Controller))
	}
	for _, raw := range doc.Methods {
		if raw[0] == '"' {
			var name string
			if err := json.Unmarshal(raw, &name); err != nil {
				return "", fmt.Errorf("%w: %s", errShape, clip(err.Error()))
			}
			q.add(subject, "<"+sec+"verificationMethod>", q.iri(name))
			continue
		}
		var m method
		if err := strictly(raw, &m); err != nil || m.Type != "JsonWebKey2020" || m.Key == nil {
			return "", fmt.Errorf("%w: a method has other members than id, type JsonWebKey2020, controller and publicKeyJwk", errShape)
		}
		key, err := canonicalJSON(m.Key)
		if err != nil {
			return "", err
		}
		node := q.iri(m.ID)
		q.add(subject, "<"+sec+"verificationMethod>", node)
		q.add(node, rdfType, "<"+sec+"JsonWebKey2020>")
		if m.Controller != "" {
			q.add(node, "<"+sec+"controller>", q.iri(m.Controller))
		}
		q.add(node, "<"+sec+"publicKeyJwk>", literal(key)+"^^"+rdfJSON)
	}
	return q.canonical()
}

// quads gives the proof's options in canonical N-Quads.
func (p *proofOptions) quads() (string, error) {
	if p.Type != "JsonWebSignature2020" || p.Purpose != "assertionMethod" {
		return "", fmt.Errorf("%w: the proof is a %q for %q", errShape, clip(p.Type), clip(p.Purpose))
	}
	const node = "_:c14n0"
	var q quads
	q.add(node, rdfType, "<"+sec+"JsonWebSignature2020>")
	q.add(node, "<"+sec+"proofPurpose>", "<"+sec+"assertionMethod>")
	q.add(node, "<"+sec+"verificationMethod>", q.iri(p.Method))
	q.add(node, created, literal(p.Created)+"^^"+xsdTime)
	if p.Nonce != "" {
		q.add(node, "<"+sec+"nonce>", literal(p.Nonce))
	}
	if p.Domain != "" {
		q.add(node, "<"+sec+"domain>", literal(p.Domain))
	}
	return q.canonical()
}

// quads are RDF statements.
type quads struct {
	lines []string
	err   error
}

func (q *quads) add(subject, predicate, object string) {
	q.lines = append(q.lines, subject+" "+predicate+" "+object+" .\n")
}

// iri writes a name. One that a processor of JSON-LD would resolve, expand or drop is refused.
func (q *quads) iri(s string) string {
	bad := func(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("<>\"{}|^`\\", c) }
	if !strings.HasPrefix(s, "did:") || strings.ContainsFunc(s, bad) {
		q.err = fmt.Errorf("%w: %q is no DID", errShape, clip(s))
	}
	return "<" + s + ">"
}

// canonical sorts the statements; the same statement counts once.
func (q *quads) canonical() (string, error) {
	slices.Sort(q.lines)
	return strings.Join(slices.Compact(q.lines), ""), q.err
}

// literal writes a text as N-Quads do in canonical form.
func literal(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`).Replace(s) + `"`
}

// canonicalJSON writes JSON in the one form of RFC 8785. A JWK has no numbers,
// and none are taken.
func canonicalJSON(raw []byte) (string, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return "", fmt.Errorf("%w: %s", errShape, clip(err.Error()))
	}
	var b strings.Builder
	if err := writeCanonical(&b, v); err != nil {
		return "", err
	}
	return b.String(), nil
}

func writeCanonical(b *strings.Builder, v any) error {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		fmt.Fprint(b, v)
	case string:
		writeString(b, v)
	case []any:
		b.WriteByte('[')
		for i, one := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := writeCanonical(b, one); err != nil {
				return err
			}
		}
		b.WriteByte(']')
	case map[string]any:
		names := sortedKeys(v)
		slices.SortFunc(names, func(x, y string) int { return slices.Compare(utf16.Encode([]rune(x)), utf16.Encode([]rune(y))) })
		b.WriteByte('{')
		for i, name := range names {
			if i > 0 {
				b.WriteByte(',')
			}
			writeString(b, name)
			b.WriteByte(':')
			if err := writeCanonical(b, v[name]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
	default:
		return fmt.Errorf("%w: a JWK with a number in it", errShape)
	}
	return nil
}

func writeString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\b':
			b.WriteString(`\b`)
		case c == '\f':
			b.WriteString(`\f`)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c < ' ':
			fmt.Fprintf(b, `\u%04x`, c)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
}
