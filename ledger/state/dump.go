package state

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"concordat/ledger/statement"
)

// Dump writes the whole state in words, one line per record, in the order of
// the keys. It decodes every record, and checks that each index entry names a
// record, each revocation has a batch, and counts, totals, running numbers and
// the list of validators are those of what there is, so that it fails with
// ErrCorrupt on any state that this package cannot have written and erasing
// batches cannot have left.
func Dump(r Reader, w io.Writer) error {
	out := bufio.NewWriter(w)
	var indexes uint64
	agree := newSums()
	err := r.Scan(nil, func(key, value []byte) (bool, error) {
		line, err := describe(r, key, value)
		if err != nil {
			return false, err
		}
		if err := agree.see(key, value); err != nil {
			return false, err
		}
		if line == "" {
			indexes++
			return true, nil
		}
		_, err = fmt.Fprintln(out, line)
		return err == nil, err
	})
	if err != nil {
		return fmt.Errorf("dumping the state: %w", err)
	}
	if err := agree.check(); err != nil {
		return fmt.Errorf("dumping the state: %w", err)
	}
	fmt.Fprintln(out, count(indexes, "index entry", "index entries")) // bufio keeps the error for Flush
	return out.Flush()
}

// describe is a record in words; "" for an index entry that is as it must be:
// issuers' keys by kid and public key, and whose an authority's key is.
func describe(r Reader, key, value []byte) (string, error) {
	if len(key) == 0 {
		return "", fmt.Errorf("%w: empty key", ErrCorrupt)
	}
	switch key[0] {
	case tagNetwork:
		return sentence[Network](key, value)
	case tagAuthority:
		return sentence[Authority](key, value)
	case tagIssuerKey:
		return sentence[IssuerKey](key, value)
	case tagKeyCount:
		return sentence[keyCount](key, value)
	case tagRegistrationCount:
		return sentence[registrationCount](key, value)
	case tagSchemeCount:
		return sentence[schemeCount](key, value)
	case tagRecognition:
		return sentence[Recognition](key, value)
	case tagRisk:
		return sentence[RiskArea](key, value)
	case tagByKeyID, tagByPublicKey:
		return "", checkIndex(r, key, value)
	case tagOrdinals:
		return sentence[ordinals](key, value)
	case tagValidators:
		return sentence[validatorSet](key, value)
	case tagSeal:
		return sentence[Seal](key, value)
	case tagEvidence:
		return sentence[EvidenceRecord](key, value)
	case tagUsedKey:
		_, err := parse[UsedKey](key, value)
		return "", err
	case tagElectorate:
		return sentence[electorate](key, value)
	case tagProposal:
		return sentence[Proposal](key, value)
	case tagProposalCount:
		return sentence[proposalCount](key, value)
	case tagHandover:
		return sentence[HandoverRecord](key, value)
	case tagRecovery:
		return sentence[RecoveryRecord](key, value)
	case tagPublished:
		return sentence[published](key, value)
	case tagRule:
		if isRuleVersion(key) {
			return sentence[RuleVersion](key, value)
		}
		return sentence[Rule](key, value)
	case tagValueSet:
		return sentence[ValueSet](key, value)
	case tagScheme:
		return sentence[Scheme](key, value)
	case tagCase:
		return sentence[SpecialCase](key, value)
	case tagBatch:
		b, err := parseBatch(key, value)
		if err != nil {
			return "", err
		}
		return b.words(binary.BigEndian.Uint64(key[1:])), nil
	case tagTotals:
		return describeTotals(key, value)
	case tagRevocation:
		return describeEvent(r, key, value)
	}
	return "", fmt.Errorf("%w: key %x begins with no tag of this package", ErrCorrupt, key)
}

type spoken[T any] interface {
	record[T]
	words() string
}

func sentence[T any, P spoken[T]](key, value []byte) (string, error) {
	rec, err := parse[T, P](key, value)
	if err != nil {
		return "", err
	}
	return P(rec).words(), nil
}

// checkIndex checks ST11 for one entry.
func checkIndex(r Reader, key, value []byte) error {
	at := 1 + sha256.Size
	if key[0] == tagByKeyID {
		if len(key) < 2 {
			return fmt.Errorf("%w: index key %x is too short", ErrCorrupt, key)
		}
		at = 2 + int(key[1])
	}
	if len(key) < at || !bytes.Equal(value, present) {
		return fmt.Errorf("%w: index entry %x with value %x", ErrCorrupt, key, value)
	}
	region, thumb, err := splitRegistration(key, key[:at])
	if err != nil {
		return err
	}
	k, err := load[IssuerKey](r, issuerKeyKey(region, thumb))
	if err != nil {
		return err
	}
	if k == nil {
		return fmt.Errorf("%w: an index names key %s of %s, which is not there", ErrCorrupt, thumb, region)
	}
	if want := append(keyIDPrefix(k.KeyID), key[at:]...); key[0] == tagByKeyID && !bytes.Equal(want, key) {
		return fmt.Errorf("%w: an index has key %s of %s under another kid", ErrCorrupt, thumb, region)
	}
	if want := append(publicKeyPrefix(k.PublicKey), key[at:]...); key[0] == tagByPublicKey && !bytes.Equal(want, key) {
		return fmt.Errorf("%w: an index has key %s of %s under another public key", ErrCorrupt, thumb, region)
	}
	return nil
}

func describeTotals(key, value []byte) (string, error) {
	authority, kind, ok := bytes.Cut(key[1:], []byte{0})
	if !ok || len(kind) != 1 || kind[0] < 1 || int(kind[0]) > len(statement.HashTypes) {
		return "", fmt.Errorf("%w: totals key %x", ErrCorrupt, key)
	}
	var t Totals
	if err := decode(fmt.Sprintf("totals of %s", authority), value, &t); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s has said in %s of type %s: %d revoked, %d reinstated",
		authority, count(t.Batches, "batch", "batches"), statement.HashTypes[kind[0]-1], t.Revoked, t.Undone), nil
}

func describeEvent(r Reader, key, value []byte) (string, error) {
	if len(key) < revocationPrefixSize {
		return "", fmt.Errorf("%w: revocation key %x is too short", ErrCorrupt, key)
	}
	hash := slices.Clone(key[1:revocationPrefixSize])
	e, err := parseEvent(key, value)
	if err != nil {
		return "", err
	}
	if _, err := e.batch(r); err != nil {
		return "", err
	}
	return e.words(hash), nil
}

// Digest is SHA-256 over the whole state: each key and value in the order of
// the keys, each after its length as eight bytes, big-endian. It reads
// everything, so it is for tests and auditors.
func Digest(r Reader) ([sha256.Size]byte, error) {
	h := sha256.New()
	var length [8]byte
	err := r.Scan(nil, func(key, value []byte) (bool, error) {
		for _, part := range [][]byte{key, value} {
			binary.BigEndian.PutUint64(length[:], uint64(len(part)))
			h.Write(length[:])
			h.Write(part)
		}
		return true, nil
	})
	if err != nil {
		return [sha256.Size]byte{}, fmt.Errorf("digesting the state: %w", err)
	}
	return [sha256.Size]byte(h.Sum(nil)), nil
}
