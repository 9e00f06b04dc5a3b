package load

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"concordat/client"
	"concordat/healthcode/hc1"
	"concordat/ledger/statement"
	"concordat/recognition"
	"concordat/testnet/codes"
)

// Code is the code that is checked: one of testnet/codes, signed with ECDSA P-256.
const Code = "AT-1"

// codeTime is when the code is good.
var codeTime = time.Date(2021, 9, 1, 12, 0, 0, 0, time.UTC)

// Asking is a load of questions, which change nothing.
type Asking struct {
	Nodes   []string // base URLs that the clients ask, in turn
	Clients int
	Window  Window
	Servers []int // the nodes' process ids, to tell their processor time
}

func (a Asking) run(ctx context.Context, mode string, ask func(*caller) operation) (Figures, error) {
	cs, err := callers(a.Nodes, a.Clients)
	if err != nil {
		return Figures{}, err
	}
	defer closeAll(cs)
	ops := make([]operation, len(cs))
	for i, c := range cs {
		ops[i] = ask(c)
	}
	f, err := drive(ctx, ops, a.Window, a.Servers)
	f.Mode = mode
	return f, err
}

// Known is what was put into the ledger to be asked about.
type Known struct {
	Region statement.Region // whose it is
	Size   uint64           // from which size on it is known
}

// Register registers the signer of Code as one of the author's issuers, unless
// it is already, and waits until it is final at the nodes: a key counts from then on.
func Register(ctx context.Context, author *client.Author, nodes []string) (Known, error) {
	code, err := codes.Get(Code)
	if err != nil {
		return Known{}, err
	}
	cert, err := x509.ParseCertificate(code.Certificate)
	if err != nil {
		return Known{}, fmt.Errorf("certificate of %s: %w", Code, err)
	}
	kid := hc1.KeyID(code.Certificate)
	body := &statement.RegisterKey{
		PublicKey: cert.RawSubjectPublicKeyInfo, KeyID: kid[:], Certificate: code.Certificate, ValidUntil: statement.TimeOf(cert.NotAfter),
	}
	for _, k := range hc1.Kinds(cert) {
		body.Kinds = append(body.Kinds, statement.CodeKind(k))
	}
	body.Kinds = statement.SortKinds(body.Kinds)
	known := Known{Region: author.Authority}
	got, err := author.Say(ctx, body, nil, client.Ordered)
	var f *client.Failure
	switch {
	case err == nil:
		known.Size = *got.Index + 1
	case errors.As(err, &f) && f.Name == "already-registered":
	default:
		return known, fmt.Errorf("registering the signer of %s: %w", Code, err)
	}
	return known, atLeast(ctx, nodes, known.Size)
}

// atLeast waits until so many statements are final at every node.
func atLeast(ctx context.Context, nodes []string, size uint64) error {
	for _, node := range nodes {
		for {
			heads, err := readBack{[]string{node}}.heads(ctx)
			if err != nil {
				return err
			}
			if heads[0].Final.Size >= size {
				break
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("waiting for %d statements to be final at %s: %w", size, node, context.Cause(ctx))
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	return nil
}

// Check asks for decisions on a real code, and counts those that recognise it
// and rest on a ledger that knows its issuer.
func (a Asking) Check(ctx context.Context, k Known) (Figures, error) {
	code, err := codes.Get(Code)
	if err != nil {
		return Figures{}, err
	}
	q := client.Check{Codes: []string{code.Text}, Region: string(k.Region), At: &codeTime}
	return a.run(ctx, "check", func(c *caller) operation {
		return func(ctx context.Context) error {
			got, err := c.Check(ctx, q)
			switch {
			case err != nil:
				return err
			case got.Decision.Decision != recognition.Recognized:
				return fmt.Errorf("%w: %s says %s of a good code: %v", ErrWrong, c.Nodes()[0], got.Decision.Decision, got.Reasons)
			case got.AsOf.Size < k.Size:
				return fmt.Errorf("%w: %s answers as of size %d, after it had %d", ErrWrong, c.Nodes()[0], got.AsOf.Size, k.Size)
			}
			return nil
		}
	})
}

// Revoked is a set of revocation hashes in the ledger, and as many that are not.
type Revoked struct {
	Known
	salt  [16]byte
	count int
}

func (r Revoked) hash(i int) statement.RevocationHash {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(r.salt[:16:16], uint64(i)))
	return statement.RevocationHash(sum[:statement.HashSize])
}

// Revoke revokes count invented hashes, and waits until the nodes know them.
func Revoke(ctx context.Context, author *client.Author, nodes []string, count int) (Revoked, error) {
	r := Revoked{Known: Known{Region: author.Authority}, count: count}
	if count < 1 {
		return r, fmt.Errorf("%d hashes to look up, want 1 or more", count)
	}
	if _, err := rand.Read(r.salt[:]); err != nil {
		return r, fmt.Errorf("inventing hashes: %w", err)
	}
	for from := 0; from < count; from += statement.MaxBatchHashes {
		hashes := make([]statement.RevocationHash, min(count-from, statement.MaxBatchHashes))
		for i := range hashes {
			hashes[i] = r.hash(from + i)
		}
		attachment := statement.NewAttachment(hashes)
		expires := statement.TimeOf(time.Now().AddDate(1, 0, 0))
		got, err := author.Say(ctx, &statement.Revoke{Batch: statement.NewBatch(statement.HashSignature, attachment, expires, "made up to measure with")}, attachment, client.Ordered)
		if err != nil {
			return r, fmt.Errorf("revoking hashes %d to %d of %d: %w", from, from+len(hashes)-1, count, err)
		}
		if got.Index == nil {
			return r, fmt.Errorf("revoking hashes %d to %d of %d: they are %s, and not ordered: %s", from, from+len(hashes)-1, count, got.State, got.Note)
		}
		r.Size = *got.Index + 1
	}
	return r, atLeast(ctx, nodes, r.Size)
}

// Lookup asks what is said of hashes, of revoked ones and of others in turn,
// and counts the answers that are right.
func (a Asking) Lookup(ctx context.Context, r Revoked) (Figures, error) {
	at := 0
	return a.run(ctx, "lookup", func(c *caller) operation {
		// Each client walks through all hashes with a stride of its own.
		at++
		i, stride := at, 2*at+7918
		return func(ctx context.Context) error {
			i += stride
			n := i % (2 * r.count)
			h := r.hash(n)
			got, err := c.Revocations(ctx, hex.EncodeToString(h[:]))
			if err != nil {
				return err
			}
			if want := n < r.count; got.Revoked != want {
				return fmt.Errorf("%w: %s says revoked %t of hash %x, want %t", ErrWrong, c.Nodes()[0], got.Revoked, h, want)
			}
			return nil
		}
	})
}
